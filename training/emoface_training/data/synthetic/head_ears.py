"""Ears of the procedural head: two shells sunk into the side of the skin (centimetres)."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.interpolate import PchipInterpolator

from .head_parts import Parts

COLUMNS = 26
# rings as (radius along the outline, outward height); the last two turn behind the ear and into the head
RINGS = (
    (0.14, -0.34),
    (0.32, -0.22),
    (0.48, 0.10),
    (0.60, 0.34),
    (0.74, 0.22),
    (0.87, 0.44),
    (0.96, 0.46),
    (1.02, 0.30),
    (0.98, 0.02),
    (0.80, -0.75),
)


def add_ears(parts: Parts) -> None:
    """Adds both ears; group ear_hole holds the innermost vertices."""
    angle = np.arange(COLUMNS) * (
        2 * np.pi / COLUMNS
    )  # 0 = towards the back, counter-clockwise seen from the left: up next
    outline = PchipInterpolator(
        np.deg2rad([-180, -150, -115, -90, -60, -25, 0, 30, 60, 90, 120, 150, 180]),
        [1.25, 1.5, 2.2, 2.65, 2.3, 1.95, 1.95, 2.25, 2.85, 3.0, 2.6, 1.75, 1.25],
    )((angle + np.pi) % (2 * np.pi) - np.pi)
    back = np.cos(angle)
    tilt = np.deg2rad(33.0)  # the rear edge stands away from the head
    u = np.array([np.sin(tilt), -0.06, -np.cos(tilt)])
    w = np.array([np.cos(tilt), 0.0, np.sin(tilt)])
    v = np.array([0.07, 0.99, -0.10])
    origin = np.array([6.72, -1.0, -1.15])
    lobe = np.clip((-np.sin(angle) - 0.55) / 0.45, 0, 1)
    fronted = np.clip(-back, 0, 1)
    rows = []
    for radius, height in RINGS:
        rise = np.full(COLUMNS, height)
        if 0.5 < radius < 0.7:
            rise = rise - 0.20 * fronted - 0.25 * lobe  # the inner ridge runs behind the hollow only
        if 0.7 < radius <= 0.9:
            rise = rise + 0.14 * lobe
        if radius > 0.8:
            rise = rise - np.where(height > 0, 0.30, 0.15) * fronted  # the front edge merges with the cheek
        reach = outline * radius
        points = origin + np.outer(reach * np.cos(angle), u) + np.outer(reach * np.sin(angle), v) + np.outer(rise, w)
        if radius == 0.48:
            points += np.outer(0.35 * np.clip(-back - 0.6, 0, 1) * (np.abs(np.sin(angle)) < 0.8), w)  # tragus
        rows.append(points)
    centre = origin + 0.1 * v - 0.40 * w
    for side, flip in ((1.0, False), (-1.0, True)):
        mirror = np.array([side, 1.0, 1.0])
        rings = [parts.add(row * mirror, "ears") for row in rows[::-1]]
        hole = parts.add(centre * mirror, "ears")
        for outer, inner in itertools.pairwise(rings):
            parts.strip(outer, inner, closed=True, flip=flip)
        parts.fan(rings[-1], int(hole[0]), flip=flip)
        name = "left" if side > 0 else "right"
        parts.groups[f"ear_{name}"] = np.concatenate([*rings, hole])
        parts.groups[f"ear_hole_{name}"] = np.concatenate([rings[-1], hole])
