"""Dropout, LayerDrop and SpecAugment against `transformers`, decoder dropout against PyTorch's decoder layer.

A chance of 1 leaves nothing to chance: each place where something is dropped is compared exactly.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from emoface_training.config import DecoderConfig, EncoderConfig
from emoface_training.encoders.pretrained import load_pretrained
from emoface_training.errors import OptionsError
from emoface_training.nn.motion_decoder import BranchDecoder
from emoface_training.nn.regularisation import span_mask
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2
from tiny import TINY_WAV2VEC2, tiny_config

SITES = ("feat_proj_dropout", "hidden_dropout", "attention_dropout", "activation_dropout", "layerdrop")
SOME = dict.fromkeys(SITES, 0.2) | {"mask_time_prob": 0.4, "mask_time_length": 3, "mask_feature_prob": 0.2}
OFF = dict.fromkeys(SITES, 0.0) | {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
MASKS = {"mask_time_prob": 1.0, "mask_time_length": 1}, {"mask_feature_prob": 1.0, "mask_feature_length": 1}


def original(changes: dict, pre_norm: bool) -> Wav2Vec2Model:
    torch.manual_seed(3)
    config = Wav2Vec2Config(
        **TINY_WAV2VEC2 | OFF | changes,
        feat_extract_norm="layer" if pre_norm else "group",
        do_stable_layer_norm=pre_norm,
        attn_implementation="eager",
    )
    model = Wav2Vec2Model(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("changes", [*({site: 1.0} for site in SITES), *MASKS], ids=lambda c: next(iter(c)))
def test_what_is_dropped_is_what_transformers_drops(tmp_path, changes: dict, pre_norm: bool) -> None:
    theirs = original(changes, pre_norm)
    theirs.save_pretrained(tmp_path)
    ours = load_pretrained(tmp_path, **changes)
    audio = torch.randn(2, 320 * 20 + 80) * 0.3
    with torch.no_grad():
        plain = ours.eval()(audio)
        expected, got = theirs.train()(audio).last_hidden_state, ours.train()(audio)
    assert (got - expected).abs().max() <= 2e-5
    assert (got - plain).abs().max() > 1e-2


def test_spans_are_as_many_and_as_long_as_those_of_transformers() -> None:
    shape, draws = (100, 0.4, 7), 600
    generator = np.random.default_rng(0)
    ours = np.stack([span_mask(generator, *shape, 2) for _ in range(draws)])
    np.random.seed(0)
    theirs = np.concatenate([_compute_mask_indices((1, shape[0]), *shape[1:], min_masks=2) for _ in range(draws)])
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.03)
    assert ours.sum(1).std() == pytest.approx(theirs.sum(1).std(), rel=0.15)
    np.testing.assert_allclose(ours.mean(0)[10:90], theirs.mean(0)[10:90], atol=0.12)
    assert not span_mask(generator, 4, 0.9, 5, 2).any()
    assert span_mask(generator, 40, 0.0, 5, 2).sum() in range(6, 11)


def band(**changes: object) -> StreamingWav2Vec2:
    torch.manual_seed(5)
    return StreamingWav2Vec2(EncoderConfig(**TINY_WAV2VEC2, left=9, right=(1, 0, 2), position_right=2, **changes))


def test_a_layer_left_out_still_waits_for_its_look_ahead() -> None:
    encoder = band(layerdrop=1.0).train()
    audio = torch.randn(1, 320 * 30 + 80) * 0.3
    with torch.no_grad():
        got = encoder.whole(audio)
        padded = torch.cat([audio, torch.zeros(1, 320 * encoder.config.look_ahead)], 1)
        x = encoder.feature_projection(encoder.local_features(padded))
        position = encoder.encoder.pos_conv_embed
        x = x + position(torch.nn.functional.pad(x, (0, 0, position.left, position.right)))
    assert (got - encoder.encoder.layer_norm(x)[:, :30]).abs().max() <= 1e-5


def test_a_clip_is_treated_alike_in_any_batch() -> None:
    encoder = band(**SOME).train()
    audio = torch.randn(3, 320 * 30 + 80) * 0.3

    def heard(seed: int, clips: list[int]) -> torch.Tensor:
        encoder.noise.begin(seed, clips)
        with torch.no_grad():
            return encoder.whole(audio[clips])

    whole = heard(7, [0, 1, 2])
    assert torch.equal(whole, heard(7, [0, 1, 2]))
    assert (torch.cat([heard(7, [0, 1]), heard(7, [2])]) - whole).abs().max() <= 1e-5
    assert (heard(8, [0, 1, 2]) - whole).abs().max() > 1e-2
    encoder.noise.begin(7, [0])
    with torch.no_grad():
        first, again = encoder.whole(audio[:1]), encoder.whole(audio[:1])
    assert (first - again).abs().max() > 1e-2  # another pass, other noise


def test_evaluation_and_weights_know_nothing_of_it() -> None:
    plain, encoder = band().eval(), band(**SOME).eval()
    weights = dict(encoder.state_dict())
    assert weights.pop("masked_spec_embed").shape == (32,)
    plain.load_state_dict(weights, strict=True)
    audio = torch.randn(2, 320 * 20 + 80) * 0.3
    with torch.no_grad():
        assert torch.equal(plain.whole(audio), encoder.whole(audio))
        assert torch.equal(plain.train().whole(audio), encoder.whole(audio))  # chances of 0 draw nothing


def test_a_folder_without_the_masks_vector_begins_with_our_own(tmp_path) -> None:
    original({}, True).save_pretrained(tmp_path)
    assert load_pretrained(tmp_path, mask_time_prob=0.1).masked_spec_embed.shape == (32,)
    theirs = original({"mask_time_prob": 0.1}, True)
    theirs.save_pretrained(tmp_path)
    assert torch.equal(load_pretrained(tmp_path, mask_time_prob=0.1).masked_spec_embed, theirs.masked_spec_embed)


@pytest.mark.parametrize("changes", [{"hidden_dropout": 1.5}, {"layerdrop": -0.1}, {"mask_time_length": 0}])
def test_what_is_no_chance_is_named(changes: dict) -> None:
    with pytest.raises(OptionsError, match=next(iter(changes))):
        EncoderConfig(**changes)
    with pytest.raises(OptionsError, match="attention_dropout 2"):
        DecoderConfig(attention_dropout=2)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_attention_of_the_decoder_is_dropped_as_pytorchs_layer_does(chance: float) -> None:
    torch.manual_seed(2)
    config = tiny_config()
    config = dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, dropout=0.0))
    config = dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, attention_dropout=chance))
    branch, width, heads = BranchDecoder(config, 12, False).train(), config.decoder.width, config.decoder.heads
    layer = nn.TransformerDecoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True).train()
    for attention in (layer.self_attn, layer.multihead_attn):
        attention.dropout = chance
    with torch.no_grad():
        for parameter in branch.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        layer.self_attn.in_proj_weight.copy_(branch.self_in.weight)
        layer.self_attn.in_proj_bias.copy_(branch.self_in.bias)
        layer.multihead_attn.in_proj_weight[2 * width :].copy_(branch.cross_value.weight)
        layer.multihead_attn.in_proj_bias[2 * width :].copy_(branch.cross_value.bias)
        pairs = [(layer.self_attn.out_proj, branch.self_out), (layer.multihead_attn.out_proj, branch.cross_out)]
        pairs += [(getattr(layer, n), getattr(branch, n)) for n in ("linear1", "linear2", "norm1", "norm2", "norm3")]
        for theirs, ours in pairs:
            theirs.load_state_dict(ours.state_dict())
        tokens, features = torch.randn(2, 6, width), torch.randn(2, 6, config.width)
        bias = torch.full((6, 6), -1e9).triu(1)
        nothing = torch.zeros(2, heads, 0, width // heads)
        got, _, _ = branch(tokens, features, nothing, nothing, bias.expand(2, heads, 6, 6))
        aligned = torch.full((6, 6), -1e9).fill_diagonal_(0.0)
        expected = layer(tokens, branch.audio_feature_map(features), bias, aligned)
    assert (got - expected).abs().max() <= 1e-5


def test_positions_are_followed_by_dropout_where_it_is_asked_for() -> None:
    config = tiny_config()
    chances = []
    for chance in (None, 0.25):
        decoder = dataclasses.replace(config.decoder, position_dropout=chance)
        branch = BranchDecoder(dataclasses.replace(config, decoder=decoder), 12, False).train()
        torch.manual_seed(0)
        chances.append(float((branch.token_dropout(torch.ones(1, 500, 20)) == 0).float().mean()))
    assert chances[0] == 0.0 and chances[1] == pytest.approx(0.25, abs=0.02)
