"""Displacement fields of cheeks, nose, brows and eyelids (centimetres)."""

from __future__ import annotations

import numpy as np

from . import eyes
from .head_parts import FACE_LABELS, Array, Parts, bump, smoothstep

# how far each lid ring, outermost first, follows the brow, and how far the lid margin
_BROW_SHARE = (0.95, 0.65, 0.35, 0.12, 0.0, 0.0, 0.0, 0.0)
_LID_SHARE = (0.0, 0.07, 0.27, 0.55, 0.80, 0.94, 1.0, 1.0)


def add_upper_fields(fields: dict[str, Array], parts: Parts, points: Array) -> None:
    """Adds cheek, nose and brow fields; extends the lip fields of smile and nose wrinkle."""
    label = np.array(parts.labels)
    x, y, z = points.T
    side = np.sign(x)
    skin = np.isin(label, (*FACE_LABELS, "lids")) * smoothstep(2.0, 4.0, z)
    share = np.ones(len(label))
    for name in ("left", "right"):
        for ring, value in zip(parts.groups[f"lids_{name}"], _BROW_SHARE, strict=True):
            # the lower half belongs to the cheek, not to the brow
            share[ring] = value * np.where(eyes.SIN >= 0, 1.0, 0.3)

    def area(cx: float, cy: float, sx: float, sy: float) -> Array:
        return np.asarray(bump(x, y, cx, cy, sx, sy) * skin)

    def move(weight: Array, dx: float, dy: float, dz: float) -> Array:
        return np.stack([side * weight * dx, weight * dy, weight * dz], axis=1)

    cheek = area(3.7, -2.7, 1.35, 1.15) * share
    fields["cheek_raise"] = move(cheek, 0.0, 0.42, 0.30)
    fields["smile"] = fields["smile"] + move(cheek, 0.05, 0.20, 0.16)
    nose = area(1.25, -3.4, 0.75, 0.9) * share
    bridge = area(0.55, 0.9, 0.6, 0.8) * share
    fields["nose_wrinkle"] = (
        fields["nose_wrinkle"]
        + move(nose, 0.06, 0.34, 0.04)
        + move(bridge, -0.12, -0.16, 0.08)
        + move(area(2.2, -2.2, 0.9, 0.9) * share, 0.0, 0.16, 0.10)
    )
    inner = area(1.15, 2.2, 1.0, 1.15) * share
    middle = area(2.7, 2.5, 1.3, 1.1) * share
    outer = area(4.1, 2.3, 1.2, 1.2) * share
    forehead = area(2.2, 4.6, 2.6, 1.4) * share
    fields["brow_inner_up"] = (
        move(inner, -0.08, 0.78, 0.05) + move(middle, 0.0, 0.18, 0.0) + move(forehead, 0.0, 0.16, 0.0)
    )
    fields["brow_outer_up"] = (
        move(outer, 0.0, 0.66, 0.0) + move(middle, 0.0, 0.42, 0.0) + move(forehead, 0.0, 0.18, 0.0)
    )
    fields["brow_down"] = (
        move(inner, -0.28, -0.64, 0.18) + move(middle, -0.06, -0.32, 0.06) + move(outer, 0.0, -0.12, 0.0)
    )


def _lid_points(points: Array, ring: Array, centre: Array, dy: Array, clearance: float) -> tuple[Array, Array]:
    """Displacement [32, 3] that moves a lid ring by dy and keeps it clear of the eyeball, and the new points."""
    moved = points[ring].copy()
    moved[:, 1] += dy
    # the largest depth the eyeball asks for, before and after the move
    floor = eyes.on_sphere(np.abs(moved[:, 0]), moved[:, 1], centre, eyes.BALL_RADIUS + clearance)
    before = eyes.on_sphere(np.abs(points[ring][:, 0]), points[ring][:, 1], centre, eyes.BALL_RADIUS + clearance)
    near = np.hypot(np.abs(moved[:, 0]) - centre[0], moved[:, 1] - centre[1]) < 1.05 * eyes.BALL_RADIUS
    depth = np.maximum(points[ring][:, 2] + np.minimum(floor - before, 0.0), floor)
    moved[:, 2] = np.where(near & (dy != 0), depth, moved[:, 2])
    return moved - points[ring], moved


def add_eye_fields(fields: dict[str, Array], parts: Parts, points: Array) -> None:
    """Adds lid fields. `blink_arc` lifts the lid over the cornea half way through a blink (weight 4 b (1 - b))."""
    centre = eyes.ball_centre()
    upper, lower = eyes.SIN > 0, eyes.SIN < 0
    for name in ("blink", "blink_arc", "eye_wide", "lower_lid"):
        fields[name] = np.zeros_like(points)
    for side in ("left", "right"):
        rings = parts.groups[f"lids_{side}"]
        margin = points[rings[len(eyes.LID_RINGS) - 1]]
        opening = margin[:, 1] - margin[eyes.PAIR, 1]  # positive on the upper lid
        closed = np.where(upper, -0.86 * opening, np.where(lower, -0.14 * opening, 0.0))
        for k, (ring, share) in enumerate(zip(rings, _LID_SHARE, strict=True)):
            clearance = eyes.LID_CLEARANCE + (-0.07 if k == len(rings) - 1 else 0.03 if k < len(rings) - 2 else 0.0)
            low_share = share if k >= 2 else 0.3 * share
            weight = np.where(upper, share, low_share)
            full, _ = _lid_points(points, ring, centre, closed * weight, clearance)
            half, _ = _lid_points(points, ring, centre, 0.5 * closed * weight, clearance)
            fields["blink"][ring] = full
            fields["blink_arc"][ring, 2] = np.maximum(half[:, 2] - 0.5 * full[:, 2], 0.0)
            raise_ = np.where(upper, 0.27 * np.clip(eyes.SIN, 0, 1), 0.09 * np.clip(eyes.SIN, -1, 0)) * weight
            fields["eye_wide"][ring], _ = _lid_points(points, ring, centre, raise_, clearance)
            squint = np.where(lower, 0.24 * np.abs(eyes.SIN), 0.0) * weight
            fields["lower_lid"][ring], _ = _lid_points(points, ring, centre, squint, clearance)
