"""The band encoder against itself in small steps, its look-ahead, and a folder turned into a band."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2Config, Wav2Vec2Model

from emoface_training.config import EncoderConfig
from emoface_training.encoders.pretrained import calibrated, load_pretrained
from emoface_training.errors import EncoderStatisticsError
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2
from tiny import TINY_WAV2VEC2


def save_original(folder: Path, norm: str, pre_norm: bool, bias: bool):
    torch.manual_seed(3)
    config = Wav2Vec2Config(**TINY_WAV2VEC2, feat_extract_norm=norm, do_stable_layer_norm=pre_norm, conv_bias=bias)
    model = Wav2Vec2Model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.save_pretrained(folder)
    return model


def band_encoder(norm: str = "layer", pre_norm: bool = True) -> StreamingWav2Vec2:
    torch.manual_seed(5)
    config = EncoderConfig(
        **TINY_WAV2VEC2,
        feat_extract_norm=norm,
        do_stable_layer_norm=pre_norm,
        group_norm_statistics="fixed",
        left=9,
        right=(1, 0, 2),
        position_right=2,
    )
    return StreamingWav2Vec2(config).eval()


def stream(encoder: StreamingWav2Vec2, audio: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    state, outputs, start = encoder.initial_state(audio.shape[0]), [], 0
    features = (audio.shape[1] - 80) // 320
    with torch.no_grad():
        for size in sizes:
            size = min(size, features - start)
            if size == 0:
                break
            out, state = encoder.step(audio[:, 320 * start : 320 * (start + size) + 80], state)
            outputs.append(out)
            start += size
    return torch.cat(outputs, 1)[:, encoder.config.look_ahead :]


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=40, max_size=40),
    norm=st.sampled_from(["layer", "group"]),
    pre_norm=st.booleans(),
)
def test_any_block_sizes_equal_the_whole_clip(sizes, norm, pre_norm):
    encoder = band_encoder(norm, pre_norm)
    audio = torch.randn(2, 320 * 40 + 80) * 0.3
    with torch.no_grad():
        whole = encoder.whole(audio)
    silence = torch.zeros(2, 320 * encoder.config.look_ahead)
    streamed = stream(encoder, torch.cat([audio, silence], 1), sizes)
    assert (streamed - whole[:, : streamed.shape[1]]).abs().max() <= 2e-5


def test_long_stream_stays_equal_to_the_whole_clip():
    encoder = band_encoder()
    audio = torch.randn(1, 320 * 600 + 80) * 0.3
    with torch.no_grad():
        whole = encoder.whole(audio)
    streamed = stream(encoder, audio, [2] * 300)
    assert (streamed - whole[:, : streamed.shape[1]]).abs().max() <= 2e-5


def test_output_depends_on_no_sample_beyond_the_look_ahead():
    encoder = band_encoder()
    look_ahead = encoder.config.look_ahead
    audio = torch.randn(1, 320 * 30 + 80) * 0.3
    changed = audio.clone()
    feature = 12
    changed[:, 320 * (feature + look_ahead) + 400 :] = 0.7
    with torch.no_grad():
        before, after = encoder.whole(audio), encoder.whole(changed)
    assert torch.equal(before[:, : feature + 1], after[:, : feature + 1])
    assert not torch.equal(before, after)


def test_band_mode_of_a_pretrained_folder_keeps_its_weights(tmp_path):
    save_original(tmp_path, "layer", True, True)
    full = load_pretrained(tmp_path)
    band = load_pretrained(tmp_path, left=20, right=(1, 1, 1), position_right=0)
    assert band.config.look_ahead == 3
    taps = band.encoder.pos_conv_embed.weight
    assert torch.equal(taps, full.encoder.pos_conv_embed.weight[..., : taps.shape[-1]])


def test_calibrated_group_norm_streams(tmp_path):
    save_original(tmp_path, "group", False, False)
    band = load_pretrained(tmp_path, left=20, right=(1, 1, 1), position_right=0)
    with pytest.raises(EncoderStatisticsError, match="cannot stream"):
        band.initial_state(1)
    audio = torch.randn(2, 16080) * 0.3
    fixed = calibrated(band, list(audio))
    with torch.no_grad():
        first = fixed.feature_extractor.conv_layers[0].conv(audio[:, :, None])
    layer = fixed.feature_extractor.conv_layers[0]
    assert torch.allclose(layer.mean, first.mean((0, 1)), atol=1e-6)
    assert torch.allclose(layer.variance, first.var((0, 1), unbiased=False), atol=1e-6)
    assert fixed.initial_state(1)["position"].tolist() == [0]
