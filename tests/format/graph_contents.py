"""External data, operators and functions that a package may not have."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import onnx
from graph_building import (
    Case,
    N,
    attribute,
    changed,
    external,
    function,
    graph,
    ints,
    own,
    varint,
    with_attribute,
    with_initialiser,
)
from onnx import TensorProto, helper, numpy_helper


def subgraph(tensor: TensorProto | None = None) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("w", TensorProto.FLOAT, [2])
    constants = [tensor or numpy_helper.from_array(np.zeros(2, np.float32), "w")]
    return helper.make_graph([], "inside", [], [value], constants)


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=tensor, indices=ints("i", 0, 1), dims=[8])


def _sparse_initialiser(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse(external()))


def _training(model: onnx.ModelProto) -> None:
    info = model.training_info.add()
    info.algorithm.CopyFrom(helper.make_graph([], "t", [], [], [external()]))


def _sparse_attribute() -> onnx.NodeProto:
    made = onnx.AttributeProto(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    made.sparse_tensor.CopyFrom(sparse(external()))
    return with_attribute("Constant", ["c"], made)


def _tensors_attribute() -> onnx.NodeProto:
    made = onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSORS)
    made.tensors.append(external())
    return with_attribute("Constant", ["c"], made)


EXTERNAL = "external data"
EXTERNALS = (
    Case("external_initialiser", graph(constants=[external()]), f"tensor 'w' = {EXTERNAL}"),
    Case("external_absolute", graph(constants=[external("/etc/passwd")]), f"tensor 'w' = {EXTERNAL}"),
    Case("external_memory", graph(constants=[external("*/_ORT_MEM_ADDR_/*")]), f"tensor 'w' = {EXTERNAL}"),
    Case("external_without_entries", graph(constants=[external(None)]), f"tensor 'w' = {EXTERNAL}"),
    Case("external_entries_without_flag", graph(constants=[external(flag=False)]), f"tensor 'w' = {EXTERNAL}"),
    Case("external_large_flag", lambda: _large_flag(), f"tensor 'w' = {EXTERNAL}"),
    Case(
        "external_constant",
        graph(with_attribute("Constant", ["c"], attribute("value", external()))),
        f"node 'constant', attribute 'value' = {EXTERNAL}",
    ),
    Case(
        "external_in_function",
        graph(
            own("f", ["content"], ["c"]),
            functions=[function("f", with_attribute("Constant", ["b"], attribute("value", external())))],
            domains=["emoface"],
        ),
        f"node 'constant', attribute 'value' = {EXTERNAL}",
    ),
    Case(
        "external_default_of_function",
        graph(functions=[function("f", N("Relu", ["a"], ["b"]), defaults=[attribute("v", external())])]),
        f"function 'f', attribute 'v' = {EXTERNAL}",
    ),
    Case("external_sparse", changed(_sparse_initialiser), "contents = sparse_initializer in graph"),
    Case("external_training", changed(_training), "contents = training_info in model"),
    Case("external_sparse_attribute", graph(_sparse_attribute()), "node 'constant' = sparse_tensor in attribute"),
    Case("external_tensors", graph(_tensors_attribute()), "node 'constant' = tensors in attribute"),
    Case(
        "external_in_subgraph",
        graph(N("If", ["content"], ["c"], "if", then_branch=subgraph(external()), else_branch=subgraph())),
        "node 'if' = subgraph in attribute",
    ),
)


def _large_flag() -> bytes:
    """The location as 2^32 + 1: protobuf keeps the lower half."""
    return with_initialiser(external(None, flag=False).SerializeToString() + bytes([14 << 3]) + varint((1 << 32) + 1))()


def _op(op: str, domain: str = "", inputs=("content",), outputs=("c",), **attributes) -> Case:
    label = f"{domain or 'ai.onnx'}.{op}"
    domains = [domain] if domain == "com.microsoft" else []
    node = N(op, list(inputs), list(outputs), "odd", domain=domain, **attributes)
    return Case(f"operator_{op}", graph(node, domains=domains), f"node 'odd' = operator {label}")


def _subgraph_op(op: str, **attributes) -> Case:
    node = N(op, ["content"], ["c"], "odd", **attributes)
    return Case(f"operator_{op}", graph(node), "node 'odd' = subgraph in attribute")


OPERATORS = (
    _subgraph_op("If", then_branch=subgraph(), else_branch=subgraph()),
    _subgraph_op("Loop", body=subgraph()),
    _subgraph_op("Scan", body=subgraph(), num_scan_inputs=1),
    Case(
        "operator_Loop_without_body", graph(N("Loop", ["content"], ["c"], "odd")), "node 'odd' = operator ai.onnx.Loop"
    ),
    *(
        _op(name)
        for name in [
            "SequenceConstruct",
            "SequenceAt",
            "SequenceEmpty",
            "SplitToSequence",
            "ConcatFromSequence",
            "Optional",
            "OptionalGetElement",
            "StringNormalizer",
            "StringSplit",
            "StringConcat",
            "RegexFullMatch",
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
            "Bernoulli",
            "Multinomial",
            "ImageDecoder",
            "NonMaxSuppression",
            "EyeLike",
            "Unique",
            "TfIdfVectorizer",
            "NoSuchThing",
        ]
    ),
    _op("Attention", "com.microsoft"),
    _op("Tokenizer", "com.microsoft"),
    Case(
        "operator_of_another_domain",
        graph(N("LabelEncoder", ["content"], ["c"], "odd", domain="ai.onnx.ml")),
        "node 'odd' = operator ai.onnx.ml.LabelEncoder",
    ),
    Case("domain_of_others", graph(domains=["ai.onnx.ml"]), "opset_import = domain 'ai.onnx.ml'"),
    Case(
        "own_operator_without_function",
        graph(own("Unfold", ["content"], ["c"], name="odd", kernel=1, stride=1), domains=["emoface"]),
        "node 'odd' = operator emoface.Unfold",
    ),
)


def _cut(*defaults: onnx.AttributeProto) -> onnx.FunctionProto:
    """The first k columns: k is an attribute of the function."""
    number = onnx.AttributeProto(name="value_int", type=onnx.AttributeProto.INT, ref_attr_name="k")
    nodes = [
        with_attribute("Constant", ["k0"], number),
        N("Constant", [], ["axes"], value_ints=[0]),
        N("Constant", [], ["two"], value_ints=[2]),
        N("Unsqueeze", ["k0", "axes"], ["k1"]),
        N("Slice", ["a", "axes", "k1", "two"], ["b"]),
    ]
    return function("f", *nodes, attributes=() if defaults else ("k",), defaults=defaults)


def _repeat() -> onnx.FunctionProto:
    number = onnx.AttributeProto(name="value_int", type=onnx.AttributeProto.INT, ref_attr_name="k")
    nodes = [
        with_attribute("Constant", ["k0"], number),
        N("Constant", [], ["axes"], value_ints=[0]),
        N("Constant", [], ["ones"], value_ints=[1, 1]),
        N("Unsqueeze", ["k0", "axes"], ["k1"]),
        N("Concat", ["ones", "k1"], ["r"], axis=0),
        N("Tile", ["a", "r"], ["b"], "tile"),
    ]
    return function("f", *nodes, attributes=["k"])


def _chain(levels: int, calls: int) -> list[onnx.FunctionProto]:
    """f0 calls f1 several times, which calls f2 several times, ..."""
    made = []
    for level in range(levels):
        names = ["a", *[f"t{i}" for i in range(calls - 1)], "b"]
        last = level == levels - 1
        nodes = [N("Relu", [x], [y]) if last else own(f"f{level + 1}", [x], [y]) for x, y in itertools.pairwise(names)]
        made.append(function(f"f{level}", *nodes))
    return made


def _functions(*made, call: bool = True) -> Callable[[], bytes]:
    nodes = [own(made[0].name, ["content"], ["c"], name="call")] if call else []
    return graph(*nodes, functions=made, domains=["emoface"])


FUNCTIONS = (
    Case(
        "function_calls_itself",
        _functions(function("f", own("f", ["a"], ["b"]))),
        "function 'f' = a function that calls",
    ),
    Case(
        "functions_call_each_other",
        _functions(function("f", own("g", ["a"], ["b"])), function("g", own("f", ["a"], ["b"]))),
        "function 'f' = a function that calls itself",
    ),
    Case("functions_exponential", _functions(*_chain(12, 10)), "node 't2' = more than 20000 nodes"),
    Case("functions_too_deep", _functions(*_chain(20, 1)), "function 'f16' = calls nested"),
    Case("functions_nested", _functions(*_chain(10, 2))),
    Case(
        "function_unused_with_an_odd_operator",
        _functions(function("f", N("Loop", ["a"], ["b"], "odd")), call=False),
        "node 'odd' = operator ai.onnx.Loop",
    ),
    Case(
        "function_instead_of_a_standard_operator",
        graph(functions=[function("Add", N("Relu", ["a"], ["b"]), domain="")]),
        "function 'Add' = domain ''",
    ),
    Case(
        "function_twice",
        _functions(function("f", N("Relu", ["a"], ["b"])), function("f", N("Tanh", ["a"], ["b"]))),
        "function 'f' = twice",
    ),
    Case(
        "function_without_its_output", _functions(function("f", N("Relu", ["a"], ["c"]))), "function 'f' = nothing for"
    ),
    Case("function_with_attributes", graph(own("f", ["content"], ["c"], k=2), functions=[_cut()], domains=["emoface"])),
    Case(
        "function_with_a_default",
        graph(own("f", ["content"], ["c"]), functions=[_cut(helper.make_attribute("k", 3))], domains=["emoface"]),
    ),
    Case(
        "function_bomb_by_attribute",
        graph(own("f", ["content"], ["c"], k=1 << 30), functions=[_repeat()], domains=["emoface"]),
        "node 'tile' = a tensor of 1 x 1 to 32 x 6442450944",
    ),
)
