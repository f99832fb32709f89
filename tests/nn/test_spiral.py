"""Spiral order, SpiralConv3D in its forms, and the exactness of Mesh Attention's shortcuts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_training.config import EmoFaceConfig, EncoderConfig, MeshAttentionConfig
from emoface_training.nn.mesh_attention import MeshAttention
from emoface_training.nn.spiral import build_spirals
from emoface_training.nn.spiral_op import spiral_conv3d, spiral_conv3d_gather, spiral_conv3d_projected


def grid(rows: int, columns: int):
    y, x = np.mgrid[:rows, :columns]
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(rows * columns)], 1).astype(float)
    faces = []
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, b, d, e = r * columns + c, r * columns + c + 1, (r + 1) * columns + c, (r + 1) * columns + c + 1
            faces += [(a, b, e), (a, e, d)]
    return vertices, np.array(faces)


def test_interior_ring_is_clockwise_from_the_follower_in_the_last_face():
    vertices, faces = grid(3, 3)
    spiral = build_spirals(vertices, faces, 7, 1)[4]
    last = [f for f in faces.tolist() if 4 in f][-1]
    follower = last[(last.index(4) + 1) % 3]
    assert spiral[0] == 4
    assert spiral[1] == follower
    angles = np.unwrap(np.arctan2(*(vertices[spiral[1:]] - vertices[4])[:, 1::-1].T))
    assert (np.diff(angles) < 0).all()


def test_boundary_ring_starts_at_the_neighbour_that_only_precedes():
    vertices, faces = grid(3, 3)
    spiral = build_spirals(vertices, faces, 4, 1)[1]
    follows = {f[(f.index(1) + 1) % 3] for f in faces.tolist() if 1 in f}
    precedes = {f[(f.index(1) + 2) % 3] for f in faces.tolist() if 1 in f}
    assert set(spiral[1:].tolist()) <= follows | precedes
    assert spiral[1] in precedes - follows


def test_rings_follow_each_other_and_dilation_strides():
    vertices, faces = grid(7, 7)
    full = build_spirals(vertices, faces, 36, 1)
    strided = build_spirals(vertices, faces, 18, 2)
    assert np.array_equal(strided, full[:, ::2])
    centre = full[24]
    rings = [max(abs(v // 7 - 3), abs(v % 7 - 3)) for v in centre.tolist()]
    assert len(set(centre.tolist())) == 36
    assert rings[0] == 0 and rings[:7].count(1) >= 6


def test_small_components_have_entries_enough():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 0, 0], [9, 1, 0], [9, 0, 1.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    spirals = build_spirals(vertices, faces, 6, 1)
    assert sorted(spirals[0].tolist()) == list(range(6))
    assert sorted(build_spirals(vertices, faces, 10, 1)[0].tolist())[0] == 0


def test_faces_outside_the_vertices_are_refused():
    with pytest.raises(ValueError, match="there are 3 vertices"):
        build_spirals(np.zeros((3, 3)), np.array([[0, 1, 7]]), 4, 1)


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 5),
    vertices=st.integers(1, 23),
    kernel=st.sampled_from([1, 5, 9, 18]),
    delta=st.integers(1, 3),
    channels=st.sampled_from([(1, 1), (3, 5), (12, 1)]),
)
def test_forms_agree(batch, frames, vertices, kernel, delta, channels):
    torch.manual_seed(7)
    channels_in, channels_out = channels
    x = torch.randn(batch, frames, vertices, channels_in, dtype=torch.float64)
    partial = torch.randn(batch, delta - 1, vertices, channels_out, dtype=torch.float64)
    spiral = torch.randint(0, vertices, (vertices, kernel), dtype=torch.int32)
    weight = torch.randn(channels_out, delta * kernel * channels_in, dtype=torch.float64)
    bias = torch.randn(channels_out, dtype=torch.float64)
    expected = spiral_conv3d_gather(x, partial, spiral, weight, bias, delta)
    for form in (spiral_conv3d_projected, spiral_conv3d):
        for got, want in zip(form(x, partial, spiral, weight, bias, delta), expected, strict=True):
            assert got.shape == want.shape
            assert (got - want).abs().max().item() <= 1e-10 if want.numel() else True


def test_definition_by_hand():
    """y[t, v] = b + sum over age, spiral position and channel, written as plain loops."""
    torch.manual_seed(0)
    delta, kernel, channels_in, channels_out, frames, vertices = 3, 4, 2, 3, 5, 6
    x = torch.randn(1, frames, vertices, channels_in, dtype=torch.float64)
    spiral = torch.randint(0, vertices, (vertices, kernel), dtype=torch.int32)
    weight = torch.randn(channels_out, delta * kernel * channels_in, dtype=torch.float64)
    bias = torch.randn(channels_out, dtype=torch.float64)
    taps = weight.reshape(channels_out, delta, kernel, channels_in)
    y, _ = spiral_conv3d_gather(x, x.new_zeros(1, delta - 1, vertices, channels_out), spiral, weight, bias, delta)
    for t in range(frames):
        for v in range(vertices):
            want = bias.clone()
            for age in range(delta):
                if t - age >= 0:
                    for k in range(kernel):
                        want += taps[:, delta - 1 - age, k] @ x[0, t - age, spiral[v, k]]
            assert torch.allclose(y[0, t, v], want, atol=1e-12)


def attention(delta: int = 3, kernel: int = 9, vertices: int = 21) -> MeshAttention:
    torch.manual_seed(1)
    config = EmoFaceConfig(
        vertices=vertices,
        content_encoder=EncoderConfig(hidden_size=64),
        emotion_encoder=EncoderConfig(hidden_size=64),
        mesh_attention=MeshAttentionConfig(kernel=kernel, dilation=1, delta=delta),
    )
    return MeshAttention(config, torch.randint(0, vertices, (vertices, kernel))).double().eval()


@pytest.mark.parametrize(("dilation", "kernel", "delta"), [(1, 5, 3), (1, 18, 3), (2, 18, 1), (2, 18, 2), (4, 18, 3)])
def test_mesh_attention_equals_the_papers_formula(dilation, kernel, delta):
    """Generic operator, ELU, two logits, softmax against the separable layer, logit difference, sigmoid."""
    model = attention(delta, kernel)
    content, emotion = torch.randn(2, 6, 64, dtype=torch.float64), torch.randn(2, 6, 64, dtype=torch.float64)
    x = model.audio_features(content, emotion)[:, :, None] + model.position

    def generic(layer, x):
        zeros = x.new_zeros(2, delta - 1, 21, layer.weight.shape[0])
        return spiral_conv3d_gather(x, zeros, layer.spiral, layer.weight, layer.bias, delta)[0]

    logits = generic(model.second, torch.nn.functional.elu(generic(model.first, x)))
    expected = torch.softmax(logits, -1)[..., 0]
    assert (model.whole(content, emotion) - expected).abs().max() <= 1e-12
    assert (model.freeze().whole(content, emotion) - expected).abs().max() <= 1e-12


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mesh_attention_in_steps_equals_the_whole_clip(size):
    model = attention()
    content, emotion = torch.randn(2, 11, 64, dtype=torch.float64), torch.randn(2, 11, 64, dtype=torch.float64)
    whole = model.whole(content, emotion)
    state, parts = model.initial_state(2), []
    for start in range(0, 11, size):
        inputs = {"content": content[:, start : start + size], "emotion": emotion[:, start : start + size]}
        out, state = model.step(inputs, state)
        parts.append(out["emotion_weight"])
    assert (torch.cat(parts, 1) - whole).abs().max() <= 1e-12


def test_projected_form_has_the_gathers_gradients():
    torch.manual_seed(2)
    spiral = torch.randint(0, 9, (9, 5), dtype=torch.int32)
    arguments = [
        torch.randn(2, 4, 9, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 2, 9, 2, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 45, dtype=torch.float64, requires_grad=True),
        torch.randn(2, dtype=torch.float64, requires_grad=True),
    ]

    def gradients(form):
        x, partial, weight, bias = arguments
        y, rest = form(x, partial, spiral, weight, bias, 3)
        return torch.autograd.grad(y.square().sum() + rest.sin().sum(), arguments)

    for got, want in zip(gradients(spiral_conv3d_projected), gradients(spiral_conv3d_gather), strict=True):
        assert (got - want).abs().max() <= 1e-10


def test_weights_at_listed_vertices_are_those_of_the_whole_mesh():
    model = attention()
    content, emotion = torch.randn(2, 6, 64, dtype=torch.float64), torch.randn(2, 6, 64, dtype=torch.float64)
    vertices = torch.tensor([3, 0, 17])
    listed = model.whole(content, emotion, vertices)
    assert (listed - model.whole(content, emotion)[:, :, vertices]).abs().max() <= 1e-12
