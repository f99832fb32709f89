"""Files that are no graph, or not the graph that the manifest says."""

from __future__ import annotations

from collections.abc import Callable

import onnx
from graph_building import (
    Case,
    N,
    changed,
    delimited,
    graph,
    ints,
    mix,
    varint,
    with_initialiser,
)
from onnx import TensorProto, helper


def _set(path: str, value) -> Callable[[], bytes]:
    def change(model: onnx.ModelProto) -> None:
        *way, last = path.split(".")
        place = model
        for step in way:
            place = place[int(step)] if step.isdigit() else getattr(place, step)
        setattr(place, last, value)

    return changed(change)


def _delete(path: str, index: int) -> Callable[[], bytes]:
    def change(model: onnx.ModelProto) -> None:
        del getattr(model.graph, path)[index]

    return changed(change)


def _duplicate_output(model: onnx.ModelProto) -> None:
    model.graph.node.append(N("Relu", ["content"], ["s"], "again"))


def _backwards(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _circle(model: onnx.ModelProto) -> None:
    model.graph.node.extend([N("Relu", ["y"], ["x"], "first"), N("Relu", ["x"], ["y"], "second")])


def _renamed(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.output[0] == "weight").output[0] = "other"


def _narrower(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "weight")
    node.op_type, node.input[0] = "Sigmoid", "s"


def _attribute_twice(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("axis", 1))


def _attribute_of_two(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].f = 1.0


def _raw(dims: list[int], data: bytes) -> bytes:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims)
    return tensor.SerializeToString() + delimited(9, data)


