"""The handmade package with its motion in a basis of R shapes.

decoder (frame)   gives coefficients, and those of an emotion branch, of what it is fed with; no offsets
face (frame)      stateless: offsets of the coefficients and of mix's weight per vertex
"""

from __future__ import annotations

import io
import json

import handmade
import numpy as np
import onnx
from handmade import D, V
from onnx import helper, numpy_helper

R = 4
NAMES = ("jaw", "smile", "größe", "brow")


def shapes(count: int = R) -> np.ndarray:
    """The basis (R, V, 3), values that half precision holds."""
    values = np.random.default_rng(5).standard_normal((count, V, 3)) * 0.02
    return values.astype(np.float16).astype(np.float32)


def _decoder(fused: bool, fault: str) -> bytes:
    """The decoder of `handmade` up to what it feeds back, and coefficients of that."""
    graph = onnx.load_from_string(handmade._decoder()).graph
    roles = ("coefficients", "emotion_coefficients")[: 1 + fused]
    constants = [c for c in graph.initializer if c.name not in ("out", "shape")]
    for role in roles:
        values = numpy_helper.to_array(handmade._weights(f"to_{role}", D, R, scale=1.0)).copy()
        if fault == "NaN":
            values[0, 0] = np.nan
        if fault == "huge":
            values *= np.float32(1e36)
        constants.append(numpy_helper.from_array(values, f"to_{role}"))
    return handmade._model(
        "decoder",
        [(i.name, _shape(i)) for i in graph.input],
        [*((role, ["B", 1, R]) for role in roles), ("new_state.fed_back", ["B", 1, D])],
        [
            *(node for node in graph.node if "out" not in node.input and "shape" not in node.input),
            *(helper.make_node("MatMul", ["new_state.fed_back", f"to_{role}"], [role]) for role in roles),
        ],
        constants,
    )


def _face(fused: bool) -> bytes:
    n = helper.make_node
    one = [n("MatMul", ["coefficients", "basis"], ["flat"]), n("Reshape", ["flat", "shape"], ["content"])]
    two = [
        n("MatMul", ["emotion_coefficients", "basis"], ["flat_e"]),
        n("Reshape", ["flat_e", "shape"], ["emotion"]),
        n("Sub", ["emotion", "content"], ["apart"]),
        n("Unsqueeze", ["weight", "last"], ["w"]),
        n("Mul", ["apart", "w"], ["part"]),
        n("Add", ["content", "part"], ["offsets"]),
    ]
    return handmade._model(
        "face",
        [
            ("coefficients", ["B", 1, R]),
            *([("emotion_coefficients", ["B", 1, R]), ("weight", ["B", 1, V])] if fused else []),
        ],
        [("offsets", ["B", 1, V, 3])],
        [*one, *(two if fused else [n("Identity", ["content"], ["offsets"])])],
        [
            numpy_helper.from_array(shapes().reshape(R, -1), "basis"),
            handmade._ints("shape", 0, 0, V, 3),
            *([handmade._ints("last", -1)] if fused else []),
        ],
    )


def package_files() -> dict[str, bytes]:
    """The package of the table of cases: two branches, offsets of a stage of their own, halves with names."""
    return with_basis(handmade.package_files())


def with_basis(
    files: dict[str, bytes],
    *,
    fused: bool = True,
    offsets: bool = True,
    stored: str = "half",
    fault: str = "",
    others: dict[str, np.ndarray] | None = None,
) -> dict[str, bytes]:
    """The package with coefficients, in format 2.

    fused: with an emotion branch. offsets: with the stage `face`. stored: "half", "float" or "blendshapes", which are
    the basis then. fault: "NaN" or "huge" gives coefficients that no runtime may expand. others: further
    arrays of the face, or these in place of its own.
    """
    manifest, float32 = json.loads(files["manifest.json"]), {"dtype": "float32"}
    manifest["format"] = 2
    roles = ("coefficients", "emotion_coefficients")[: 1 + fused]
    decoder = next(stage for stage in manifest["stages"] if stage["name"] == "decoder")
    decoder["outputs"] = [{"name": role, "shape": ["B", 1, R], **float32} for role in roles]
    manifest["outputs"] |= {role: f"decoder.{role}" for role in roles}
    del manifest["outputs"]["offsets"]
    if offsets:
        inputs = [{"name": role, "source": f"decoder.{role}", "shape": ["B", 1, R], **float32} for role in roles]
        if fused:
            inputs.append({"name": "weight", "source": "mix.weight", "shape": ["B", 1, V], **float32})
        output = {"name": "offsets", "shape": ["B", 1, V, 3], **float32}
        manifest["stages"].append(
            {"name": "face", "cadence": "frame", "files": {"fp32": "face.onnx"}, "inputs": inputs}
            | {"outputs": [output], "state": []}
        )
        manifest["outputs"]["offsets"] = "face.offsets"
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face)
    if stored == "blendshapes":
        arrays |= {"blendshape_names": np.array(NAMES), "blendshapes": shapes()}
    else:
        arrays |= {"basis": shapes().astype(np.float16 if stored == "half" else np.float32)}
        arrays |= {"basis_names": np.array(NAMES)}
    arrays |= others or {}
    files = {**files, "manifest.json": json.dumps(manifest).encode()}
    if offsets:
        files = handmade.with_file(files, "face.onnx", _face(fused))
    files = handmade.with_file(files, "decoder.onnx", _decoder(fused, fault))
    return handmade.with_file(files, "face.npz", handmade.npz(**arrays))


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


__all__ = ["NAMES", "R", "package_files", "shapes", "with_basis"]
