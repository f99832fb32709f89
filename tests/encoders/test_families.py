"""wav2vec2, HuBERT and WavLM: equality with transformers; streams equal the whole clip, in band and window mode."""

import dataclasses

import pytest
import torch

from emoface_training.config import EncoderConfig
from emoface_training.encoders.pretrained import calibrated, load_pretrained
from emoface_training.nn.attention import relative_bias
from emoface_training.nn.windowed import make_encoder

BAND = {"left": 9, "right": (1, 0, 2), "position_right": 2}
VARIANTS = [("layer", True), ("layer", False), ("group", False), ("group", True)]


def windowed(config: EncoderConfig, window: int, right: int, block: int) -> EncoderConfig:
    """The same encoder in windowed mode."""
    unlimited = {"left": None, "right": None, "position_right": None}
    return dataclasses.replace(config, **unlimited, window=window, window_right=right, window_block=block)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm"])
@pytest.mark.parametrize(("norm", "pre_norm"), VARIANTS)
def test_unlimited_equals_transformers(folders, speech, family, norm, pre_norm):
    folder, original = folders(family, norm, pre_norm)
    ours = load_pretrained(folder).eval()
    audio = torch.cat([speech, speech.flip(1)])
    with torch.no_grad():
        expected, got = original(audio).last_hidden_state, ours(audio)
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= 1e-5


def test_wavlm_beyond_its_exact_buckets(folders):
    """Few buckets, so that a second of audio reaches the logarithmic ones and the last."""
    folder, original = folders("wavlm", "layer", True, num_buckets=16, max_bucket_distance=20)
    audio = torch.randn(1, 320 * 60 + 80, generator=torch.Generator().manual_seed(1)) * 0.3
    with torch.no_grad():
        difference = load_pretrained(folder).eval()(audio) - original(audio).last_hidden_state
    assert difference.abs().max() <= 1e-5


def test_relative_bias_equals_transformers_buckets(folders):
    _, original = folders("wavlm")
    attention = original.encoder.layers[0].attention
    with torch.no_grad():
        expected = attention.compute_bias(900, 900)
        index = torch.arange(900)
        table = attention.rel_attn_embed.weight
        got = relative_bias(table, index[None] - index[:, None], attention.max_distance)
    assert torch.equal(got, expected)


def stream(encoder, audio, sizes):
    """Features of all blocks, the look-ahead dropped; `sizes` in features, the last one repeated."""
    state, outputs, start, sizes = encoder.initial_state(audio.shape[0]), [], 0, list(sizes)
    features = (audio.shape[1] - 80) // 320
    with torch.no_grad():
        while start < features:
            size = min(sizes.pop(0) if len(sizes) > 1 else sizes[0], features - start)
            out, state = encoder.step(audio[:, 320 * start : 320 * (start + size) + 80], state)
            assert out.shape[1] == size
            outputs.append(out)
            start += size
    return torch.cat(outputs, 1)[:, encoder.config.look_ahead :]


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm"])
@pytest.mark.parametrize(("norm", "pre_norm"), VARIANTS)
def test_band_streams_equal_the_whole_clip(folders, speech, family, norm, pre_norm):
    folder, _ = folders(family, norm, pre_norm)
    encoder = calibrated(load_pretrained(folder, **BAND), [speech[0]]).eval()
    with torch.no_grad():
        whole = encoder.whole(speech)
    for sizes in ((2,), (7, 1, 3, 12, 5)):
        got = stream(encoder, speech, sizes)
        assert (got - whole[:, : got.shape[1]]).abs().max() <= 2e-5


