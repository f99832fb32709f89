"""Shapes of what moves, repeats and makes elements: here a small graph can ask for a large tensor."""

from __future__ import annotations

from emoface.graphs.call import Call, Dims, Tensor, constant_tensor
from emoface.graphs.lengths import ONE, UNKNOWN, ZERO, Number, exactly, fixed
from emoface.graphs.model import MOST_KNOWN, Constant
from emoface.graphs.rules import RULES


def constant(call: Call) -> list[Tensor]:
    """Constant: a tensor, or numbers as attributes."""
    given = [key for key in call.attributes if key.startswith("value")]
    if len(given) != 1:
        raise call.fault(f"{len(given)} values", "one")
    value = call.attributes[given[0]]
    if given[0] == "value" and isinstance(value, Constant):
        return [constant_tensor(value, call.lengths)]
    numbers = value if isinstance(value, list) else [value]
    if given[0] not in ("value_int", "value_ints", "value_float", "value_floats") or not all(
        isinstance(number, (int, float)) for number in numbers
    ):
        raise call.fault(f"attribute {given[0]}", "a tensor or numbers")
    dtype = "int64" if "int" in given[0] else "float32"
    dims = (len(numbers),) if given[0].endswith("s") else ()
    return [constant_tensor(Constant(dims, dtype, tuple(numbers)), call.lengths)]


def shape(call: Call) -> list[Tensor]:
    """Shape, of all axes or from `start` to `end`."""
    dims = call.dims(0)
    rank = len(dims)
    start, end = call.integer("start", 0), call.integer("end", rank)
    start = max(0, min(rank, start + rank if start < 0 else start))
    end = max(start, min(rank, end + rank if end < 0 else end))
    return [call.known((exactly(end - start),), dims[start:end], "int64")]


def size(call: Call) -> list[Tensor]:
    """Size."""
    return [call.known((), [call.lengths.product(call.dims(0))], "int64")]


def constant_of_shape(call: Call) -> list[Tensor]:
    """ConstantOfShape."""
    dims = [call.extent(v, "an extent") for v in call.values(0, "a shape")]
    value = call.attributes.get("value", Constant((1,), "float32", (0.0,)))
    if not isinstance(value, Constant) or len(value.dims) > 1:
        raise call.fault("attribute value", "a tensor of one element")
    element = constant_tensor(value, call.lengths)
    total = call.lengths.product(dims)
    if element.known and all(map(fixed, dims)) and fixed(total) and total[1] <= MOST_KNOWN:
        return [call.known(call.result(dims).dims, [element.known[0]] * total[1], element.dtype)]
    return [call.result(dims)]


def range_(call: Call) -> list[Tensor]:
    """Range: ceil((limit - start) / delta) elements."""
    lengths = call.lengths
    start, limit, delta = (call.values(i, "a range")[:1] for i in range(3))
    if not (start and limit and delta):
        raise call.fault("a range without its numbers", "start, limit and delta")
    if fixed(delta[0]) and delta[0][1] < 0:
        distance, step = lengths.subtract(start[0], limit[0]), lengths.negate(delta[0])
    else:
        distance, step = lengths.subtract(limit[0], start[0]), delta[0]
    distance = call.extent(distance, "a range")
    count = call.extent(lengths.divide(distance, step, up=True), "a range")
    if fixed(count) and fixed(start[0]) and fixed(delta[0]) and count[1] <= MOST_KNOWN:
        values = [exactly(start[0][1] + i * delta[0][1]) for i in range(count[1])]
        return [call.known((count,), values, call.input(0).dtype)]
    return [Tensor((count,))]


def reshape(call: Call) -> list[Tensor]:
    """Reshape: as many elements, so that -1 is what is left after equal extents are taken out on both sides."""
    x, lengths = call.input(0), call.lengths
    keep_zero = call.integer("allowzero", 0) != 0
    wanted: list[Number | None] = []
    for index, value in enumerate(call.values(1, "a shape")):
        if value == exactly(-1):
            wanted.append(None)
        elif value == ZERO and not keep_zero:
            if index >= len(x.dims):
                raise call.fault(f"extent 0 at axis {index}", "an axis of the input to copy")
            wanted.append(x.dims[index])
        elif lengths.low(value) > 0 or value == ZERO:
            wanted.append(call.extent(value, "an extent"))
        else:
            # It may be 0 or -1 for some n: then it is no more than everything.
            wanted.append((0, 0, lengths.high(lengths.product(x.dims))))
    if wanted.count(None) > 1:
        raise call.fault("-1 twice", "once at most")
    dims = _filled(call, x.dims, wanted)
    if x.known is not None and all(map(fixed, dims)):
        return [Tensor(call.result(dims).dims, x.known, x.dtype)]
    return [call.result(dims)]


