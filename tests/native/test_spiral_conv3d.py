"""Every executor of SpiralConv3D gives the same: errors against float64 at most twice those of plain PyTorch.

The error is the root mean square over all outputs; the largest single one, a matter of luck, may be three times that.
"""

import itertools

import numpy as np
import pytest
import torch
from spiral_forms import FORMS, SEPARABLE

from emoface_training.nn.spiral import build_spirals
from emoface_training.nn.spiral_op import spiral_conv3d_gather

# (dilation, kernel, delta): every row of Table 4 of the EmoFace paper.
TABLE_4 = [(1, 5, 3), (1, 9, 3), (1, 18, 3), (2, 18, 3), (4, 18, 3), (2, 18, 1), (2, 18, 2)]
# Cin, Cout: the layers of the paper at several widths, and odd ones.
CHANNELS = [(12, 12), (12, 1), (16, 1), (48, 2), (4, 4), (5, 3), (17, 21), (1, 1)]


def mesh(rows: int = 9, columns: int = 13):
    """A sheet of rows x columns vertices (117: no multiple of any vector)."""
    y, x = np.mgrid[:rows, :columns]
    corner = (y * columns + x)[:-1, :-1].ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + columns, corner + columns + 1], 1),
            np.stack([corner, corner + columns + 1, corner + 1], 1),
        ]
    )
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1).astype(float), faces


def case(spiral, channels, delta, batch, frames, seed=0):
    random = np.random.default_rng(seed)
    (vertices, kernel), (channels_in, channels_out) = spiral.shape, channels
    return (
        random.standard_normal((batch, frames, vertices, channels_in)).astype(np.float32),
        random.standard_normal((batch, delta - 1, vertices, channels_out)).astype(np.float32),
        spiral.astype(np.int32),
        random.standard_normal((channels_out, delta * kernel * channels_in)).astype(np.float32),
        random.standard_normal(channels_out).astype(np.float32),
        delta,
    )


def separable(form, arrays):
    """The arrays with x = audio + position, from the start of a stream, and the form's y."""
    x, partial, spiral, *rest = arrays
    # Multiples of 1 / 64: their sums are exact in float32, so that both sides have the same input
    audio, position = (np.round(64 * part) / 64 for part in (x[:, :, 0], x[0, 0]))
    y = SEPARABLE[form](audio, position, spiral, *rest)
    return (audio[:, :, None] + position, np.zeros_like(partial), spiral, *rest), [y]


def exact(x, partial, spiral, weight, bias, delta):
    doubles = [torch.from_numpy(a).double() for a in (x, partial)]
    rest = [torch.from_numpy(a).double() for a in (weight, bias)]
    return [t.numpy() for t in spiral_conv3d_gather(*doubles, torch.from_numpy(spiral), *rest, delta)]


def errors(got, want):
    """Root-mean-square and largest error over both outputs."""
    difference = np.concatenate([(g - w).ravel() for g, w in zip(got, want, strict=True)])
    return np.sqrt(np.mean(difference**2)), np.abs(difference).max()


@pytest.mark.parametrize("form", [*FORMS, *SEPARABLE])
@pytest.mark.parametrize(("dilation", "kernel", "delta"), TABLE_4)
def test_forms_agree(form, dilation, kernel, delta):
    vertices, faces = mesh()
    spiral = build_spirals(vertices, faces, kernel, dilation)
    for channels, (batch, frames) in itertools.product(CHANNELS, [(1, 1), (2, 3)]):
        arrays = case(spiral, channels, delta, batch, frames)
        if form in SEPARABLE:
            arrays, got = separable(form, arrays)
            want = exact(*arrays)[:1]
        else:
            want, got = exact(*arrays), FORMS[form](*arrays)
        assert [a.shape for a in got] == [a.shape for a in want]
        assert all(a.dtype == np.float32 for a in got)
        # Plain PyTorch can be right by chance: below one rounding of the largest value nothing is asked
        rounding = np.finfo(np.float32).eps * max(np.abs(a).max() for a in want if a.size)
        plain = errors(FORMS["torch gather"](*arrays)[: len(want)], want)
        mine = errors(got, want)
        assert mine[0] <= 2 * plain[0], (channels, batch, frames)
        assert mine[1] <= 3 * max(plain[1], rounding), (channels, batch, frames)


@pytest.mark.parametrize("form", [name for name in FORMS if name != "torch gather"])
@pytest.mark.parametrize("vertices", [1, 2, 31])
def test_forms_agree_on_few_vertices_and_odd_kernels(form, vertices):
    random = np.random.default_rng(vertices)
    for kernel, delta, channels in itertools.product([1, 7], [1, 3], [(12, 1), (3, 2)]):
        spiral = random.integers(0, vertices, (vertices, kernel))
        arrays = case(spiral, channels, delta, 1, 2)
        for got, want in zip(FORMS[form](*arrays), exact(*arrays), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("form", ["scalar", "avx2", "avx512", "custom op"])
def test_bits_do_not_depend_on_the_cut(form):
    """One call of six frames against calls of 1, 2 and 3: the same bits, sums owed included."""
    vertices, faces = mesh()
    x, partial, *rest = case(build_spirals(vertices, faces, 18, 2), (12, 1), 3, 2, 6)
    whole, owed = FORMS[form](x, partial, *rest)
    parts = []
    for start, stop in [(0, 1), (1, 3), (3, 6)]:
        part, partial = FORMS[form](np.ascontiguousarray(x[:, start:stop]), partial, *rest)
        parts.append(part)
    assert np.concatenate(parts, 1).tobytes() == whole.tobytes()
    assert partial.tobytes() == owed.tobytes()
