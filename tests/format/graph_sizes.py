"""Small graphs that ask for large tensors, and graphs that are fine."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from graph_building import (
    Case,
    N,
    graph,
    ints,
    scalar,
)
from onnx import TensorProto, numpy_helper

# What they make is never read: it would be made all the same. n is 1 to 32.
SHAPES = [ints("big", 1 << 20, 1 << 20), ints("two", 1, 1 << 15), ints("k", 1 << 15), ints("one", 1), scalar("zero", 0)]
SHAPES += [scalar("limit", 1 << 40), scalar("step", 1), ints("repeats", 1, 1 << 20, 1 << 10), ints("axis0", 0)]
SHAPES += [ints("around", 0, 0, 0, 0, 1 << 30, 0), ints("sizes", 1, 1 << 15, 1 << 15), scalar("depth", 1 << 30)]
SHAPES += [numpy_helper.from_array(np.zeros(2, np.float32), "values"), ints("column", 1 << 15, 1), ints("n_axis", 1)]
SHAPES += [numpy_helper.from_array(np.array([1, 1 << 14, 1 << 14], np.float32), "factors"), scalar("thousand", 33)]
# What they are used for is in their names. 2^14 x 2^14 is as large as a tensor may be.
SHAPES += [
    ints("wide", 1 << 24),
    ints("sizes4", 1 << 14, 1 << 14),
    ints("square", 1 << 13, 1 << 13),
    ints("thousand1", 1 << 10),
]
SHAPES += [numpy_helper.from_array(np.array(1 << 40, np.float32), "floats"), scalar("wrap", (1 << 62) + 5)]


def bomb(name: str, refused: str, *nodes: onnx.NodeProto) -> Case:
    used = {i for node in nodes for i in node.input}
    return Case(f"bomb_{name}", graph(*nodes, constants=[t for t in SHAPES if t.name in used]), refused)


def _doubling(op: str, count: int, *more: str, **attributes) -> list[onnx.NodeProto]:
    names = ["content", *(f"d{i}" for i in range(count))]
    twice = op == "Concat"
    return [N(op, [x, x] if twice else [x, *more], [y], y, **attributes) for x, y in itertools.pairwise(names)]


_N = [N("Shape", ["content"], ["n"], start=1, end=2)]
_LESS = [N("Squeeze", ["n", "axis0"], ["n0"]), N("Sub", ["thousand", "n0"], ["left"])]
BOMBS = (
    bomb("Expand", "node 'x' = a tensor of 1048576 x 1048576", N("Expand", ["zero", "big"], ["x"], "x")),
    bomb("ConstantOfShape", "node 'x' = a tensor of 1048576 x 1048576", N("ConstantOfShape", ["big"], ["x"], "x")),
    bomb("Tile", "node 'x' = a tensor of 1 x ", N("Tile", ["content", "repeats"], ["x"], "x")),
    bomb("Range", "node 'x' = a tensor of 1099511627776", N("Range", ["zero", "limit", "step"], ["x"], "x")),
    bomb("Pad", "node 'x' = a tensor of 1 x 1073741825", N("Pad", ["content", "around"], ["x"], "x")),
    bomb("Resize_sizes", "node 'x' = a tensor of 1 x 32768", N("Resize", ["content", "", "", "sizes"], ["x"], "x")),
    bomb("Resize_factors", "node 'x' = a tensor of 1 x ", N("Resize", ["content", "", "factors"], ["x"], "x")),
    bomb("OneHot", "node 'x' = a tensor of 1 x 1073741824", N("OneHot", ["one", "depth", "values"], ["x"], "x")),
    bomb(
        "broadcast_sum",
        "node 'x' = a tensor of 32768 x 32768",
        N("Expand", ["zero", "two"], ["a"]),
        N("Expand", ["zero", "column"], ["b"]),
        N("Add", ["a", "b"], ["x"], "x"),
    ),
    bomb(
        "outer_product",
        "node 'x' = a tensor of 32768 x 32768",
        N("Expand", ["zero", "two"], ["a"]),
        N("Expand", ["zero", "column"], ["b"]),
        N("MatMul", ["b", "a"], ["x"], "x"),
    ),
    bomb(
        "Einsum",
        "node 'x' = a tensor of 32768 x 32768",
        N("ConstantOfShape", ["k"], ["a"]),
        N("Einsum", ["a", "a"], ["x"], "x", equation="i,j->ij"),
    ),
    bomb("doubling", "node 'd20' = a tensor of 1 x ", *_doubling("Concat", 40, axis=1)),
    bomb("repeated_Tile", "node 'd0' = a tensor of 1 x ", *_doubling("Tile", 4, "repeats")),
    bomb(
        "repeated_Gather",
        "node 'x' = a tensor of 32768 x 32768",
        N("ConstantOfShape", ["k"], ["f"]),
        N("Cast", ["f"], ["i"], to=TensorProto.INT64),
        N("ConstantOfShape", ["two"], ["g"]),
        N("Gather", ["g", "i"], ["x"], "x", axis=0),
    ),
    # Small at the largest n and beyond all bounds below it
    bomb(
        "below_the_largest_n",
        "node 'x' = a tensor of 1 to 32 x 16777216",
        *_N,
        *_LESS,
        N("Unsqueeze", ["left", "axis0"], ["rows"]),
        N("Concat", ["rows", "wide"], ["s"], axis=0),
        N("ConstantOfShape", ["s"], ["x"], "x"),
    ),
    bomb(
        "size_by_data",
        "node 'x' (Expand) = a shape that the data decide",
        N("Cast", ["content"], ["c"], to=TensorProto.INT64),
        N("ReduceMax", ["c"], ["m"], keepdims=0),
        N("Unsqueeze", ["m", "axis0"], ["s"]),
        N("Expand", ["zero", "s"], ["x"], "x"),
    ),
    bomb(
        "range_by_data",
        "node 'x' (Range) = a range that the data decide",
        N("Cast", ["content"], ["c"], to=TensorProto.INT64),
        N("ReduceMax", ["c"], ["m"], keepdims=0),
        N("Range", ["zero", "m", "step"], ["x"], "x"),
    ),
    # 64-bit integers wrap around, and floats round: neither may hide a size
    bomb(
        "wrapped_sum",
        "node 'x' (ConstantOfShape) = an extent that the data decide",
        N("Add", ["wrap", "wrap"], ["a"]),
        N("Add", ["a", "wrap"], ["b"]),
        N("Add", ["b", "wrap"], ["s0"]),
        N("Unsqueeze", ["s0", "axis0"], ["s"]),
        N("ConstantOfShape", ["s"], ["x"], "x"),
    ),
    bomb(
        "rounded_float",
        "node 'x' (ConstantOfShape) = an extent that the data decide",
        *_N,
        N("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        N("Add", ["f", "floats"], ["a"]),
        N("Sub", ["a", "floats"], ["b"]),
        N("Cast", ["b"], ["s"], to=TensorProto.INT64),
        N("ConstantOfShape", ["s"], ["x"], "x"),
    ),
    bomb(
        "all_at_once",
        "node 'y3' = 1073742214 elements at one time",
        *(N("ConstantOfShape", ["sizes4"], [f"y{i}"], f"y{i}") for i in range(6)),
        N("Sum", [f"y{i}" for i in range(6)], ["x"], "sum"),
    ),
    bomb(
        "numbers_to_follow",
        "node 'm255' = more than 262144 numbers to follow",
        N("ConstantOfShape", ["thousand1"], ["m0"]),
        *(N("Add", [f"m{i}", "m0"], [f"m{i + 1}"], f"m{i + 1}") for i in range(400)),
    ),
    bomb(
        "work",
        "node 'm32' = 17",
        N("ConstantOfShape", ["square"], ["m0"]),
        *(N("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"], f"m{i + 1}") for i in range(40)),
    ),
)


def _weights(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def _accepted(name: str, *nodes: onnx.NodeProto, constants=(), domains=()) -> Case:
    return Case(f"accepted_{name}", graph(*nodes, constants=constants, domains=domains))


ACCEPTED = (
    _accepted(
        "GRU",
        N("GRU", ["content", "w", "r"], ["y", "h"], hidden_size=5),
        constants=[_weights("w", 1, 15, 6), _weights("r", 1, 15, 5)],
    ),
    _accepted(
        "LSTM",
        N("LSTM", ["content", "w", "r"], ["y", "", "c"], hidden_size=5, direction="bidirectional"),
        constants=[_weights("w", 2, 20, 6), _weights("r", 2, 20, 5)],
    ),
    _accepted("Einsum", N("Einsum", ["content", "content"], ["y"], equation="bik,bjk->bij")),
    _accepted("TopK", N("TopK", ["content", "k"], ["v", "i"], axis=2), constants=[ints("k", 2)]),
    _accepted(
        "NonZero",
        N("NonZero", ["content"], ["i"]),
        N("Transpose", ["i"], ["t"]),
        N("GatherND", ["content", "t"], ["y"]),
    ),
    _accepted(
        "quantised",
        N("DynamicQuantizeLinear", ["content"], ["q", "s1", "z"]),
        N("DequantizeLinear", ["q", "s1", "z"], ["y"]),
    ),
    _accepted(
        "windows",  # n + 2 rows in windows of 3 by Range and Gather, as exporters write unfolding
        N("Pad", ["content", "around"], ["p"]),
        N("Shape", ["p"], ["t"], start=1, end=2),
        N("Squeeze", ["t", "zero"], ["t0"]),
        N("Sub", ["t0", "two"], ["rows"]),
        N("Range", ["none", "rows", "step"], ["a"]),
        N("Range", ["none", "three", "step"], ["b"]),
        N("Unsqueeze", ["a", "axis1"], ["a1"]),
        N("Unsqueeze", ["b", "zero"], ["b1"]),
        N("Add", ["a1", "b1"], ["i"]),
        N("Gather", ["p", "i"], ["g"], axis=1),
        N("Unsqueeze", ["rows", "zero"], ["r1"]),
        N("Concat", ["axis1", "r1", "minus"], ["shape"], axis=0),
        N("Reshape", ["g", "shape"], ["y"]),
        constants=[
            ints("around", 0, 2, 0, 0, 0, 0),
            scalar("two", 2),
            scalar("none", 0),
            scalar("step", 1),
            scalar("three", 3),
        ],
    ),
    _accepted(
        "self_attention",
        N("Transpose", ["content"], ["k"], perm=[0, 2, 1]),
        N("MatMul", ["content", "k"], ["a"]),
        N("Softmax", ["a"], ["p"]),
        N("MatMul", ["p", "content"], ["y"]),
    ),
    _accepted(
        "causal_mask",
        *_N,
        N("Concat", ["n", "n"], ["nn"], axis=0),
        N("ConstantOfShape", ["nn"], ["m"]),
        N("Trilu", ["m"], ["y"], upper=0),
    ),
)
