"""An albedo picture on a mesh: what the renderer looks colours up in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emoface.render.raster import IntArray

FloatArray = NDArray[np.float32]


class Texture:
    """A picture and its coordinates.

    picture: (H, W, 3) uint8, sRGB.
    uvs: (U, 2) coordinates as in glTF: (0, 0) is the top left corner, v grows downwards; outside 0..1 the edge goes on.
    uv_faces: (F, 3) rows of `uvs` for the corners of every face of the mesh.
    """

    def __init__(self, picture: NDArray[np.uint8], uvs: NDArray[np.floating], uv_faces: NDArray[np.integer]) -> None:
        height, width = picture.shape[:2]
        self._picture = _LINEAR[np.asarray(picture, np.uint8)]
        # Of each face: its first corner and the way to the other two, in pixels; centres of pixels are at + 0.5.
        corner = np.asarray(uvs, np.float32)[uv_faces] * np.array([width, height], np.float32) - np.float32(0.5)
        self._first, self._second, self._third = corner[:, 0], corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]

    def sample(self, face: IntArray, w1: FloatArray, w2: FloatArray) -> FloatArray:
        """Linear albedo (P, 3) at barycentric weights of corners 1 and 2 of faces, all (P,); bilinear."""
        height, width = self._picture.shape[:2]
        place = self._first[face] + w1[:, None] * self._second[face] + w2[:, None] * self._third[face]
        place = np.clip(place, 0, np.array([width - 1, height - 1], np.float32))
        low = place.astype(np.int64)
        u, v = (place - low).astype(np.float32).T[:, :, None]
        x, y = low.T
        right, below = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
        top = self._picture[y, x] * (1 - u) + self._picture[y, right] * u
        bottom = self._picture[below, x] * (1 - u) + self._picture[below, right] * u
        return np.asarray(top * (1 - v) + bottom * v, np.float32)


def _linear() -> FloatArray:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR: FloatArray = _linear()
