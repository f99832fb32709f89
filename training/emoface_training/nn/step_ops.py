"""What the step functions do besides matrix products and SpiralConv3D, each as one operator for export.

Training and whole clips use the same sums in plain PyTorch, with gradients; a step that is exported calls these, so
that its graph has one node per idea, which a runtime may replace by a kernel of its own. The functions here are the
definitions that kernels and graph bodies are compared with.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.library.custom_op("emoface::stream_attention", mutates_args=())
def stream_attention(
    query: Tensor, projected: Tensor, keys: Tensor, values: Tensor, first: Tensor, table: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Attention of n queries over S cached and n new keys; the cache moves on by n rows.

    query [B, n, D], scaled; projected [B, n, 3 D]: query, key and value of the new rows; keys, values [B, H, S, D / H];
    first int64 [B]: index of the first new row in the stream (keys of negative index do not exist); table [1 or H,
    S + 2]: added to the score of query a and key j, entry j - a, or the last one where j - a is outside 0 ... S or
    the key does not exist. Returns y [B, n, D], new keys, new values.
    """
    n, heads, cache = query.shape[1], keys.shape[1], keys.shape[2]
    q, key, value = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, *projected.chunk(3, -1)[1:]))
    keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
    column = torch.arange(cache + n, device=first.device)
    distance = column[None] - torch.arange(n, device=first.device)[:, None]
    exists = (first[:, None] + column - cache) >= 0
    seen = ((distance >= 0) & (distance <= cache))[None] & exists[:, None]
    bias = table[:, torch.where(seen, distance, cache + 1)].transpose(0, 1)  # [B, 1 or H, n, S + n]
    attended = (q @ keys.transpose(-1, -2) + bias).softmax(-1) @ values
    return attended.transpose(1, 2).flatten(2).contiguous(), keys[:, :, n:].clone(), values[:, :, n:].clone()


@stream_attention.register_fake
def _(query: Tensor, projected: Tensor, keys: Tensor, values: Tensor, first: Tensor, table: Tensor):  # type: ignore[no-untyped-def]
    return torch.empty_like(query), torch.empty_like(keys), torch.empty_like(values)


@torch.library.custom_op("emoface::motion_head", mutates_args=())
def motion_head(emotion: Tensor, content: Tensor, weight: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Both branches' coordinates in one basis -> blended offsets, and the offsets' products with the basis.

    emotion, content [B, n, R], weight [B, n, V] of the emotion branch, basis [R, 3 V] -> [B, n, V, 3], [B, n, R].
    """
    a, b = ((code @ basis).unflatten(-1, (-1, 3)) for code in (content, emotion - content))
    offsets = a + weight[..., None] * b
    return offsets, offsets.flatten(2) @ basis.T


@motion_head.register_fake
def _(emotion: Tensor, content: Tensor, weight: Tensor, basis: Tensor):  # type: ignore[no-untyped-def]
    return weight.new_empty(*weight.shape, 3), torch.empty_like(emotion)


@torch.library.custom_op("emoface::grouped_conv", mutates_args=())
def grouped_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution over time in groups of channels: x [B, T, D], weight [D, D / groups, K] -> [B, T - K + 1, D]."""
    groups = weight.shape[0] // weight.shape[1]
    return F.conv1d(x.transpose(1, 2), weight, bias, groups=groups).transpose(1, 2).contiguous()


@grouped_conv.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1] - weight.shape[2] + 1, x.shape[2])


@torch.library.custom_op("emoface::vertex_layer", mutates_args=())
def vertex_layer(audio: Tensor, constants: Tensor, available: Tensor) -> Tensor:
    """ELU(audio + constants[available]): audio [B, n, C], constants [delta, V, C], available [B, n] -> [B, n, V, C]."""
    return F.elu(audio[:, :, None] + constants[available])


@vertex_layer.register_fake
def _(audio: Tensor, constants: Tensor, available: Tensor) -> Tensor:
    return audio.new_empty(*audio.shape[:2], constants.shape[1], audio.shape[2])


@torch.library.custom_op("emoface::unfold", mutates_args=())
def unfold(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Windows of `kernel` rows side by side: x [B, T, C] -> [B, (T - kernel) // stride + 1, kernel * C]."""
    return x.unfold(1, kernel, stride).transpose(2, 3).flatten(2).contiguous()


@unfold.register_fake
def _(x: Tensor, kernel: int, stride: int) -> Tensor:
    return x.new_empty(x.shape[0], (x.shape[1] - kernel) // stride + 1, kernel * x.shape[2])


@torch.library.custom_op("emoface::delay", mutates_args=())
def delay(x: Tensor, projected: Tensor, waiting: Tensor, start: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and their queries leave `count` rows after they came.

    x [B, n, D]; projected [B, n, 3 D], its first D columns the queries; waiting [B, R, 2 D], of which rows start ...
    start + count - 1 wait here. Returns rows and queries that leave [B, n, D], and what waits now [B, count, 2 D].
    """
    n, width = x.shape[1:]
    rows = torch.cat([waiting[:, start : start + count], torch.cat([x, projected[..., :width]], -1)], 1)
    return rows[:, :n, :width].clone(), rows[:, :n, width:].clone(), rows[:, n:].clone()


@delay.register_fake
def _(x: Tensor, projected: Tensor, waiting: Tensor, start: int, count: int):  # type: ignore[no-untyped-def]
    return torch.empty_like(x), torch.empty_like(x), x.new_empty(x.shape[0], count, 2 * x.shape[2])
