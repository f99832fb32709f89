"""Operators on small whole numbers: shapes, axes, indices. What they give where the elements are known."""

from __future__ import annotations

from collections.abc import Callable

from emoface.graphs.call import Call, Dims, Tensor
from emoface.graphs.lengths import ONE, UNKNOWN, ZERO, Lengths, Number, fixed
from emoface.graphs.model import MOST_KNOWN

Binary = Callable[[Lengths, Number, Number], Number]
_CASTS = {1: "float32", 6: "int32", 7: "int64", 9: "bool"}


def _not(value: Number) -> Number:
    return (0, 1 - value[2], 1 - value[1])


def _and(x: Number, y: Number) -> Number:
    return (0, min(x[1], y[1]), min(x[2], y[2]))


def _or(x: Number, y: Number) -> Number:
    return (0, max(x[1], y[1]), max(x[2], y[2]))


_NUMBERS: dict[str, Binary] = {
    "Add": Lengths.add,
    "Sum": Lengths.add,
    "Sub": Lengths.subtract,
    "Mul": Lengths.multiply,
    "Max": Lengths.larger,
    "Min": Lengths.smaller,
}
_COMPARISONS: dict[str, Binary] = {
    "Equal": Lengths.equal,
    "GreaterOrEqual": Lengths.at_least,
    "LessOrEqual": lambda lengths, x, y: lengths.at_least(y, x),
    "Less": lambda lengths, x, y: _not(lengths.at_least(x, y)),
    "Greater": lambda lengths, x, y: _not(lengths.at_least(y, x)),
}
_LOGIC: dict[str, Callable[[Number, Number], Number]] = {"And": _and, "Or": _or}


def _picked(shape: tuple[int, ...], dims: Dims) -> list[int]:
    """For every element of `shape` its place in a tensor of `dims`, which is broadcast to it."""
    places = [0]
    pad = len(shape) - len(dims)
    for axis, extent in enumerate(shape):
        own = dims[axis - pad][1] if axis >= pad else 1
        places = [place * own + (i if own > 1 else 0) for place in places for i in range(extent)]
    return places


def elementwise(call: Call, dims: Dims) -> Tensor | None:
    """The broadcast result `dims` with its elements, or None where they are not known."""
    inputs = [tensor for tensor in call.inputs if tensor is not None]
    shape = tuple(extent[1] for extent in dims)
    if not all(map(fixed, dims)) or any(t.known is None or not all(map(fixed, t.dims)) for t in inputs):
        return None
    total = 1
    for extent in shape:
        total *= extent
    # Of none there is nothing to know, however large the other extents are.
    if not 1 <= total <= MOST_KNOWN or len(inputs) > 8 or len({t.dtype for t in inputs[-2:]}) != 1:
        return None
    columns = [[(t.known or ())[place] for place in _picked(shape, t.dims)] for t in inputs]
    op, lengths, dtype = call.node.op, call.lengths, inputs[-1].dtype
    if op == "Where" and len(columns) == 3:
        chosen = [_choice(lengths, c, x, y) for c, x, y in zip(*columns, strict=True)]
        return call.known(dims, chosen, dtype)
    if op in _COMPARISONS and len(columns) == 2:
        compare = _COMPARISONS[op]
        return call.known(dims, [compare(lengths, x, y) for x, y in zip(*columns, strict=True)], "bool")
    if op in _LOGIC and len(columns) == 2 and dtype == "bool":
        logic = _LOGIC[op]
        return call.known(dims, [logic(x, y) for x, y in zip(*columns, strict=True)], "bool")
    if op in ("Div", "Mod") and len(columns) == 2 and dtype in ("int64", "int32"):
        truncated = op == "Mod" and call.integer("fmod", 0) != 0
        results = [
            lengths.divide(x, y) if op == "Div" else lengths.remainder(x, y, truncated)
            for x, y in zip(*columns, strict=True)
        ]
        return call.known(dims, results, dtype)
    if op in _NUMBERS and dtype != "bool":
        combine, result = _NUMBERS[op], columns[0]
        for column in columns[1:]:
            result = [combine(lengths, x, y) for x, y in zip(result, column, strict=True)]
        return call.known(dims, result, dtype)
    return None


def _choice(lengths: Lengths, condition: Number, x: Number, y: Number) -> Number:
    if condition == ONE:
        return x
    return y if condition == ZERO else lengths.either(x, y)


def unary(call: Call) -> Tensor | None:
    """Neg, Abs, Not, Identity, Clip, Sign, rounding and casts of known elements; None for what is not known."""
    x = call.input(0)
    if x.known is None:
        return None
    op, lengths = call.node.op, call.lengths
    if op in ("Identity", "Floor", "Ceil", "Round"):
        return x
    if op in ("Neg", "Abs") and x.dtype != "bool":
        negated = [lengths.negate(v) for v in x.known]
        if op == "Neg":
            return call.known(x.dims, negated, x.dtype)
        return call.known(x.dims, [lengths.larger(v, w) for v, w in zip(x.known, negated, strict=True)], x.dtype)
    if op == "Not":
        return call.known(x.dims, [_not(v) for v in x.known], "bool")
    if op == "Cast":
        return cast(call, x, _CASTS.get(call.integer("to"), ""))
    if op == "CastLike":
        return cast(call, x, call.input(1).dtype)
    if op == "Clip":
        return _clip(call, x)
    return None


def cast(call: Call, x: Tensor, dtype: str) -> Tensor | None:
    """Known elements in another type."""
    if x.known is None or not dtype:
        return None
    values = x.known
    if dtype == "bool":
        truths = [call.lengths.equal(v, ZERO) for v in values]
        values = tuple(_not(v) for v in truths)
    elif dtype == "int64" or dtype == x.dtype:
        return Tensor(x.dims, values, dtype)
    return call.known(x.dims, values, dtype)


def _clip(call: Call, x: Tensor) -> Tensor | None:
    bounds: list[Number | None] = [None, None]
    for index in (1, 2):
        if call.has(index):
            bound = call.input(index)
            if bound.known is None or len(bound.known) != 1 or bound.dtype != x.dtype:
                return None
            bounds[index - 1] = bound.known[0]
    return call.known(x.dims, [_clipped(call.lengths, v, bounds[0], bounds[1]) for v in x.known or ()], x.dtype)


def _clipped(lengths: Lengths, value: Number, least: Number | None, most: Number | None) -> Number:
    # Between two bounds even what is unknown is known well enough for an index.
    if value == UNKNOWN and least is not None and most is not None:
        return lengths.either(least, most)
    if least is not None:
        value = lengths.larger(value, least)
    return value if most is None else lengths.smaller(value, most)


def reduced(call: Call, x: Tensor, op: str) -> Number | None:
    """The one element of ReduceSum, ReduceProd, ReduceMin or ReduceMax over all axes."""
    combine = {"ReduceSum": "add", "ReduceProd": "multiply", "ReduceMax": "larger", "ReduceMin": "smaller"}.get(op)
    if x.known is None or combine is None or not x.known:
        return None
    total = x.known[0]
    for value in x.known[1:]:
        total = getattr(call.lengths, combine)(total, value)
    return total
