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


def spiral_conv3d_projected(
    x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int
) -> tuple[Tensor, Tensor]:
    """Project every vertex for every spiral position first, then sum the neighbours' projections.

    Equal to the gather up to rounding; moves delta * Cout / Cin of its memory and is differentiable without a
    scatter over unfolded neighbours.
    """
    batch, frames, vertices, channels_in = x.shape
    kernel = spiral.shape[1]
    channels_out = weight.shape[0]
    taps = weight.reshape(channels_out, delta, kernel, channels_in).permute(2, 1, 0, 3).reshape(-1, channels_in)
    columns = x.permute(2, 3, 0, 1).reshape(vertices, channels_in, batch * frames)
    projected = torch.matmul(taps, columns)  # [V, K * delta * Cout, B * n]
    table = projected.reshape(vertices * kernel, -1)
    rows = spiral.long() * kernel + torch.arange(kernel, device=spiral.device)
    summed = F.embedding_bag(rows, table, mode="sum")  # [V, delta * Cout * B * n]
    summed = summed.reshape(vertices, delta, channels_out, batch, frames).permute(1, 3, 4, 0, 2)
    return _overlap_add([summed[delta - 1 - age] for age in range(delta)], partial, bias)


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
def _(
    x: Tensor, partial: Tensor, spiral: Tensor, weight: Tensor, bias: Tensor, delta: int
) -> tuple[Tensor, Tensor]:
    return x.new_empty(*x.shape[:3], weight.shape[0]), torch.empty_like(partial)
