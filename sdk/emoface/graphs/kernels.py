"""Shapes of EmoFace's own operators where their kernels (csrc/onnxruntime) run in place of the file's functions."""

from __future__ import annotations

from emoface.graphs.call import Call, Tensor
from emoface.graphs.lengths import ONE, exactly
from emoface.graphs.rules import RULES


def stream_attention(call: Call) -> list[Tensor]:
    """query, ., keys, values -> y, new_keys, new_values."""
    return [Tensor(call.dims(0)), Tensor(call.dims(2)), Tensor(call.dims(3))]


def delay(call: Call) -> list[Tensor]:
    """x, ., waiting -> y, query, rest."""
    x, waiting = call.dims(0, 3), call.dims(2, 3)
    count = call.extent(exactly(call.integer("count")), "count")
    return [Tensor(x), Tensor(x), Tensor((x[0], count, *waiting[2:]))]


def grouped_convolution(call: Call) -> list[Tensor]:
    """x [B, T, D], weight [D, D / groups, K] -> [B, T - K + 1, D]."""
    x, weight = call.dims(0, 3), call.dims(1, 3)
    rows = call.lengths.add(call.lengths.subtract(x[1], weight[2]), ONE)
    return [Tensor((x[0], call.extent(rows, "rows"), *x[2:]))]


def unfold(call: Call) -> list[Tensor]:
    """x [B, T, C] -> [B, (T - kernel) / stride + 1, kernel C]."""
    x, lengths = call.dims(0, 3), call.lengths
    kernel = exactly(call.integer("kernel"))
    rows = lengths.divide(call.extent(lengths.subtract(x[1], kernel), "rows"), exactly(call.integer("stride")))
    width = call.extent(lengths.multiply(kernel, x[2]), "a width")
    return [Tensor((x[0], call.extent(lengths.add(rows, ONE), "rows"), width))]


def vertex_layer(call: Call) -> list[Tensor]:
    """audio [B, n, C], constants [delta, V, C] -> [B, n, V, C]."""
    x, constants = call.dims(0, 3), call.dims(1, 3)
    return [Tensor((x[0], x[1], constants[1], x[2]))]


def motion_head(call: Call) -> list[Tensor]:
    """emotion [B, n, R], content, weight [B, n, V] -> [B, n, V, 3], [B, n, R]."""
    return [Tensor((*call.dims(2, 3), exactly(3))), Tensor(call.dims(0))]


def spiral_convolution(call: Call) -> list[Tensor]:
    """x [B, n, V, C], partial, spiral, weight [C', .] -> [B, n, V, C'], partial."""
    x, weight = call.dims(0, 4), call.dims(3, 1)
    return [Tensor((*x[:3], weight[0])), Tensor(call.dims(1))]


RULES.update(
    {
        "stream_attention": stream_attention,
        "delay": delay,
        "grouped_convolution": grouped_convolution,
        "unfold": unfold,
        "vertex_layer": vertex_layer,
        "motion_head": motion_head,
        "spiral_convolution": spiral_convolution,
    }
)
