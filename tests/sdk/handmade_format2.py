"""The handmade package with what format 2 adds.

mood (block), mix (frames) and decoder (frame) read noise: "grain" [3], and "shimmer" [2, 2].
"""

from __future__ import annotations

import json

import handmade
import numpy as np
import onnx
from onnx import helper, numpy_helper

GRAIN, SHIMMER = (3,), (2, 2)
# stage -> noise, the shape of the noise, the tensor that it is added to
PLACES = {"mood": ("grain", GRAIN, "content"), "mix": ("shimmer", SHIMMER, "content"), "decoder": ("grain", GRAIN, "f")}


def package_files() -> dict[str, bytes]:
    """All files of the package, manifest.json included."""
    files = handmade.package_files()
    for stage, (_, shape, tensor) in PLACES.items():
        name = f"{stage}.onnx"
        files = handmade.with_file(files, name, with_noise(files[name], shape, tensor))
    manifest = json.loads(files["manifest.json"])
    stages = {stage["name"]: stage for stage in manifest["stages"]}
    for name, (noise, shape, _) in PLACES.items():
        time = 1 if stages[name]["cadence"] == "frame" else "n"
        spec = {"name": "noise", "source": f"noise.{noise}", "shape": ["B", time, *shape], "dtype": "float32"}
        stages[name]["inputs"].append(spec)
    # Declared in another order than that of their names.
    noise = {"shimmer": {"shape": list(SHIMMER)}, "grain": {"shape": list(GRAIN)}}
    ordered = {}
    for key, value in manifest.items():
        ordered[key] = value
        if key == "conditions":
            ordered["noise"] = noise
    return handmade.with_manifest({**files, "manifest.json": json.dumps(ordered).encode()}, format=2)


def with_noise(model: bytes, shape: tuple[int, ...], tensor: str) -> bytes:
    """The graph with a further input "noise", which is added to one of its tensors [B, n, D]."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    states = [place for place, item in enumerate(graph.input) if item.name.startswith("state.")]
    time = 1 if graph.input[0].type.tensor_type.shape.dim[1].dim_value == 1 else "n"
    graph.input.insert(states[0], helper.make_tensor_value_info("noise", onnx.TensorProto.FLOAT, ["B", time, *shape]))
    for node in graph.node:
        node.input[:] = [f"{tensor}.noisy" if name == tensor else name for name in node.input]
    made = [
        helper.make_node("MatMul", ["noise.rows", "noise_weights"], ["noise.moves"]),
        helper.make_node("Add", [tensor, "noise.moves"], [f"{tensor}.noisy"]),
    ]
    if len(shape) == 2:
        made.insert(0, helper.make_node("ReduceMean", ["noise", "noise_axis"], ["noise.rows"], keepdims=0))
        graph.initializer.append(numpy_helper.from_array(np.array([3], np.int64), "noise_axis"))
    else:
        made[0].input[0] = "noise"
    weights = np.random.default_rng(len(shape)).standard_normal((shape[0], handmade.D)) * 0.1
    graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), "noise_weights"))
    place = next((i + 1 for i, node in enumerate(graph.node) if tensor in node.output), 0)
    for node in reversed(made):
        graph.node.insert(place, node)
    for constant in graph.initializer:
        if constant.name == "shape":  # of the decoder, whose voices run in batches here
            constant.CopyFrom(numpy_helper.from_array(np.array([-1, 1, handmade.V, 3]), "shape"))
    onnx.checker.check_model(proto)
    return proto.SerializeToString()
