"""Folds of the skin that come with an expression, as parts of its displacement field (centimetres)."""

from __future__ import annotations

import numpy as np

from . import eyes, head_creases
from .head_parts import FACE_LABELS, Array, Parts, smoothstep

_LOWER_LID_RINGS = {1: -0.5, 2: -1.0, 3: 0.7, 4: 0.6}  # pouch and crease below the eye, by lid ring


def add_creases(fields: dict[str, Array], parts: Parts, points: Array) -> None:
    """Presses the folds into the expression fields; call once all of them exist."""
    label = np.array(parts.labels)
    x, y, z = points.T
    skin = np.isin(label, FACE_LABELS) * smoothstep(1.0, 3.0, z)
    middle = np.exp(-0.5 * (x / 1.5) ** 2)
    forehead = head_creases.forehead(x, y) * skin
    furrow = head_creases.furrow(x, y) * skin
    fold, cheek, place = head_creases.nasolabial(x, y)
    fold, cheek = fold * skin, cheek * skin
    crow = head_creases.crow(x, y) * skin

    def press(name: str, weight: Array, depth: float, sideways: float = 0.0) -> None:
        fields[name] = fields[name] + depth * np.stack([sideways * np.sign(x) * weight, 0 * x, weight], axis=1)

    press("brow_inner_up", forehead * (0.25 + 0.75 * middle), 0.085)
    press("brow_outer_up", forehead * (1.0 - 0.65 * middle), 0.085)
    press("brow_down", furrow, 0.11)
    press("nose_wrinkle", furrow, 0.05)
    press("smile", fold, 0.08, 0.4)
    press("smile", cheek, 0.11, 0.5)
    press("cheek_raise", fold, 0.04, 0.4)
    press("nose_wrinkle", fold * smoothstep(0.75, 0.25, place), 0.08, 0.3)
    press("upper_lip_up", fold * smoothstep(0.8, 0.3, place), 0.05, 0.3)
    press("cheek_raise", crow, 0.032, 0.5)
    press("lower_lid", crow, 0.028, 0.5)
    below = np.clip(-eyes.SIN, 0.0, 1.0) ** 0.7
    for side in ("left", "right"):
        for ring, depth in _LOWER_LID_RINGS.items():
            ids = parts.groups[f"lids_{side}"][ring]
            for name, amount in (("lower_lid", 0.055), ("cheek_raise", 0.06)):
                # towards the eye there is the ball: outwards only
                fields[name][ids, 2] += amount * below * (max(depth, 0.0) if ring >= 3 else depth)
