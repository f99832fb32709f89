"""MakeHuman's base mesh: a Wavefront file of quads with named groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_training.errors import FaceDataError

from .wheel import FETCH, Array, Wheel

FILE = "mpfb2/3dobjs/base.obj"
VERTICES = 19158
Index = NDArray[np.int64]


@dataclass(frozen=True)
class BaseMesh:
    """points [19158, 3] decimetres, +Y up, +Z front; uvs [T, 2], v upwards; quads [Q, 4] and uv_quads [Q, 4] with the
    group of each quad."""

    points: Array
    uvs: Array
    quads: Index
    uv_quads: Index
    groups: NDArray[np.str_]

    def quads_of(self, *names: str) -> Index:
        """Rows of `quads` that belong to these groups."""
        return np.flatnonzero(np.isin(self.groups, names))

    def vertices_of(self, *names: str) -> Index:
        """Vertices that quads of these groups use, ascending."""
        return np.unique(self.quads[self.quads_of(*names)])


def read(wheel: Wheel) -> BaseMesh:
    """The base mesh of a wheel; FaceDataError where it is not one of quads with the known number of vertices."""
    points: list[list[str]] = []
    uvs: list[list[str]] = []
    corners: list[list[str]] = []
    groups: list[str] = []
    group = ""
    for line in wheel.text(FILE).splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            points.append(rest.split())
        elif kind == "vt":
            uvs.append(rest.split())
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners.append(rest.replace("/", " ").split())
            groups.append(group)
    try:
        table = np.array(corners, np.int64).reshape(-1, 4, 2) - 1
        mesh = BaseMesh(
            np.array(points, np.float64), np.array(uvs, np.float64)[:, :2], table[..., 0], table[..., 1],
            np.array(groups),
        )  # fmt: skip
    except (ValueError, IndexError) as error:
        raise FaceDataError(f"{FILE}: {error}", "quads of vertices and texture coordinates", FETCH) from None
    if mesh.points.shape != (VERTICES, 3):
        raise FaceDataError(f"{FILE} with points {mesh.points.shape}", f"({VERTICES}, 3)", FETCH)
    return mesh
