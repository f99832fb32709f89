"""Animations as binary glTF 2.0: one mesh, morph targets and their animated weights.

The targets are the animation's named blendshapes where it has weights for them, else shapes fitted to the clip.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface.frames import Animation
from emoface.render.renderer import vertex_normals
from emoface.writers.atomic import replacing
from emoface.writers.extras import require
from emoface.writers.motion_basis import MotionBasis, fit_motion_basis, morph_residual

FloatArray = NDArray[np.float32]

TOLERANCE_M = 5e-5
"""Wished largest vertex error of the morph targets, in metres (0.05 mm)."""
MAX_RANK = 48
"""Most principal components of one file."""

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_ARRAY, _ELEMENTS = 34962, 34963
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def write_glb(path: str | os.PathLike[str], animation: Animation) -> None:
    """Writes a .glb with the template as mesh, the motion as morph targets and one animation, `speech`, at `fps`.

    glTF is in metres, +Y up, +Z front; another unit becomes the scale of the node. All weights lie in 0..1.

    An animation with blendshape weights gets exactly its shapes as targets, under their names
    (`mesh.extras.targetNames`). Any other gets as few shapes as reproduce the clip. The largest vertex error is in
    `asset.extras.morph_residual_m`: for fitted shapes below `TOLERANCE_M`, except where that would take more than
    `MAX_RANK` components. Such a clip without frames gives the mesh alone. OutputError as in `write`.
    """
    gltf = require("pygltflib", ".glb")
    buffer = _Buffer(gltf)
    unit = animation.face.unit_in_metres
    names, basis = _targets(animation)
    primitive = _primitive(gltf, buffer, animation, basis)
    document = gltf.GLTF2(
        asset=gltf.Asset(
            version="2.0",
            generator="EmoFace",
            extras={
                **_plain(animation.metadata),
                "synthetic": True,
                "generator": "EmoFace",
                "fps": animation.fps,
                "frames": len(animation),
                "morph_rank": len(names) if animation.blendshapes else max(len(names) - 1, 0),
                "morph_residual_m": 0.0 if basis is None else basis.residual * unit,
            },
        ),
        scene=0,
        scenes=[gltf.Scene(name="EmoFace", nodes=[0])],
        nodes=[gltf.Node(name="face", mesh=0, scale=None if unit == 1 else [unit] * 3)],
        meshes=[
            gltf.Mesh(
                name="face",
                primitives=[primitive],
                weights=[0.0] * len(names) if names else None,
                extras={"targetNames": names} if names else {},
            )
        ],
        materials=[
            gltf.Material(
                name="skin",
                pbrMetallicRoughness=gltf.PbrMetallicRoughness(metallicFactor=0.0, roughnessFactor=0.6),
                doubleSided=True,
                alphaCutoff=None,
            )
        ],
        animations=[] if basis is None or not len(animation) else [_animation(gltf, buffer, animation, basis)],
    )
    document.accessors, document.bufferViews = buffer.accessors, buffer.views
    document.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    document.set_binary_blob(bytes(buffer.data))
    content = b"".join(document.save_to_bytes())
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _targets(animation: Animation) -> tuple[list[str], MotionBasis | None]:
    """Names and shapes of the morph targets with their weights."""
    template, chosen = animation.face.template, animation.blendshapes
    if chosen is not None:
        weights = np.asarray(animation.blendshape_weights, np.float32)
        motion = animation.vertices - template
        return list(chosen.names), MotionBasis(chosen.shapes, weights, morph_residual(motion, chosen.shapes, weights))
    if not len(animation):
        return [], None
    basis = fit_motion_basis(animation.vertices - template, TOLERANCE_M / animation.face.unit_in_metres, MAX_RANK)
    return ["centre", *(f"motion_{k:02d}" for k in range(1, len(basis.shapes)))], basis


def _primitive(gltf: Any, buffer: _Buffer, animation: Animation, basis: MotionBasis | None) -> Any:
    face = animation.face
    normals = vertex_normals(face.template, face.faces)
    colours = np.ones((len(face.template), 4), np.float32)
    colours[:, :3] = np.clip(face.colours, 0, 1)
    narrow = len(face.template) < 65535
    attributes = gltf.Attributes(
        POSITION=buffer.add(face.template, target=_ARRAY, bounds=True),
        NORMAL=buffer.add(_unit(normals), target=_ARRAY),
        COLOR_0=buffer.add(np.round(colours * 65535).astype(np.uint16), target=_ARRAY, normalized=True),
    )
    return gltf.Primitive(
        attributes=attributes,
        indices=buffer.add(face.faces.astype(np.uint16 if narrow else np.uint32).reshape(-1), target=_ELEMENTS),
        material=0,
        targets=[
            {
                "POSITION": buffer.add(shape, target=_ARRAY, bounds=True),
                "NORMAL": buffer.add(_normal_change(face.template, shape, face.faces, normals), target=_ARRAY),
            }
            for shape in ([] if basis is None else basis.shapes)
        ],
    )


def _animation(gltf: Any, buffer: _Buffer, animation: Animation, basis: MotionBasis) -> Any:
    times = buffer.add(animation.time.astype(np.float32), bounds=True)
    weights = buffer.add(basis.weights.reshape(-1))
    return gltf.Animation(
        name="speech",
        samplers=[gltf.AnimationSampler(input=times, output=weights, interpolation="LINEAR")],
        channels=[gltf.AnimationChannel(sampler=0, target=gltf.AnimationChannelTarget(node=0, path="weights"))],
    )


def _unit(normals: FloatArray) -> FloatArray:
    """glTF wants unit normals everywhere; a vertex without faces gets +Y."""
    lost = np.linalg.norm(normals, axis=1) < 0.5
    return np.where(lost[:, None], np.array([0, 1, 0], np.float32), normals)


def _normal_change(
    template: FloatArray, shape: FloatArray, faces: NDArray[np.int32], normals: FloatArray, step: float = 0.25
) -> FloatArray:
    """How the normals (V, 3) change per unit weight of `shape`: the slope near the template, since targets add up."""
    return np.asarray((vertex_normals(template + np.float32(step) * shape, faces) - normals) / step, np.float32)


def _plain(metadata: Any) -> dict[str, Any]:
    """The part of the metadata that JSON can hold as it is."""
    return {key: value for key, value in metadata.items() if isinstance(value, str | int | float | bool | list | dict)}


class _Buffer:
    """The binary chunk, its views and accessors; every view starts at a multiple of four bytes."""

    def __init__(self, gltf: Any) -> None:
        self._gltf = gltf
        self.data = bytearray()
        self.views: list[Any] = []
        self.accessors: list[Any] = []

    def add(
        self, array: NDArray[Any], *, target: int | None = None, bounds: bool = False, normalized: bool = False
    ) -> int:
        """The index of an accessor that holds `array`, (n,) or (n, 3 or 4)."""
        code = {"f": _FLOAT, "H": _USHORT, "I": _UINT}[array.dtype.char]
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        self.data.extend(b"\0" * (-len(self.data) % 4))
        self.views.append(
            self._gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(content), target=target)
        )
        self.data.extend(content)
        table = array.reshape(len(array), -1)
        self.accessors.append(
            self._gltf.Accessor(
                bufferView=len(self.views) - 1,
                byteOffset=0,
                componentType=code,
                normalized=normalized,
                count=len(array),
                type=_TYPES[table.shape[1]],
                min=[float(value) for value in table.min(axis=0)] if bounds else None,
                max=[float(value) for value in table.max(axis=0)] if bounds else None,
            )
        )
        return len(self.accessors) - 1
