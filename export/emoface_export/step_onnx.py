"""The operators of `emoface_training.nn.step_ops` in ONNX: schemas, translations, and bodies in standard operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx import defs
from onnxscript import opset18 as op
from onnxscript import script, values

DOMAIN = "emoface"
_EMOFACE = values.Opset(DOMAIN, 1)
_PARAMETER = defs.OpSchema.FormalParameter

# operator -> (documentation, inputs, outputs); "I" marks int64 tensors, all others share one type
_OPERATORS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "StreamAttention": (
        "Attention of n queries over S cached and n new keys; the cache moves on by n rows.",
        {
            "query": "[B, n, H * d], scaled",
            "projected": "[B, n, 3 * H * d]: query, key and value of the new rows",
            "keys": "[B, H, S, d]",
            "values": "[B, H, S, d]",
            "first": "I[B], index of the first new row in the stream; keys of negative index do not exist",
            "table": "[1 or H, S + 2], added to the score of query a and key j: entry j - a, else the last",
        },
        {"y": "[B, n, H * d]", "new_keys": "as keys", "new_values": "as values"},
    ),
    "MotionHead": (
        "Offsets of two branches in one motion basis, blended per vertex, and their products with the basis.",
        {"emotion": "[B, n, R]", "content": "[B, n, R]", "weight": "[B, n, V]", "basis": "[R, 3 * V]"},
        {"offsets": "[B, n, V, 3]", "products": "[B, n, R]"},
    ),
    "GroupedConv": (
        "Convolution over time in groups of channels.",
        {"x": "[B, T, D]", "weight": "[D, D / groups, K]", "bias": "[D]"},
        {"y": "[B, T - K + 1, D]"},
    ),
    "VertexLayer": (
        "ELU of a frame's part and a vertex's part for the number of past frames there are.",
        {"audio": "[B, n, C]", "constants": "[delta, V, C]", "available": "I[B, n]"},
        {"y": "[B, n, V, C]"},
    ),
    "Unfold": (
        "Windows of `kernel` rows, `stride` apart, side by side.",
        {"x": "[B, T, C]"},
        {"y": "[B, (T - kernel) / stride + 1, kernel * C]"},
    ),
    "Delay": (
        "Rows and their queries leave `count` rows after they came.",
        {"x": "[B, n, D]", "projected": "[B, n, 3 * D], queries first", "waiting": "[B, R, 2 * D]"},
        {"y": "[B, n, D]", "query": "[B, n, D]", "rest": "[B, count, 2 * D], what waits now"},
    ),
}
_INTEGERS = {
    "GroupedConv": {"groups": "groups of channels"},
    "Unfold": {"kernel": "rows of a window", "stride": "rows from one window to the next"},
    "Delay": {"start": "first row of `waiting` that waits here", "count": "rows that wait here"},
}


def _schema(name: str) -> defs.OpSchema:
    text, inputs, outputs = _OPERATORS[name]
    attribute = defs.OpSchema.Attribute
    attributes = {
        # With it TensorRT's parser prefers a loaded plugin to the function body.
        "plugin_namespace": attribute("plugin_namespace", defs.OpSchema.AttrType.STRING, "of a plugin", required=False)
    }
    for key, about in _INTEGERS.get(name, {}).items():
        attributes[key] = attribute(key, defs.OpSchema.AttrType.INT, about, required=True)
    return defs.OpSchema(
        name,
        DOMAIN,
        1,
        doc=text,
        inputs=[_PARAMETER(key, "tensor(int64)" if about[0] == "I" else "T", about) for key, about in inputs.items()],
        outputs=[_PARAMETER(key, "T", about) for key, about in outputs.items()],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "values")],
        attributes=list(attributes.values()),
    )


for _name in _OPERATORS:
    if not defs.has(_name, DOMAIN):
        defs.register_schema(_schema(_name))

_OPERATIONS = {name: values.Op(_EMOFACE, name, _schema(name)) for name in _OPERATORS}


def _stream_attention(query: Any, projected: Any, keys: Any, values: Any, first: Any, table: Any) -> Any:
    return _OPERATIONS["StreamAttention"](query, projected, keys, values, first, table)


def _motion_head(emotion: Any, content: Any, weight: Any, basis: Any) -> Any:
    return _OPERATIONS["MotionHead"](emotion, content, weight, basis)


def _grouped_conv(x: Any, weight: Any, bias: Any) -> Any:
    return _OPERATIONS["GroupedConv"](x, weight, bias, groups=weight.shape[0] // weight.shape[1])


def _vertex_layer(audio: Any, constants: Any, available: Any) -> Any:
    return _OPERATIONS["VertexLayer"](audio, constants, available)


def _unfold(x: Any, kernel: int, stride: int) -> Any:
    return _OPERATIONS["Unfold"](x, kernel=kernel, stride=stride)


def _delay(x: Any, projected: Any, waiting: Any, start: int, count: int) -> Any:
    return _OPERATIONS["Delay"](x, projected, waiting, start=start, count=count)


def translation_table() -> dict[Any, Callable[..., Any]]:
    """What `torch.onnx.export(custom_translation_table=...)` needs. Plain functions: scripted ones would be inlined."""
    import torch

    import emoface_training.nn.step_ops  # noqa: F401  (defines the operators)

    operators = torch.ops.emoface
    return {
        operators.stream_attention.default: _stream_attention,
        operators.motion_head.default: _motion_head,
        operators.grouped_conv.default: _grouped_conv,
        operators.vertex_layer.default: _vertex_layer,
        operators.unfold.default: _unfold,
        operators.delay.default: _delay,
    }


@script(_EMOFACE, default_opset=op)
def StreamAttention(query, projected, keys, values, first, table):  # type: ignore[no-untyped-def]
    zero = op.Constant(value_ints=[0])
    one = op.Constant(value_ints=[1])
    two = op.Constant(value_ints=[2])
    three = op.Constant(value_ints=[3])
    nought = op.Constant(value_int=0)
    single = op.Constant(value_int=1)
    rows = op.Shape(query, start=1, end=2)
    heads = op.Shape(keys, start=1, end=2)
    cache = op.Shape(keys, start=2, end=3)
    width = op.Shape(keys, start=3, end=4)
    split = op.Concat(zero, zero, heads, width, axis=0)
    q = op.Transpose(op.Reshape(query, split), perm=[0, 2, 1, 3])
    # [3, B, H, n, d]
    parts = op.Transpose(
        op.Reshape(projected, op.Concat(zero, zero, three, heads, width, axis=0)), perm=[2, 0, 3, 1, 4]
    )
    key = op.Squeeze(op.Slice(parts, one, two, zero), zero)
    value = op.Squeeze(op.Slice(parts, two, three, zero), zero)
    all_keys = op.Concat(keys, key, axis=2)
    all_values = op.Concat(values, value, axis=2)
    total = op.Add(cache, rows)
    new_keys = op.Slice(all_keys, rows, total, two)
    new_values = op.Slice(all_values, rows, total, two)
    # Which entry of the table: j - a where key j is seen from query a, else the last
    column = op.Range(nought, op.Squeeze(total, zero), single)
    row = op.Range(nought, op.Squeeze(rows, zero), single)
    distance = op.Sub(op.Unsqueeze(column, zero), op.Unsqueeze(row, one))
    near = op.And(op.GreaterOrEqual(distance, zero), op.LessOrEqual(distance, cache))
    exists = op.GreaterOrEqual(op.Add(op.Unsqueeze(first, one), op.Sub(column, cache)), zero)
    seen = op.And(op.Unsqueeze(near, zero), op.Unsqueeze(exists, one))
    entry = op.Where(seen, distance, op.Add(cache, one))
    bias = op.Transpose(op.Gather(table, entry, axis=1), perm=[1, 0, 2, 3])
    scores = op.Add(op.MatMul(q, op.Transpose(all_keys, perm=[0, 1, 3, 2])), bias)
    attended = op.Transpose(op.MatMul(op.Softmax(scores, axis=-1), all_values), perm=[0, 2, 1, 3])
    y = op.Reshape(attended, op.Shape(query))
    return y, new_keys, new_values


@script(_EMOFACE, default_opset=op)
def MotionHead(emotion, content, weight, basis):  # type: ignore[no-untyped-def]
    minus = op.Constant(value_ints=[-1])
    three = op.Constant(value_ints=[3])
    two = op.Constant(value_ints=[2])
    # Both products at once read the basis once
    both = op.Concat(op.Unsqueeze(content, two), op.Unsqueeze(op.Sub(emotion, content), two), axis=2)
    expanded = op.Reshape(op.MatMul(both, basis), op.Concat(op.Shape(both, start=0, end=3), minus, three, axis=0))
    first, second = op.Split(expanded, axis=2, num_outputs=2)
    difference = op.Mul(op.Unsqueeze(weight, minus), op.Squeeze(second, two))
    offsets = op.Add(op.Squeeze(first, two), difference)
    flat = op.Reshape(offsets, op.Concat(op.Shape(weight, start=0, end=2), minus, axis=0))
    products = op.MatMul(flat, op.Transpose(basis, perm=[1, 0]))
    return offsets, products


@script(_EMOFACE, default_opset=op)
def GroupedConv(x, weight, bias, groups: int):  # type: ignore[no-untyped-def]
    return op.Transpose(op.Conv(op.Transpose(x, perm=[0, 2, 1]), weight, bias, group=groups), perm=[0, 2, 1])


@script(_EMOFACE, default_opset=op)
def VertexLayer(audio, constants, available):  # type: ignore[no-untyped-def]
    # With the vertices innermost ONNX Runtime adds and projects long rows several times faster. ELU is written out:
    # the exponential is vectorised, the operator Elu is not.
    minus = op.Constant(value_ints=[-1])
    part = op.Gather(op.Transpose(constants, perm=[0, 2, 1]), available, axis=0)
    total = op.Add(op.Unsqueeze(audio, minus), part)
    above = op.Relu(total)
    below = op.Exp(op.Neg(op.Relu(op.Neg(total))))
    y = op.Add(above, op.Sub(below, op.CastLike(op.Constant(value_float=1.0), total)))
    return op.Transpose(y, perm=[0, 1, 3, 2])


@script(_EMOFACE, default_opset=op)
def Unfold(x, kernel: int, stride: int):  # type: ignore[no-untyped-def]
    zero = op.Constant(value_ints=[0])
    one = op.Constant(value_ints=[1])
    minus = op.Constant(value_ints=[-1])
    nought = op.Constant(value_int=0)
    single = op.Constant(value_int=1)
    window = op.Constant(value_int=kernel)
    apart = op.Constant(value_int=stride)
    length = op.Squeeze(op.Shape(x, start=1, end=2), zero)
    steps = op.Add(op.Div(op.Sub(length, window), apart), single)
    begin = op.Mul(op.Range(nought, steps, single), apart)
    rows = op.Add(op.Unsqueeze(begin, one), op.Unsqueeze(op.Range(nought, window, single), zero))
    # The width is said and the number of windows left open: whole clips have any number, which no bound can divide by.
    width = op.Mul(op.Shape(x, start=2, end=3), op.Reshape(window, one))
    return op.Reshape(op.Gather(x, rows, axis=1), op.Concat(op.Shape(x, start=0, end=1), minus, width, axis=0))


@script(_EMOFACE, default_opset=op)
def Delay(x, projected, waiting, start: int, count: int):  # type: ignore[no-untyped-def]
    zero = op.Constant(value_ints=[0])
    one = op.Constant(value_ints=[1])
    two = op.Constant(value_ints=[2])
    first = op.Reshape(op.Constant(value_int=start), one)
    held = op.Reshape(op.Constant(value_int=count), one)
    n = op.Shape(x, start=1, end=2)
    width = op.Shape(x, start=2, end=3)
    queries = op.Slice(projected, zero, width, two)
    old = op.Slice(waiting, first, op.Add(first, held), one)
    rows = op.Concat(old, op.Concat(x, queries, axis=2), axis=1)
    gone = op.Slice(rows, zero, n, one)
    y = op.Slice(gone, zero, width, two)
    query = op.Slice(gone, width, op.Add(width, width), two)
    rest = op.Slice(rows, n, op.Add(n, held), one)
    return y, query, rest


_FUNCTIONS = (StreamAttention, MotionHead, GroupedConv, VertexLayer, Unfold, Delay)
BODIES = {function.name: function for function in _FUNCTIONS}
