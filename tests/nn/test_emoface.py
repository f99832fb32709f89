"""Decoder exactness, FaceFormer equality while t <= window, the whole model in steps."""

import math

import pytest
import torch
from torch import nn

from emoface_training.config import DecoderConfig, EmoFaceConfig, EncoderConfig, MeshAttentionConfig
from emoface_training.errors import OptionsError
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.interpolation import features_needed, frame_count, interpolate

ENCODER = EncoderConfig(
    hidden_size=32,
    num_hidden_layers=2,
    intermediate_size=64,
    conv_dim=(16,) * 7,
    left=10,
    right=(1, 2),
    position_right=1,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4,
)


def model(rank: int | None = None, fusion: str = "mesh-attention", window: int = 20) -> EmoFace:
    torch.manual_seed(0)
    config = EmoFaceConfig(
        vertices=30,
        styles=("a", "b", "c"),
        content_encoder=ENCODER,
        emotion_encoder=ENCODER,
        mesh_attention=MeshAttentionConfig(kernel=5, dilation=1, fusion=fusion),
        decoder=DecoderConfig(width=16, window=window, motion_rank=rank, period=7, emotional_content=rank is not None),
    )
    basis = None if rank is None else torch.randn(rank, 90) * 0.01
    net = EmoFace(config, torch.randint(0, 30, (30, 5)), basis).eval()
    for branch in net.decoder.branches:
        nn.init.normal_(branch.motion_head.weight, std=0.2)
    return net


def conditions(batch: int = 2) -> dict[str, torch.Tensor]:
    return {
        "style": torch.eye(3)[:batch],
        "level": torch.eye(2)[:batch],
        "emotion_class": torch.eye(9)[3 : 3 + batch],
    }


@pytest.mark.parametrize("rank", [None, 6])
@pytest.mark.parametrize("fusion", ["mesh-attention", "add"])
def test_parallel_call_reproduces_its_own_autoregressive_motion(rank, fusion):
    net = model(rank, fusion)
    with torch.no_grad():
        content, emotion, _ = net.encode(torch.randn(2, 32000) * 0.1)
        weight = net.mesh_attention.whole(content, emotion)
        streamed = net.decode_autoregressive(content, emotion, weight, **conditions())
        parallel = net.decode_given(content, emotion, weight, net.decoder.motion_code(streamed), **conditions()).fused
    assert streamed.shape == (2, 60, 30, 3)
    assert (parallel - streamed).abs().max() <= 1e-5 * streamed.abs().max()


def test_fusion_is_the_weighted_sum_of_the_branches():
    net = model()
    with torch.no_grad():
        content, emotion, _ = net.encode(torch.randn(1, 16000) * 0.1)
        weight = net.mesh_attention.whole(content, emotion)
        out = net.decode_given(content, emotion, weight, torch.randn(1, 30, 90) * 0.1, **conditions(1))
    expected = weight[..., None] * out.emotion_branch + (1 - weight[..., None]) * out.content_branch
    assert (out.fused - expected).abs().max() <= 1e-6
    assert ((weight > 0) & (weight < 1)).all()