def _filled(call: Call, given: Dims, wanted: list[Number | None]) -> list[Number]:
    lengths = call.lengths
    left = list(given)
    others: list[Number] = []
    for extent in wanted:
        if extent is None:
            continue
        # Only what is the same for every n, or the same a n + b, cancels.
        if extent in left and extent[1] == extent[2] and lengths.low(extent) > 0:
            left.remove(extent)
        else:
            others.append(extent)
    total, rest = lengths.product(left), lengths.product(others)
    if None not in wanted:
        most = lengths.high(lengths.product(given))
        return [e if lengths.high(e) <= most else (0, 0, most) for e in wanted if e is not None]
    if lengths.low(rest) < 1:
        # An extent of 0 leaves nothing to divide by; the rest is no more than everything.
        rest = ONE
    quotient = lengths.divide(total, rest)
    return [quotient if extent is None else extent for extent in wanted]


def flatten(call: Call) -> list[Tensor]:
    """Flatten to two axes."""
    x, lengths = call.dims(0), call.lengths
    axis = call.integer("axis", 1)
    axis = axis if axis == len(x) else call.axis(axis, max(1, len(x)))
    return [call.result([lengths.product(x[:axis]), lengths.product(x[axis:])])]


def transpose(call: Call) -> list[Tensor]:
    """Transpose."""
    x = call.input(0)
    order = call.integers("perm", len(x.dims))
    order = list(range(len(x.dims)))[::-1] if order is None else order
    if sorted(order) != list(range(len(x.dims))):
        raise call.fault(f"perm {order}", "every axis once")
    dims = tuple(x.dims[i] for i in order)
    return [Tensor(dims, x.known, x.dtype) if len(dims) < 2 else Tensor(dims)]


def concat(call: Call) -> list[Tensor]:
    """Concat."""
    if not call.inputs:
        raise call.fault("no input", "at least one")
    rank = len(call.dims(0, 1))
    axis = call.axis(call.integer("axis"), rank)
    dims = list(call.dims(0))
    for index in range(1, len(call.inputs)):
        other = call.dims(index)
        if len(other) != rank:
            raise call.fault(f"{rank} and {len(other)} axes", "as many")
        for i in range(rank):
            dims[i] = call.lengths.add(dims[i], other[i]) if i == axis else call.same(dims[i], other[i])
    parts = [tensor for tensor in call.inputs if tensor is not None]
    values = [value for tensor in parts for value in tensor.known or ()]
    if rank == 1 and all(t.known is not None for t in parts) and len({t.dtype for t in parts}) == 1:
        return [call.known(tuple(dims), values, parts[0].dtype)]
    return [call.result(dims)]


def split(call: Call) -> list[Tensor]:
    """Split into given lengths, or evenly into as many as there are outputs."""
    x, lengths = call.input(0), call.lengths
    axis = call.axis(call.integer("axis", 0), len(x.dims))
    count = len(call.node.outputs)
    if call.has(1):
        parts = [call.extent(v, "a part") for v in call.values(1, "parts")]
    else:
        pieces = call.integer("num_outputs", count)
        if not 0 < pieces <= 1 << 10:
            raise call.fault(f"num_outputs {pieces}", "1 to 1024")
        parts = [lengths.divide(x.dims[axis], exactly(pieces), up=True)] * pieces
    if len(parts) < count:
        raise call.fault(f"{len(parts)} parts", f"{count}")
    place, results = 0, []
    for part in parts[:count]:
        dims = (*x.dims[:axis], _limited(call, part, x.dims[axis]), *x.dims[axis + 1 :])
        if len(x.dims) == 1 and x.known is not None and fixed(part) and call.has(1):
            results.append(Tensor(dims, x.known[place : place + part[1]], x.dtype))
            place += part[1]
        else:
            results.append(Tensor(dims))
    return results


def _limited(call: Call, extent: Number, most: Number) -> Number:
    """An extent that is no more than another."""
    return extent if call.lengths.high(extent) <= call.lengths.high(most) else most


def _border(call: Call, value: Number, extent: Number) -> Number:
    """Where a slice starts or ends: counted from the end if negative, clamped to 0 and the extent."""
    lengths = call.lengths
    if value == UNKNOWN:
        return (0, 0, lengths.high(extent))
    if lengths.high(value) < 0:
        value = lengths.add(value, extent)
        if value == UNKNOWN:  # the far beginning
            return ZERO
    elif lengths.low(value) < 0:
        return (0, 0, lengths.high(extent))
    return lengths.smaller(lengths.larger(value, ZERO), extent)


