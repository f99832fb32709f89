"""Spiral neighbourhoods of a triangle mesh, in SpiralNet++'s order.

A spiral lists the centre, its 1-ring clockwise, then ring by ring in the order in which the previous ring meets the
next one; it is cut to `kernel * dilation` entries and strided by `dilation` (EmoFace paper, eq. 1 and Table 4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def build_spirals(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], kernel: int, dilation: int
) -> NDArray[np.int32]:
    """Spiral indices int32 [V, kernel] for `vertices` [V, 3] and `faces` [F, 3].

    The order depends on the order of `faces`: the 1-ring of an interior vertex starts at the vertex that follows it
    in the last-listed face containing it, that of a boundary vertex at the neighbour that only ever precedes it.
    Where a component has too few vertices, the spiral is filled with the nearest vertices in space.
    Raises `ValueError` for indices outside the vertices.
    """
    count = len(vertices)
    faces = np.asarray(faces)
    if faces.size and (faces.min() < 0 or faces.max() >= count):
        raise ValueError(f"faces index {faces.min()}..{faces.max()}, but there are {count} vertices")
    length = kernel * dilation
    rings = _one_rings(count, faces)
    tree = cKDTree(vertices)
    spirals = np.empty((count, kernel), np.int32)
    for v in range(count):
        spiral = _walk(v, rings, length)
        if len(spiral) < length:
            spiral = _fill_with_nearest(spiral, tree, vertices[v], length, count)
        spirals[v] = spiral[:length:dilation]
    return spirals


def _one_rings(count: int, faces: NDArray[np.integer]) -> list[list[int]]:
    """Clockwise 1-ring of every vertex, started as documented in `build_spirals`."""
    # previous_of[v][b] = a for a face (v, a, b): going clockwise around v leads from b to a
    previous_of: list[dict[int, int]] = [{} for _ in range(count)]
    start: list[int] = [-1] * count
    for face in faces.tolist():
        for i in range(3):
            v, a, b = face[i], face[(i + 1) % 3], face[(i + 2) % 3]
            previous_of[v][b] = a
            start[v] = a
    rings: list[list[int]] = []
    for v in range(count):
        clockwise = previous_of[v]
        if not clockwise:
            rings.append([])
            continue
        followers = set(clockwise.values())
        open_ends = [b for b in clockwise if b not in followers]
        rings.append(_around(clockwise, open_ends[0] if open_ends else start[v], open_ends))
    return rings


def _around(clockwise: dict[int, int], first: int, open_ends: list[int]) -> list[int]:
    ring, seen = [], set()
    for begin in [first, *open_ends[1:]]:
        current: int | None = begin
        while current is not None and current not in seen:
            seen.add(current)
            ring.append(current)
            current = clockwise.get(current)
    return ring


def _walk(centre: int, rings: list[list[int]], length: int) -> list[int]:
    spiral = [centre, *rings[centre]]
    seen = set(spiral)
    last_ring = rings[centre]
    while len(spiral) < length and last_ring:
        next_ring: list[int] = []
        for v in last_ring:
            for neighbour in rings[v]:
                if neighbour not in seen:
                    seen.add(neighbour)
                    next_ring.append(neighbour)
        spiral.extend(next_ring)
        last_ring = next_ring
    return spiral[:length]


def _fill_with_nearest(
    spiral: list[int], tree: cKDTree, centre: NDArray[np.floating], length: int, count: int
) -> list[int]:
    _, nearest = tree.query(centre, k=min(count, 2 * length))
    seen = set(spiral)
    spiral = spiral + [int(v) for v in np.atleast_1d(nearest) if int(v) not in seen]
    if len(spiral) < length:  # fewer vertices than entries: repeat what there is
        spiral = (spiral * (length // len(spiral) + 1))[:length]
    return spiral[:length]
