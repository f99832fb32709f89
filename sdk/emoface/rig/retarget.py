"""Offsets of one face carried to another mesh of the same topology."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError
from emoface.rig.basis import Blendshapes

if TYPE_CHECKING:
    from emoface.package import Face

Floats = npt.NDArray[np.float32]

_REACH = 0.08  # of the face's height: radius over which a part's turn and size are measured
_ROWS = 256


class Retarget:
    """Turns and scales motion so that it fits another face: a longer chin moves further, along its own direction.

    For every vertex the similarity transform that best carries its surroundings (a Gaussian neighbourhood in space)
    from the source's template to the target's is found once; offsets are multiplied by its turn and scale. Surroundings
    overlap widely, so facing lips get nearly the same transform and closed lips stay closed.

    Args:
        face: the source, as a package has it.
        template: (V, 3) the target at rest, in the unit of `face`; or a .ply, .obj or .npz file.
        faces: (F, 3) the target's triangles where they are known; they must be the source's.

    Raises:
        RigError: another number of vertices, other triangles, NaN, a target without extent.
        TemplateError: a file that cannot be read or has another topology.

    Attributes:
        template: (V, 3) float32, the target.
        transforms: (V, 3, 3) float32, offset of the target = transform @ offset of the source.
    """

    def __init__(
        self, face: Face, template: npt.ArrayLike | str | Path, faces: npt.NDArray[np.integer] | None = None
    ) -> None:
        if isinstance(template, (str, Path)):
            from emoface.template_files import read_template

            template = read_template(Path(template), face)
        target = np.array(template, np.float32)
        if target.shape != face.template.shape:
            raise RigError(
                f"a mesh of shape {target.shape} to retarget to",
                f"shape {face.template.shape}, the same topology",
                "Use a mesh with the same vertices in the same order.",
            )
        if faces is not None:
            digest = hashlib.sha256(np.ascontiguousarray(faces, "<i4").tobytes()).hexdigest()
            if digest != face.faces_sha256:
                raise RigError(
                    f"triangles with SHA-256 {digest}",
                    f"{face.faces_sha256}, the same topology",
                    "Use a mesh with the same triangles in the same order.",
                )
        if not np.isfinite(target).all() or not np.ptp(target, axis=0).all():
            raise RigError("a flat mesh, or one with NaN coordinates", "a face with extent", "Repair the mesh.")
        target.setflags(write=False)
        self.template = target
        self.transforms = _transforms(face.template.astype(np.float64), target.astype(np.float64))

    def offsets(self, offsets: npt.ArrayLike) -> Floats:
        """The target's offsets (n, V, 3) for the source's; the same bits for any cut into batches."""
        given = np.asarray(offsets, np.float32)
        if given.ndim != 3 or given.shape[1:] != self.template.shape:
            raise RigError(
                f"offsets of shape {given.shape}", f"(n, {len(self.template)}, 3)", "Give a batch's offsets."
            )
        moved = np.empty_like(given)
        for frame, out in zip(given, moved, strict=True):
            np.matmul(self.transforms, frame[:, :, None], out=out[:, :, None])
        return moved

    def blendshapes(self, blendshapes: Blendshapes) -> Blendshapes:
        """The target's shapes for the source's."""
        return Blendshapes(blendshapes.names, self.offsets(blendshapes.shapes))


def _transforms(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> Floats:
    """Turn times scale (V, 3, 3) of the weighted similarity fit around every vertex (Umeyama 1991)."""
    radius = _REACH * np.ptp(source[:, 1])
    # Centred for accuracy: the sums below are differences of large products.
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    columns = np.concatenate(
        [
            np.ones((len(source), 1)),
            source,
            target,
            (target[:, :, None] * source[:, None, :]).reshape(-1, 9),
            (source**2).sum(axis=1, keepdims=True),
        ],
        axis=1,
    )
    sums = np.empty_like(columns)
    square = (source**2).sum(axis=1)
    for start in range(0, len(source), _ROWS):
        rows = slice(start, start + _ROWS)
        distance = square[rows, None] + square[None] - 2.0 * source[rows] @ source.T
        sums[rows] = np.exp(-0.5 * np.maximum(distance, 0.0) / radius**2) @ columns
    sums /= sums[:, :1]
    a, b = sums[:, 1:4], sums[:, 4:7]
    covariance = sums[:, 7:16].reshape(-1, 3, 3) - b[:, :, None] * a[:, None, :]
    spread = np.maximum(sums[:, 16] - (a**2).sum(axis=1), 1e-12 * radius**2)
    left, values, right = np.linalg.svd(covariance)
    sign = np.ones_like(values)
    sign[:, 2] = np.sign(np.linalg.det(left @ right))  # no reflections
    turn = (left * sign[:, None, :]) @ right
    scale = (values * sign).sum(axis=1) / spread
    return np.ascontiguousarray(turn * scale[:, None, None], np.float32)
