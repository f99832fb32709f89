"""Nostrils of the procedural head: openings in the underside of the nose with a dark passage behind (centimetres)."""

from __future__ import annotations

import itertools

import numpy as np

from .head_parts import Array, Parts
from .head_shape import distance

COLUMNS = 14
CENTRE = np.array([0.60, 9.16])  # x, z of the middle of the opening at +x
LONG, SHORT = 0.44, 0.21  # half axes of the opening
_LEAN = np.deg2rad(20.0)  # the front ends of the openings lean towards each other
_LOWEST = -4.95  # below the nose and clear of the upper lip
# passage inwards from the rim: share of the rim's size, way up, way back
_PASSAGE = ((0.86, 0.10, 0.02), (0.66, 0.38, 0.12), (0.42, 0.80, 0.35))


def outline(share: float = 1.0) -> tuple[Array, Array]:
    """Plan (x, z), each [14], of the opening at +x, scaled about its middle; column 0 points to the front."""
    turn = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
    along, across = share * LONG * np.cos(turn), share * SHORT * np.sin(turn)
    x = CENTRE[0] - along * np.sin(_LEAN) + across * np.cos(_LEAN)
    z = CENTRE[1] + along * np.cos(_LEAN) + across * np.sin(_LEAN)
    return x, z


def inside(p: Array, margin: float) -> Array:
    """True where skin points [N, 3] with x >= 0 lie in the opening or within `margin` of its rim."""
    dx, dz = p[:, 0] - CENTRE[0], p[:, 2] - CENTRE[1]
    along = -dx * np.sin(_LEAN) + dz * np.cos(_LEAN)
    across = dx * np.cos(_LEAN) + dz * np.sin(_LEAN)
    reach = (along / (LONG + margin)) ** 2 + (across / (SHORT + margin)) ** 2
    return np.asarray((reach < 1) & (p[:, 1] < -3.85) & (p[:, 1] > -4.7))


def add_nostrils(parts: Parts) -> None:
    """Adds both passages; groups nostril_left/right [4, 14] from the rim inwards and nostril_end_left/right [1]."""
    x, z = outline()
    rim = np.stack([x, np.full(COLUMNS, _LOWEST), z], axis=1)
    for _ in range(60):  # straight up to the underside of the nose
        rim[:, 1] += 0.8 * distance(rim)
    plane = np.stack([x, z, np.ones(COLUMNS)], axis=1)  # a flat rim is convex from wherever it is seen
    rim[:, 1] = plane @ np.linalg.lstsq(plane, rim[:, 1], rcond=None)[0]
    middle = rim.mean(axis=0)
    rings = [rim]
    for share, up, back in _PASSAGE:
        rings.append(middle + share * (rim - middle) + np.array([0.0, up, -back]))
    end = rings[-1].mean(axis=0) + np.array([0.0, 0.12, -0.05])
    for side, name in ((1.0, "left"), (-1.0, "right")):
        mirror = np.array([side, 1.0, 1.0])
        ids = [parts.add(ring * mirror, "nostril") for ring in rings]
        last = parts.add(end * mirror, "nostril")
        for outer, inner in itertools.pairwise(ids):
            parts.strip(outer, inner, closed=True, flip=side > 0)
        parts.fan(ids[-1], int(last[0]), flip=side > 0)
        parts.groups[f"nostril_{name}"] = np.stack(ids)
        parts.groups[f"nostril_end_{name}"] = last
