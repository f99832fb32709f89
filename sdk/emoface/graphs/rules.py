"""Shapes of what computes: elementwise operators, products, convolutions, recurrent layers, sums over axes."""

from __future__ import annotations

from collections.abc import Callable

from emoface.graphs.arithmetic import elementwise, reduced, unary
from emoface.graphs.call import Call, Dims, Tensor
from emoface.graphs.lengths import ONE, Number, exactly

Rule = Callable[[Call], list[Tensor]]


def same(call: Call) -> list[Tensor]:
    """Output 0 is shaped as input 0."""
    return [unary(call) or Tensor(call.dims(0))]


def normalised(call: Call) -> list[Tensor]:
    """The same, with statistics as further outputs: none is larger."""
    return [Tensor(call.dims(0))] * max(1, len(call.node.outputs))


def broadcast(call: Call) -> list[Tensor]:
    """Inputs broadcast to one shape."""
    dims = call.dims(0)
    for index in range(1, len(call.inputs)):
        dims = call.broadcast(dims, call.dims(index))
    return [elementwise(call, dims) or call.result(dims)]


def _product(call: Call, x: Dims, y: Dims) -> Tensor:
    if not x or not y:
        raise call.fault("a product of scalars", "matrices")
    lengths = call.lengths
    inner = call.same(x[-1], y[-2] if len(y) > 1 else y[0])
    dims = [*call.broadcast(x[:-2], y[:-2]), *x[-2:-1], *(y[-1:] if len(y) > 1 else ())]
    call.work = lengths.high(lengths.multiply(lengths.product(dims), inner))
    return call.result(dims)


def matmul(call: Call) -> list[Tensor]:
    """MatMul, MatMulInteger, MatMulIntegerToFloat, DynamicQuantizeMatMul."""
    return [_product(call, call.dims(0), call.dims(1))]


def quantised_matmul(call: Call) -> list[Tensor]:
    """QLinearMatMul: a, scale, zero point, b, ..."""
    return [_product(call, call.dims(0), call.dims(3))]


def gemm(call: Call) -> list[Tensor]:
    """Gemm."""
    x, y = call.dims(0), call.dims(1)
    if len(x) != 2 or len(y) != 2:
        raise call.fault(f"{len(x)} and {len(y)} axes", "two matrices")
    x = x[::-1] if call.integer("transA", 0) else x
    return [_product(call, x, y[::-1] if call.integer("transB", 0) else y)]


def einsum(call: Call) -> list[Tensor]:
    """Einsum with the output spelt out and no ellipsis."""
    equation = call.attributes.get("equation", b"")
    text = equation.decode("ascii", "replace").replace(" ", "") if isinstance(equation, bytes) else ""
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if not arrow or not left.replace(",", "").isalpha() or not (right.isalpha() or not right):
        raise call.fault(f"equation {text!r}", "letters, commas and '->'")
    # More would be contracted pair by pair, with intermediate tensors that nothing bounds.
    if len(terms) != len(call.inputs) or len(terms) > 2:
        raise call.fault(f"equation {text!r} of {len(terms)} terms", "one for each input, two at most")
    extents: dict[str, Number] = {}
    for index, term in enumerate(terms):
        dims = call.dims(index)
        if len(term) != len(dims):
            raise call.fault(f"term {term!r} for {len(dims)} axes", "a letter for each axis")
        for letter, extent in zip(term, dims, strict=True):
            extents[letter] = call.broadcast((extents[letter],), (extent,))[0] if letter in extents else extent
    if any(letter not in extents for letter in right) or len(set(right)) != len(right):
        raise call.fault(f"equation {text!r}", "an output of letters of the inputs, each once")
    call.work = call.lengths.high(call.lengths.product(list(extents.values())))
    return [call.result([extents[letter] for letter in right])]


