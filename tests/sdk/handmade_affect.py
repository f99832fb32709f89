"""The handmade package whose emotion stage also gives arousal, valence and confidence, read by the decoder.

mood (block or frames)  arousal and valence of the latest content; confidence, the largest of the running probabilities
decoder (frame)         takes probabilities, arousal, valence and confidence of its own frame into what it feeds back
"""

from __future__ import annotations

import json

import handmade
import numpy as np
import onnx
from handmade import D, E
from onnx import helper, numpy_helper

from emoface.manifest import AFFECT

READ = {"probabilities": E, **dict.fromkeys(AFFECT, 1)}
"""What the decoder reads of mood, and the values of a frame."""


def package_files(cadence: str = "block", fault: str = "") -> dict[str, bytes]:
    """All files of the package, manifest.json included.

    fault: one of AFFECT makes a package in which it is NaN, which no runtime may show; its decoder reads none of them.
    """
    files = handmade.package_files()
    files = handmade.with_file(files, "mood.onnx", with_affect(files["mood.onnx"], fault))
    if not fault:
        files = handmade.with_file(files, "decoder.onnx", moved_by_affect(files["decoder.onnx"]))
    manifest = json.loads(files["manifest.json"])
    stages = {stage["name"]: stage for stage in manifest["stages"]}
    stages["mood"]["cadence"] = cadence
    stages["mood"]["outputs"] += [{"name": name, "shape": ["B", "n", 1], "dtype": "float32"} for name in AFFECT]
    stages["decoder"]["inputs"] += [
        {"name": name, "source": f"mood.{name}", "shape": ["B", 1, size], "dtype": "float32"}
        for name, size in ({} if fault else READ).items()
    ]
    manifest["outputs"] |= {name: f"mood.{name}" for name in AFFECT}
    return handmade.with_manifest({**files, "manifest.json": json.dumps(manifest).encode()}, format=2)


def with_affect(model: bytes, fault: str = "") -> bytes:
    """mood with three outputs more."""
    proto = onnx.load_from_string(model)
    graph, states = proto.graph, len(proto.graph.output) - 2
    for place, name in enumerate(AFFECT):
        value = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["B", "n", 1])
        graph.output.insert(states + place, value)
    random = np.random.default_rng(8)
    for name in AFFECT[:2]:
        weights = random.standard_normal((D, 1)).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, f"to_{name}"))
        graph.node.append(helper.make_node("MatMul", ["c", f"to_{name}"], [f"{name}.raw"]))
        graph.node.append(helper.make_node("Tanh", [f"{name}.raw"], [name]))
    graph.node.append(helper.make_node("ReduceMax", ["probabilities", "axis2"], ["confidence"], keepdims=1))
    if fault:
        made = next(node for node in graph.node if node.output[0] == fault)
        made.output[0] = f"{fault}.sound"
        graph.initializer.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
        graph.node.append(helper.make_node("Mul", [f"{fault}.sound", "nan"], [fault]))
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def moved_by_affect(model: bytes) -> bytes:
    """decoder with four inputs more, whose weighted sum is added to what it feeds back."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    place = next(place for place, item in enumerate(graph.input) if item.name.startswith("state."))
    for name, size in reversed(READ.items()):
        graph.input.insert(place, helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["B", 1, size]))
    total = next(place for place, node in enumerate(graph.node) if "total" in node.output)
    graph.node[total].output[0] = "total.calm"
    weights = np.random.default_rng(9).standard_normal((sum(READ.values()), D)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, "affect_weights"))
    graph.node.insert(total + 1, helper.make_node("Concat", [*READ], ["affect"], axis=2))
    graph.node.insert(total + 2, helper.make_node("MatMul", ["affect", "affect_weights"], ["excited"]))
    graph.node.insert(total + 3, helper.make_node("Add", ["total.calm", "excited"], ["total"]))
    onnx.checker.check_model(proto)
    return proto.SerializeToString()
