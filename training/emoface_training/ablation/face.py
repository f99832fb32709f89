"""The decimated face of the ablations: a few hundred of a face's own vertices, moved as the full face moves them.

Quadric decimation spends vertices where a surface is uneven, not where it moves, and would leave a mouth of thirty
vertices. Regions that are measured are therefore roughened along their normals before decimation (and only for it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_training.clips.store import ClipStore
from emoface_training.data.sample import DatasetFace
from emoface_training.errors import OptionsError
from emoface_training.motion.basis import MotionRig
from emoface_training.motion.targets import Face

ROUGHNESS_SEED = 0


@dataclass(frozen=True)
class Decimation:
    """kept int64 [V]: the full face's vertices that remain. faces int32 [F, 3] index `kept`."""

    kept: NDArray[np.int64]
    faces: NDArray[np.int32]

    def save(self, path: Path) -> None:
        """Write as .npz, whole or not at all."""
        fresh = path.with_name(path.name + ".tmp")
        with fresh.open("wb") as stream:
            np.savez(stream, kept=self.kept, faces=self.faces)
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Decimation:
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["kept"], stored["faces"])


@dataclass(frozen=True)
class DecimatedRig:
    """A rig of `vertices` alone: template [V, 3] m, faces [F, 3], masks, fields [K, 3V] m; see `MotionRig`."""

    template: NDArray[np.float32]
    faces: NDArray[np.int32]
    masks: dict[str, NDArray[np.int32]]
    fields: NDArray[np.float32]
    full: MotionRig

    def coefficients(self, parameters: np.ndarray) -> np.ndarray:
        """Field weights [T, K] for parameters [T, P]: the full rig's own."""
        return self.full.coefficients(parameters)

    def offsets(self, parameters: np.ndarray) -> np.ndarray:
        """Offsets [T, V, 3] in metres for parameters [T, P]: the full rig's, at the kept vertices."""
        weights = self.coefficients(parameters)
        return (weights @ self.fields).reshape(len(weights), *self.template.shape)


@dataclass(frozen=True)
class DecimatedMotion:
    """Motion of a recorded clip at the kept vertices; see `VertexMotion`."""

    motion: object
    kept: NDArray[np.int64]

    @property
    def frames(self) -> int:
        return self.motion.frames  # type: ignore[attr-defined]

    def offsets(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Offsets from the template, float32 [n, V, 3] in the dataset's unit."""
        return np.ascontiguousarray(self.motion.offsets(start, stop)[:, self.kept])  # type: ignore[attr-defined]


def decimate(face: Face, vertices: int, roughness_mm: Mapping[str, float]) -> Decimation:
    """Decimate the largest connected surface of a face to about `vertices` vertices.

    roughness_mm: by mask, how far its vertices are displaced along their normals for the decimation.
    Raises OptionsError for an unknown mask, and for a count that is no decimation.
    """
    import fast_simplification

    skin = _largest_component(len(face.template), face.faces)
    if not 12 <= vertices < len(skin):
        raise OptionsError(
            f"face_vertices {vertices}",
            f"12 to {len(skin) - 1}, less than the face's largest surface has",
            "Correct the budget (null keeps the whole face).",
        )
    local = np.full(len(face.template), -1)
    local[skin] = np.arange(len(skin))
    faces = local[face.faces]
    faces = faces[(faces >= 0).all(1)].astype(np.int32)
    points = _roughened(face, skin, local, faces, roughness_mm).astype(np.float32)
    # A closed surface has two triangles per vertex
    points_left, faces_left, collapses = fast_simplification.simplify(
        points, faces, target_count=2 * vertices, return_collapses=True
    )
    group = fast_simplification.replay_simplification(points, faces, collapses)[2]
    # Of the vertices that fell together, the one nearest to where they meet stands for them: motion is then exact
    distance = np.linalg.norm(points - points_left[group], axis=1)
    order = np.lexsort((distance, group))
    first = np.unique(group[order], return_index=True)[1]
    return Decimation(skin[order[first]], faces_left.astype(np.int32))


def decimated(face: Face, decimation: Decimation) -> Face:
    """The face of the kept vertices, with its masks and motion carried over."""
    kept = decimation.kept
    if len(kept) == 0 or kept.max() >= len(face.template):
        raise OptionsError(
            f"a decimation of a face with more than {len(face.template)} vertices", "this face's", "Give another --out."
        )
    masks = {name: np.flatnonzero(np.isin(kept, index)).astype(np.int32) for name, index in face.masks.items()}
    masks = {name: index for name, index in masks.items() if len(index)}
    template = np.ascontiguousarray(face.template[kept])
    if isinstance(face, DatasetFace):
        return DatasetFace(template, decimation.faces, masks, face.unit_in_metres)
    fields = face.fields.reshape(len(face.fields), -1, 3)[:, kept].reshape(len(face.fields), -1)
    return DecimatedRig(template, decimation.faces, masks, np.ascontiguousarray(fields), face)


def decimated_store(store: ClipStore, decimation: Decimation) -> ClipStore:
    """The same clips on the decimated face; a rig's clips hold parameters and stay as they are."""
    if store.clips[0].vertices is None:
        return store
    clips = [replace(clip, vertices=DecimatedMotion(clip.vertices, decimation.kept)) for clip in store.clips]
    return ClipStore(clips, store.fps, store.styles)


def face_hash(face: Face) -> str:
    """SHA-256 of template, triangles, masks and, for a rig, its fields."""
    digest = hashlib.sha256()
    arrays = [face.template, face.faces, *(face.masks[name] for name in sorted(face.masks))]
    if not isinstance(face, DatasetFace):
        arrays.append(face.fields)
    for array in arrays:
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _largest_component(vertices: int, faces: np.ndarray) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    start, end = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    edges = coo_matrix((np.ones(len(start)), (start, end)), (vertices, vertices))
    labels = connected_components(edges, directed=False)[1]
    return np.flatnonzero(labels == np.bincount(labels).argmax())


def _roughened(
    face: Face, skin: np.ndarray, local: np.ndarray, faces: np.ndarray, roughness_mm: Mapping[str, float]
) -> np.ndarray:
    points = np.asarray(face.template[skin], np.float64)
    height = np.zeros(len(points))
    for name, millimetres in roughness_mm.items():
        if name not in face.masks:
            raise OptionsError(
                f"face_roughness_mm.{name}", f"one of {', '.join(sorted(face.masks))}", "Correct the budget."
            )
        rows = local[face.masks[name]]
        height[rows[rows >= 0]] = 1e-3 * millimetres / getattr(face, "unit_in_metres", 1.0)
    corners = points[faces]
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], weighted)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    signs = np.random.default_rng(ROUGHNESS_SEED).choice([-1.0, 1.0], len(points))
    return points + (height * signs)[:, None] * normals
