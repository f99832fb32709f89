"""Spiral neighbourhoods of a triangle mesh, in SpiralNet++'s order.

A spiral lists the centre, its 1-ring clockwise, then ring by ring: each vertex of the last ring adds its new neighbours
clockwise, beginning after its first neighbour that lies in the last ring. It is cut to `kernel * dilation` entries and
strided by `dilation` (EmoFace paper, eq. 1 and Table 4). The sequences equal those of SpiralNet++'s code on OpenMesh.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def build_spirals(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], kernel: int, dilation: int
) -> NDArray[np.int32]:
    """Spiral indices int32 [V, kernel] for `vertices` [V, 3] and `faces` [F, 3].

    The order depends on the order of `faces`: the 1-ring of an interior vertex starts at the vertex that follows it
    in the last-listed face containing it, that of a boundary vertex at the neighbour that only ever precedes it.
    Where a component has too few vertices, the spiral is that of the nearest vertices in space instead.
    Raises `ValueError` for indices outside the vertices.
    """
    count = len(vertices)
    length = kernel * dilation
    around = _one_rings(count, faces)
    tree = cKDTree(vertices)
    spirals = np.empty((count, kernel), np.int32)
    for v in range(count):
        spiral = list(chain.from_iterable(_rings(v, around, length)))
        if len(spiral) < length:
            spiral = _nearest(v, tree, vertices[v], length, count)
        spirals[v] = spiral[:length:dilation]
    return spirals


def spirals_fit(spirals: NDArray[np.integer], faces: NDArray[np.integer], dilation: int) -> bool:
    """Whether spirals int32 [V, kernel] of a trained model belong to the triangles `faces` of V vertices.

    Every entry must lie in the ring that its place falls into, those of the first ring in their order. Beyond it any
    order is right: models trained before it was SpiralNet++'s keep theirs. Of a component with too few vertices only
    the centre is compared. Raises `ValueError` as `build_spirals`.
    """
    count, kernel = spirals.shape
    around = _one_rings(count, faces)
    for v, stored in enumerate(spirals.tolist()):
        rings = _rings(v, around, kernel * dilation)
        if sum(map(len, rings)) < kernel * dilation:
            rings = [[v]]
        first = [v, *around[v]]
        number = [index for index, ring in enumerate(rings) for _ in ring]
        for place, entry in zip(range(0, len(number), dilation), stored, strict=False):
            if entry not in rings[number[place]] or (place < len(first) and first[place] != entry):
                return False
    return True


def _one_rings(count: int, faces: NDArray[np.integer]) -> list[list[int]]:
    """Clockwise 1-ring of every vertex, started as documented in `build_spirals`."""
    faces = np.asarray(faces)
    if faces.size and (faces.min() < 0 or faces.max() >= count):
        raise ValueError(f"faces index {faces.min()}..{faces.max()}, but there are {count} vertices")
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


def _rings(centre: int, around: list[list[int]], length: int) -> list[list[int]]:
    """The centre and the rings around it, until they hold `length` vertices or the component ends."""
    rings = [[centre], around[centre]]
    seen = {centre, *around[centre]}
    while len(seen) < length and rings[-1]:
        inside, next_ring = set(rings[-1]), []
        for v in rings[-1]:
            ring = around[v]
            after = next((i + 1 for i, neighbour in enumerate(ring) if neighbour in inside), 0)
            for neighbour in ring[after:] + ring[:after]:
                if neighbour not in seen:
                    seen.add(neighbour)
                    next_ring.append(neighbour)
        rings.append(next_ring)
    return rings


def _nearest(v: int, tree: cKDTree, centre: NDArray[np.floating], length: int, count: int) -> list[int]:
    """The centre, then others by distance and number; fewer vertices than entries repeat."""
    distances, nearest = tree.query(centre, k=min(count, length + 1))
    by_distance = sorted(zip(np.atleast_1d(distances).tolist(), np.atleast_1d(nearest).tolist(), strict=True))
    spiral = [v, *(other for _, other in by_distance if other != v)]
    return (spiral * (length // len(spiral) + 1))[:length]
