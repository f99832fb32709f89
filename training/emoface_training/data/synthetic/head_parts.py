"""Accumulates the vertices, triangles and part labels of the procedural head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FACE_LABELS = ("skin", "mouth_skin", "nostril")
"""Labels of the bare and the hairy skin, without lids and lips."""


class Parts:
    """Growing triangle mesh; `add` returns the indices of the new vertices, in order.

    Vertices are in centimetres. Triangles are counter-clockwise seen from outside.
    """

    def __init__(self) -> None:
        self._points: list[Array] = []
        self._faces: list[Index] = []
        self.labels: list[str] = []
        self.groups: dict[str, Index] = {}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def points(self) -> Array:
        return np.concatenate(self._points)

    @property
    def faces(self) -> Index:
        return np.concatenate(self._faces)

    def add(self, points: Array, label: str) -> Index:
        start = len(self.labels)
        self._points.append(np.asarray(points, dtype=np.float64).reshape(-1, 3))
        self.labels.extend([label] * len(self._points[-1]))
        return np.arange(start, len(self.labels))

    def triangles(self, faces: Index, flip: bool = False) -> None:
        faces = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
        self._faces.append(faces[:, ::-1] if flip else faces)

    def strip(self, outer: Index, inner: Index, closed: bool, flip: bool = False) -> None:
        """Quads between two rows of equal length, split into triangles along mirrored diagonals.

        Seen from outside, `outer` runs counter-clockwise around `inner` (closed), or below it from
        left to right (open). Diagonals change direction half way, so that a ring which is
        symmetric in x gets symmetric triangles.
        """
        n = len(outer)
        first = np.arange(n if closed else n - 1)
        second = (first + 1) % n
        a, b, c, d = outer[first], outer[second], inner[second], inner[first]
        quarter = (first * 4) // n if closed else first * 0 + (first * 2 >= n - 1)
        even = np.isin(quarter, (0, 2)) if closed else quarter == 0
        one = np.where(even[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
        two = np.where(even[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
        self.triangles(np.concatenate([one, two]), flip)

    def fan(self, ring: Index, centre: int, flip: bool = False) -> None:
        """Triangles from a counter-clockwise closed ring to one centre vertex."""
        self.triangles(np.stack([ring, np.roll(ring, -1), np.full(len(ring), centre)], 1), flip)


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """Gaussian in the frontal plane, mirrored in x."""
    return np.asarray(np.exp(-0.5 * ((np.abs(x) - cx) / sx) ** 2 - 0.5 * ((y - cy) / sy) ** 2))


def smoothstep(a: float, b: float, t: Array) -> Array:
    q = np.clip((t - a) / (b - a), 0.0, 1.0)
    return np.asarray(q * q * (3.0 - 2.0 * q))
