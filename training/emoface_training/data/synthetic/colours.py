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


def _hair_cover(points: Array, hair: Array) -> Array:
    """How far the hair hides the skin, 0..1 [N]: thin at its edge and, cut short, at the temples and the neck."""
    azimuth = np.abs(np.arctan2(points[:, 0], points[:, 2] - AXIS_Z))
    depth = points[:, 1] - hairline(azimuth)
    inside = 0.86 + 0.14 * smoothstep(0.2, 1.2, depth)
    outside = 0.12 * smoothstep(-0.45, -0.05, depth)
    return np.where(hair > 0.5, inside, outside)


def _mix(colour: Array, target: tuple[float, float, float], weight: Array) -> Array:
    return np.asarray(colour + (np.asarray(target) - colour) * weight[:, None])


def paint(parts: Parts, smooth: Array, hair: Array) -> Array:
    """Colours [V, 3] of the assembled head; `smooth` are the vertices, `hair` the hair weight [V]."""
    label = np.array(parts.labels)
    x, y, z = smooth.T
    colour = np.tile(np.array(SKIN), (len(label), 1))
    facing = smoothstep(2.0, 5.0, z)
    for target, amount, cx, cy, sx, sy in (
        ((0.66, 0.29, 0.21), 0.50, 4.1, -2.6, 1.5, 1.2),  # cheeks
        ((0.63, 0.26, 0.20), 0.50, 0.0, -3.5, 0.8, 0.7),  # tip of the nose
        ((0.56, 0.23, 0.17), 0.55, 1.35, -3.75, 0.35, 0.45),  # wings of the nose
        ((0.46, 0.24, 0.19), 0.40, 3.0, -0.75, 1.5, 0.55),  # under the eyes
        ((0.52, 0.27, 0.20), 0.35, 3.1, 1.0, 1.6, 0.6),  # upper lids
        ((0.62, 0.375, 0.275), 0.55, 0.0, 4.3, 2.8, 1.4),  # forehead
        ((0.62, 0.37, 0.27), 0.45, 0.0, -1.0, 0.45, 1.9),  # bridge of the nose
        ((0.60, 0.30, 0.22), 0.35, 0.0, -9.0, 1.2, 0.8),  # chin
        ((0.49, 0.29, 0.22), 0.30, 0.0, -7.6, 1.3, 0.35),  # shade below the lower lip
    ):
        colour = _mix(colour, target, amount * facing * bump(x, y, cx, cy, sx, sy))
    colour = _mix(colour, (0.50, 0.29, 0.21), 0.35 * smoothstep(-9.6, -12.0, y))
    mottle = np.sin(2.3 * np.abs(x) + 1.7 * y) * np.sin(1.9 * z - 1.3 * y) + 0.6 * np.sin(
        4.1 * np.abs(x) - 3.3 * y + 2.0 * z
    )
    colour *= 1.0 + mottle[:, None] * np.array([0.008, 0.016, 0.016])
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
        colour[side] *= (0.06 + 0.94 * smoothstep(5.9 if name == "upper" else 5.7, 7.55, z[side]))[:, None]
        crowns = parts.groups[f"crowns_{name}"]
        colour[crowns[:, :: mouth.TOOTH_COLUMNS]] *= np.array([0.70, 0.66, 0.60])  # the gaps between the teeth
        colour[crowns[0]] = (
            0.55 * colour[crowns[0]] + 0.45 * np.array(GUM) * (colour[crowns[0]].max(axis=1) / 0.66)[:, None]
        )
    tongue = label == "tongue"
    colour[tongue] = np.array(TONGUE) * (0.08 + 0.92 * smoothstep(4.0, 7.0, z[tongue]))[:, None]
    skin = label == "skin"
    colour = _mix(colour, HAIR, _hair_cover(smooth, hair) * skin)
    strand = np.sin(x * 7.0 + 2.2 * np.sin(0.8 * z)) * np.sin(z * 5.0 + 1.7 * np.sin(1.1 * y))
    colour[hair > 0.5] *= (1.0 + 0.28 * strand[hair > 0.5])[:, None]
    brows = np.flatnonzero(label == "brows").reshape(2, 3, -1)
    colour[brows] = (0.10, 0.056, 0.034)
    colour[brows[:, [0, 2]]] = 0.75 * colour[brows[:, [0, 2]]] + 0.25 * np.array(SKIN)
    colour[label == "lashes"] = (0.02, 0.012, 0.01)
    for name in ("left", "right"):
        lids = parts.groups[f"lids_{name}"]
        colour[lids[-2]] = (0.20, 0.085, 0.065)
        colour[lids[-1]] = (0.36, 0.13, 0.11)
        colour[lids[3]] *= np.where(eyes.SIN > 0.2, 0.74, 1.0)[:, None]  # the crease of the upper lid
        colour[lids[2]] *= np.where(eyes.SIN < -0.3, 0.93, 1.0)[:, None]
        ball = parts.groups[f"ball_{name}"]
        centre = eyes.ball_centre() * np.array([1.0 if name == "left" else -1.0, 1.0, 1.0])
        d = smooth[ball] - centre
        polar = np.arccos(np.clip(d[:, 2] / np.linalg.norm(d, axis=1), -1, 1))
        white = np.tile(np.array(SCLERA), (len(ball), 1))
        # the upper lid throws a shadow; towards the corners the white turns pink
        white *= (0.62 + 0.38 * smoothstep(0.62, 0.0, d[:, 1]))[:, None]
        white = _mix(white, (0.52, 0.24, 0.21), 0.75 * smoothstep(0.85, 1.35, np.abs(d[:, 0])))
        white[polar < eyes.IRIS] = np.array(IRIS) * 0.45
        white[polar < eyes.IRIS - 0.04 + 0.02] = IRIS
        white[np.abs(polar - 0.31) < 0.03] = (0.11, 0.20, 0.25)
        white[polar < eyes.PUPIL] = (0.004, 0.004, 0.005)
        colour[ball] = white
        colour[parts.groups[f"ear_{name}"]] *= np.array([1.04, 0.90, 0.88])  # thin skin over much blood
        hollow = parts.groups[f"ear_rings_{name}"]
        for ring, share in ((0, 0.35), (1, 0.62), (2, 0.82), (5, 0.86)):
            colour[hollow[ring]] *= share
        colour[parts.groups[f"ear_hole_{name}"][-1:]] *= 0.25
        passage = parts.groups[f"nostril_{name}"]
        for ring, share in zip(passage, (0.86, 0.40, 0.08, 0.03), strict=True):
            colour[ring] *= share * np.array([1.0, 0.80, 0.80])
        colour[parts.groups[f"nostril_end_{name}"]] = (0.01, 0.004, 0.004)
    return np.asarray(np.clip(colour, 0.0, 1.0))
