"""Models as other makers' programs write them: a GLB with ARKit's shapes, a VRM, and one without shapes."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from emoface import Package

VOWELS = {"aa": "jawOpen", "ih": "mouthStretchLeft", "ou": "mouthPucker", "ee": "mouthSmileLeft", "oh": "mouthFunnel"}
BONES = (
    "hips", "spine", "head", "leftUpperLeg", "leftLowerLeg", "leftFoot", "rightUpperLeg", "rightLowerLeg", "rightFoot",
    "leftUpperArm", "leftLowerArm", "leftHand", "rightUpperArm", "rightLowerArm", "rightHand",
)  # fmt: skip


def glb(package: Package, names: tuple[str, ...], vrm: dict[str, str] | None = None) -> bytes:
    """The package's head with morph targets of these names; `vrm`: expression -> the morph target that it is."""
    face = package.face
    assert face.blendshapes is not None
    arrays = [face.template, face.faces.astype("<u4").reshape(-1), face.colours]
    arrays += [face.blendshapes[name] for name in names]
    views, accessors, blob = [], [], b""
    for index, array in enumerate(arrays):
        data = np.ascontiguousarray(array).tobytes()
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        kind = {"componentType": 5125, "type": "SCALAR"} if index == 1 else {"componentType": 5126, "type": "VEC3"}
        accessor: dict[str, Any] = {"bufferView": index, "count": len(array), **kind}
        if index != 1:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        accessors.append(accessor)
        blob += data
    primitive: dict[str, Any] = {"attributes": {"POSITION": 0, "COLOR_0": 2}, "indices": 1}
    mesh: dict[str, Any] = {"primitives": [primitive]}
    if names:
        primitive["targets"] = [{"POSITION": 3 + index} for index in range(len(names))]
        mesh["extras"] = {"targetNames": list(names)}
    nodes: list[dict[str, Any]] = [{"mesh": 0, "name": "face"}]
    gltf: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "meshes": [mesh],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
        "nodes": nodes,
    }
    if vrm is not None:
        nodes += [{"name": bone} for bone in BONES]
        gltf["scenes"][0]["nodes"] = list(range(len(nodes)))
        gltf["extensionsUsed"] = ["VRMC_vrm"]
        gltf["extensions"] = {"VRMC_vrm": _vrm(names, vrm)}
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    blob += bytes(-len(blob) % 4)
    total = 12 + 8 + len(text) + 8 + len(blob)
    header = struct.pack("<4sLL", b"glTF", 2, total)
    return header + struct.pack("<L4s", len(text), b"JSON") + text + struct.pack("<L4s", len(blob), b"BIN\0") + blob


def _vrm(names: tuple[str, ...], expressions: dict[str, str]) -> dict[str, Any]:
    def expression(target: str) -> dict[str, Any]:
        return {"morphTargetBinds": [{"node": 0, "index": names.index(target), "weight": 1.0}]}

    presets = {name: expression(target) for name, target in expressions.items() if name in VOWELS}
    custom = {name: expression(target) for name, target in expressions.items() if name not in VOWELS}
    return {
        "specVersion": "1.0",
        "meta": {"name": "test", "authors": ["test"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {bone: {"node": 1 + index} for index, bone in enumerate(BONES)}},
        "expressions": {"preset": presets, "custom": custom},
    }
