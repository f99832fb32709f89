"""Eyelids, eyeballs, lashes and brows of the procedural head (centimetres)."""

from __future__ import annotations

import itertools

import numpy as np

from .head_parts import Array, Parts
from .head_shape import front

COLUMNS = 32
ANGLE = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
SIN = np.where(np.abs(np.sin(ANGLE)) < 1e-9, 0.0, np.sin(ANGLE))
COS = np.where(np.abs(np.cos(ANGLE)) < 1e-9, 0.0, np.cos(ANGLE))
PAIR = (-np.arange(COLUMNS)) % COLUMNS
EYE_X, EYE_Y = 3.12, 0.1
BALL_RADIUS = 1.48
LID_CLEARANCE = 0.09
LID_RINGS = (1.0, 0.74, 0.52, 0.36, 0.22, 0.10, 0.0)  # outermost skin ring .. lid margin
IRIS, PUPIL = 0.455, 0.20  # polar angles on the eyeball, radians
BALL_COLUMNS = 24


def lid_outline(r: float, columns: Array = ANGLE) -> tuple[Array, Array]:
    """Frontal outline (x, y) of lid ring r for the eye at +x; column 0 is the outer corner."""
    c, s = np.cos(columns), np.sin(columns)
    upper = s >= 0
    # the highest point of the upper lid lies towards the nose, the lowest of the lower lid outwards
    inner_y = (
        np.where(upper, 0.58 * np.abs(s) ** 1.05 * (1 - 0.12 * c), -0.40 * np.abs(s) ** 1.2 * (1 + 0.15 * c)) + 0.07 * c
    )
    inner_x = 1.48 * c
    outer_x, outer_y = 2.1 * c, np.where(upper, 1.28, 1.10) * s
    return EYE_X + inner_x * (1 - r) + outer_x * r, EYE_Y + inner_y * (1 - r) + outer_y * r


def ball_centre() -> Array:
    """Centre [3] of the eyeball at +x."""
    z = front(np.array([EYE_X]), np.array([EYE_Y]))[0, 2]
    return np.array([EYE_X, EYE_Y + 0.03, z + 0.34 - BALL_RADIUS])


def on_sphere(x: Array, y: Array, centre: Array, radius: float) -> Array:
    """z of the sphere's front at (x, y); flattens to a tangent cone beyond 0.93 of the radius."""
    d = np.hypot(x - centre[0], y - centre[1])
    edge = 0.93 * radius
    z_edge = np.sqrt(radius**2 - edge**2)
    z = np.where(d < edge, np.sqrt(np.maximum(radius**2 - np.minimum(d, edge) ** 2, 0.0)), z_edge - 0.9 * (d - edge))
    return np.asarray(centre[2] + z)


def add_eyes(parts: Parts) -> None:
    """Lids as 8 rings of 32 columns, and eyeballs; groups lids_left/right [8, 32], ball_left/right."""
    centre = ball_centre()
    lids = []
    for r in LID_RINGS:
        x, y = lid_outline(r)
        points = front(x, y)
        blend = np.clip(1 - r * 1.75, 0, 1) ** 0.7
        points[:, 2] += blend * (on_sphere(x, y, centre, BALL_RADIUS + LID_CLEARANCE) - points[:, 2])
        fold = np.clip(SIN, 0, None) ** 0.6
        points[:, 2] += fold * {0.36: -0.07, 0.52: 0.10, 0.74: 0.05}.get(r, 0.0)
        points[:, 2] = np.maximum(points[:, 2], on_sphere(x, y, centre, BALL_RADIUS + 0.05))
        lids.append(points)
    rim = lids[-1].copy()
    rim[:, :2] = centre[:2] + (rim[:, :2] - centre[:2]) * 1.05
    rim[:, 2] -= 0.26
    lids.append(rim)
    polar = np.array([PUPIL - 0.015, PUPIL + 0.015, 0.31, IRIS - 0.03, IRIS + 0.01, 0.66, 1.0, 1.4])
    turn = np.arange(BALL_COLUMNS) * (2 * np.pi / BALL_COLUMNS)
    for side, name in ((1.0, "left"), (-1.0, "right")):
        flip = side < 0
        mirror = np.array([side, 1.0, 1.0])
        rings = [parts.add(points * mirror, "lids") for points in lids]
        for outer, inner in itertools.pairwise(rings):
            parts.strip(outer, inner, closed=True, flip=flip)
        parts.groups[f"lids_{name}"] = np.stack(rings)
        ball = []
        for p in polar[::-1]:
            cornea = BALL_RADIUS * (1 + 0.035 * np.exp(-((p / 0.36) ** 2)))
            shell = np.stack([np.sin(p) * np.cos(turn), np.sin(p) * np.sin(turn), np.full(BALL_COLUMNS, np.cos(p))], 1)
            ball.append(parts.add((centre + cornea * shell) * mirror, "eyeballs"))
        tip = parts.add((centre + np.array([0, 0, BALL_RADIUS * 1.035])) * mirror, "eyeballs")
        for outer, inner in itertools.pairwise(ball):
            parts.strip(outer, inner, closed=True, flip=flip)
        parts.fan(ball[-1], int(tip[0]), flip=flip)
        parts.groups[f"ball_{name}"] = np.concatenate([*ball, tip])


def add_lashes(parts: Parts) -> None:
    """A short dark strip along each upper lid margin; groups lashes_left/right [2, 17]."""
    centre = ball_centre()
    top = np.arange(0, COLUMNS // 2 + 1)
    for side, name in ((1.0, "left"), (-1.0, "right")):
        margin = parts.points[parts.groups[f"lids_{name}"][len(LID_RINGS) - 1]][top]
        outward = margin - centre * np.array([side, 1, 1])
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        rise = np.clip(np.sin(ANGLE[top]), 0, 1)[:, None]
        outer = np.clip(COS[top, None], 0, 1)
        reach = rise**0.6 * (0.75 + 0.6 * outer)
        root = margin + 0.015 * outward
        tip = (
            margin
            + reach * (0.20 * outward + np.array([0.0, 0.075, 0.0]))
            + 0.05 * rise * outer * np.array([side, 0, 0])
        )
        rows = [parts.add(root, "lashes"), parts.add(tip, "lashes")]
        parts.strip(rows[0], rows[1], closed=False, flip=side > 0)
        parts.groups[f"lashes_{name}"] = np.stack(rows)


BROW_COLUMNS = 14


def add_brows(parts: Parts) -> None:
    """Eyebrows as thin strips lying on the brow ridge."""
    t = np.linspace(0.0, 1.0, BROW_COLUMNS)
    x = 1.15 + 3.75 * t
    middle = (
        1.93 + 0.62 * np.sin(np.clip(t * 1.18, 0, 1.2) * np.pi * 0.62) - 0.62 * np.clip(t - 0.66, 0, 1) / 0.34 * 0.75
    )
    half = 0.30 * (1 - 0.75 * t**1.6) * np.clip(0.55 + 3 * t, 0, 1) * np.clip((1.04 - t) * 6, 0, 1)
    rows = []
    for v, lift in ((-1.0, 0.01), (0.0, 0.11), (1.0, 0.01)):
        rows.append(front(x + 0.12 * v, middle + v * half) + np.array([0.0, 0.0, lift]))
    for side in (1.0, -1.0):
        mirror = np.array([side, 1.0, 1.0])
        ids = [parts.add(row * mirror, "brows") for row in rows]
        for low, high in itertools.pairwise(ids):
            parts.strip(low, high, closed=False, flip=side < 0)