def _mixed(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(mix().SerializeToString())


STRUCTURE = (
    Case("plain", _mixed(lambda data: data)),
    Case("empty", lambda: b"", "ir_version = 0"),
    Case("not_a_graph", lambda: b"not a graph", "contents = field 13 of model"),
    Case("ir_too_old", _set("ir_version", 3), "ir_version = 3"),
    Case("ir_of_the_future", _set("ir_version", 99), "ir_version = 99"),
    Case("opset_too_old", _set("opset_import.0.version", 12), "opset_import = '' version 12"),
    Case("opset_of_the_future", _set("opset_import.0.version", 99), "opset_import = '' version 99"),
    Case(
        "opset_twice", changed(lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx", 18))), "opset_import = "
    ),
    Case("no_opset", changed(lambda m: m.ClearField("opset_import")), "opset_import = nothing"),
    Case("no_graph", changed(lambda m: m.ClearField("graph")), "graph = nothing"),
    Case("graph_twice", _mixed(lambda data: data + delimited(7, b"")), "contents = model.graph twice"),
    Case("unknown_field", _mixed(lambda data: data + delimited(99, b"x")), "contents = field 99 of model"),
    Case("device_configuration", _mixed(lambda data: data + delimited(26, b"")), "contents = field 26 of model"),
    Case("group", _mixed(lambda data: data + bytes([1 << 3 | 3])), "contents = wire type 3 at model.ir_version"),
    Case(
        "wrong_wire_type",
        _mixed(lambda data: data + varint(7 << 3) + varint(1)),
        "contents = wire type 0 at model.graph",
    ),
    Case("number_of_11_bytes", lambda: b"\x08" + b"\x80" * 10 + b"\x01", "contents = a number of more than"),
    Case("number_of_65_bits", lambda: b"\x08" + b"\x80" * 9 + b"\x02", "contents = a number of more than 64 bits"),
    Case("cut_in_a_number", _mixed(lambda data: data + b"\x28\x80"), "contents = model cut off in a number"),
    Case(
        "cut_in_a_message", _mixed(lambda data: data + b"\x32\x05a"), "contents = model.doc_string of 5 bytes, 1 left"
    ),
    Case(
        "length_of_64_bits",
        _mixed(lambda data: data + b"\x32" + varint((1 << 64) - 1)),
        "contents = model.doc_string of",
    ),
    Case("half", _mixed(lambda data: data[: len(data) // 2]), "contents = model.graph of"),
    Case("name_with_a_newline", _set("graph.node.0.name", "a\nb"), "contents = node.name = "),
    Case("name_with_nul", _set("graph.node.0.name", "a\0b"), "contents = node.name = "),
    Case("name_not_ascii", _set("graph.node.0.name", "\u202e"), "contents = node.name = "),
    Case("name_of_1001", _set("graph.node.0.name", "a" * 1001), "contents = node.name of 1001 bytes"),
    Case("input_missing", _delete("input", 2), "inputs = content, mood"),
    Case("output_missing", _delete("output", 1), "outputs = weight"),
    Case("input_of_another_type", _set("graph.input.0.type.tensor_type.elem_type", 11), "inputs.content = "),
    Case("input_of_another_size", _set("graph.input.0.type.tensor_type.shape.dim.2.dim_value", 7), "inputs.content = "),
    Case(
        "output_declared_otherwise",
        _set("graph.output.0.type.tensor_type.shape.dim.2.dim_value", 13),
        "outputs.weight = ['B', 'n', 13] float32",
    ),
    Case("input_without_a_shape", changed(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")), "inputs."),
    Case("input_a_sequence", changed(lambda m: m.graph.input[0].type.sequence_type.SetInParent()), "contents = "),
    Case("output_that_nothing_gives", changed(_renamed), "output 'weight'"),
    Case("output_of_another_size", changed(_narrower), "output 'weight' = shape [1, 1 to 32, 6]"),
    Case("backwards", changed(_backwards)),
    Case("input_that_nothing_gives", graph(N("Relu", ["nowhere"], ["c"], "odd")), "node 'odd' = input 'nowhere' that"),
    Case("circle", changed(_circle), "node 'first' = inputs that follow from its own"),
    Case("name_twice", changed(_duplicate_output), "node 'again' = output 's' a second time"),
    Case("initialiser_twice", graph(constants=[ints("axis1", 1)]), "tensor 'axis1' = a name twice"),
    Case(
        "initialiser_named_as_an_input",
        graph(constants=[ints("content", 1)]),
        "tensor 'content' = the name of an input",
    ),
    Case("attribute_twice", changed(_attribute_twice), "node 'all' = attribute 'axis' twice"),
    Case("attribute_of_two_values", changed(_attribute_of_two), "node 'all', attribute 'axis' = type 2"),
    Case(
        "tensor_of_text",
        graph(constants=[helper.make_tensor("t", TensorProto.STRING, [1], [b"x"])]),
        "contents = string_data",
    ),
    Case("tensor_too_short", with_initialiser(_raw([3], b"\0" * 8)), "tensor 't' = data that do not fit float32 [3]"),
    Case("tensor_of_negative_size", with_initialiser(_raw([-1], b"")), "tensor 't' = shape [-1]"),
    Case("tensor_beyond_64_bits", with_initialiser(_raw([1 << 39] * 3, b"")), "tensor 't' = data that do not fit"),
    Case("tensor_of_9_axes", with_initialiser(_raw([1] * 9, b"\0" * 4)), "contents = tensor.dims of 9 numbers"),
    Case(
        "tensor_raw_and_typed",
        with_initialiser(_raw([1], b"\0" * 4) + b"\x25\0\0\0\0"),
        "tensor 't' = data that do not",
    ),
    Case(
        "tensor_in_segments", with_initialiser(_raw([1], b"\0" * 4) + delimited(3, b"")), "contents = segment in tensor"
    ),
    Case("numbers_packed", with_initialiser(delimited(1, b"\1\2") + b"\x10\x07" + delimited(7, b"\1\2") + b"\x42\1t")),
    Case("numbers_one_by_one", with_initialiser(b"\x08\1\x08\2\x10\x07\x38\1\x38\2\x42\1t")),
    Case("packed_cut_off", with_initialiser(b"\x08\1\x10\x07" + delimited(7, b"\x80") + b"\x42\1t"), "contents = "),
)
