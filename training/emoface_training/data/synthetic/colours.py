"""Vertex colours of the procedural head: linear RGB albedo in 0..1."""

from __future__ import annotations

import numpy as np

from . import eyes, mouth
from .head_fill import hairline
from .head_parts import Array, Parts, bump, smoothstep
from .head_shape import AXIS_Z

SKIN = (0.57, 0.335, 0.245)
LIP = (0.46, 0.135, 0.115)
HAIR = (0.055, 0.030, 0.018)
TEETH = (0.66, 0.63, 0.55)
GUM = (0.42, 0.12, 0.11)
TONGUE = (0.47, 0.15, 0.14)
CAVITY = (0.045, 0.008, 0.008)
SCLERA = (0.78, 0.76, 0.73)
IRIS = (0.055, 0.115, 0.165)


def hair_weight(points: Array) -> Array:
    """1 inside the hair, 0 outside, [N]; the edge lies between the two rows of sites along the hairline."""
    azimuth = np.arctan2(points[:, 0], points[:, 2] - AXIS_Z)
    return np.where(points[:, 1] > hairline(azimuth), 1.0, 0.0)


def _mix(colour: Array, target: tuple[float, float, float], weight: Array) -> Array:
    return np.asarray(colour + (np.asarray(target) - colour) * weight[:, None])


def paint(parts: Parts, smooth: Array, hair: Array) -> Array:
    """Colours [V, 3] of the assembled head; `smooth` are the vertices, `hair` the hair weight [V]."""
    label = np.array(parts.labels)
    x, y, z = smooth.T
    colour = np.tile(np.array(SKIN), (len(label), 1))
    facing = smoothstep(2.0, 5.0, z)
    colour = _mix(colour, (0.66, 0.29, 0.21), 0.50 * facing * bump(x, y, 4.1, -2.4, 1.5, 1.2))
    colour = _mix(colour, (0.62, 0.27, 0.20), 0.45 * facing * bump(x, y, 0.0, -3.5, 0.9, 0.9))
    colour = _mix(colour, (0.50, 0.26, 0.19), 0.35 * facing * bump(x, y, 3.1, 0.1, 1.7, 0.9))
    colour = _mix(colour, (0.50, 0.29, 0.21), 0.35 * smoothstep(-9.6, -12.0, y))
    nostril = ((np.abs(x) - 0.54) / 0.22) ** 2 + ((y + 4.1) / 0.30) ** 2 + ((z - 9.2) / 0.38) ** 2
    colour = _mix(colour, (0.07, 0.02, 0.015), (label == "skin") * 0.92 * np.exp(-0.5 * nostril**2))
    rings = parts.groups["mouth_rings"]
    for k, r in enumerate(mouth.SKIN_RINGS + mouth.LIP_RINGS + mouth.INNER_RINGS):
        if r <= 1.0:
            shade = {1.0: 0.75, 0.0: 1.0}.get(r, 1.0)
            base = LIP if r > 0.05 else (0.33, 0.075, 0.07)
            if r < -0.25:
                base = CAVITY if r < -0.35 else (0.14, 0.025, 0.025)
            colour[rings[k]] = np.array(SKIN) * (1 - shade) + np.array(base) * shade
    colour[parts.groups["mouth_pole"]] = CAVITY
    for name in ("upper", "lower"):
        colour[label == f"teeth_{name}"] = TEETH
        colour[label == f"gum_{name}"] = GUM
        # inside the dark of the mouth the side teeth receive less light
        side = np.isin(label, (f"teeth_{name}", f"gum_{name}"))
        colour[side] *= (0.12 + 0.88 * smoothstep(5.2 if name == "upper" else 6.0, 7.65, z[side]))[:, None]
    tongue = label == "tongue"
    colour[tongue] = np.array(TONGUE) * (0.25 + 0.75 * smoothstep(3.5, 6.6, z[tongue]))[:, None]
    colour = _mix(colour, HAIR, hair)
    strand = np.sin(x * 7.0 + 2.2 * np.sin(0.8 * z)) * np.sin(z * 5.0 + 1.7 * np.sin(1.1 * y))
    colour[hair > 0.5] *= (1.0 + 0.28 * strand[hair > 0.5])[:, None]
    colour[label == "brows"] = (0.10, 0.056, 0.034)
    colour[label == "lashes"] = (0.02, 0.012, 0.01)
    for name in ("left", "right"):
        lids = parts.groups[f"lids_{name}"]
        colour[lids[-2]] = (0.20, 0.085, 0.065)
        colour[lids[-1]] = (0.36, 0.13, 0.11)
        upper = eyes.SIN > 0.2
        colour[lids[3][upper]] *= 0.80
        ball = parts.groups[f"ball_{name}"]
        centre = eyes.ball_centre() * np.array([1.0 if name == "left" else -1.0, 1.0, 1.0])
        d = smooth[ball] - centre
        polar = np.arccos(np.clip(d[:, 2] / np.linalg.norm(d, axis=1), -1, 1))
        white = np.tile(np.array(SCLERA), (len(ball), 1))
        white[polar > 0.8] = (0.62, 0.50, 0.46)
        white[polar < eyes.IRIS] = np.array(IRIS) * 0.45
        white[polar < eyes.IRIS - 0.04 + 0.02] = IRIS
        white[np.abs(polar - 0.31) < 0.03] = (0.11, 0.20, 0.25)
        white[polar < eyes.PUPIL] = (0.004, 0.004, 0.005)
        colour[ball] = white
        colour[parts.groups[f"ear_hole_{name}"]] *= 0.35
    return np.asarray(np.clip(colour, 0.0, 1.0))
