"""The mouth as surfaces: rings of the lips, and signed gaps between lips and from lips to teeth.

Rings are counted from the edge of the mouth's cavity, which runs around just behind where the lips meet: 0 on it,
positive outwards over the lips, negative into the vestibule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base_mesh import Index
from .cut import Cut
from .wheel import Array

LIP_RINGS = 7  # of these the red of the lips
# Where gaps are measured: shares of the half width of the mouth, from its right to its left corner.
ACROSS = np.linspace(-0.9, 0.9, 19)


class Mouth:
    """Rings and halves of the mouth of a cut; everything is topology and the canonical head's rest.

    Attributes:
        ring: [V] number of the ring, 99 away from the mouth.
        upper: [V] whether a vertex is of the upper half; only where `ring` is not 99.
        corners: the vertices in the right and the left corner.
        upper_pairs, lower_pairs: facing vertices of the upper and the lower lip where they touch, from the corner on
            the head's left to the other; the middle one is the middle of the lips.
    """

    def __init__(self, cut: Cut, template: Array) -> None:
        skin = np.all(cut.part[cut.faces] == 0, axis=1)
        self._faces = cut.faces[skin]
        cavity = cut.depth == -1
        edge = np.setdiff1d(np.unique(self._faces[cavity[self._faces].any(axis=1)]), np.flatnonzero(cavity))
        outward = spread(len(template), self._faces[~cavity[self._faces].any(axis=1)], edge, 12)
        inward = spread(len(template), self._faces[cavity[self._faces].any(axis=1)], edge, 12)
        self.ring = np.where(cavity, -inward, outward)
        self.ring[np.abs(self.ring) > 12] = 99
        order = edge[np.argsort(template[edge, 0])]
        self.corners = (int(order[0]), int(order[-1]))
        self.upper = self._halves(template, edge)
        right, left = template[list(self.corners), 0]
        across = np.abs(template[:, 0] - (right + left) / 2) / ((left - right) / 2)
        # Around the corners the outer rings of the upper lip come to lie below, those of the lower one above.
        self._lips = self._triangles((self.ring >= -3) & (self.ring <= np.where(across > 0.75, 3, LIP_RINGS)))
        teeth = {half: cut.of(f"teeth_{half}") for half in ("upper", "lower")}
        self._teeth = {half: cut.faces[np.isin(cut.faces[:, 0], ids)] for half, ids in teeth.items()}
        self.upper_pairs, self.lower_pairs = self._pairs(template)

    def _halves(self, template: Array, edge: Index) -> NDArray[np.bool_]:
        """Upper or lower by the nearer half of the edge along the mesh; the edge is cut at its corners."""
        paths = self._edge_paths(edge)
        paths.sort(key=lambda path: -template[path, 1].mean())
        around = self._faces[(np.abs(self.ring[self._faces]) <= 12).all(axis=1)]
        near = [spread(len(template), around, path[1:-1], 30) for path in paths]
        return np.asarray(near[0] <= near[1])

    def _edge_paths(self, edge: Index) -> list[Index]:
        """Both ways [n] along the edge from its right to its left corner."""
        sides = np.concatenate([self._faces[:, [0, 1]], self._faces[:, [1, 2]], self._faces[:, [2, 0]]])
        sides = sides[np.isin(sides, edge).all(axis=1)]
        beside = {int(v): {int(b) for b in sides[sides[:, 0] == v, 1]} for v in edge}
        paths = []
        for first in sorted(beside[self.corners[0]]):
            path = [self.corners[0], first]
            while path[-1] != self.corners[1]:
                path.append(next(v for v in sorted(beside[path[-1]]) if v not in path[-2:]))
            paths.append(np.array(path))
        return paths

    def _triangles(self, near: NDArray[np.bool_]) -> dict[str, Index]:
        chosen = self._faces[near[self._faces].all(axis=1)]
        corner = np.isin(chosen, self.corners)
        upper = (self.upper[chosen] | corner).all(axis=1)
        lower = (~self.upper[chosen] | corner).all(axis=1)
        return {"upper": chosen[upper], "lower": chosen[lower]}

    def _pairs(self, template: Array) -> tuple[Index, Index]:
        first = np.flatnonzero(self.ring == 1)
        lower = first[~self.upper[first]]
        upper = first[self.upper[first]]
        reach = 0.85 * np.abs(template[list(self.corners), 0]).max()
        lower = lower[np.abs(template[lower, 0]) < reach]
        lower = lower[np.argsort(-template[lower, 0], kind="stable")]
        facing = upper[np.abs(template[lower, None, 0] - template[None, upper, 0]).argmin(axis=1)]
        return facing, lower

    def lip_gaps(self, points: Array) -> Array:
        """Signed gap [19] between the lips at `ACROSS`, in the unit of points [V, 3]: negative where they cross.

        In each column it is the least height of the upper lip's cross-section above the lower one's; where neither
        lies above the other, as with the mouth wide open, the distance of their heights.
        """
        columns = self._columns(points)
        upper, lower = (_sections(points[self._lips[half]], columns) for half in ("upper", "lower"))
        at = np.concatenate([upper[..., 1].reshape(len(columns), -1), lower[..., 1].reshape(len(columns), -1)], axis=1)
        apart = _envelope(upper[..., ::-1], at, lowest=True) - _envelope(lower[..., ::-1], at, lowest=False)
        gap = apart.min(axis=1)
        heights = np.nanmin(upper[..., 0], axis=(1, 2)) - np.nanmax(lower[..., 0], axis=(1, 2))
        return np.asarray(np.where(np.isfinite(gap), gap, heights))

    def teeth_gaps(self, points: Array, half: str, lips: tuple[str, ...] = ("upper", "lower")) -> Array:
        """Signed distance [19] from the row of teeth of a half forwards to the nearest of `lips` at `ACROSS`; infinite
        where none is in front of them."""
        columns = self._columns(points)
        teeth = _sections(points[self._teeth[half]], columns)
        front = _sections(points[np.concatenate([self._lips[name] for name in lips])], columns)
        at = np.concatenate([teeth[..., 0].reshape(len(columns), -1), front[..., 0].reshape(len(columns), -1)], axis=1)
        apart = _envelope(front, at, lowest=True) - _envelope(teeth, at, lowest=False)
        return np.asarray(apart.min(axis=1))

    def _columns(self, points: Array) -> Array:
        right, left = points[list(self.corners), 0]
        return np.asarray((right + left) / 2 + ACROSS * (left - right) / 2)


def spread(vertices: int, faces: Index, seeds: Index, rounds: int) -> Index:
    """Rings [vertices] around seeds, along triangles; `rounds` + 1 where they are not reached."""
    ring = np.full(vertices, rounds + 1)
    ring[seeds] = 0
    for _ in range(rounds):
        np.minimum.at(ring, faces.ravel(), np.repeat(ring[faces].min(axis=1) + 1, 3))
    return ring


def _sections(corner: Array, columns: Array) -> Array:
    """Where triangles, by their corners [T, 3, 3], cut planes of these x [C]: segments [C, n, 2, 2] of ends (y, z).

    Columns with fewer segments than others are filled up with NaN.
    """
    low, high = corner[:, :, 0].min(axis=1), corner[:, :, 0].max(axis=1)
    column, triangle = np.nonzero((low < columns[:, None]) & (high >= columns[:, None]))
    corner = corner[triangle]
    side = corner[:, :, 0] - columns[column, None]
    after, beyond = corner[:, [1, 2, 0]], side[:, [1, 2, 0]]
    crosses = (side < 0) != (beyond < 0)
    share = np.divide(side, side - beyond, out=np.zeros_like(side), where=crosses)[:, :, None]
    count = np.bincount(column, minlength=len(columns))
    place = np.arange(len(column)) - (np.cumsum(count) - count)[column]
    out = np.full((len(columns), max(1, count.max(initial=0)), 2, 2), np.nan)
    out[column, place] = (corner + share * (after - corner))[crosses][:, 1:].reshape(-1, 2, 2)
    return out


def _envelope(segments: Array, at: Array, *, lowest: bool) -> Array:
    """Lowest or highest second coordinate [C, P] of segments [C, n, 2, 2] over first coordinates `at` [C, P].

    Infinite where there is none: positive for the lowest, negative for the highest, so that gaps come out infinite.
    """
    start, end = segments[:, None, :, 0], segments[:, None, :, 1]
    length = end[..., 0] - start[..., 0]
    share = (at[..., None] - start[..., 0]) / np.where(length == 0, 1e-12, length)
    over = (share >= -1e-9) & (share <= 1 + 1e-9)
    value = start[..., 1] + share * (end[..., 1] - start[..., 1])
    value = np.where(over, value, np.inf if lowest else -np.inf)
    return np.asarray(value.min(axis=2) if lowest else value.max(axis=2))
