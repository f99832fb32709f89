"""Eyeballs: spheres with a cornea, vertex rings at the pupil and the limbus, and how they turn."""

from __future__ import annotations

import numpy as np

from .base_mesh import BaseMesh, Index
from .wheel import Array

SIDES = ("left", "right")
# Polar angles of the rings from the middle of the pupil, degrees: pupil, iris, limbus on both sides, white.
RINGS = (9.0, 17.0, 23.0, 27.0, 46.0, 80.0, 125.0)
COLUMNS = 24
VERTICES = 2 + len(RINGS) * COLUMNS
PUPIL, IRIS = RINGS[0], 25.0
BULGE = 0.045  # of the cornea, share of the radius
# Turns of a shape at weight 1, degrees: pitch (positive down) and yaw towards the head's left, for the left eye.
TURNS = {"Up": (-20.0, 0.0), "Down": (22.0, 0.0), "In": (0.0, -28.0), "Out": (0.0, 28.0)}
_GROUP = {"left": "helper-l-eye", "right": "helper-r-eye"}


def sphere(mesh: BaseMesh, points: Array, side: str) -> tuple[Array, float]:
    """Centre [3] and radius of an eye of the base mesh's vertices `points` [N, 3]."""
    eye = points[mesh.vertices_of(_GROUP[side])]
    table = np.concatenate([2 * eye, np.ones((len(eye), 1))], axis=1)
    solution = np.linalg.lstsq(table, (eye**2).sum(axis=1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def ball(centre: Array, radius: float) -> Array:
    """Vertices [VERTICES, 3]: the middle of the pupil, rings outwards, the back pole."""
    polar = np.deg2rad(np.array([0.0, *RINGS, 180.0]))
    azimuth = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
    reach = radius * (1.0 + BULGE * np.cos(np.clip(polar / np.deg2rad(32.0), 0, 1) * np.pi / 2) ** 2)
    ring = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(COLUMNS)], axis=1)
    rings = [
        r * (np.sin(t) * ring + np.array([0.0, 0.0, np.cos(t)]))
        for t, r in zip(polar[1:-1], reach[1:-1], strict=True)
    ]  # fmt: skip
    ends = [np.array([[0.0, 0.0, reach[0]]]), np.array([[0.0, 0.0, -reach[-1]]])]
    return np.asarray(np.concatenate([ends[0], *rings, ends[1]]) + centre)


def triangles() -> tuple[Index, Index]:
    """Triangles [F, 3] of one eye, counter-clockwise from outside, and the same as rows of `uvs`: one to one."""
    a = np.arange(COLUMNS)
    b = (a + 1) % COLUMNS
    out = [np.stack([np.zeros_like(a), 1 + a, 1 + b], axis=1)]
    for k in range(len(RINGS) - 1):
        inner, outer = 1 + k * COLUMNS, 1 + (k + 1) * COLUMNS
        out.append(np.stack([inner + a, outer + a, outer + b], axis=1))
        out.append(np.stack([inner + a, outer + b, inner + b], axis=1))
    last = 1 + (len(RINGS) - 1) * COLUMNS
    out.append(np.stack([last + a, np.full_like(a, VERTICES - 1), last + b], axis=1))
    faces = np.concatenate(out)
    return faces, faces.copy()


def uvs() -> Array:
    """Texture coordinates [VERTICES, 2] in 0..1, v upwards: the eye seen from the front, angles true to scale."""
    polar = np.array([0.0, *RINGS, 180.0]) / 180.0
    azimuth = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
    # The white half takes little of the picture.
    reach = 0.5 * np.minimum(1.0, np.interp(polar, [0.0, 0.25, 1.0], [0.0, 0.8, 1.0]))
    ring = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    return np.concatenate([np.zeros((1, 2)), *[r * ring for r in reach[1:-1]], [[reach[-1], 0.0]]]) + 0.5


def turned(points: Array, centre: Array, pitch: float, yaw: float) -> Array:
    """Offsets [k, 3] of points turned about a centre by degrees: positive pitch looks down, positive yaw to +x."""
    p, y = np.deg2rad([pitch, yaw])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return np.asarray((points - centre) @ (about_y @ about_x).T - (points - centre))
