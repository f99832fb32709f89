"""Animations as binary glTF 2.0: one mesh, morph targets and their animated weights.

The targets are the animation's named blendshapes where it has weights for them, else shapes fitted to the clip.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface.errors import OutputError
from emoface.frames import Clip, Piece
from emoface.head_pose import quaternions
from emoface.package import Face
from emoface.writers.extras import require
from emoface.writers.frame_writer import FrameWriter, require_vertices, write_files
from emoface.writers.glb_mesh import SplitMesh, split_mesh
from emoface.writers.motion_basis import MotionBasis, fit_motion_basis, morph_residual
from emoface.writers.spool import Spool

FloatArray = NDArray[np.float32]
_Head = tuple[NDArray[np.float64], FloatArray]  # quaternions (T, 4), translations (T, 3)

TOLERANCE_M = 5e-5
"""Wished largest vertex error of the morph targets, in metres (0.05 mm)."""
MAX_RANK = 48
"""Most principal components of one file."""

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_ARRAY, _ELEMENTS = 34962, 34963
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


MAX_FRAMES = 1_000_000
"""Most frames of one file: nine hours at 30 fps."""


def write_glb(path: str | os.PathLike[str], clip: Clip) -> None:
    """Writes a .glb with the template as mesh, the motion as morph targets and one animation, `speech`, at `fps`.

    glTF is in metres, +Y up, +Z front; another unit becomes the scale of the node. Weights that are solved or fitted
    lie in 0..1; those of a model's own basis are its coefficients. The head's pose, where there is one, is the node's
    rotation and translation, animated beside the weights.

    A face with texture coordinates gets them, and its texture `albedo` in place of colours per vertex. Vertices are
    split at seams and at sharp edges; copies follow the face's own, and the attribute `_VERTEX` says of which they are.

    An animation with blendshape weights gets exactly its shapes as targets, under their names
    (`mesh.extras.targetNames`); weights that are coefficients need no vertices. Any other gets as few shapes as
    reproduce the clip. The largest vertex error is in `asset.extras.morph_residual_m`: for fitted shapes below
    `TOLERANCE_M`, except where that would take more than `MAX_RANK` components. Such a clip without frames gives the
    mesh alone. OutputError as in `write`.

    Bounds: at most `MAX_FRAMES` frames, more are refused before the work where their number is known. In memory are the
    weights, at most 0.25 kB a frame per 50 shapes, and to fit shapes 1,500 frames; the others wait in an unnamed
    temporary file beside the .glb, 12 V bytes a frame.
    """
    write_files([(path, GlbWriter)], clip, None)


class GlbWriter(FrameWriter):
    """Gathers the weights of named shapes, or the frames to which shapes are fitted; the file is written at the end."""

    def __init__(self, path: Path, clip: Clip) -> None:
        self._gltf = require("pygltflib", ".glb")
        self._path, self._clip = path, clip
        self._check_length(clip.expected or 0)
        self._time: list[NDArray[np.float64]] = []
        self._weights: list[FloatArray] = []
        self._turned: list[NDArray[np.float64]] = []
        self._moved: list[FloatArray] = []
        self._residual, self._count = 0.0, 0
        if clip.blendshapes is None:
            require_vertices(clip, ".glb")
        self._offsets = None if clip.blendshapes is not None else Spool(path.parent)

    def add(self, piece: Piece) -> None:
        """Keep what the targets and their weights are made of."""
        frames = piece.frames
        self._time.append(frames.time)
        self._count += len(frames)
        if frames.has_head_pose:
            self._turned.append(quaternions(frames.head_rotation))
            self._moved.append(frames.head_translation)
        self._check_length(self._count)
        if self._offsets is not None:
            self._offsets.append(frames.vertices - self._clip.face.template)
        elif self._clip.blendshapes is not None:
            weights = np.asarray(frames.blendshape_weights, np.float32)
            self._weights.append(weights)
            if self._clip.has_vertices:
                offsets = frames.vertices - self._clip.face.template
                self._residual = max(self._residual, morph_residual(offsets, self._clip.blendshapes.shapes, weights))

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Find the targets and write everything."""
        time = np.concatenate(self._time)
        names, basis = self._targets()
        head = (np.concatenate(self._turned), np.concatenate(self._moved)) if self._turned else None
        content = _document(self._gltf, self._clip, metadata, time, names, basis, head)
        with open(self._path, "wb") as file:
            file.writelines(content)

    def close(self) -> None:
        """Release the space on disk."""
        if self._offsets is not None:
            self._offsets.close()

    def _check_length(self, frames: int) -> None:
        if frames > MAX_FRAMES:
            raise OutputError(
                f"an animation of {frames:,} frames for a .glb file",
                f"at most {MAX_FRAMES:,} frames, {MAX_FRAMES / self._clip.fps / 3600:.1f} h at {self._clip.fps} fps",
                "Cut the sound into parts, or write .npz or .csv, which have no limit.",
            )

    def _targets(self) -> tuple[list[str], MotionBasis | None]:
        """Names and shapes of the morph targets with their weights."""
        face, chosen = self._clip.face, self._clip.blendshapes
        if chosen is not None:
            weights = np.concatenate(self._weights)
            return list(chosen.names), MotionBasis(chosen.shapes, weights, self._residual)
        if self._offsets is None or not len(self._offsets):
            return [], None
        basis = fit_motion_basis(self._offsets, TOLERANCE_M / face.unit_in_metres, MAX_RANK)
        return ["centre", *(f"motion_{k:02d}" for k in range(1, len(basis.shapes)))], basis


