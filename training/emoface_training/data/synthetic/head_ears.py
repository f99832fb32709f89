"""Ears of the procedural head: two shells sunk into the side of the skin (centimetres)."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.interpolate import PchipInterpolator

from .head_parts import Array, Parts
from .head_shape import cast

COLUMNS = 26
RADII = (0.14, 0.32, 0.47, 0.60, 0.73, 0.85, 0.94, 1.0, 0.971, 0.76)  # the last two turn behind the ear, into the head
_ORIGIN = np.array([6.72, -1.0, -1.15])
_TILT = np.deg2rad(31.0)  # the rear edge stands away from the head
_BACK = np.array([np.sin(_TILT), -0.06, -np.cos(_TILT)])
_UP = np.array([0.07, 0.99, -0.10])
_OUT = np.array([np.cos(_TILT), 0.0, np.sin(_TILT)])


def _around(angle: Array, degrees: list[float], values: list[float]) -> Array:
    """Values given at some directions, between them along the outline; 0 is the back, 90 the top, 180 the front."""
    turned = np.rad2deg((angle + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(PchipInterpolator(degrees, values)(turned))


def _heights(angle: Array) -> list[Array]:
    """Outward height [26] of each ring: hollow, antihelix, groove and helix, ending in a plain lobe below."""
    at = [-180.0, -150.0, -115.0, -85.0, -55.0, -20.0, 15.0, 50.0, 80.0, 110.0, 140.0, 180.0]
    return [
        _around(angle, at, [-0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42, -0.42]),
        _around(angle, at, [-0.20, -0.28, -0.25, -0.25, -0.32, -0.36, -0.36, -0.28, -0.22, -0.26, -0.26, -0.20]),
        _around(angle, at, [0.00, 0.00, 0.00, 0.00, 0.02, 0.06, 0.06, 0.06, 0.10, 0.02, -0.08, 0.00]),
        _around(angle, at, [0.05, 0.08, 0.16, 0.30, 0.42, 0.52, 0.54, 0.44, 0.26, 0.10, 0.02, 0.05]),
        _around(angle, at, [0.06, 0.08, 0.22, 0.32, 0.34, 0.36, 0.36, 0.34, 0.22, 0.10, 0.10, 0.06]),
        _around(angle, at, [0.04, 0.08, 0.22, 0.32, 0.26, 0.14, 0.12, 0.14, 0.18, 0.22, 0.24, 0.12]),
        _around(angle, at, [0.03, 0.06, 0.18, 0.30, 0.38, 0.54, 0.60, 0.62, 0.62, 0.60, 0.50, 0.14]),
        _around(angle, at, [0.02, 0.03, 0.10, 0.20, 0.28, 0.40, 0.46, 0.48, 0.48, 0.44, 0.34, 0.06]),
        _around(angle, at, [-0.20, -0.20, -0.10, -0.02, 0.02, 0.06, 0.08, 0.08, 0.06, 0.00, -0.10, -0.20]),
        np.full(COLUMNS, -0.75),
    ]


def _near(angle: Array, degrees: float) -> Array:
    """1 in a direction, 0 from about 45 degrees away on: tragus and antitragus are that narrow."""
    away = (angle - np.deg2rad(degrees) + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(np.exp(-0.5 * (away / np.deg2rad(19.0)) ** 2))


def _rings() -> list[Array]:
    """Rings [26, 3] of the ear at +x, innermost first."""
    angle = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
    outline = _around(
        angle,
        [-180, -150, -115, -90, -60, -25, 0, 30, 60, 90, 120, 150, 180],
        [1.25, 1.5, 2.25, 2.7, 2.35, 2.0, 2.0, 2.3, 2.85, 3.0, 2.6, 1.75, 1.25],
    )
    rings = []
    for radius, height in zip(RADII, _heights(angle), strict=True):
        reach = outline * radius
        flat = _ORIGIN + np.outer(reach * np.cos(angle), _BACK) + np.outer(reach * np.sin(angle), _UP)
        if radius in RADII[:-2]:  # where the head is in the way, the ear lies on it
            ground = (cast(flat, np.broadcast_to(_OUT, flat.shape)) - flat) @ _OUT
            over = np.interp(
                radius, [0.14, 0.32, 0.47, 0.60, 0.73, 0.94, 1.0], [0.08, 0.08, 0.10, 0.10, 0.08, 0.20, 0.03]
            )
            over = over + np.interp(radius, [0.32, 0.47, 0.60, 0.73, 0.85], [0.0, 0.34, 0.30, 0.08, 0.0]) * _near(
                angle, 186.0
            )
            over = over + np.interp(radius, [0.32, 0.47, 0.60, 0.73], [0.0, 0.22, 0.20, 0.0]) * _near(angle, -72.0)
            height = np.maximum(height, ground + over)
        rings.append(flat + np.outer(height, _OUT))
    return rings


def add_ears(parts: Parts) -> None:
    """Adds both ears; groups ear_left/right hold all vertices, ear_hole_left/right the innermost."""
    rows = _rings()
    centre = rows[0].mean(axis=0)
    for side, flip in ((1.0, False), (-1.0, True)):
        mirror = np.array([side, 1.0, 1.0])
        rings = [parts.add(row * mirror, "ears") for row in rows[::-1]]
        hole = parts.add(centre * mirror, "ears")
        for outer, inner in itertools.pairwise(rings):
            parts.strip(outer, inner, closed=True, flip=flip)
        parts.fan(rings[-1], int(hole[0]), flip=flip)
        name = "left" if side > 0 else "right"
        parts.groups[f"ear_{name}"] = np.concatenate([*rings, hole])
        parts.groups[f"ear_rings_{name}"] = np.stack(rings[::-1])
        parts.groups[f"ear_hole_{name}"] = np.concatenate([rings[-1], hole])
