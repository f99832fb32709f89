"""Triangle rasterisation as whole-array numpy operations.

Every triangle is cut into horizontal spans, every span into fragments, and a z-buffer picks the nearest fragment of a
pixel. Nothing loops over triangles in Python. Edge crossings are computed from the end points sorted by height, so two
triangles that share an edge get the same crossing: no pixel is left out and none is drawn twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Fragments:
    """Visible samples: `pixel` (P,) flat index row * width + column, `triangle` (P,) row of `corners`."""

    pixel: IntArray
    triangle: IntArray


@dataclass(frozen=True)
class Triangles:
    """Triangles on the screen, ready for rasterisation and interpolation.

    `face` (M,) rows of the mesh's faces; `corners` (M, 3) vertex indices; `x`, `y`, `depth` (M, 3) pixel positions and
    inverse depth of the corners; `planes` (M, 6): x0, y0 and the four coefficients of the barycentric weights of
    corners 1 and 2.
    """

    face: IntArray
    corners: NDArray[np.int32]
    x: FloatArray
    y: FloatArray
    depth: FloatArray
    planes: FloatArray

    @classmethod
    def project(
        cls, pixels: FloatArray, depth: FloatArray, faces: NDArray[np.int32], *, cull: bool = True
    ) -> Triangles:
        """Triangles of `faces` (F, 3) that face the viewer, for vertices at `pixels` (V, 2) with inverse `depth` (V,).

        Triangles without area or with a corner behind the camera are left out; with `cull` also those turned away
        (counter-clockwise in the world is front, as in glTF).
        """
        x, y, q = pixels[:, 0][faces], pixels[:, 1][faces], depth[faces]
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
        # y grows downwards, so a front face has negative signed area.
        keep = (area < -1e-6 if cull else np.abs(area) > 1e-6) & (q.min(axis=1) > 0)
        chosen = np.flatnonzero(keep)
        x, y, q, area = x[chosen], y[chosen], q[chosen], area[chosen]
        inverse = 1 / area
        planes = np.stack(
            [
                x[:, 0],
                y[:, 0],
                (y[:, 2] - y[:, 0]) * inverse,
                (x[:, 0] - x[:, 2]) * inverse,
                (y[:, 0] - y[:, 1]) * inverse,
                (x[:, 1] - x[:, 0]) * inverse,
            ],
            axis=1,
        )
        return cls(chosen, faces[chosen], x, y, q, planes)

    def take(self, rows: NDArray[np.integer]) -> Triangles:
        """The triangles at `rows`, in that order."""
        return Triangles(
            self.face[rows], self.corners[rows], self.x[rows], self.y[rows], self.depth[rows], self.planes[rows]
        )

    def scaled(self, factor: int) -> Triangles:
        """The same triangles on a grid `factor` times as fine."""
        planes = self.planes.copy()
        planes[:, :2] *= factor
        planes[:, 2:] /= factor
        return Triangles(self.face, self.corners, self.x * factor, self.y * factor, self.depth, planes)

    def weights(self, triangle: IntArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Barycentric weights (P,) of corners 1 and 2 of `triangle` (P,) at pixel positions `x`, `y` (P,)."""
        plane = self.planes[triangle]
        dx, dy = x - plane[:, 0], y - plane[:, 1]
        return dx * plane[:, 2] + dy * plane[:, 3], dx * plane[:, 4] + dy * plane[:, 5]


def rasterise(
    triangles: Triangles, width: int, height: int, *, mask: NDArray[np.bool_] | None = None, mask_scale: int = 1
) -> Fragments:
    """The nearest triangle at the centre of every pixel of a `height` x `width` grid.

    `mask` (height / mask_scale, width / mask_scale) limits the work to the pixels of the coarse grid that are set.
    Pixels without a triangle are not in the answer.
    """
    span_triangle, row, left, right = _spans(triangles, width, height)
    if mask is not None:
        some = _meets(mask, row // mask_scale, left // mask_scale, (right - 1) // mask_scale)
        span_triangle, row, left, right = span_triangle[some], row[some], left[some], right[some]
    length = right - left
    owner = np.repeat(np.arange(len(length)), length)
    column = np.arange(len(owner)) + (left - (np.cumsum(length) - length))[owner]
    if mask is not None:
        inside = mask.reshape(-1)[(row // mask_scale * (width // mask_scale))[owner] + column // mask_scale]
        owner, column = owner[inside], column[inside]
    pixel = column + (row * width)[owner]
    # Inverse depth is linear on the screen: value at column centre = base + slope * column.
    plane, q = triangles.planes[span_triangle], triangles.depth[span_triangle]
    d1, d2 = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    slope = plane[:, 2] * d1 + plane[:, 4] * d2
    base = q[:, 0] + (0.5 - plane[:, 0]) * slope
    base += (row.astype(np.float32) + np.float32(0.5) - plane[:, 1]) * (plane[:, 3] * d1 + plane[:, 5] * d2)
    depth = base[owner] + slope[owner] * column.astype(np.float32)
    nearest = np.zeros(width * height, np.float32)
    np.maximum.at(nearest, pixel, depth)
    visible = np.flatnonzero(depth == nearest[pixel])
    return Fragments(pixel[visible], span_triangle[owner[visible]])


def _meets(mask: NDArray[np.bool_], row: IntArray, first: IntArray, last: IntArray) -> IntArray:
    """Indices of the runs of columns `first`..`last` (inclusive) of `row`, all (S,), in which `mask` (H, W) is set."""
    before = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=1, dtype=np.int32, out=before[:, 1:])
    return np.flatnonzero(before[row, last + 1] > before[row, first])


def _spans(triangles: Triangles, width: int, height: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Horizontal runs of covered pixels: triangle, row, first column, column after the last (S,) each, no empty run."""
    order = np.argsort(triangles.y, axis=1)
    ys = np.take_along_axis(triangles.y, order, axis=1).astype(np.float64)
    xs = np.take_along_axis(triangles.x, order, axis=1).astype(np.float64)
    first = np.clip(np.ceil(ys[:, 0] - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(ys[:, 2] - 0.5), 0, height).astype(np.int64)
    rows = last - first
    triangle = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(int(rows.sum())) + np.repeat(first - (np.cumsum(rows) - rows), rows)
    centre = row + 0.5

    def inverse_slope(a: int, b: int) -> NDArray[np.float64]:
        rise = ys[:, b] - ys[:, a]
        return np.asarray((xs[:, b] - xs[:, a]) / np.where(rise > 0, rise, 1))

    long_edge = xs[triangle, 0] + (centre - ys[triangle, 0]) * inverse_slope(0, 2)[triangle]
    upper = centre < ys[triangle, 1]
    start = np.where(upper, xs[triangle, 0], xs[triangle, 1])
    begin = np.where(upper, ys[triangle, 0], ys[triangle, 1])
    slope = np.where(upper, inverse_slope(0, 1)[triangle], inverse_slope(1, 2)[triangle])
    short_edge = start + (centre - begin) * slope
    left = np.clip(np.ceil(np.minimum(long_edge, short_edge) - 0.5), 0, width).astype(np.int64)
    right = np.clip(np.ceil(np.maximum(long_edge, short_edge) - 0.5), 0, width).astype(np.int64)
    some = np.flatnonzero(right > left)
    return triangle[some], row[some], left[some], right[some]
