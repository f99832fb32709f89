"""An ONNX file as what the checks need: nodes, names, shapes, and where constants lie. Weights are passed over.

Everything that is not needed by a graph of a package is refused here: external data above all, for with it ONNX Runtime
reads files beside the model, and versions before 1.24 any file and any memory address.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emoface.graphs.wire import Kind, Schema, Span, Wire, WireError

OLDEST_IR, NEWEST_IR = 4, 13
OLDEST_OPSET, NEWEST_OPSET = 13, 25
STANDARD, MICROSOFT, OWN = "", "com.microsoft", "emoface"
MOST_INITIALISERS = 20_000
MOST_RANK = 8
MOST_KNOWN = 1024
"""Elements of the largest constant whose values are read: those of shapes, axes and indices are few."""
_MOST_KNOWN_FLOATS = 16
_MOST_BYTES = (1 << 31) - 1
_MOST_NODES = 20_000

# TensorProto.DataType -> (name, bytes of an element)
_TYPES = {
    1: ("float32", 4), 2: ("uint8", 1), 3: ("int8", 1), 4: ("uint16", 2), 5: ("int16", 2), 6: ("int32", 4),
    7: ("int64", 8), 9: ("bool", 1), 10: ("float16", 2), 11: ("float64", 8), 12: ("uint32", 4), 13: ("uint64", 8),
    16: ("bfloat16", 2),
}  # fmt: skip
_DATA = {
    "float_data": (Kind.FLOATS, (1,)),
    "int32_data": (Kind.INTS, (2, 3, 4, 5, 6, 9, 10, 16)),
    "int64_data": (Kind.INTS, (7,)),
    "double_data": (Kind.DOUBLES, (11,)),
    "uint64_data": (Kind.INTS, (12, 13)),
}
_READ_RAW = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?"}

_MODEL = Schema({
    1: ("ir_version", Kind.INT), 2: ("producer_name", Kind.TEXT), 3: ("producer_version", Kind.TEXT),
    4: ("domain", Kind.TEXT), 5: ("model_version", Kind.INT), 6: ("doc_string", Kind.SPAN), 7: ("graph", Kind.MESSAGE),
    8: ("opset_import", Kind.MESSAGES), 14: ("metadata_props", Kind.SPANS), 20: ("training_info", Kind.REFUSED),
    25: ("functions", Kind.MESSAGES),
})  # fmt: skip
_GRAPH = Schema({
    1: ("node", Kind.MESSAGES), 2: ("name", Kind.TEXT), 5: ("initializer", Kind.MESSAGES),
    10: ("doc_string", Kind.SPAN), 11: ("input", Kind.MESSAGES), 12: ("output", Kind.MESSAGES),
    13: ("value_info", Kind.SPANS), 14: ("quantization_annotation", Kind.REFUSED),
    15: ("sparse_initializer", Kind.REFUSED), 16: ("metadata_props", Kind.SPANS),
})  # fmt: skip
_FUNCTION = Schema({
    1: ("name", Kind.TEXT), 4: ("input", Kind.TEXTS), 5: ("output", Kind.TEXTS), 6: ("attribute", Kind.TEXTS),
    7: ("node", Kind.MESSAGES), 8: ("doc_string", Kind.SPAN), 9: ("opset_import", Kind.MESSAGES),
    10: ("domain", Kind.TEXT), 11: ("attribute_proto", Kind.MESSAGES), 12: ("value_info", Kind.SPANS),
    13: ("overload", Kind.REFUSED), 14: ("metadata_props", Kind.SPANS),
})  # fmt: skip
_NODE = Schema({
    1: ("input", Kind.TEXTS), 2: ("output", Kind.TEXTS), 3: ("name", Kind.TEXT), 4: ("op_type", Kind.TEXT),
    5: ("attribute", Kind.MESSAGES), 6: ("doc_string", Kind.SPAN), 7: ("domain", Kind.TEXT),
    8: ("overload", Kind.REFUSED), 9: ("metadata_props", Kind.SPANS),
})  # fmt: skip
_ATTRIBUTE = Schema({
    1: ("name", Kind.TEXT), 2: ("f", Kind.FLOAT), 3: ("i", Kind.INT), 4: ("s", Kind.SPAN), 5: ("t", Kind.MESSAGE),
    6: ("subgraph", Kind.REFUSED), 7: ("floats", Kind.FLOATS), 8: ("ints", Kind.INTS), 9: ("strings", Kind.SPANS),
    10: ("tensors", Kind.REFUSED), 11: ("subgraphs", Kind.REFUSED), 13: ("doc_string", Kind.SPAN),
    14: ("type_proto", Kind.REFUSED), 15: ("type_protos", Kind.REFUSED), 20: ("type", Kind.INT),
    21: ("ref_attr_name", Kind.TEXT), 22: ("sparse_tensor", Kind.REFUSED), 23: ("sparse_tensors", Kind.REFUSED),
})  # fmt: skip
# AttributeProto.AttributeType -> the one field that holds its value
_VALUE_OF_TYPE = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
_TENSOR = Schema({
    1: ("dims", Kind.INTS), 2: ("data_type", Kind.INT), 3: ("segment", Kind.REFUSED), 4: ("float_data", Kind.FLOATS),
    5: ("int32_data", Kind.INTS), 6: ("string_data", Kind.REFUSED), 7: ("int64_data", Kind.INTS),
    8: ("name", Kind.TEXT), 9: ("raw_data", Kind.SPAN), 10: ("double_data", Kind.DOUBLES),
    11: ("uint64_data", Kind.INTS), 12: ("doc_string", Kind.SPAN), 13: ("external_data", Kind.SPANS),
    14: ("data_location", Kind.INT), 16: ("metadata_props", Kind.SPANS),
})  # fmt: skip
_VALUE = Schema({
    1: ("name", Kind.TEXT), 2: ("type", Kind.MESSAGE), 3: ("doc_string", Kind.SPAN), 4: ("metadata_props", Kind.SPANS),
})  # fmt: skip
_TYPE = Schema({1: ("tensor_type", Kind.MESSAGE), 6: ("denotation", Kind.TEXT)})
_TENSOR_TYPE = Schema({1: ("elem_type", Kind.INT), 2: ("shape", Kind.MESSAGE)})
_SHAPE = Schema({1: ("dim", Kind.MESSAGES)})
_DIMENSION = Schema({1: ("dim_value", Kind.INT), 2: ("dim_param", Kind.TEXT), 3: ("denotation", Kind.TEXT)})
_OPSET = Schema({1: ("domain", Kind.TEXT), 2: ("version", Kind.INT)})


class GraphError(Exception):
    """A graph that is refused: `field` is the node, tensor or part at fault."""

    def __init__(self, field: str, got: str, expected: str) -> None:
        super().__init__(field, got, expected)
        self.field = field
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class Constant:
    """A tensor in the file. `values` are read where it is small and of a type that shapes are computed in."""

    dims: tuple[int, ...]
    dtype: str
    values: tuple[float, ...] | None


@dataclass(frozen=True)
class Reference:
    """An attribute of a function's node that is the attribute `name` of the call."""

    name: str
    type: int


