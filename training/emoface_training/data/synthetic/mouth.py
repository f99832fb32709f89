"""Lips, mouth cavity, teeth and tongue of the procedural head (centimetres).

The mouth is 64 columns by 17 rings. Column angle tau runs counter-clockwise seen from the front, starting at
the corner on the head's left (+x); columns i and -i are an upper and lower pair. Ring
parameter r is 0 where the lips touch, 1 at the edge of the red of the lips, 2 at the outer skin ring;
inner rings have negative r.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.interpolate import PchipInterpolator

from .head_parts import Array, Index, Parts
from .head_shape import front

COLUMNS = 64
TAU = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
SIN = np.where(np.abs(np.sin(TAU)) < 1e-9, 0.0, np.sin(TAU))
COS = np.where(np.abs(np.cos(TAU)) < 1e-9, 0.0, np.cos(TAU))
PAIR = (-np.arange(COLUMNS)) % COLUMNS  # the column facing each column on the other lip
MOUTH_Y = -6.3
HALF_WIDTH = 2.4
SKIN_RINGS = (2.0, 1.8, 1.6, 1.42, 1.26, 1.12)
LIP_RINGS = (1.0, 0.74, 0.46, 0.2, 0.0)
INNER_RINGS = (-0.1, -0.2, -0.3, -0.4, -0.5, -0.6)
OUTER_A, OUTER_UP, OUTER_DOWN = 3.9, 1.5, 2.0
CONTACT = len(SKIN_RINGS) + len(LIP_RINGS) - 1  # position of the contact ring among all rings


def _contact_line(s: Array) -> Array:
    return np.asarray(
        MOUTH_Y
        + 0.05 * s**2
        - 0.045 * np.exp(-0.5 * (s / 0.16) ** 2)
        + 0.04 * np.exp(-0.5 * ((np.abs(s) - 0.4) / 0.2) ** 2)
    )


def _upper_height(s: Array) -> Array:
    bow = 0.10 * np.exp(-0.5 * ((np.abs(s) - 0.2) / 0.11) ** 2) - 0.03 * np.exp(-0.5 * (s / 0.07) ** 2)
    return np.asarray(0.56 * (1 - s**2) ** 0.8 + bow + 0.01)


def _lower_height(s: Array) -> Array:
    return np.asarray(0.78 * (1 - np.abs(s) ** 2.8) ** 0.8 + 0.01)


def ring_outline(r: float) -> tuple[Array, Array]:
    """Frontal outline (x, y), each [64], of ring r in 0..2."""
    s, upper, lip = COS, SIN >= 0, min(r, 1.0)
    y = _contact_line(s) + np.where(upper, _upper_height(s), -_lower_height(s)) * lip
    y = np.where(SIN == 0, _contact_line(s), y)
    x = HALF_WIDTH * s * (1 + 0.07 * lip)
    if r > 1:
        q = r - 1
        x = x * (1 - q) + OUTER_A * s * q
        y = y * (1 - q) + (MOUTH_Y + np.where(upper, OUTER_UP, OUTER_DOWN) * SIN) * q
    return x, y


_UPPER_PROFILE = PchipInterpolator([0, 0.2, 0.46, 0.74, 1.0, 1.12, 1.42], [-0.16, 0.10, 0.25, 0.26, 0.15, 0.08, 0.0])
_LOWER_PROFILE = PchipInterpolator([0, 0.2, 0.46, 0.74, 1.0, 1.12, 1.42], [-0.16, 0.14, 0.33, 0.34, 0.10, 0.02, 0.0])


def add_lips(parts: Parts) -> Index:
    """Adds skin rings, lips and cavity; returns ring indices [17, 64], outermost first, and the closing pole."""
    rings: list[Index] = []
    fullness = 1 - np.abs(COS) ** 3
    for r in SKIN_RINGS + LIP_RINGS:
        x, y = ring_outline(r)
        points = front(x, y)
        if r < 1.42:
            profile = np.where(SIN > 0, _UPPER_PROFILE(r), _LOWER_PROFILE(r))
            points[:, 2] += profile * fullness - 0.16 * (1 - fullness) * min(1.0, (1.42 - r) / 0.5)
        rings.append(parts.add(points, "lips" if r < 1 else "mouth_skin"))
    contact = points
    # the wet side of the lips: rolled in behind the contact, then up (or down) in front of the teeth
    for dz, dy in ((-0.28, 0.10), (-0.50, 0.40), (-0.68, 0.82)):
        inner = contact.copy()
        inner[:, 1] += SIN * dy
        inner[:, 2] += dz
        rings.append(parts.add(inner, "mouth_inner"))
    # a box rather than a tube, or its walls would cut off the side teeth
    wide, tall = np.sign(COS) * np.abs(COS) ** 0.6, np.sign(SIN) * np.abs(SIN) ** 0.6
    for half_width, up, down, z_front, z_side in (
        (3.1, 1.25, 1.6, 7.3, 5.2),
        (2.9, 1.25, 1.75, 5.2, 4.0),
        (2.2, 1.0, 1.3, 2.6, 2.4),
    ):
        y = MOUTH_Y + np.where(SIN > 0, up, down) * tall
        inner = np.stack([half_width * wide, y, z_side + (z_front - z_side) * np.abs(SIN) ** 1.3], axis=1)
        rings.append(parts.add(inner, "mouth_inner"))
    pole = parts.add(np.array([[0.0, MOUTH_Y - 0.1, 1.6]]), "mouth_inner")
    for outer, inner_ring in itertools.pairwise(rings):
        parts.strip(outer, inner_ring, closed=True)
    parts.fan(rings[-1], int(pole[0]))
    parts.groups["mouth_rings"] = np.stack(rings)
    parts.groups["mouth_pole"] = pole
    return parts.groups["mouth_rings"]


ARCH_COLUMNS = 45
TOOTH_COLUMNS = 4


def _arch(angle: Array, half_width: float, z_back: float, depth: float) -> tuple[Array, Array]:
    return half_width * np.sin(angle), z_back + depth * np.cos(angle)


def add_teeth(parts: Parts) -> None:
    """Two horseshoes of teeth with gums; their ends lie behind the cheeks and are never seen.

    Groups crowns_upper/lower [3, 45]: neck, middle and tip of the front of the crowns.
    """
    angle = np.linspace(-1.75, 1.75, ARCH_COLUMNS)
    scallop = (
        np.abs(np.sin((np.arange(ARCH_COLUMNS) - ARCH_COLUMNS // 2) * np.pi / TOOTH_COLUMNS)) ** 0.5
    )  # 0 between teeth, 1 in their middle
    for name, y_gum, y_neck, y_tip, width, depth in (
        ("upper", 1.30, 0.80, -0.14, 2.52, 3.42),
        ("lower", -1.75, -0.98, -0.23, 2.36, 3.12),
    ):
        sign = 1.0 if name == "upper" else -1.0
        x, z = _arch(angle, width, 4.65, depth)
        xi, zi = _arch(angle, width - 0.42, 4.6, depth - 0.42)
        short = (0.16 if sign > 0 else 0.85) * np.abs(np.sin(angle)) ** 4  # molars stand back from the bite line
        rows = []
        for y, xx, zz, label in (
            (MOUTH_Y + y_gum + 0 * x, x * 0.99, z - 0.12, "gum"),
            (MOUTH_Y + y_neck + 0.10 * sign * scallop, x, z - 0.02, "gum"),
            (MOUTH_Y + y_neck - sign * 0.06 + 0.10 * sign * scallop, x * 1.004, z + 0.02 + 0.03 * scallop, "teeth"),
            (MOUTH_Y + 0.5 * (y_neck + y_tip) + 0 * x, x * 1.008, z + 0.03 + 0.045 * scallop, "teeth"),
            (MOUTH_Y + y_tip + sign * (short + 0.05 * (1 - scallop)), x, z + 0.03 * scallop, "teeth"),
            (MOUTH_Y + y_tip + sign * (short + 0.08), xi, zi, "teeth"),
            (MOUTH_Y + y_neck + 0 * x, xi * 0.97, zi - 0.08, "gum"),
        ):
            part = f"teeth_{name}" if label == "teeth" else f"gum_{name}"
            rows.append(parts.add(np.stack([xx, y, zz], axis=1), part))
        parts.groups[f"crowns_{name}"] = np.stack(rows[2:5])
        for a, b in itertools.pairwise(rows):
            # rows run from gum to tip: downwards for the upper teeth, upwards for the lower
            parts.strip(a, b, closed=False, flip=name == "upper")


def add_tongue(parts: Parts) -> None:
    """A rounded tongue resting behind the lower teeth."""
    columns = np.linspace(-1.0, 1.0, 11)
    rows = []
    for t in np.linspace(0.0, 1.0, 9):
        z = 2.2 + 4.95 * t
        width = 1.75 * np.sqrt(max(1.0 - t**5, 0.10)) * (0.92 + 0.08 * t)
        top = MOUTH_Y - 0.62 - 0.30 * t**3
        thickness = 0.75 - 0.35 * t
        groove = 0.10 * np.exp(-0.5 * (columns / 0.18) ** 2)
        y = top - thickness * (1 - np.sqrt(np.maximum(1 - columns**2, 0.0))) - groove * (1 - t**4)
        if t == 1.0:
            y = np.full(11, top - 0.55) - 0.05 * (1 - columns**2)
        rows.append(parts.add(np.stack([width * columns, y, np.full(11, z)], axis=1), "tongue"))
    for back, ahead in itertools.pairwise(rows):
        parts.strip(ahead, back, closed=False)
