"""A stage for the handmade package that moves the head as a whole.

head (frame or frames)  leans by content, in a frame stage also by how it leant before: a quaternion (x, y, z, 1)
                        divided by its length, as a matrix; and a translation
"""

from __future__ import annotations

import hashlib
import json

import handmade
import handmade_format2
import numpy as np
from handmade import D
from onnx import helper, numpy_helper

# Rows: products of the parts x, y, z, w of a quaternion with each other; columns: what they add to the matrix.
_TABLE = np.zeros((4, 4, 3, 3), np.float32)
for _i, _j, _row, _column, _value in [
    *[(1, 1, 0, 0, -2), (2, 2, 0, 0, -2), (0, 0, 1, 1, -2), (2, 2, 1, 1, -2), (0, 0, 2, 2, -2), (1, 1, 2, 2, -2)],
    *[(0, 1, 0, 1, 2), (2, 3, 0, 1, -2), (0, 2, 0, 2, 2), (1, 3, 0, 2, 2), (0, 1, 1, 0, 2), (2, 3, 1, 0, 2)],
    *[(1, 2, 1, 2, 2), (0, 3, 1, 2, -2), (0, 2, 2, 0, 2), (1, 3, 2, 0, -2), (1, 2, 2, 1, 2), (0, 3, 2, 1, 2)],
]:
    _TABLE[_i, _j, _row, _column] = _value


def _floats(name: str, value: object) -> object:
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def _head(cadence: str, fault: str) -> bytes:
    n, frame = helper.make_node, cadence == "frame"
    time = 1 if frame else "n"
    sign, squeezed = (-1 if fault == "reflection" else 1), (0.002 if fault == "not orthonormal" else 0)
    lean = [n("MatMul", ["content", "to_lean"], ["pull"])]
    if frame:
        lean += [n("Mul", ["state.lean", "slowness"], ["held"]), n("Add", ["pull", "held"], ["sum"])]
    lean.append(n("Tanh", ["sum" if frame else "pull"], ["new_state.lean" if frame else "lean"]))
    leaning = "new_state.lean" if frame else "lean"
    state = [("state.lean", ["B", 1, 3])] if frame else []
    return handmade._model(
        "head",
        [("content", ["B", time, D]), *state],
        [
            ("rotation", ["B", time, 3, 3]),
            ("translation", ["B", time, 3]),
            *(("new_" + name, shape) for name, shape in state),
        ],
        [
            *lean,
            n("Mul", [leaning, "far"], ["translation"]),
            n("Mul", [leaning, "wide"], ["axis"]),
            n("Slice", ["axis", "zero", "one", "two"], ["part"]),
            n("Mul", ["part", "nought"], ["nothing"]),
            n("Add", ["nothing", "unit"], ["w"]),
            n("Concat", ["axis", "w"], ["q"], axis=2),
            n("Unsqueeze", ["q", "three"], ["column"]),
            n("Unsqueeze", ["q", "two"], ["row"]),
            n("Mul", ["column", "row"], ["products"]),
            n("Reshape", ["products", "flat"], ["sixteen"]),
            n("Mul", ["q", "q"], ["squares"]),
            n("MatMul", ["squares", "ones"], ["length"]),
            n("Div", ["sixteen", "length"], ["divided"]),
            n("MatMul", ["divided", "table"], ["nine"]),
            n("Add", ["nine", "eye"], ["matrix"]),
            n("Reshape", ["matrix", "square"], ["rotation"]),
        ],
        [
            handmade._weights("to_lean", D, 3, scale=0.6),
            *([_floats("slowness", 0.9)] if frame else []),
            _floats("far", 1e6 if fault == "far" else 0.05),
            _floats("wide", 0.6),
            _floats("nought", 0),
            _floats("unit", 1),
            _floats("ones", np.full((4, 1), 0 if fault == "NaN" else 1)),
            _floats("table", sign * _TABLE.reshape(16, 9)),
            _floats("eye", sign * np.eye(3).reshape(9) + squeezed * np.eye(9)[0]),
            handmade._ints("zero", 0),
            handmade._ints("one", 1),
            handmade._ints("two", 2),
            handmade._ints("three", 3),
            handmade._ints("flat", 0, 0, 16),
            handmade._ints("square", 0, 0, 3, 3),
        ],
    )


def package_files() -> dict[str, bytes]:
    """The package with all that format 2 adds: noise, and the head."""
    return with_head(handmade_format2.package_files())


def with_head(files: dict[str, bytes], cadence: str = "frame", fault: str = "") -> dict[str, bytes]:
    """The package with the stage and its roles, in format 2.

    fault: "NaN", "reflection", "not orthonormal" or "far" makes a head that no runtime may show.
    """
    graph = _head(cadence, fault)
    manifest = json.loads(files["manifest.json"])
    time, float32 = (1 if cadence == "frame" else "n"), {"dtype": "float32"}
    state = {"name": "lean", "shape": ["B", 1, 3], "initial": 0.25, "batch_axis": 0, **float32}
    manifest["format"] = 2
    manifest["stages"].append(
        {
            "name": "head",
            "cadence": cadence,
            "files": {"fp32": "head.onnx"},
            "inputs": [{"name": "content", "source": "content.content", "shape": ["B", time, D], **float32}],
            "outputs": [
                {"name": "rotation", "shape": ["B", time, 3, 3], **float32},
                {"name": "translation", "shape": ["B", time, 3], **float32},
            ],
            "state": [state] if cadence == "frame" else [],
        }
    )
    manifest["outputs"] |= {"head_rotation": "head.rotation", "head_translation": "head.translation"}
    manifest["files"]["head.onnx"] = {"sha256": hashlib.sha256(graph).hexdigest(), "bytes": len(graph)}
    return {**files, "head.onnx": graph, "manifest.json": json.dumps(manifest).encode()}