@dataclass(frozen=True)
class Node:
    """One call of an operator or function. Attributes are ints, floats, bytes, lists of these, Constant, Reference."""

    domain: str
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def label(self) -> str:
        """How errors call it."""
        return f"node {self.name or next(filter(None, self.outputs), '')!r}"


@dataclass(frozen=True)
class Value:
    """A graph's input or output: extents are numbers or names."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True)
class Function:
    """A model-local function; `defaults` are values of its attributes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    defaults: dict[str, Any]
    nodes: tuple[Node, ...]
    opset: int


@dataclass
class Model:
    """One graph with its functions."""

    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    initialisers: dict[str, Constant]
    nodes: tuple[Node, ...]
    functions: dict[str, Function] = field(default_factory=dict)


def read_model(data: bytes, functions: dict[bytes, Function] | None = None) -> Model:
    """Read an ONNX file; GraphError for anything but a plain graph whose weights are all inside.

    Args:
        data: the file.
        functions: functions read before, by their bytes: the graphs of a package mostly share them. Added to.
    """
    if len(data) > _MOST_BYTES:
        raise GraphError("size", f"{len(data)} bytes", f"at most {_MOST_BYTES}")
    try:
        return _Reader(data, {} if functions is None else functions).model()
    except WireError as error:
        raise GraphError("contents", error.got, f"an ONNX graph: {error.expected}") from None