def band_by_transformers(model, audio, left, right, position_right):
    """The band computed with the layers of transformers and an additive mask per layer."""
    encoder, pre_norm = model.encoder, model.config.do_stable_layer_norm
    hidden = model.feature_projection(model.feature_extractor(audio).transpose(1, 2))
    hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    conv = encoder.pos_conv_embed.conv
    taps = conv.weight[..., : conv.weight.shape[-1] // 2 + 1 + position_right]
    padded = torch.nn.functional.pad(hidden.transpose(1, 2), (conv.weight.shape[-1] // 2, position_right))
    position = torch.nn.functional.conv1d(padded, taps, conv.bias, groups=conv.groups)
    hidden = hidden + torch.nn.functional.gelu(position).transpose(1, 2)
    hidden = hidden if pre_norm else encoder.layer_norm(hidden)
    index = torch.arange(hidden.shape[1])
    distance = index[None] - index[:, None]
    for layer, ahead in zip(encoder.layers, right, strict=True):
        mask = torch.where((distance >= -left) & (distance <= ahead), 0.0, -1e9)[None, None]
        hidden = layer(hidden, attention_mask=mask)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return encoder.layer_norm(hidden) if pre_norm else hidden


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
@pytest.mark.parametrize("pre_norm", [True, False])
def test_the_band_equals_masked_layers_of_transformers(folders, speech, family, pre_norm):
    folder, original = folders(family, "layer", pre_norm)
    encoder = load_pretrained(folder, **BAND).eval()
    with torch.no_grad():
        got = encoder.whole(speech)
        silence = torch.zeros(1, 320 * encoder.config.look_ahead)
        expected = band_by_transformers(original, torch.cat([speech, silence], 1), **BAND)
    assert (got - expected[:, : got.shape[1]]).abs().max() <= 1e-5


def test_the_gated_bias_matters(folders, speech):
    folder, _ = folders("wavlm")
    encoder = load_pretrained(folder, **BAND).eval()
    with torch.no_grad():
        before = encoder.whole(speech)
        encoder.encoder.layers[0].attention.rel_attn_embed.weight.zero_()
        assert (encoder.whole(speech) - before).abs().max() > 1e-2


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm"])
@pytest.mark.parametrize(("norm", "block", "right"), [("layer", 5, 3), ("group", 2, 6), ("group", 7, 0)])
def test_windowed_streams_equal_their_offline_reference(folders, speech, family, norm, block, right):
    folder, original = folders(family, norm, norm == "layer")
    encoder = load_pretrained(folder, window=30, window_right=right, window_block=block).eval()
    with torch.no_grad():
        whole = encoder.whole(speech)
    got = stream(encoder, torch.cat([speech, torch.zeros(1, 320 * 30)], 1), (block,))
    assert (got[:, : whole.shape[1]] - whole).abs().max() <= 1e-5
    # Each block is what transformers makes of its window alone
    index = 60 // block
    end = 320 * block * (index + 1)
    with torch.no_grad():
        window = original(speech[:, end - 320 * 30 : end + 80]).last_hidden_state
    first = block * index - right
    assert (whole[:, first : first + block] - window[:, 30 - right - block : 30 - right]).abs().max() <= 1e-5


def test_windowed_output_depends_on_no_sample_beyond_the_look_ahead(folders, speech):
    folder, _ = folders("hubert", "group", False)
    encoder = load_pretrained(folder, window=30, window_right=4, window_block=5).eval()
    changed = speech.clone()
    # Feature 20 comes with the block that ends with feature 24
    changed[:, 320 * 25 + 80 :] = 0.3
    with torch.no_grad():
        before, after = encoder.whole(speech), encoder.whole(changed)
    assert torch.equal(before[:, :21], after[:, :21])
    assert not torch.equal(before, after)


def test_windowed_state_is_pure(folders, speech):
    folder, _ = folders("wav2vec2", "group", False)
    encoder = load_pretrained(folder, window=20, window_right=2, window_block=4).eval()
    with torch.no_grad():
        _, state = encoder.step(speech[:, : 320 * 4 + 80], encoder.initial_state(1))
        kept = {name: tensor.clone() for name, tensor in state.items()}
        first, _ = encoder.step(speech[:, 320 * 4 : 320 * 8 + 80], state)
        second, _ = encoder.step(speech[:, 320 * 4 : 320 * 8 + 80], kept)
    assert torch.equal(first, second)
    assert all(torch.equal(state[name], kept[name]) for name in kept)


def test_modes_share_their_weights(folders):
    folder, _ = folders("wavlm")
    model = load_pretrained(folder)
    window = make_encoder(windowed(model.config, 40, 2, 5))
    window.load_state_dict(model.state_dict(), strict=True)
    assert dataclasses.replace(window.config, window=None, window_right=0) == model.config
