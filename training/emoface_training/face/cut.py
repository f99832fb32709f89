"""The head cut out of the base mesh: which vertices stay, how the neck ends, triangles and their parts.

The neck is cut along a smooth surface: the last vertices above it slide along their edges down to it. That is a fixed
linear map of the base mesh, so persons and shapes pass through it alike. Of the eye sockets the rings behind the lids
stay. The file's eyes give way to finer ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_training.errors import FaceDataError

from . import eyeballs
from .base_mesh import BaseMesh, Index
from .wheel import FETCH, Array

VERTICES = 5023
BODY = 13380
# Parts in the order of their vertices; the number of a part is its group of smooth normals.
PARTS = ("skin", "teeth_upper", "teeth_lower", "tongue", "lashes", "eye_left", "eye_right")
_GROUPS = {
    "teeth_upper": ("helper-upper-teeth",),
    "teeth_lower": ("helper-lower-teeth",),
    "tongue": ("helper-tongue",),
    "lashes": tuple(f"helper-{side}-eyelashes-{sheet}" for side in "lr" for sheet in "12"),
}
# The neck ends where y = NECK_Y + NECK_SLOPE * (distance from the neck's axis - NECK_RADIUS), decimetres.
NECK_Y, NECK_SLOPE, NECK_RADIUS, NECK_Z = 5.135, 1.2, 0.75, 0.2
SOCKET_RINGS = 4
# The file's lashes are sheets for a picture with holes. Without one they are short, or they would be a mask.
LASHES = {1: 0.1, 2: 0.43}  # share of their length, lower and upper
ON_THE_EYE = 0.008


@dataclass(frozen=True)
class Cut:
    """A topology of 5023 vertices and how the base mesh maps to it.

    kept [K] are base vertices; `slid` rows of them moved the share `share` of the way to base vertex `towards`: the rim
    of the neck down to the cut, the lashes back to the lids. Behind them come the vertices of both eyes. part [V]
    indexes `PARTS`; faces [F, 3]; uv_corners [F, 3] rows of the base mesh's texture coordinates, behind them those of
    the eyes; depth [V]: 0 outside, n: the n-th ring behind the lids, -1 in the cavity of the mouth.
    """

    kept: Index
    slid: Index
    towards: Index
    share: Array
    part: Index
    faces: Index
    uv_corners: Index
    depth: Index

    def points(self, base: Array) -> Array:
        """Positions or offsets [V - eyes, 3] of all but the eyes, for those [19158, 3] of the base mesh."""
        out = base[self.kept]
        out[self.slid] += self.share[:, None] * (base[self.towards] - out[self.slid])
        return out

    def of(self, *parts: str) -> Index:
        """Vertices of parts, ascending."""
        return np.flatnonzero(np.isin(self.part, [PARTS.index(name) for name in parts]))


def cut(mesh: BaseMesh) -> Cut:
    """The head of a base mesh; FaceDataError where it does not have the known number of vertices."""
    depth = _depths(mesh)
    body = mesh.quads_of("body")
    height = _above_cut(mesh.points[:BODY])
    stays = (height > 0) & (depth[:BODY] < SOCKET_RINGS)
    quads, uv_quads = mesh.quads[body], mesh.uv_quads[body]
    count = stays[quads].sum(axis=1)
    whole = count == 4
    three = count == 3
    missing = np.argmin(stays[quads[three]], axis=1)
    order = (missing[:, None] + np.arange(1, 4)) % 4
    triangles = [
        _split(mesh, quads[whole], uv_quads[whole]),
        (np.take_along_axis(quads[three], order, 1), np.take_along_axis(uv_quads[three], order, 1)),
    ]
    label = np.zeros(len(mesh.points), np.int64)
    kept = [np.unique(np.concatenate([quads[whole].ravel(), triangles[1][0].ravel()]))]
    for number, name in enumerate(PARTS[1:5], 1):
        rows = mesh.quads_of(*_GROUPS[name])
        triangles.append(_split(mesh, mesh.quads[rows], mesh.uv_quads[rows]))
        kept.append(np.unique(mesh.quads[rows]))
        label[kept[-1]] = number
    ids = np.concatenate(kept)
    place = np.full(len(mesh.points), -1)
    place[ids] = np.arange(len(ids))
    faces = [place[np.concatenate([points for points, _ in triangles])]]
    uv_corners = [np.concatenate([uvs for _, uvs in triangles])]
    part = [label[ids]]
    for number, _ in enumerate(eyeballs.SIDES, 5):
        eye_faces, eye_uvs = eyeballs.triangles()
        faces.append(eye_faces + sum(map(len, part)))
        uv_corners.append(eye_uvs + len(mesh.uvs) + (number - 5) * len(eyeballs.uvs()))
        part.append(np.full(eyeballs.VERTICES, number))
    parts = np.concatenate(part)
    if len(parts) != VERTICES:
        raise FaceDataError(f"a head of {len(parts)} vertices", f"{VERTICES}", FETCH)
    slides = (_slide(quads, stays, height, place), _shorten(mesh, place))
    slid, towards, share = (np.concatenate(columns) for columns in zip(*slides, strict=True))
    depths = np.zeros(VERTICES, np.int64)
    depths[: len(ids)] = np.where(ids < BODY, depth[ids], 0)
    return Cut(ids, slid, towards, share, parts, np.concatenate(faces), np.concatenate(uv_corners), depths)


def _above_cut(points: Array) -> Array:
    away = np.hypot(points[:, 0], 0.9 * (points[:, 2] - NECK_Z))
    return points[:, 1] - NECK_Y - NECK_SLOPE * np.maximum(0.0, away - NECK_RADIUS)


def _split(mesh: BaseMesh, quads: Index, uv_quads: Index) -> tuple[Index, Index]:
    """Triangles of quads along the shorter diagonal, the same on both sides of the face."""
    corner = mesh.points[quads]
    first = np.linalg.norm(corner[:, 0] - corner[:, 2], axis=1)
    second = np.linalg.norm(corner[:, 1] - corner[:, 3], axis=1)
    pick = np.where((first <= second + 1e-6)[:, None], [[0, 1, 2, 0, 2, 3]], [[0, 1, 3, 1, 2, 3]])
    return tuple(np.take_along_axis(table, pick, 1).reshape(-1, 3) for table in (quads, uv_quads))  # type: ignore


def _islands(mesh: BaseMesh, rows: Index) -> Index:
    """Label [rows] of the connected piece of the texture that each quad lies in."""
    label = np.arange(len(mesh.uvs))
    corners = mesh.uv_quads[rows]
    while True:
        fresh = label.copy()
        np.minimum.at(fresh, corners.ravel(), np.repeat(label[corners].min(axis=1), 4))
        fresh = fresh[fresh]
        if np.array_equal(fresh, label):
            return np.asarray(label[corners[:, 0]])
        label = fresh


def _depths(mesh: BaseMesh) -> Index:
    """Depth [N]: ring behind the lids in the eye sockets, -1 in the cavity of the mouth, 0 elsewhere.

    Sockets and cavity are pieces of the texture of their own.
    """
    body = mesh.quads_of("body")
    rows = body[_above_cut(mesh.points[mesh.quads[body]].mean(axis=1)) > 0]
    label = _islands(mesh, rows)
    names, counts = np.unique(label, return_counts=True)
    skin = np.unique(mesh.quads[rows[label == names[np.argmax(counts)]]])
    depth = np.zeros(len(mesh.points), np.int64)
    for name in names:
        quads = mesh.quads[rows[label == name]]
        inside = np.unique(quads)
        middle = mesh.points[inside].mean(axis=0)
        if abs(middle[0]) < 0.05 and len(quads) < 500 and middle[1] > 6.0:
            depth[np.setdiff1d(inside, skin)] = -1
        elif 0.1 < abs(middle[0]) < 0.5 and middle[1] > 7.0:
            ring = np.where(np.isin(inside, skin), 0, len(inside))
            local = np.searchsorted(inside, quads)
            for _ in range(SOCKET_RINGS + 1):
                np.minimum.at(ring, local.ravel(), np.repeat(ring[local].min(axis=1) + 1, 4))
            depth[inside] = ring
    return depth


def _slide(quads: Index, stays: NDArray[np.bool_], height: Array, place: Index) -> tuple[Index, Index, Array]:
    """Rows of kept vertices to move, the base vertex below the cut they move towards, and how far."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    ends = np.concatenate([ends, ends[:, ::-1]])
    ends = np.unique(ends[stays[ends[:, 0]] & (height[ends[:, 1]] <= 0) & (place[ends[:, 0]] >= 0)], axis=0)
    share = height[ends[:, 0]] / (height[ends[:, 0]] - height[ends[:, 1]])
    # Of several edges the one that runs down most directly
    order = np.lexsort([share, ends[:, 0]])
    _, first = np.unique(ends[order, 0], return_index=True)
    chosen = order[first]
    return place[ends[chosen, 0]], ends[chosen, 1], share[chosen]


def _shorten(mesh: BaseMesh, place: Index) -> tuple[Index, Index, Array]:
    """Rows of the lashes, the vertex on the eye in their column that they grow from, and how far they go back to it."""
    rows, towards, share = [], [], []
    for side in eyeballs.SIDES:
        centre, radius = eyeballs.sphere(mesh, mesh.points, side)
        for sheet, length in LASHES.items():
            lashes = mesh.vertices_of(f"helper-{side[0]}-eyelashes-{sheet}")
            at = mesh.points[lashes]
            root = np.linalg.norm(at - centre, axis=1) < radius + ON_THE_EYE
            across = np.abs(at[:, None, 0] - at[None, root, 0])
            rows.append(place[lashes[~root]])
            towards.append(lashes[root][across.argmin(axis=1)][~root])
            share.append(np.full((~root).sum(), 1.0 - length))
    return np.concatenate(rows), np.concatenate(towards), np.concatenate(share)