class _Reader:
    def __init__(self, data: bytes, functions: dict[bytes, Function]) -> None:
        self.wire = Wire(data)
        self.end = len(data)
        self.functions = functions

    def model(self) -> Model:
        top = self.wire.read((0, self.end), _MODEL, "model")
        version = top.get("ir_version", 0)
        if not OLDEST_IR <= version <= NEWEST_IR:
            raise GraphError("ir_version", str(version), f"{OLDEST_IR} to {NEWEST_IR}")
        opset = self._opset(top.get("opset_import", ()), "opset_import")
        if "graph" not in top:
            raise GraphError("graph", "nothing", "a graph")
        functions: dict[str, Function] = {}
        for span in top.get("functions", ()):
            raw = self.wire.data[span[0] : span[1]]
            function = self.functions.get(raw) or self._function(span)
            self.functions[raw] = function
            if function.name in functions:
                raise GraphError(f"function {function.name!r}", "twice", "once")
            functions[function.name] = function
        graph = self.wire.read(top["graph"], _GRAPH, "graph")
        spans = graph.get("initializer", ())
        if len(spans) > MOST_INITIALISERS:
            raise GraphError("graph.initializer", f"{len(spans)} tensors", f"at most {MOST_INITIALISERS}")
        initialisers: dict[str, Constant] = {}
        for span in spans:
            name, constant = self._tensor(span, "tensor")
            if not name or name in initialisers:
                raise GraphError(f"tensor {name!r}", "a name twice, or none", "distinct names")
            initialisers[name] = constant
        return Model(
            opset=opset,
            inputs=tuple(self._value(span) for span in graph.get("input", ())),
            outputs=tuple(self._value(span) for span in graph.get("output", ())),
            initialisers=initialisers,
            nodes=self._nodes(graph, "graph"),
            functions=functions,
        )

    def _opset(self, spans: Any, what: str) -> int:
        """The version of the standard operators; those of the two other domains must be 1."""
        versions: dict[str, int] = {}
        for span in spans:
            entry = self.wire.read(span, _OPSET, what)
            domain = _domain(entry)
            if domain in versions or domain not in (STANDARD, MICROSOFT, OWN):
                raise GraphError(what, f"domain {domain!r}", f"each once, of '', {MICROSOFT!r} and {OWN!r}")
            versions[domain] = entry.get("version", 0)
            low, high = (OLDEST_OPSET, NEWEST_OPSET) if domain == STANDARD else (1, 1)
            if not low <= versions[domain] <= high:
                raise GraphError(what, f"{domain!r} version {versions[domain]}", f"{low} to {high}")
        if STANDARD not in versions:
            raise GraphError(what, "nothing for the standard operators", f"{OLDEST_OPSET} to {NEWEST_OPSET}")
        return versions[STANDARD]

    def _function(self, span: Span) -> Function:
        entry = self.wire.read(span, _FUNCTION, "function")
        name = entry.get("name", "")
        if _domain(entry) != OWN or not name:
            raise GraphError(f"function {name!r}", f"domain {_domain(entry)!r}", f"a name and the domain {OWN!r}")
        names = (*entry.get("input", ()), *entry.get("attribute", ()))
        if len(set(names)) != len(names) or "" in names:
            raise GraphError(f"function {name!r}", "a name twice, or none", "distinct names of inputs and attributes")
        defaults = self._attributes(entry.get("attribute_proto", ()), f"function {name!r}")
        return Function(
            name=name,
            inputs=tuple(entry.get("input", ())),
            outputs=tuple(entry.get("output", ())),
            defaults=defaults,
            nodes=self._nodes(entry, f"function {name!r}"),
            opset=self._opset(entry.get("opset_import", ()), f"function {name!r}.opset_import"),
        )

    def _nodes(self, holder: dict[str, Any], what: str) -> tuple[Node, ...]:
        spans = holder.get("node", ())
        if len(spans) > _MOST_NODES:
            raise GraphError(f"{what}.node", f"{len(spans)} nodes", f"at most {_MOST_NODES}")
        return tuple(self._node(span) for span in spans)

    def _node(self, span: Span) -> Node:
        entry = self.wire.read(span, _NODE, "node")
        outputs = tuple(entry.get("output", ()))
        name = entry.get("name", "")
        label = f"node {name or next(filter(None, outputs), '')!r}"
        return Node(
            domain=_domain(entry),
            op=entry.get("op_type", ""),
            name=name,
            inputs=tuple(entry.get("input", ())),
            outputs=outputs,
            attributes=self._attributes(entry.get("attribute", ()), label),
        )

    def _attributes(self, spans: Any, label: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        for span in spans:
            try:
                entry = self.wire.read(span, _ATTRIBUTE, "attribute")
            except WireError as error:
                raise GraphError(label, error.got, error.expected) from None
            name, kind = entry.get("name", ""), entry.get("type", 0)
            if not name or name in attributes:
                raise GraphError(label, f"attribute {name!r} twice, or without a name", "distinct names")
            place = _VALUE_OF_TYPE.get(kind)
            others = entry.keys() - {"name", "type", "doc_string", "ref_attr_name", place}
            if place is None or others or ("ref_attr_name" in entry and place in entry):
                raise GraphError(f"{label}, attribute {name!r}", f"type {kind}", "one value, of the stated type")
            if "ref_attr_name" in entry:
                attributes[name] = Reference(entry["ref_attr_name"], kind)
            else:
                attributes[name] = self._attribute_value(place, entry, f"{label}, attribute {name!r}")
        return attributes

    def _attribute_value(self, place: str, entry: dict[str, Any], label: str) -> Any:
        if place in ("i", "f"):
            return entry.get(place, 0 if place == "i" else 0.0)
        if place == "ints":
            return self.wire.ints(entry.get(place, []), MOST_KNOWN, label)
        if place == "floats":
            if self.wire.count(entry.get(place, []), Kind.FLOATS, label) > MOST_KNOWN:
                raise GraphError(label, "too many numbers", f"at most {MOST_KNOWN}")
            return self.wire.floats(entry.get(place, []), Kind.FLOATS)
        if place == "s":
            start, end = entry.get(place, (0, 0))
            return self.wire.data[start : min(end, start + MOST_KNOWN)]
        if place == "t":
            if place not in entry:
                raise GraphError(label, "nothing", "a tensor")
            return self._tensor(entry[place], label)[1]
        return None  # strings: no operator that is allowed reads any

    def _tensor(self, span: Span, label: str) -> tuple[str, Constant]:
        entry = self.wire.read(span, _TENSOR, "tensor")
        name = entry.get("name", "")
        label = f"tensor {name!r}" if label == "tensor" else label
        if entry.get("data_location", 0) != 0 or "external_data" in entry:
            raise GraphError(label, "external data", "weights inside the graph: a package reads nothing else")
        kind = entry.get("data_type", 0)
        if kind not in _TYPES:
            raise GraphError(label, f"data type {kind}", "numbers of 8 to 64 bits, or bool")
        dims = self.wire.ints(entry.get("dims", []), MOST_RANK, "tensor.dims")
        if any(not 0 <= extent < 1 << 40 for extent in dims):
            raise GraphError(label, f"shape {dims}", "extents from 0 to 2^40")
        dtype, width = _TYPES[kind]
        size = math.prod(dims)
        stored = [key for key in _DATA if key in entry]
        if "raw_data" in entry:
            start, end = entry["raw_data"]
            fits = not stored and end - start == size * width
        elif stored:
            parts, allowed = entry[stored[0]], _DATA[stored[0]]
            fits = len(stored) == 1 and kind in allowed[1] and self.wire.count(parts, allowed[0], label) == size
        else:
            fits = size == 0
        if not fits:
            raise GraphError(label, f"data that do not fit {dtype} {dims}", "as many numbers as the shape says")
        return name, Constant(tuple(dims), dtype, self._values(entry, kind, size) if size <= MOST_KNOWN else None)

    def _values(self, entry: dict[str, Any], kind: int, size: int) -> tuple[float, ...] | None:
        if kind not in _READ_RAW or (kind == 1 and size > _MOST_KNOWN_FLOATS):
            return None
        if size == 0:
            return ()
        if "raw_data" in entry:
            start, _ = entry["raw_data"]
            return tuple(np.frombuffer(self.wire.data, _READ_RAW[kind], size, start).tolist())
        if kind == 1:
            return tuple(self.wire.floats(entry["float_data"], Kind.FLOATS))
        values = self.wire.ints(entry["int64_data" if kind == 7 else "int32_data"], MOST_KNOWN, "tensor")
        if kind != 7 and not all(-(1 << 31) <= value < 1 << 31 for value in values):
            return None
        return tuple(int(v != 0) for v in values) if kind == 9 else tuple(values)

    def _value(self, span: Span) -> Value:
        entry = self.wire.read(span, _VALUE, "value")
        name = entry.get("name", "")
        label = f"value {name!r}"
        if not name or "type" not in entry:
            raise GraphError(label, "no name or no type", "a named tensor")
        kind = self.wire.read(entry["type"], _TYPE, "type")
        if "tensor_type" not in kind:
            raise GraphError(label, "no tensor", "a tensor")
        tensor = self.wire.read(kind["tensor_type"], _TENSOR_TYPE, "tensor type")
        number = tensor.get("elem_type", 0)
        if number not in _TYPES:
            raise GraphError(label, f"element type {number}", "numbers of 8 to 64 bits, or bool")
        if "shape" not in tensor:
            return Value(name, _TYPES[number][0], None)
        dims = self.wire.read(tensor["shape"], _SHAPE, "shape").get("dim", [])
        if len(dims) > MOST_RANK:
            raise GraphError(label, f"{len(dims)} axes", f"at most {MOST_RANK}")
        shape: list[int | str] = []
        for dim in dims:
            extent = self.wire.read(dim, _DIMENSION, "dimension")
            if "dim_value" in extent and "dim_param" in extent:
                raise GraphError(label, "an extent that is a number and a name", "one of the two")
            shape.append(extent.get("dim_value", extent.get("dim_param", "")))
        return Value(name, _TYPES[number][0], tuple(shape))


def _domain(entry: dict[str, Any]) -> str:
    domain = entry.get("domain", "")
    return STANDARD if domain == "ai.onnx" else str(domain)
