"""Fills the skin between mouth and eye rings with evenly graded, mirror-symmetric triangles (centimetres).

Sites are chosen by farthest-point sampling under a spacing field, evened out by a few Lloyd steps, and
triangulated on a sphere; edge flips then restore the Delaunay property on the surface itself. Only the
half with x >= 0 is computed; the other half is its mirror image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, cKDTree

from . import eyes, head_creases, head_nose, mouth
from .head_parts import Array, Index, smoothstep
from .head_shape import AXIS_Z, LEVEL_BOTTOM, LEVEL_TOP, address, skin

NECK_RING = 18  # sites of half the lower border, without the two on the midline
_HAIRLINE = (
    np.deg2rad([0, 10, 22, 33, 42, 49, 55, 61, 66, 70, 73, 78, 82, 86, 92, 100, 110, 120, 134, 150, 165, 180]),
    np.array(
        [
            6.6,
            6.75,
            7.0,
            6.9,
            6.2,
            5.0,
            3.7,
            2.9,
            2.1,
            0.6,
            -1.0,
            -1.5,
            -1.3,
            0.6,
            1.9,
            2.2,
            0.4,
            -2.6,
            -4.8,
            -6.0,
            -6.7,
            -6.9,
        ]
    ),
)


def hairline(azimuth: Array) -> Array:
    """Height (cm) of the hairline at |azimuth| about the axis of the head."""
    return np.asarray(np.interp(np.abs(azimuth), *_HAIRLINE))


def spacing(p: Array) -> Array:
    """Wanted distance between neighbouring sites (relative) at points [N, 3] with x >= 0."""
    x, y, z = p.T
    r = 1.3 - 0.36 * smoothstep(-4.0, 0.0, y)
    face = smoothstep(-1.0, 5.0, z) * smoothstep(-12.0, -9.5, y) * smoothstep(9.5, 7.0, y)
    r = r * (1 - face) + 0.70 * face
    for cx, cy, cz, size, value in (
        (0.3, -2.0, 9.5, 1.4, 0.36),
        (0.8, -3.8, 9.3, 1.25, 0.26),
        (0.60, -4.12, 9.2, 0.40, 0.20),
        (2.6, 2.2, 7.0, 1.7, 0.42),
        (2.8, -4.6, 7.0, 1.8, 0.42),
        (0.0, -9.0, 8.4, 2.0, 0.50),
        (6.5, -1.0, 0.0, 2.0, 0.72),
    ):
        d2 = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        w = np.exp(-0.5 * d2 / size**2)
        r = r * (1 - w) + value * w
    return r


def _inside_features(p: Array) -> Array:
    """True where a skin point lies within the outer mouth, eye or nostril ring (with a margin)."""
    x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
    dy = y - mouth.MOUTH_Y
    ry = np.where(dy > 0, mouth.OUTER_UP, mouth.OUTER_DOWN)
    in_mouth = (x / (mouth.OUTER_A + 0.2)) ** 2 + (dy / (ry + 0.2)) ** 2 < 1
    ey = y - eyes.EYE_Y
    in_eye = ((x - eyes.EYE_X) / (2.1 + 0.2)) ** 2 + (ey / (np.where(ey > 0, 1.28, 1.10) + 0.17)) ** 2 < 1
    return (in_mouth | in_eye) & (z > 2.0) | head_nose.inside(p, 0.09)


class SkinGrid:
    """Dense samples of one half of the skin, with areas, as candidates for sites."""

    def __init__(self, azimuths: int = 230, levels: int = 330) -> None:
        self.azimuth = (np.arange(azimuths) + 0.5) / azimuths * np.pi
        self.level = LEVEL_BOTTOM + (np.arange(levels) + 0.5) / levels * (LEVEL_TOP - LEVEL_BOTTOM)
        # the underside of the nose is nearly parallel to the rays and needs many more of them
        self.azimuth = np.union1d(self.azimuth, np.linspace(0.003, 0.22, 44))
        self.level = np.union1d(self.level, np.linspace(-0.288, -0.272, 65))
        a, b = np.meshgrid(self.azimuth, self.level, indexing="ij")
        grid = skin(a, b)
        da = np.gradient(grid, axis=0)  # per row, so that cells of any width get their own area
        db = np.gradient(grid, axis=1)
        self.points = grid.reshape(-1, 3)
        self.area = np.linalg.norm(np.cross(da, db), axis=-1).ravel()
        self.azimuths = a.ravel()
        self.levels = b.ravel()


def on_height(azimuth: Array, height: Array) -> Array:
    """Skin points at the given azimuths and heights (cm)."""
    lo, hi = np.full(azimuth.shape, -0.75), np.full(azimuth.shape, 0.98)
    for _ in range(22):
        mid = 0.5 * (lo + hi)
        low = skin(azimuth, mid)[..., 1] < height
        lo, hi = np.where(low, mid, lo), np.where(low, hi, mid)
    return skin(azimuth, 0.5 * (lo + hi))


def hairline_rows() -> tuple[Array, Array]:
    """Two rows of sites along one half of the hairline: just outside it and just inside it."""
    dense = np.linspace(0.0, np.pi, 500)
    curve = on_height(dense, hairline(dense))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    count = int(length[-1] / 0.62)
    azimuth = np.interp(np.linspace(0, length[-1], count), length, dense)
    azimuth[0], azimuth[-1] = 0.0, np.pi
    step = 0.13
    slope = np.gradient(hairline(azimuth), azimuth)
    radius = np.interp(azimuth, dense, np.hypot(curve[:, 0], curve[:, 2] - AXIS_Z))
    normal = np.stack([-slope / radius, np.ones(count)], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    rows = []
    for side in (-1.0, 1.0):
        a = azimuth + side * step * normal[:, 0] / radius
        a[0], a[-1] = 0.0, np.pi
        rows.append(on_height(np.clip(a, 0.0, np.pi), hairline(azimuth) + side * step * normal[:, 1]))
    return rows[0], rows[1]


def choose_sites(fixed: Array, count: int, grid: SkinGrid, scale: float) -> Array:
    """`count` sites with x > 0 between the fixed sites; farthest points, then Lloyd steps. [count, 3]

    `scale` times the spacing field is the distance of the sites on the midline.
    """
    size = spacing(grid.points)
    usable = ~_inside_features(grid.points) & (grid.points[:, 0] > 0.6 * scale * size)
    tree = cKDTree(fixed)
    usable &= tree.query(grid.points)[0] > 0.3 * size
    points, size, area = grid.points[usable], size[usable], grid.area[usable]
    near = tree.query(points)[0] / size
    chosen = []
    for _ in range(count):
        i = int(np.argmax(near))
        chosen.append(i)
        near = np.minimum(near, np.linalg.norm(points - points[i], axis=1) / size)
    sites = points[chosen]
    weight = area / size**4
    snap = cKDTree(points)
    for _ in range(25):
        everything = np.concatenate([sites, fixed])
        owner = cKDTree(everything).query(points)[1]
        total = np.bincount(owner, weight, len(everything))[:count]
        moved = np.stack([np.bincount(owner, weight * points[:, k], len(everything))[:count] for k in range(3)], axis=1)
        moved = np.where(total[:, None] > 0, moved / np.maximum(total, 1e-12)[:, None], sites)
        sites = points[snap.query(moved)[1]]
    return np.asarray(sites)


def _on_sphere(points: Array) -> Array:
    azimuth, level = address(points)
    latitude = np.where(level > 0, level * np.pi / 2, level * np.pi / 2 * 0.78)
    # the underside of the nose spans hardly any levels: give it room, or its triangles would be slivers
    latitude = latitude + 0.08 * (smoothstep(-0.295, -0.262, level) - 0.5) * np.exp(-((azimuth / 0.16) ** 2))
    return np.stack([np.cos(latitude) * np.sin(azimuth), np.sin(latitude), np.cos(latitude) * np.cos(azimuth)], axis=1)


def triangulate(points: Array, closed_rings: list[Index], border: Index) -> Index:
    """Triangles [F, 3] over sites [N, 3] of the half x >= 0, leaving out mouth, eye, nostril and neck openings.

    closed_rings hold the indices of the sites of each opening; border those of the neck's lower edge.
    """
    on = _on_sphere(points)
    mirrored = np.flatnonzero(points[:, 0] > 1e-9)
    everything = np.concatenate([on, on[mirrored] * np.array([-1.0, 1.0, 1.0])])
    hull = ConvexHull(everything)
    tri = hull.simplices
    a, b, c = (everything[tri[:, k]] for k in range(3))
    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) > 0
    tri = np.where(outward[:, None], tri, tri[:, ::-1])
    tri = tri[(tri < len(points)).all(axis=1)]
    for ring in [*closed_rings, border]:
        tri = tri[~np.isin(tri, ring).all(axis=1)]
    return _flip_edges(points, tri.astype(np.int64))


def _flip_edges(points: Array, tri: Index) -> Index:
    """Flips edges until opposite angles sum to at most 180 degrees (Delaunay on the surface)."""

    def angle(o: int, p: int, q: int) -> float:
        u, v = points[p] - points[o], points[q] - points[o]
        return float(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v))

    tri = tri.copy()
    for _ in range(12):
        owner: dict[tuple[int, int], int] = {}
        for t, (i, j, k) in enumerate(tri.tolist()):
            owner[(i, j)] = owner[(j, k)] = owner[(k, i)] = t
        touched: set[int] = set()
        made: set[tuple[int, int]] = set()
        flips = 0
        for (i, j), t in sorted(owner.items()):
            s = owner.get((j, i))
            if s is None or i > j or t in touched or s in touched:
                continue
            k = int(tri[t].sum() - i - j)
            m = int(tri[s].sum() - i - j)
            if not made.isdisjoint(((k, m), (m, k))) or (k, m) in owner or (m, k) in owner:
                continue
            if angle(k, i, j) + angle(m, i, j) > np.pi + 1e-6:
                tri[t], tri[s] = (k, i, m), (m, j, k)
                touched |= {t, s}
                made.add((k, m))
                flips += 1
        if flips == 0:
            break
    return tri


def _midline(azimuth: float, scale: float, avoid: Array) -> Array:
    """Sites along the midline at azimuth 0 or pi, spaced by the field, clear of `avoid` [K, 3]."""
    levels = np.linspace(LEVEL_TOP, LEVEL_BOTTOM, 4000)
    curve = skin(np.full(levels.shape, azimuth), levels)
    step = np.linalg.norm(np.diff(curve, axis=0), axis=1) / (0.85 * scale * spacing(curve[1:]))
    along = np.concatenate([[0.0], np.cumsum(step)])
    count = int(np.round(along[-1]))
    level = np.interp(np.linspace(0.0, along[-1], count + 1), along, levels)
    points = skin(np.full(count, azimuth), level[1:])  # the top itself is added by the front half
    if azimuth == 0.0:
        points = np.concatenate([skin(np.zeros(1), np.array([LEVEL_TOP])), points])
        dy = points[:, 1] - mouth.MOUTH_Y
        in_mouth = (dy < mouth.OUTER_UP + 0.15) & (dy > -mouth.OUTER_DOWN - 0.15) & (points[:, 2] > 0)
        points = points[~in_mouth]
    clear = cKDTree(avoid).query(points)[0] > 0.45 * scale * spacing(points)
    last = points[0]
    for i, point in enumerate(points[1:], 1):  # below the nose the curve folds back on itself
        clear[i] &= bool(np.linalg.norm(point - last) > 0.4 * scale * spacing(points[i : i + 1])[0])
        last = point if clear[i] else last
    points[:, 0] = 0.0
    return np.asarray(points[clear])


def fill(mouth_ring: Array, side_rings: list[Array], total: int, grid: SkinGrid) -> tuple[Array, Index]:
    """Skin sites and triangles joining the outer mouth ring [64, 3] and the rings of the openings at +x, each [K, 3].

    Returns (new points [total, 3], faces [F, 3]): faces index the concatenation of the new points, the mouth ring,
    the rings at +x and their mirror images, in that order. `total` counts the new vertices.
    """
    half_ring = np.flatnonzero(mouth_ring[:, 0] >= -1e-9)
    openings = np.concatenate(side_rings)
    folds = head_creases.rows()  # packed more densely than the field asks for
    rows = np.concatenate([*hairline_rows(), folds])
    azimuth = np.arange(1, NECK_RING + 1) / (NECK_RING + 1) * np.pi
    neck = skin(azimuth, np.full(NECK_RING, LEVEL_BOTTOM))
    off = rows[:, 0] > 1e-6
    expected = float((grid.area / (0.866 * spacing(grid.points) ** 2))[~_inside_features(grid.points)].sum())
    scale = float(np.sqrt(2 * expected / (total - len(folds))))
    avoid = np.concatenate([rows, mouth_ring, openings])
    front_line, back_line = _midline(0.0, scale, avoid), _midline(np.pi, scale, avoid)
    middle = np.concatenate([front_line, back_line, rows[~off]])
    middle[:, 0] = 0.0
    side_fixed = np.concatenate([rows[off], neck])
    if (total - len(middle)) % 2:  # both halves are equal, so the midline decides the parity of the total
        middle = np.delete(middle, len(front_line) + len(back_line) // 2, axis=0)
    count = (total - len(middle)) // 2 - len(side_fixed)
    fixed = np.concatenate([middle, side_fixed, mouth_ring[half_ring], openings])
    free = choose_sites(fixed, count, grid, scale)
    half = np.concatenate([middle, side_fixed, free, mouth_ring[half_ring], openings])
    m, s = len(middle), len(middle) + len(side_fixed) + count
    opening_start = s + len(half_ring)
    ends = opening_start + np.cumsum([len(ring) for ring in side_rings])
    closed = [np.arange(s, opening_start)]
    closed += [np.arange(end - len(ring), end) for end, ring in zip(ends, side_rings, strict=True)]
    border = np.flatnonzero(np.isin(np.arange(len(half)), m + len(rows[off]) + np.arange(NECK_RING)) | _lowest(half, m))
    tri = triangulate(half, closed, border)
    points = np.concatenate([half[:s], half[m:s] * np.array([-1.0, 1.0, 1.0])])
    # numbering of the result: new points, then the whole mouth ring, then the openings of either side
    after = len(points) + mouth.COLUMNS
    left = np.concatenate([np.arange(s), len(points) + half_ring, after + np.arange(len(openings))])
    opposite = (mouth.COLUMNS // 2 - half_ring) % mouth.COLUMNS
    right = np.concatenate(
        [
            np.arange(m),
            np.arange(s, 2 * s - m),
            len(points) + opposite,
            after + len(openings) + np.arange(len(openings)),
        ]
    )
    return points, np.concatenate([left[tri], right[tri][:, ::-1]])


def _lowest(points: Array, middle: int) -> NDArray[np.bool_]:
    """Marks the two midline sites that end the neck."""
    marks = np.zeros(len(points), dtype=bool)
    for front_side in (True, False):
        side = np.flatnonzero((points[:middle, 2] > AXIS_Z) == front_side)
        marks[side[np.argmin(points[side, 1])]] = True
    return marks
