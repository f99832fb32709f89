"""SpiralConv3D, the causal convolution over a mesh's spirals and the past frames (EmoFace paper, eqs. 1-3).

The streaming form: frames already seen are kept as partial sums owed to future frames, so a new frame is gathered
once, whatever delta is. With zero partial sums it is the general operator with causal zero padding.

Shapes: x [B, n, V, Cin], partial [B, delta - 1, V, Cout], spiral int32 [V, K], weight [Cout, delta * K * Cin] (oldest
frame first, then spiral position, then channel), bias [Cout] -> y [B, n, V, Cout], new partial.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def spiral_conv3d_gather(
    x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int
) -> tuple[Tensor, Tensor]:
    """The definition: gather the neighbours, multiply. The reference that every faster form is compared with."""
    vertices, kernel = spiral.shape
    channels_out, channels_in = weight.shape[0], x.shape[-1]
    neighbours = x[:, :, spiral.reshape(-1).long()].unflatten(2, (vertices, kernel)).flatten(3)
    taps = weight.reshape(channels_out, delta, kernel * channels_in)
    newest_first = [neighbours @ taps[:, delta - 1 - age].T for age in range(delta)]
    return _overlap_add(newest_first, partial, bias)


class _NeighbourSum(torch.autograd.Function):
    """sum_k taps[k] x[spiral[s, k]] for every listed vertex s: project each vertex for every k, then sum neighbours.

    One frame at a time, so that the projections stay in cache, and without a scatter in the backward pass, which
    sums over the transposed spirals instead. x [N, V, Cin], taps [K, F, Cin], spiral [S, K] -> [N, S, F].
    """

    @staticmethod
    def forward(ctx, x: Tensor, taps: Tensor, spiral: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        kernel, outputs = taps.shape[:2]
        x = x.contiguous()
        rows = spiral.long() * kernel + torch.arange(kernel, device=spiral.device)
        projection = taps.flatten(0, 1).T.contiguous()
        y = torch.empty(x.shape[0], spiral.shape[0], outputs, dtype=x.dtype, device=x.device)
        for frame in range(x.shape[0]):
            table = (x[frame] @ projection).view(-1, outputs)
            y[frame] = F.embedding_bag(rows, table, mode="sum")
        ctx.save_for_backward(x, taps, rows)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def]
        x, taps, rows = ctx.saved_tensors
        kernel = taps.shape[0]
        flat = rows.reshape(-1)
        listed = torch.argsort(flat, stable=True) // kernel
        counts = torch.bincount(flat, minlength=x.shape[1] * kernel)
        offsets = counts.cumsum(0) - counts
        back = taps.flatten(0, 1)
        gradient = gradient.contiguous()
        to_x, to_taps = torch.empty_like(x), torch.zeros_like(back)
        for frame in range(x.shape[0]):
            table = F.embedding_bag(listed, gradient[frame], offsets, mode="sum").view(x.shape[1], -1)
            to_x[frame] = table @ back
            to_taps += table.T @ x[frame]
        return to_x, to_taps.view_as(taps), None


def spiral_conv3d_projected(
    x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int
) -> tuple[Tensor, Tensor]:
    """The same by projecting every vertex for every spiral position first, then summing the neighbours' projections.

    Equal to the gather up to rounding; it moves delta * Cout / Cin of its memory and is the form that trains.
    `spiral` may list fewer vertices [S, K] than x has: then y and partial are [..., S, Cout] for those alone.
    """
    batch, frames, vertices, channels_in = x.shape
    channels_out = weight.shape[0]
    taps = weight.reshape(channels_out, delta, -1, channels_in).permute(2, 1, 0, 3).flatten(1, 2)
    summed = _NeighbourSum.apply(x.reshape(batch * frames, vertices, channels_in), taps, spiral)
    summed = summed.reshape(batch, frames, spiral.shape[0], delta, channels_out)
    return _overlap_add([summed[..., delta - 1 - age, :] for age in range(delta)], partial, bias)


def _overlap_add(newest_first: list[Tensor], partial: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """newest_first[age] [B, n, V, Cout]: what frame t gives to frame t + age."""
    delta = len(newest_first)
    frames = newest_first[0].shape[1]
    total = F.pad(partial, (0, 0, 0, 0, 0, frames))
    for age, contribution in enumerate(newest_first):
        total = total + F.pad(contribution, (0, 0, 0, 0, age, delta - 1 - age))
    return total[:, :frames] + bias, total[:, frames:]


@torch.library.custom_op("emoface::spiral_conv3d", mutates_args=())
def spiral_conv3d(
    x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int
) -> tuple[Tensor, Tensor]:
    """The operator as one node, for export (training uses `spiral_conv3d_projected`, which has gradients)."""
    y, new_partial = spiral_conv3d_projected(x, partial, spiral, weight, bias, delta)
    return y.contiguous(), new_partial.contiguous()


@spiral_conv3d.register_fake
def _(x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int) -> tuple[Tensor, Tensor]:
    return x.new_empty(*x.shape[:3], weight.shape[0]), torch.empty_like(partial)