def _document(
    gltf: Any,
    clip: Clip,
    metadata: Mapping[str, Any],
    time: NDArray[np.float64],
    names: list[str],
    basis: MotionBasis | None,
    head: _Head | None,
) -> list[bytes]:
    """The file in parts."""
    buffer = _Buffer(gltf)
    unit = clip.face.unit_in_metres
    albedo = clip.face.textures.get("albedo") if clip.face.uvs is not None else None
    primitive = _primitive(gltf, buffer, clip.face, basis, coloured=albedo is None)
    document = gltf.GLTF2(
        asset=gltf.Asset(
            version="2.0",
            generator="EmoFace",
            extras={
                **_plain(metadata),
                "synthetic": True,
                "generator": "EmoFace",
                "fps": clip.fps,
                "frames": len(time),
                "morph_rank": len(names) if clip.blendshapes else max(len(names) - 1, 0),
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
                pbrMetallicRoughness=gltf.PbrMetallicRoughness(
                    metallicFactor=0.0,
                    roughnessFactor=0.6,
                    baseColorTexture=None if albedo is None else gltf.TextureInfo(index=0),
                ),
                doubleSided=True,
                alphaCutoff=None,
            )
        ],
        animations=[] if basis is None or not len(time) else [_animation(gltf, buffer, time, basis, head, unit)],
    )
    if albedo is not None:
        document.textures = [gltf.Texture(source=0)]
        document.images = [gltf.Image(name="albedo", mimeType="image/png", bufferView=buffer.view(albedo))]
    document.accessors, document.bufferViews = buffer.accessors, buffer.views
    document.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    document.set_binary_blob(bytes(buffer.data))
    return list(document.save_to_bytes())


def _primitive(gltf: Any, buffer: _Buffer, face: Face, basis: MotionBasis | None, coloured: bool) -> Any:
    mesh = split_mesh(face)
    normals = mesh.normals(face.template)
    attributes = {
        "POSITION": buffer.add(face.template[mesh.vertex], target=_ARRAY, bounds=True),
        "NORMAL": buffer.add(_unit(normals), target=_ARRAY),
    }
    if coloured:
        colours = np.ones((len(mesh.vertex), 4), np.float32)
        colours[:, :3] = np.clip(face.colours, 0, 1)[mesh.vertex]
        quantised = np.round(colours * 65535).astype(np.uint16)
        attributes["COLOR_0"] = buffer.add(quantised, target=_ARRAY, normalized=True)
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = buffer.add(mesh.uvs, target=_ARRAY)
    if mesh.is_split:
        attributes["_VERTEX"] = buffer.add(mesh.vertex.astype(np.float32), target=_ARRAY)
    narrow = len(mesh.vertex) < 65535
    return gltf.Primitive(
        attributes=gltf.Attributes(**attributes),
        indices=buffer.add(mesh.triangles.astype(np.uint16 if narrow else np.uint32).reshape(-1), target=_ELEMENTS),
        material=0,
        targets=[
            {
                "POSITION": buffer.add(shape[mesh.vertex], target=_ARRAY, bounds=True),
                "NORMAL": buffer.add(_normal_change(mesh, face.template, shape, normals), target=_ARRAY),
            }
            for shape in ([] if basis is None else basis.shapes)
        ],
    )


def _animation(
    gltf: Any, buffer: _Buffer, time: NDArray[np.float64], basis: MotionBasis, head: _Head | None, unit: float
) -> Any:
    times = buffer.add(time.astype(np.float32), bounds=True)
    values = {"weights": basis.weights.reshape(-1)}
    if head is not None:
        values["rotation"] = _unbroken(head[0]).astype(np.float32)
        values["translation"] = np.asarray(head[1] * np.float32(unit), np.float32)
    return gltf.Animation(
        name="speech",
        samplers=[
            gltf.AnimationSampler(input=times, output=buffer.add(array), interpolation="LINEAR")
            for array in values.values()
        ],
        channels=[
            gltf.AnimationChannel(sampler=index, target=gltf.AnimationChannelTarget(node=0, path=path))
            for index, path in enumerate(values)
        ],
    )


def _unbroken(turned: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternions (T, 4) of the same rotations, each on the side of the one before: some readers blend the numbers."""
    sides = np.where((turned[1:] * turned[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    return np.asarray(turned * np.concatenate([[1.0], np.cumprod(sides)])[:, None])


def _unit(normals: FloatArray) -> FloatArray:
    """glTF wants unit normals everywhere; a vertex without faces gets +Y."""
    lost = np.linalg.norm(normals, axis=1) < 0.5
    return np.where(lost[:, None], np.array([0, 1, 0], np.float32), normals)


def _normal_change(
    mesh: SplitMesh, template: FloatArray, shape: FloatArray, normals: FloatArray, step: float = 0.25
) -> FloatArray:
    """How the normals (N, 3) change per unit weight of `shape`: the slope near the template, since targets add up."""
    return np.asarray((mesh.normals(template + np.float32(step) * shape) - normals) / step, np.float32)


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

    def view(self, content: bytes, target: int | None = None) -> int:
        """The index of a view of these bytes."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        self.views.append(
            self._gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(content), target=target)
        )
        self.data.extend(content)
        return len(self.views) - 1

    def add(
        self, array: NDArray[Any], *, target: int | None = None, bounds: bool = False, normalized: bool = False
    ) -> int:
        """The index of an accessor that holds `array`, (n,) or (n, 3 or 4)."""
        code = {"f": _FLOAT, "H": _USHORT, "I": _UINT}[array.dtype.char]
        view = self.view(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes(), target)
        table = array.reshape(len(array), -1)
        self.accessors.append(
            self._gltf.Accessor(
                bufferView=view,
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
