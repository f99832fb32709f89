"""The handmade package with persons: a third condition by name, which moves what the decoder feeds back."""

from __future__ import annotations

import json

import handmade
import numpy as np
import onnx
from handmade import D
from onnx import helper, numpy_helper

PERSONS = ("mia", "noah", "zoë")
MODEL_SHA256 = "5ec0" * 16


def package_files(**fields: object) -> dict[str, bytes]:
    """All files of the package, manifest.json included; `fields` replace top-level fields of the manifest."""
    files = handmade.package_files()
    files = handmade.with_file(files, "decoder.onnx", with_person(files["decoder.onnx"]))
    manifest = json.loads(files["manifest.json"])
    manifest["format"] = 2
    shape = [len(PERSONS)]
    manifest["conditions"]["person"] = {"shape": shape, "default": [0.25, 0.5, 0.25]}
    manifest["stages"][3]["inputs"].append(
        {"name": "person", "source": "condition.person", "shape": ["B", *shape], "dtype": "float32"}
    )
    # Where the format's description has them.
    ordered = {}
    for key, value in manifest.items():
        ordered[key] = value
        if key == "family":
            ordered["model_sha256"] = MODEL_SHA256
        if key == "levels":
            ordered["persons"] = list(PERSONS)
    files = {**files, "manifest.json": json.dumps(ordered).encode()}
    return handmade.with_manifest(files, **fields) if fields else files


def with_person(model: bytes) -> bytes:
    """decoder with a further condition."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    place = next(place for place, item in enumerate(graph.input) if item.name.startswith("state."))
    graph.input.insert(place, helper.make_tensor_value_info("person", onnx.TensorProto.FLOAT, ["B", len(PERSONS)]))
    weights = np.random.default_rng(5).standard_normal((len(PERSONS), D)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, "person_d"))
    total = next(place for place, node in enumerate(graph.node) if "conditions" in node.output)
    graph.node.insert(total, helper.make_node("MatMul", ["person", "person_d"], ["p"]))
    graph.node[total + 1].input.append("p")
    onnx.checker.check_model(proto)
    return proto.SerializeToString()
