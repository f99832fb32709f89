"""The smooth skin of the procedural head: a signed distance field and the rays that sample it.

All lengths in this module are centimetres, +Y up, +Z front, origin near the centre of the head.
The head is a smooth union of ellipsoids and capsules placed after common facial proportions
(thirds of the face, eyes at half height). It is mirror-symmetric in x by construction.

Skin points are addressed by (azimuth, level): a ray leaves the vertical axis of the head at that
azimuth, and `level` selects its height and elevation. Rays fan out over the cranium, run flat across
the face and tilt downwards below it, so that the underside of the chin is seen by exactly one ray.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AXIS_Z = -1.0  # the axis the rays leave from
DOME_Y = 2.5  # centre of the fan of rays over the cranium
NECK_TILT = np.deg2rad(38.0)  # downward tilt of the rays below the chin
LEVEL_TOP, LEVEL_BOTTOM = 1.0, -1.0
_START = 22.0  # rays are traced inwards from this distance


def _ellipsoid(p: Array, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    r = np.asarray(radii)
    q = p - np.asarray(centre)
    k0 = np.linalg.norm(q / r, axis=-1)
    k1 = np.linalg.norm(q / (r * r), axis=-1)
    return np.where(k1 > 1e-9, k0 * (k0 - 1.0) / np.maximum(k1, 1e-9), -min(radii))


def _capsule(p: Array, a: tuple[float, float, float], b: tuple[float, float, float], ra: float, rb: float) -> Array:
    pa, ba = p - np.asarray(a), np.asarray(b) - np.asarray(a)
    h = np.clip(pa @ ba / (ba @ ba), 0.0, 1.0)
    return np.linalg.norm(pa - h[..., None] * ba, axis=-1) - (ra + (rb - ra) * h)


def _join(a: Array, b: Array, k: float) -> Array:
    """Smooth union; k is the width of the blend in centimetres."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0.0, 1.0)
    return b + (a - b) * h - k * h * (1.0 - h)


def _carve(a: Array, b: Array, k: float) -> Array:
    """Smooth subtraction of b from a."""
    return -_join(-a, b, k)


def distance(points: Array) -> Array:
    """Approximate signed distance [..., ] (cm, negative inside) of points [..., 3]."""
    p = np.array(points, dtype=np.float64)
    p[..., 0] = np.abs(p[..., 0])
    d = _ellipsoid(p, (0, 3.3, -1.1), (7.3, 8.0, 9.3))
    d = _join(d, _ellipsoid(p, (0, -2.2, 1.8), (6.25, 7.6, 6.5)), 1.6)
    d = _join(d, _capsule(p, (4.35, -5.6, 0.6), (1.6, -8.9, 5.9), 1.1, 1.2), 1.6)
    d = _join(d, _capsule(p, (4.75, -2.0, -0.2), (4.35, -5.6, 0.6), 1.05, 1.1), 1.6)
    d = _join(d, _ellipsoid(p, (0, -9.05, 7.0), (1.75, 1.35, 1.7)), 1.0)
    d = _join(d, _ellipsoid(p, (4.2, -1.9, 5.0), (2.0, 1.5, 1.85)), 1.6)
    d = _join(d, _ellipsoid(p, (0, -6.1, 5.2), (3.4, 2.5, 3.7)), 1.5)
    d = _join(d, _capsule(p, (1.2, 2.1, 7.2), (3.9, 2.35, 6.0), 0.7, 0.7), 1.9)
    d = _join(d, _capsule(p, (0, -4.0, -2.6), (0, -19.0, -3.4), 4.35, 5.1), 1.3)
    d = _carve(d, _ellipsoid(p, (3.15, 0.1, 8.9), (2.0, 1.2, 1.7)), 1.5)
    d = _carve(d, _ellipsoid(p, (0, -8.0, 9.35), (1.7, 0.5, 0.95)), 0.8)
    nose = _capsule(p, (0, 1.4, 7.55), (0, -3.0, 9.5), 0.45, 0.62)
    nose = _join(nose, _ellipsoid(p, (0, -3.5, 9.7), (0.76, 0.70, 0.9)), 0.6)
    nose = _join(nose, _ellipsoid(p, (0.98, -3.62, 8.75), (0.56, 0.50, 0.88)), 0.6)
    d = _join(d, nose, 0.8)
    d = _carve(d, _capsule(p, (0.0, -4.9, 9.7), (0.0, -5.2, 9.65), 0.2, 0.3), 0.35)
    return d


def cast(origins: Array, directions: Array) -> Array:
    """Outermost intersections [..., 3] of rays with the skin, traced from outside towards the origins."""
    s = np.full(origins.shape[:-1], _START)
    for _ in range(90):
        s = s - 0.8 * distance(origins + s[..., None] * directions)
    return np.asarray(origins + s[..., None] * directions)


def _ray(level: Array) -> tuple[Array, Array]:
    """Height on the axis (cm) and elevation (radians) of the rays at `level`."""
    up = np.clip(level / LEVEL_TOP, 0.0, 1.0)
    down = np.clip(-level, 0.0, None)
    height = DOME_Y - 16.0 * down

    def ramp(a: float, b: float) -> Array:
        t = np.clip((down - a) / (b - a), 0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)

    # the tilt comes back slowly on the neck, so that the rays never cross and the neck ends level
    return height, up * (np.pi / 2) - NECK_TILT * ramp(0.20, 0.42) + 0.75 * NECK_TILT * ramp(0.50, 1.05)


def skin(azimuth: Array, level: Array) -> Array:
    """Skin points [..., 3] (cm) at azimuth (radians, 0 = front, positive = the head's left) and level."""
    height, elevation = _ray(level)
    origin = np.stack([np.zeros_like(height), height, np.full_like(height, AXIS_Z)], axis=-1)
    c = np.cos(elevation)
    direction = np.stack([c * np.sin(azimuth), np.sin(elevation), c * np.cos(azimuth)], axis=-1)
    points = cast(origin, direction)
    points[..., 0] = np.where(np.abs(np.sin(azimuth)) < 1e-9, 0.0, points[..., 0])
    return points


def address(points: Array) -> tuple[Array, Array]:
    """Inverse of `skin`: (azimuth, level) of points [..., 3] on the skin."""
    azimuth = np.arctan2(points[..., 0], points[..., 2] - AXIS_Z)
    radius = np.hypot(points[..., 0], points[..., 2] - AXIS_Z)
    lo, hi = np.full(radius.shape, LEVEL_BOTTOM - 0.2), np.full(radius.shape, LEVEL_TOP)
    for _ in range(50):
        mid = 0.5 * (lo + hi)
        height, elevation = _ray(mid)
        # signed side of the ray the point lies on, in the half plane of its azimuth
        above = (points[..., 1] - height) * np.cos(elevation) - radius * np.sin(elevation) > 0
        lo, hi = np.where(above, mid, lo), np.where(above, hi, mid)
    return azimuth, 0.5 * (lo + hi)


def front(x: Array, y: Array) -> Array:
    """Skin points [..., 3] under the frontal projection (x, y), looking along -Z."""
    origin = np.stack([x, y, np.zeros_like(x)], axis=-1)
    return cast(origin, np.broadcast_to(np.array([0.0, 0.0, 1.0]), origin.shape))
