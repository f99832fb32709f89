"""Shading of folds that appear as the face moves: a vertex that sinks between its neighbours darkens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# How much of the light of each channel a deep fold keeps away: skin lets more red through.
_DEPTH = np.array([2.3, 2.9, 3.0], np.float32)
_LEAST, _MOST = 0.015, 0.20  # change of hollowness that begins to show, and that shows most


class Creases:
    """Measures how hollow a moving mesh is around each vertex, compared with the same mesh at rest."""

    def __init__(
        self,
        faces: NDArray[np.int32],
        template: FloatArray,
        normals: FloatArray,
        strength: FloatArray | None = None,
    ) -> None:
        """faces: (F, 3) vertex indices. template, normals: (V, 3) the mesh at rest and its unit normals.

        strength: (V,) factor on the darkening, 0..1; None for 1 everywhere.
        """
        self._strength = np.float32(1) if strength is None else strength[:, None]
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        edges = np.unique(np.sort(edges, axis=1), axis=0)
        self._from = np.concatenate([edges[:, 0], edges[:, 1]])
        self._to = np.concatenate([edges[:, 1], edges[:, 0]])
        self._count = len(template)
        self._degree = np.maximum(np.bincount(self._from, minlength=self._count), 1)
        length = np.linalg.norm(template[self._to] - template[self._from], axis=1)
        self._length = np.maximum(np.bincount(self._from, length, self._count) / self._degree, 1e-12)
        self._rest = self._hollowness(template, normals)

    def shade(self, vertices: FloatArray, normals: FloatArray) -> FloatArray:
        """Factors (V, 3) for the light at `vertices` (V, 3) with unit `normals` (V, 3): exactly 1 at rest."""
        change = self._hollowness(vertices, normals) - self._rest
        # a drawn-in cheek is hollow all over and no fold: only what is sharper than its surroundings counts
        around = np.bincount(self._from, change[self._to], self._count) / self._degree
        depth = np.clip(change - np.maximum(around, 0) - _LEAST, 0, _MOST - _LEAST)
        return np.asarray(1 - depth[:, None] * _DEPTH * self._strength, np.float32)

    def _hollowness(self, vertices: FloatArray, normals: FloatArray) -> NDArray[np.float64]:
        """Height (V,) of the mean of the neighbours over the tangent plane, in mean edge lengths at rest."""
        height = np.zeros(self._count)
        for axis in range(3):
            around = np.bincount(self._from, vertices[self._to, axis], self._count) / self._degree
            height += (around - vertices[:, axis]) * normals[:, axis]
        return np.asarray(height / self._length, np.float64)
