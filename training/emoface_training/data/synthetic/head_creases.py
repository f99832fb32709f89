"""Where the skin of the face folds: rows of sites along the folds, and how far each vertex lies in one (centimetres).

The folds are flat at rest. Expressions press them in (`rig_creases`); the rows make them sharp on a coarse mesh.
"""

from __future__ import annotations

import numpy as np

from .head_parts import Array, smoothstep
from .head_shape import front

FOREHEAD_LOW, FOREHEAD_STEP, FOREHEAD_ROWS, FOREHEAD_X = 3.55, 0.36, 7, 3.5
FURROW_X = 0.40  # of the upright lines between the brows
# from the wing of the nose around the corner of the mouth; the lower part runs through the rings of the mouth
NASOLABIAL = np.array([[1.50, -3.20], [1.98, -3.85], [2.45, -4.50], [2.90, -5.25], [3.22, -6.05], [3.30, -6.80]])
_ROWS_DOWN_TO = -4.75
_CORNER = np.array([4.62, 0.15])  # outer corner of the eye
CROW_TURNS = np.deg2rad([28.0, 2.0, -24.0])  # directions of the lines at it
_SIDE = 0.19  # distance of the rows beside a fold


def forehead_height(x: Array, row: float) -> Array:
    """Height of forehead row 0..6 at |x|: lines 1, 3 and 5 are folds, the others the ridges between."""
    return FOREHEAD_LOW + FOREHEAD_STEP * row + 0.10 * np.cos(np.abs(x) * 0.9) - 0.07 * np.abs(x)


def rows() -> Array:
    """Sites [N, 3] with x >= 0 along the folds of one half of the face; those on the midline have x = 0."""
    found = []
    for row in range(FOREHEAD_ROWS):
        x = np.linspace(0.0, FOREHEAD_X, 7)
        found.append(front(x, forehead_height(x, row)))
    y = np.linspace(1.45, 2.85, 4)
    for share in (0.0, 1.0, 1.55):  # the ridge between both folds lies on the midline
        found.append(front(share * FURROW_X + (share > 0) * 0.04 * (y - 2.0), y))
    upper = NASOLABIAL[NASOLABIAL[:, 1] >= _ROWS_DOWN_TO]
    along = np.linspace(0.0, 1.0, 5)
    line = np.stack([np.interp(along, np.linspace(0, 1, len(upper)), upper[:, k]) for k in range(2)], axis=1)
    across = np.array([0.82, 0.57])  # outwards and up, square to the fold
    for offset in (-_SIDE, 0.0, _SIDE):
        found.append(front(*(line + offset * across).T))
    step = 0.5 * (CROW_TURNS[0] - CROW_TURNS[1])
    turn, radius = np.meshgrid(np.arange(CROW_TURNS[2] - step, CROW_TURNS[0] + 1.5 * step, step), [0.86, 1.20, 1.60])
    found.append(front(_CORNER[0] + (radius * np.cos(turn)).ravel(), _CORNER[1] + (radius * np.sin(turn)).ravel()))
    points = np.concatenate(found)
    points[np.abs(points[:, 0]) < 1e-9, 0] = 0.0
    return points


def _polyline(x: Array, y: Array, line: Array) -> tuple[Array, Array]:
    """Signed distance (positive outwards) of frontal points from a polyline [K, 2], and place 0..1 along it."""
    best, place = np.full(len(x), np.inf), np.zeros(len(x))
    for k in range(len(line) - 1):
        a, step = line[k], line[k + 1] - line[k]
        t = np.clip(((x - a[0]) * step[0] + (y - a[1]) * step[1]) / (step @ step), 0.0, 1.0)
        dx, dy = x - a[0] - t * step[0], y - a[1] - t * step[1]
        d = np.hypot(dx, dy) * np.sign(dy * step[0] - dx * step[1])
        nearer = np.abs(d) < np.abs(best)
        best, place = np.where(nearer, d, best), np.where(nearer, (k + t) / (len(line) - 1), place)
    return best, place


def forehead(x: Array, y: Array) -> Array:
    """-1 in the folds of the forehead, about +0.4 on the ridges between, 0 elsewhere. [V]"""
    row = (y - forehead_height(x, 0.0)) / FOREHEAD_STEP
    window = smoothstep(-0.7, 0.3, row) * smoothstep(6.7, 5.7, row) * smoothstep(4.0, 3.0, np.abs(x))
    wave = np.cos(np.pi * row)
    return np.asarray(window * np.where(wave > 0, 0.4 * wave, wave) * (row > -1) * (row < 7))


def furrow(x: Array, y: Array) -> Array:
    """-1 in the upright folds between the brows, positive beside them. [V]"""
    d = (np.abs(x) - FURROW_X - 0.04 * (y - 2.0)) / 0.22
    window = smoothstep(1.15, 1.6, y) * smoothstep(3.2, 2.6, y)
    return np.asarray(window * _profile(d))


def nasolabial(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """-1 in the fold from nose to mouth, 0..1 on the cheek hanging over it, and the place 0..1 along it, each [V]."""
    d, place = _polyline(np.abs(x), y, NASOLABIAL)
    ends = smoothstep(0.0, 0.12, place)
    cheek = np.exp(-0.5 * ((d - 0.65) / 0.38) ** 2) * ends * smoothstep(1.0, 0.6, place)
    return np.asarray(_profile(d / 0.25) * ends * smoothstep(0.62, 0.36, place)), cheek, place


def crow(x: Array, y: Array) -> Array:
    """-1 in the lines at the outer corner of the eye, positive between them. [V]"""
    dx, dy = np.abs(x) - _CORNER[0], y - _CORNER[1]
    radius, turn = np.hypot(dx, dy), np.arctan2(dy, dx)
    window = smoothstep(0.35, 0.75, radius) * smoothstep(1.95, 1.25, radius) * smoothstep(0.95, 0.55, np.abs(turn))
    wave = -np.cos((turn - CROW_TURNS[1]) * (2 * np.pi / (CROW_TURNS[0] - CROW_TURNS[1])))
    return np.asarray(window * wave)


def _profile(d: Array) -> Array:
    """A fold with a bank on either side: -1 at d = 0, +0.45 at |d| about 1.3, 0 far away."""
    return np.asarray((0.9 * d**2 - 1.0) * np.exp(-0.75 * d**2))
