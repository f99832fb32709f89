"""How the graphs of the cases are made: the graph of the stage `mix` of the handmade package, changed.

Its inputs are content [B, n, 6], mood [B, n, 3] and state.last [B, 1, 6], its outputs weight [B, n, 12] and
new_state.last [B, 1, 6]; n is 1 to 32 (tests/sdk/handmade.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import handmade
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

N = helper.make_node


@dataclass(frozen=True)
class Case:
    """`refused`: how the error goes on after "mix.onnx: " (field, " = ", got), or None where the graph is fine."""

    name: str
    build: Callable[[], bytes]
    refused: str | None = None


def mix() -> onnx.ModelProto:
    return onnx.load_from_string(handmade._mix())


def ints(name: str, *values: int) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def scalar(name: str, value: int) -> TensorProto:
    return numpy_helper.from_array(np.array(value, np.int64), name)


def graph(*nodes: onnx.NodeProto, constants=(), functions=(), domains=()) -> Callable[[], bytes]:
    """The graph with more nodes, which give nothing that anything reads; their names are set apart from its own."""

    def build() -> bytes:
        model = mix()
        taken = {tensor.name for tensor in model.graph.initializer} | {o for n in model.graph.node for o in n.output}
        apart = {t.name for t in constants if t.name != "axis1"} | {o for n in nodes for o in n.output}
        apart &= taken
        for node in nodes:
            added = model.graph.node.add()
            added.CopyFrom(node)
            added.input[:] = [f"{name}." if name in apart else name for name in node.input]
            added.output[:] = [f"{name}." if name in apart else name for name in node.output]
        for tensor in constants:
            added = model.graph.initializer.add()
            added.CopyFrom(tensor)
            added.name += "." if tensor.name in apart else ""
        model.functions.extend(functions)
        model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
        return model.SerializeToString()

    return build


def changed(change: Callable[[onnx.ModelProto], None]) -> Callable[[], bytes]:
    def build() -> bytes:
        model = mix()
        change(model)
        return model.SerializeToString()

    return build


def function(name: str, *nodes, inputs=("a",), outputs=("b",), attributes=(), defaults=(), domain="emoface", opset=18):
    made = helper.make_function(
        domain, name, inputs, outputs, nodes,
        [helper.make_opsetid("", opset), helper.make_opsetid("emoface", 1)], attributes, defaults,
    )  # fmt: skip
    return made


def own(op: str, inputs, outputs, **attributes) -> onnx.NodeProto:
    return N(op, inputs, outputs, domain="emoface", **attributes)


def external(location: str | None = "secret.bin", flag: bool = True) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    if flag:
        tensor.data_location = TensorProto.EXTERNAL
    if location is not None:
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
    return tensor


def attribute(name: str, tensor: TensorProto) -> onnx.AttributeProto:
    made = onnx.AttributeProto(name=name, type=onnx.AttributeProto.TENSOR)
    made.t.CopyFrom(tensor)
    return made


def with_attribute(op: str, outputs: list[str], made: onnx.AttributeProto) -> onnx.NodeProto:
    node = N(op, [], outputs, name="constant")
    node.attribute.append(made)
    return node


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def with_initialiser(raw: bytes) -> Callable[[], bytes]:
    """One more initialiser, its bytes as they are."""
    return with_graph_bytes(delimited(5, raw))


def with_graph_bytes(raw: bytes) -> Callable[[], bytes]:
    def build() -> bytes:
        model = mix()
        inside = model.graph.SerializeToString() + raw
        model.ClearField("graph")
        return model.SerializeToString() + delimited(7, inside)

    return build
