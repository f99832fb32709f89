"""One call of an operator as its rule sees it: what is known of the inputs, attributes, and the arithmetic of n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emoface.graphs.lengths import LIMIT, ONE, UNKNOWN, Lengths, Number, exactly, fixed
from emoface.graphs.model import MOST_KNOWN, MOST_RANK, Constant, GraphError, Node

# Beyond these a type does not hold whole numbers exactly, and the sums of a graph are not the sums made here.
_EXACT = {"int64": LIMIT, "int32": 1 << 31, "float32": 1 << 24, "bool": 2}

Dims = tuple[Number, ...]


@dataclass(frozen=True)
class Tensor:
    """Bounds of a tensor: its extents, and its elements where it is small and whole.

    `dtype` is stated where `known` is; sizes are counted in elements, whatever their type.
    """

    dims: Dims
    known: tuple[Number, ...] | None = None
    dtype: str = ""


def known_tensor(dims: Dims, values: Sequence[Number], dtype: str, lengths: Lengths) -> Tensor:
    """A tensor of these elements; those that the type cannot hold exactly are unknown."""
    limit = _EXACT.get(dtype)
    if limit is None or len(values) > MOST_KNOWN:
        return Tensor(dims)
    if dtype == "int64":
        return Tensor(dims, tuple(values), dtype)
    kept = tuple(v if -limit < lengths.low(v) and lengths.high(v) < limit else UNKNOWN for v in values)
    return Tensor(dims, kept, dtype)


def constant_tensor(constant: Constant, lengths: Lengths) -> Tensor:
    """What is known of a tensor of the file."""
    dims = tuple(exactly(extent) for extent in constant.dims)
    if constant.values is None:
        return Tensor(dims)
    values = [
        exactly(int(v)) if isinstance(v, int) or (math.isfinite(v) and v == int(v)) else UNKNOWN
        for v in constant.values
    ]
    return known_tensor(dims, values, constant.dtype, lengths)


class Call:
    """Inputs that the call leaves out are None."""

    def __init__(
        self, node: Node, inputs: list[Tensor | None], attributes: dict[str, Any], lengths: Lengths, opset: int
    ) -> None:
        self.node = node
        self.inputs = inputs
        self.attributes = attributes
        self.lengths = lengths
        self.opset = opset
        self.work = 0

    def fault(self, got: str, expected: str) -> GraphError:
        """The error for this node."""
        return GraphError(f"{self.node.label} ({self.node.op})", got, expected)

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Tensor:
        """A required input."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise self.fault(f"no input {index}", "every input that the operator needs")
        return tensor

    def dims(self, index: int, least: int = 0) -> Dims:
        """The shape of an input of at least `least` axes."""
        dims = self.input(index).dims
        if len(dims) < least:
            raise self.fault(f"input {index} of {len(dims)} axes", f"at least {least}")
        return dims

    def integer(self, name: str, default: int | None = None) -> int:
        """An int attribute."""
        value = self.attributes.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fault(f"attribute {name} = {value!r}", "an integer")
        return value

    def integers(self, name: str, length: int | None = None) -> list[int] | None:
        """An ints attribute; None where it is not given."""
        values = self.attributes.get(name)
        if values is None:
            return None
        if not isinstance(values, list) or not all(isinstance(v, int) for v in values):
            raise self.fault(f"attribute {name}", "integers")
        if length is not None and len(values) != length:
            raise self.fault(f"attribute {name} of {len(values)} numbers", f"{length}")
        return values

    def axis(self, value: int, rank: int) -> int:
        """A non-negative axis."""
        if not -rank <= value < rank:
            raise self.fault(f"axis {value}", f"one of {rank} axes")
        return value + rank if value < 0 else value

    def values(self, index: int, what: str) -> tuple[Number, ...]:
        """The elements of an input that a shape depends on."""
        tensor = self.input(index)
        if tensor.known is None:
            raise self.fault(f"{what} that the data decide", "sizes that follow from shapes and constants")
        return tensor.known

    def fixed_values(self, index: int, what: str) -> list[int]:
        """The same where they must not depend on n."""
        values = self.values(index, what)
        if not all(fixed(value) for value in values):
            raise self.fault(f"{what} that the data or n decide", "constants")
        return [value[1] for value in values]

    def extent(self, number: Number, what: str) -> Number:
        """A computed extent: negative is none."""
        low, high = self.lengths.low(number), self.lengths.high(number)
        if high >= LIMIT or low <= -LIMIT:
            raise self.fault(f"{what} that the data decide", "sizes that follow from shapes and constants")
        return number if low >= 0 else (0, 0, max(0, high))

    def broadcast(self, x: Dims, y: Dims) -> Dims:
        """The shape of x and y together."""
        if len(x) < len(y):
            x, y = y, x
        pad = len(x) - len(y)
        return (*x[:pad], *(self._together(a, b) for a, b in zip(x[pad:], y, strict=True)))

    def _together(self, a: Number, b: Number) -> Number:
        if a == b or b == ONE:
            return a
        if a == ONE:
            return b
        lengths = self.lengths
        if lengths.low(a) > 1 and lengths.low(b) > 1:
            return self.same(a, b)
        if lengths.low(b) > 1:
            return b
        if lengths.low(a) > 1:
            return a
        return (0, min(lengths.low(a), lengths.low(b)), max(lengths.high(a), lengths.high(b)))

    def same(self, a: Number, b: Number) -> Number:
        """One extent known twice: the tighter bounds of it."""
        if a == b:
            return a
        lengths = self.lengths
        difference = lengths.subtract(a, b)
        if lengths.low(difference) > 0 or lengths.high(difference) < 0:
            raise self.fault(f"extents {lengths.text(a)} and {lengths.text(b)}", "equal extents")
        return a if lengths.high(a) - lengths.low(a) <= lengths.high(b) - lengths.low(b) else b

    def known(self, dims: Dims, values: Sequence[Number], dtype: str) -> Tensor:
        """An output whose elements are known."""
        return known_tensor(dims, values, dtype, self.lengths)

    def result(self, dims: Dims | list[Number]) -> Tensor:
        """An output of this shape, of at most MOST_RANK axes."""
        if len(dims) > MOST_RANK:
            raise self.fault(f"{len(dims)} axes", f"at most {MOST_RANK}")
        return Tensor(tuple(dims))