def _far(value: Number) -> Number:
    """A constant beyond all extents, as exporters write for "to the end"."""
    return (0, max(-(1 << 40), value[1]), min(1 << 40, value[2])) if fixed(value) else value


def slice_(call: Call) -> list[Tensor]:
    """Slice."""
    x, lengths = call.input(0), call.lengths
    dims = list(x.dims)
    count = call.dims(1)[0] if len(call.dims(1)) == 1 else UNKNOWN
    if not fixed(count) or count[1] > len(dims):
        raise call.fault("starts that are no list", "one for each axis that is cut")
    number = count[1]
    starts, ends = (_numbers(call, i, number) for i in (1, 2))
    axes = call.fixed_values(3, "axes") if call.has(3) else list(range(number))
    steps = call.fixed_values(4, "steps") if call.has(4) else [1] * number
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise call.fault("starts, ends, axes and steps of different lengths, or a step of 0", "one of each")
    places = [call.axis(axis, len(dims)) for axis in axes]
    if len(set(places)) != len(places):
        raise call.fault("an axis twice", "once")
    for axis, start, end, step in zip(places, starts, ends, steps, strict=True):
        if step < 0:
            dims[axis] = (0, 0, lengths.high(lengths.divide(dims[axis], exactly(-step), up=True)))
            continue
        first, last = _border(call, _far(start), dims[axis]), _border(call, _far(end), dims[axis])
        length = lengths.larger(lengths.subtract(last, first), ZERO)
        dims[axis] = _limited(call, lengths.divide(length, exactly(step), up=True), dims[axis])
    known = _sliced(x, starts, ends, steps) if len(x.dims) == 1 and number == 1 else None
    return [Tensor(tuple(dims)) if known is None else call.known((exactly(len(known)),), known, x.dtype)]


def _numbers(call: Call, index: int, count: int) -> list[Number]:
    known = call.input(index).known
    return [UNKNOWN] * count if known is None else list(known)


def _sliced(x: Tensor, starts: list[Number], ends: list[Number], steps: list[int]) -> tuple[Number, ...] | None:
    if x.known is None or not fixed(starts[0]) or not fixed(ends[0]):
        return None
    return x.known[slice(starts[0][1], ends[0][1], steps[0])] if steps[0] > 0 else None


def squeeze(call: Call) -> list[Tensor]:
    """Squeeze: axes of extent 1 go."""
    x = call.input(0)
    if call.has(1):
        axes = [call.axis(axis, len(x.dims)) for axis in call.fixed_values(1, "axes")]
        if any(call.lengths.low(x.dims[axis]) > 1 for axis in axes):
            raise call.fault("an axis of more than one item", "axes of extent 1")
    else:
        if not all(fixed(extent) or call.lengths.low(extent) > 1 for extent in x.dims):
            raise call.fault("axes that n decides", "axes spelt out")
        axes = [axis for axis, extent in enumerate(x.dims) if extent == ONE]
    return [Tensor(tuple(d for i, d in enumerate(x.dims) if i not in axes), x.known, x.dtype)]


def unsqueeze(call: Call) -> list[Tensor]:
    """Unsqueeze: axes of extent 1 come."""
    x = call.input(0)
    axes = call.fixed_values(1, "axes")
    rank = len(x.dims) + len(axes)
    places = {call.axis(axis, rank) for axis in axes}
    if len(places) != len(axes):
        raise call.fault("an axis twice", "once")
    rest = iter(x.dims)
    dims = tuple(ONE if i in places else next(rest) for i in range(rank))
    return [Tensor(call.result(dims).dims, x.known, x.dtype)]


def expand(call: Call) -> list[Tensor]:
    """Expand: broadcast to a shape."""
    x = call.input(0)
    wanted = tuple(call.extent(v, "an extent") for v in call.values(1, "a shape"))
    dims = call.result(call.broadcast(x.dims, wanted)).dims
    total = call.lengths.product(dims)
    if x.known is not None and len(x.known) == 1 and all(map(fixed, dims)) and fixed(total) and total[1] <= MOST_KNOWN:
        return [call.known(dims, [x.known[0]] * total[1], x.dtype)]
    return [Tensor(dims)]


def tile(call: Call) -> list[Tensor]:
    """Tile."""
    x = call.dims(0)
    repeats = call.values(1, "repeats")
    if len(repeats) != len(x):
        raise call.fault(f"{len(repeats)} repeats", f"{len(x)}")
    return [
        call.result([call.extent(call.lengths.multiply(d, r), "an extent") for d, r in zip(x, repeats, strict=True)])
    ]


