"""ARKit's gaze shapes (centimetres): eyeballs turn about their centres, lids go along."""

from __future__ import annotations

import numpy as np

from . import eyes
from .head_parts import Array, Parts

LOOK_ANGLES = {"Up": (np.deg2rad(-19.0), 0.0), "Down": (np.deg2rad(17.0), 0.0)}
SIDE_ANGLE = np.deg2rad(26.0)


def _turned(points: Array, centre: Array, pitch: float, yaw: float) -> Array:
    """Displacement of points [k, 3] turned about `centre`: positive pitch looks down, positive yaw to +x."""
    cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.asarray((points - centre) @ (about_y @ about_x).T - (points - centre))


def look_shapes(parts: Parts, points: Array, fields: dict[str, Array]) -> dict[str, Array]:
    """eyeLookUp/Down/In/Out for both eyes, each [V, 3]."""
    out: dict[str, Array] = {}
    lids = {
        "Up": 0.75 * fields["eye_wide"] - 0.25 * fields["lower_lid"],
        "Down": 0.42 * fields["blink"],
        "In": np.zeros_like(points),
        "Out": np.zeros_like(points),
    }
    for name, side in (("left", 1.0), ("right", -1.0)):
        centre = eyes.ball_centre() * np.array([side, 1.0, 1.0])
        ball = parts.groups[f"ball_{name}"]
        half = (np.sign(points[:, 0]) == side)[:, None]
        angles = LOOK_ANGLES | {"In": (0.0, -side * SIDE_ANGLE), "Out": (0.0, side * SIDE_ANGLE)}
        for direction, (pitch, yaw) in angles.items():
            shape = np.where(half, lids[direction], 0.0)
            shape[ball] = _turned(points[ball], centre, pitch, yaw)
            out[f"eyeLook{direction}{name.capitalize()}"] = shape
    return out