def _window(call: Call, spatial: Dims, kernel: list[Number]) -> list[Number]:
    """Spatial extents after sliding a window with the node's strides, dilations and padding."""
    lengths, count = call.lengths, len(spatial)
    strides = call.integers("strides", count) or [1] * count
    dilations = call.integers("dilations", count) or [1] * count
    pads = call.integers("pads", 2 * count) or [0] * 2 * count
    automatic = call.attributes.get("auto_pad", b"NOTSET")
    if not all(0 < value < 1 << 20 for value in (*strides, *dilations)) or not all(0 <= p < 1 << 20 for p in pads):
        raise call.fault("strides, dilations or pads out of range", "positive strides and dilations, pads from 0")
    up = bool(call.integer("ceil_mode", 0))
    result = []
    for axis, extent in enumerate(spatial):
        stride = exactly(strides[axis])
        if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
            result.append(lengths.divide(extent, stride, up=True))
            continue
        reach = lengths.multiply(lengths.subtract(kernel[axis], ONE), exactly(dilations[axis]))
        padding = pads[axis] + pads[axis + count] if automatic == b"NOTSET" else 0
        room = lengths.subtract(lengths.add(extent, exactly(padding)), lengths.add(reach, ONE))
        room = call.extent(room, "an extent")
        result.append(lengths.add(lengths.divide(room, stride, up=up), ONE))
    return result


def convolution(call: Call, weight: int = 1) -> list[Tensor]:
    """Conv, ConvInteger."""
    x, w = call.dims(0, 3), call.dims(weight, 3)
    if len(x) != len(w):
        raise call.fault(f"{len(x)} and {len(w)} axes", "as many")
    dims = [x[0], w[0], *_window(call, x[2:], list(w[2:]))]
    call.work = call.lengths.high(call.lengths.product([*dims, *w[1:]]))
    return [call.result(dims)]


def quantised_convolution(call: Call) -> list[Tensor]:
    """QLinearConv: x, scale, zero point, w, ..."""
    return convolution(call, 3)


def transposed_convolution(call: Call) -> list[Tensor]:
    """ConvTranspose."""
    lengths = call.lengths
    x, w = call.dims(0, 3), call.dims(1, 3)
    count = len(x) - 2
    if len(w) != len(x) or call.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise call.fault("a weight of other axes, or auto_pad", "as many axes, and pads spelt out")
    strides = call.integers("strides", count) or [1] * count
    dilations = call.integers("dilations", count) or [1] * count
    pads = call.integers("pads", 2 * count) or [0] * 2 * count
    extra = call.integers("output_padding", count) or [0] * count
    wanted = call.integers("output_shape", count)
    groups = call.integer("group", 1)
    if not all(0 < v < 1 << 20 for v in (*strides, *dilations, groups)) or not all(0 <= v < 1 << 20 for v in extra):
        raise call.fault("strides, dilations or output_padding out of range", "positive numbers")
    spatial = []
    for axis, extent in enumerate(x[2:]):
        length = lengths.multiply(lengths.subtract(extent, ONE), exactly(strides[axis]))
        reach = lengths.multiply(lengths.subtract(w[2 + axis], ONE), exactly(dilations[axis]))
        rest = exactly(extra[axis] + 1 - pads[axis] - pads[axis + count])
        computed = lengths.add(lengths.add(length, reach), rest)
        spatial.append(call.extent(exactly(wanted[axis]) if wanted else computed, "an extent"))
    dims = [x[0], lengths.multiply(w[1], exactly(groups)), *spatial]
    call.work = lengths.high(lengths.product([*x, *w[1:]]))
    return [call.result(dims)]


def pool(call: Call) -> list[Tensor]:
    """AveragePool, MaxPool, LpPool; indices as a second output."""
    x = call.dims(0, 3)
    kernel = call.integers("kernel_shape", len(x) - 2)
    if kernel is None or not all(0 < k < 1 << 20 for k in kernel):
        raise call.fault("kernel_shape", "a positive extent for each axis")
    dims = [*x[:2], *_window(call, x[2:], [exactly(k) for k in kernel])]
    call.work = call.lengths.high(call.lengths.product([*dims, *(exactly(k) for k in kernel)]))
    return [call.result(dims)] * max(1, len(call.node.outputs))


def global_pool(call: Call) -> list[Tensor]:
    """GlobalAveragePool, GlobalMaxPool."""
    x = call.dims(0, 3)
    return [Tensor((*x[:2], *[ONE] * (len(x) - 2)))]