def pad(call: Call) -> list[Tensor]:
    """Pad."""
    x, lengths = call.dims(0), call.lengths
    amounts = call.values(1, "an amount of padding")
    axes = call.fixed_values(3, "axes") if call.has(3) else list(range(len(x)))
    if len(amounts) != 2 * len(axes):
        raise call.fault(f"{len(amounts)} amounts", f"{2 * len(axes)}")
    dims = list(x)
    for index, axis in enumerate(axes):
        place = call.axis(axis, len(x))
        added = lengths.add(amounts[index], amounts[index + len(axes)])
        dims[place] = call.extent(lengths.add(dims[place], added), "an extent")
    return [call.result(dims)]


def gather(call: Call) -> list[Tensor]:
    """Gather."""
    x, indices = call.input(0), call.input(1)
    axis = call.axis(call.integer("axis", 0), len(x.dims))
    dims = call.result((*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :])).dims
    if len(x.dims) == 1 and x.known is not None and indices.known is not None:
        chosen = [_element(x.known, index) for index in indices.known]
        return [call.known(dims, chosen, x.dtype)]
    return [Tensor(dims)]


def _element(values: tuple[Number, ...], index: Number) -> Number:
    return values[index[1]] if fixed(index) and -len(values) <= index[1] < len(values) else UNKNOWN


def gather_elements(call: Call) -> list[Tensor]:
    """GatherElements."""
    return [Tensor(call.dims(1))]


def gather_nd(call: Call) -> list[Tensor]:
    """GatherND."""
    x, indices = call.dims(0), call.dims(1, 1)
    batch, depth = call.integer("batch_dims", 0), indices[-1]
    if not fixed(depth) or not 0 <= batch < len(indices) or not 1 <= depth[1] <= len(x) - batch:
        raise call.fault("indices that do not fit", "no more indices than axes")
    return [call.result((*indices[:-1], *x[batch + depth[1] :]))]


def one_hot(call: Call) -> list[Tensor]:
    """OneHot."""
    x = call.dims(0)
    depth = call.extent(call.values(1, "a depth")[0], "a depth") if call.values(1, "a depth") else ZERO
    axis = call.axis(call.integer("axis", -1), len(x) + 1)
    return [call.result((*x[:axis], depth, *x[axis:]))]


def top_k(call: Call) -> list[Tensor]:
    """TopK: values and indices, no more than there are."""
    x = call.dims(0, 1)
    axis = call.axis(call.integer("axis", -1), len(x))
    known = call.input(1).known
    most = _limited(call, call.extent(known[0], "k"), x[axis]) if known and known[0] != UNKNOWN else x[axis]
    return [Tensor((*x[:axis], most, *x[axis + 1 :]))] * 2


def non_zero(call: Call) -> list[Tensor]:
    """NonZero: at most every element."""
    x = call.dims(0)
    return [Tensor((exactly(len(x)), (0, 0, call.lengths.high(call.lengths.product(x)))))]


def compress(call: Call) -> list[Tensor]:
    """Compress: at most every slice."""
    x, lengths = call.dims(0), call.lengths
    if "axis" not in call.attributes:
        return [Tensor(((0, 0, lengths.high(lengths.product(x))),))]
    axis = call.axis(call.integer("axis"), len(x))
    return [Tensor((*x[:axis], (0, 0, lengths.high(x[axis])), *x[axis + 1 :]))]


def resize(call: Call) -> list[Tensor]:
    """Resize by whole factors or to sizes."""
    x, lengths = call.dims(0), call.lengths
    if "axes" in call.attributes or call.attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise call.fault("axes or an aspect ratio to keep", "sizes or factors for every axis")
    if call.has(3):
        dims = [call.extent(v, "an extent") for v in call.values(3, "sizes")]
    else:
        factors = call.values(2, "whole factors")
        dims = [call.extent(lengths.multiply(d, f), "an extent") for d, f in zip(x, factors, strict=False)]
    if len(dims) != len(x):
        raise call.fault(f"{len(dims)} sizes", f"{len(x)}")
    return [call.result(dims)]


RULES.update(
    {
        "constant": constant, "shape": shape, "size": size, "constant_of_shape": constant_of_shape, "range": range_,
        "reshape": reshape, "flatten": flatten, "transpose": transpose, "concat": concat, "split": split,
        "slice": slice_, "squeeze": squeeze, "unsqueeze": unsqueeze, "expand": expand, "tile": tile, "pad": pad,
        "gather": gather, "gather_elements": gather_elements, "gather_nd": gather_nd, "one_hot": one_hot,
        "top_k": top_k, "non_zero": non_zero, "compress": compress, "resize": resize,
    }
)  # fmt: skip