def faceformer_branch(branch, tokens: torch.Tensor, memory: torch.Tensor, period: int) -> torch.Tensor:
    """An independent FaceFormer layer: torch's own TransformerDecoderLayer with FaceFormer's masks."""
    width, heads = tokens.shape[-1], branch.heads
    layer = nn.TransformerDecoderLayer(width, heads, 2 * width, batch_first=True).eval()
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(branch.self_in.weight)
        layer.self_attn.in_proj_bias.copy_(branch.self_in.bias)
        layer.self_attn.out_proj.load_state_dict(branch.self_out.state_dict())
        layer.multihead_attn.in_proj_weight[2 * width :].copy_(branch.cross_value.weight)
        layer.multihead_attn.in_proj_bias[2 * width :].copy_(branch.cross_value.bias)
        layer.multihead_attn.out_proj.load_state_dict(branch.cross_out.state_dict())
        for name in ("linear1", "linear2", "norm1", "norm2", "norm3"):
            getattr(layer, name).load_state_dict(getattr(branch, name).state_dict())
    count = tokens.shape[1]
    slopes = [1 / 4, 1 / 16, 1 / 64, 1 / 256]
    bias = torch.full((heads, count, count), -math.inf)
    for h in range(heads):
        for i in range(count):
            for j in range(i + 1):
                bias[h, i, j] = -slopes[h] * ((i - j) // period)
    aligned = torch.full((count, count), -math.inf).fill_diagonal_(0.0)
    with torch.no_grad():
        return layer(tokens, memory, tgt_mask=bias.repeat(tokens.shape[0], 1, 1), memory_mask=aligned)


def test_decoder_layer_equals_faceformers_while_the_window_is_not_full():
    net = model(window=40)
    decoder, period = net.decoder, net.config.decoder.period
    features = torch.randn(2, 40, 32)
    tokens = torch.randn(2, 40, 2, 16)
    state = decoder.initial_state(2, cache=0)
    nothing = torch.zeros(2, 1, 2, 16)
    with torch.no_grad():
        hidden, _ = decoder._hidden(tokens, (features, features), nothing, state)
        position = decoder.positions[torch.arange(40) % period]
        for index, branch in enumerate(decoder.branches):
            memory = branch.audio_feature_map(features)
            expected = faceformer_branch(branch, tokens[:, :, index] + position, memory, period)
            assert (hidden[index] - expected).abs().max() <= 1e-5


def test_self_attention_forgets_beyond_its_window():
    net = model(window=6)
    decoder = net.decoder
    features, tokens = torch.randn(1, 12, 32), torch.randn(1, 12, 2, 16)
    changed = tokens.clone()
    changed[:, 5] += 1.0
    with torch.no_grad():
        state = decoder.initial_state(1, cache=0)
        nothing = torch.zeros(1, 1, 2, 16)
        before = decoder._hidden(tokens, (features, features), nothing, state)[0][0]
        after = decoder._hidden(changed, (features, features), nothing, state)[0][0]
    assert torch.equal(before[:, 11], after[:, 11])
    assert not torch.equal(before[:, 10], after[:, 10])


def test_first_token_is_the_conditions_alone():
    state = model().decoder.initial_state(2)
    assert state["feedback"].abs().max() == 0


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_interpolation_follows_absolute_time(fps):
    features = torch.arange(51, dtype=torch.float64)[None, :, None]
    frames = interpolate(features, fps, fps)[0, :, 0]
    assert torch.allclose(frames, torch.arange(fps, dtype=torch.float64) * 50 / fps, atol=1e-12)
    assert features_needed(fps, fps) == math.floor((fps - 1) * 50 / fps) + (2 if (fps - 1) * 50 % fps else 1)
    assert features_needed(0, fps) == 0


@pytest.mark.parametrize("samples", [0, 1, 533, 534, 16000, 16001, 123457])
def test_frame_count_is_the_floor(samples):
    assert frame_count(samples, 30) == math.floor(samples * 30 / 16000)


def test_running_emotion_probabilities_are_the_softmax_of_the_mean_so_far():
    net = model()
    audio = torch.randn(1, 320 * 30 + 80) * 0.1
    encoder = net.emotion_encoder
    state, emotion, probabilities = encoder.initial_state(1), [], []
    with torch.no_grad():
        for block in range(10):
            inputs = {"audio": audio[:, 960 * block : 960 * (block + 1) + 80], "speaker_mean": torch.zeros(1, 32)}
            out, state = encoder.step(inputs, state)
            emotion.append(out["emotion"])
            probabilities.append(out["probabilities"])
        emotion, probabilities = torch.cat(emotion, 1)[:, 4:], torch.cat(probabilities, 1)[:, 4:]
        for t in range(emotion.shape[1]):
            expected = torch.softmax(encoder.logits(emotion[:, : t + 1]), -1)
            assert (probabilities[:, t] - expected).abs().max() <= 1e-5


def test_configuration_round_trips_and_names_unknown_fields(tmp_path):
    config = model(6).config
    config.save(tmp_path / "config.json")
    assert EmoFaceConfig.load(tmp_path / "config.json") == config
    with pytest.raises(OptionsError, match="'widht'"):
        EmoFaceConfig.from_dict({"decoder": {"widht": 3}})
    with pytest.raises(OptionsError, match="multiple of 16"):
        EmoFaceConfig(content_encoder=EncoderConfig(hidden_size=40), emotion_encoder=EncoderConfig(hidden_size=40))


def test_listed_vertices_give_the_same_offsets_and_codes():
    net = model(4)
    vertices = torch.tensor([5, 1, 29, 12, 7])
    with torch.no_grad():
        content, emotion, _ = net.encode(torch.randn(1, 16000) * 0.1)
        weight, code = net.mesh_attention.whole(content, emotion), torch.randn(1, 30, 4)
        whole = net.decode_given(content, emotion, weight, code, **conditions(1))
        listed = net.decode_given(content, emotion, weight[:, :, vertices], code, **conditions(1), vertices=vertices)
        spanned = (code @ net.decoder.basis).unflatten(-1, (30, 3))[:, :, vertices]
        estimate = net.decoder.motion_code(spanned, vertices)
    for part, full in zip(listed, whole, strict=True):
        assert (part - full[:, :, vertices]).abs().max() <= 1e-6
    assert (estimate - code).abs().max() <= 1e-3