def recurrent(call: Call) -> list[Tensor]:
    """RNN, GRU, LSTM: Y, Y_h and (LSTM) Y_c."""
    x, w = call.dims(0), call.dims(2)
    if len(x) != 3 or len(w) != 3:
        raise call.fault(f"{len(x)} and {len(w)} axes", "three of each")
    hidden = exactly(call.integer("hidden_size"))
    directions = exactly(2 if call.attributes.get("direction", b"forward") == b"bidirectional" else 1)
    batch_first = call.integer("layout", 0) != 0
    time, batch = (x[1], x[0]) if batch_first else (x[0], x[1])
    call.extent(hidden, "hidden_size")
    call.same(w[2], hidden)
    y = (batch, time, directions, hidden) if batch_first else (time, directions, batch, hidden)
    last = (batch, directions, hidden) if batch_first else (directions, batch, hidden)
    call.work = call.lengths.high(
        call.lengths.multiply(call.lengths.product(y), call.lengths.product((*call.dims(1)[1:], w[1])))
    )
    return [Tensor(y), Tensor(last), Tensor(last)]


def _axes(call: Call, rank: int) -> list[int] | None:
    """Axes as an input or an attribute; None where neither is given."""
    axes = call.fixed_values(1, "axes") if call.has(1) else call.integers("axes")
    return None if axes is None else [call.axis(axis, rank) for axis in axes]


def reduction(call: Call) -> list[Tensor]:
    """ReduceSum and its kin."""
    x = call.input(0)
    axes = _axes(call, len(x.dims))
    if not axes and call.integer("noop_with_empty_axes", 0):
        return [Tensor(x.dims)]
    every = not axes or len(set(axes)) == len(x.dims)
    axes = axes or list(range(len(x.dims)))
    keep = call.integer("keepdims", 1) != 0
    dims = tuple(ONE if i in axes else d for i, d in enumerate(x.dims) if keep or i not in axes)
    total = reduced(call, x, call.node.op) if every else None
    return [Tensor(dims) if total is None else call.known(dims, [total], x.dtype)]


def arg_reduction(call: Call) -> list[Tensor]:
    """ArgMax, ArgMin."""
    dims = call.dims(0, 1)
    axis = call.axis(call.integer("axis", 0), len(dims))
    keep = call.integer("keepdims", 1) != 0
    return [Tensor(tuple(ONE if i == axis else d for i, d in enumerate(dims) if keep or i != axis))]


def dynamic_quantisation(call: Call) -> list[Tensor]:
    """DynamicQuantizeLinear: y, scale, zero point."""
    return [Tensor(call.dims(0)), Tensor(()), Tensor(())]


def depth_to_space(call: Call) -> list[Tensor]:
    """DepthToSpace and SpaceToDepth: as many elements."""
    x, lengths = call.dims(0), call.lengths
    size = call.integer("blocksize")
    if len(x) != 4 or not 0 < size < 1 << 10:
        raise call.fault(f"{len(x)} axes, blocksize {size}", "four axes and a block of 1 to 1023")
    block, area = exactly(size), exactly(size * size)
    if call.node.op == "DepthToSpace":
        dims = [x[0], lengths.divide(x[1], area), lengths.multiply(x[2], block), lengths.multiply(x[3], block)]
    else:
        dims = [x[0], lengths.multiply(x[1], area), lengths.divide(x[2], block), lengths.divide(x[3], block)]
    return [call.result(dims)]


RULES: dict[str, Rule] = {
    "same": same,
    "normalised": normalised,
    "broadcast": broadcast,
    "matmul": matmul,
    "quantised_matmul": quantised_matmul,
    "gemm": gemm,
    "einsum": einsum,
    "convolution": convolution,
    "quantised_convolution": quantised_convolution,
    "transposed_convolution": transposed_convolution,
    "pool": pool,
    "global_pool": global_pool,
    "recurrent": recurrent,
    "reduction": reduction,
    "arg_reduction": arg_reduction,
    "dynamic_quantisation": dynamic_quantisation,
    "depth_to_space": depth_to_space,
}
