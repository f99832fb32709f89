"""Builds the displacement fields of the rig from the assembled head (centimetres; stored in metres).

Each field is a displacement of every vertex. `rig.coefficients` gives its weight for given parameters. The fields
named in GAP_FIELDS move the two lips apart; for each of them `close_<name>` brings the facing inner lip
vertices exactly together again, and `tuck_<name>` lifts only the lower lip back to where it was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import mouth
from .head_parts import FACE_LABELS, Array, Index, Parts, smoothstep
from .rig import GAP_FIELDS
from .rig_creases import add_creases
from .rig_fields import Skin, carried
from .rig_mouth import MouthFields
from .rig_upper import add_eye_fields, add_upper_fields

JAW_PIVOT = np.array([0.0, -1.6, -0.4])
JAW_ANGLE = np.deg2rad(17.0)  # rotation at jaw_open = 1

FIELDS = (
    "jaw_1", "jaw_2", "jaw_3", "round", "round_open", "wide", "upper_lip_up", "lower_lip_down", "tuck", "smile",
    "frown", "lips_press", "lips_stretch", "jaw_forward", "nose_wrinkle", "cheek_raise", "brow_inner_up",
    "brow_outer_up", "brow_down", "tongue_up", "blink", "blink_arc", "eye_wide", "lower_lid",
)  # fmt: skip
CLOSE_ONLY = ("tuck",)


def _jaw_weight(parts: Parts, points: Array, skin: Skin, lips: MouthFields) -> Array:
    """Share [V] of the jaw's rotation that each vertex follows."""
    label = np.array(parts.labels)
    x, y, z = points.T
    ax = np.abs(x)
    ids = np.arange(len(label))
    surface = np.isin(label, (*FACE_LABELS, "lids"))
    # along the front of the mandible the skin moves with the bone
    start, end = np.array([3.9, -6.9, 2.6]), np.array([0.9, -9.2, 7.2])
    q = np.stack([ax, y, z], axis=1) - start
    t = np.clip(q @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    to_bone = np.linalg.norm(q - t[:, None] * (end - start), axis=1)
    bone = surface & (to_bone < 1.9) & (y < -8.0 + 0.5 * smoothstep(2.0, 4.0, ax)) & (z > 2.0)
    bone &= ~np.isin(ids, lips.rings[: len(mouth.SKIN_RINGS)][1:])
    still = surface & ((y > -3.6) | (z < -0.6) | (y < -12.6) | ((y < -10.4) & (z < 2.4)))
    still |= surface & (ax < 2.2) & (y > -4.8) & (z > 5)
    fixed = np.concatenate([lips.ids, np.flatnonzero(bone & ~still), np.flatnonzero(still)])
    values = np.concatenate([lips.jaw_share(points, JAW_PIVOT), np.ones((bone & ~still).sum()), np.zeros(still.sum())])
    weight = skin.extend(fixed, values[:, None])[:, 0]
    weight = np.clip(weight, -0.02, 1.06)
    weight[np.isin(label, ("teeth_lower", "gum_lower"))] = 1.0
    tongue = label == "tongue"
    weight[tongue] = 0.6 + 0.35 * smoothstep(2.0, 6.0, z[tongue])
    return np.asarray(weight)


def _jaw_fields(points: Array, weight: Array, narrowing: Array) -> dict[str, Array]:
    """Rotation by weight * JAW_ANGLE about the x axis, as its Taylor series to the third order (error < 0.03 mm)."""
    d = points - JAW_PIVOT
    zero = np.zeros(len(points))
    turn = (weight * JAW_ANGLE)[:, None]
    first = np.stack([zero, -d[:, 2], d[:, 1]], axis=1)
    second = np.stack([zero, -d[:, 1], -d[:, 2]], axis=1)
    return {
        "jaw_1": turn * first + narrowing + np.outer(weight, [0.0, 0.0, 0.5]),  # the condyle slides forward
        "jaw_2": turn**2 / 2 * second,
        "jaw_3": -(turn**3) / 6 * first,
    }


def build_fields(parts: Parts, points: Array, faces: Index) -> dict[str, Array]:
    """All fields by name, each [V, 3] in centimetres."""
    label = np.array(parts.labels)
    skin = Skin(points, faces, parts.labels)
    lips = MouthFields(parts, points, skin)
    weight = _jaw_weight(parts, points, skin, lips)
    fields = lips.fields()
    fields.update(_jaw_fields(points, weight, fields.pop("jaw_narrowing")))
    fields["jaw_forward"] = weight[:, None] * np.array([0.0, 0.0, 0.55])
    add_upper_fields(fields, parts, points)
    add_eye_fields(fields, parts, points)
    add_creases(fields, parts, points)
    tongue = label == "tongue"
    tip = smoothstep(3.4, 7.2, points[:, 2]) * tongue
    fields["tongue_up"] = np.outer(tip**1.5, np.array([0.0, 1.35, 0.0])) + np.outer(tip, np.array([0.0, 0.0, 0.62]))
    riders = carried(points, np.flatnonzero(label == "brows"), np.flatnonzero(label == "skin"))
    fields = {name: np.asarray(riders @ value) for name, value in fields.items()}
    for name in ("left", "right"):  # lashes are glued to the lid margin
        margin = parts.groups[f"lids_{name}"][-2][: parts.groups[f"lashes_{name}"].shape[1]]
        for value in fields.values():
            value[parts.groups[f"lashes_{name}"]] = value[margin]
        fields["blink"][parts.groups[f"lashes_{name}"][1]] += np.array([0.0, -0.12, 0.0])
    for name in GAP_FIELDS + CLOSE_ONLY:
        fields[f"close_{name}"] = lips.closing(fields[name], upper_share=0.35)
    for name in GAP_FIELDS:
        fields[f"tuck_{name}"] = lips.closing(fields[name], upper_share=0.0)
    return fields


def build_basis(parts: Parts, points: Array, faces: Index) -> dict[str, NDArray[np.generic]]:
    """Arrays of `head.npz` for the rig: names, int16 fields [K, V, 3] and the metre value of one step [K]."""
    fields = build_fields(parts, points, faces)
    names = FIELDS + tuple(n for n in fields if n.startswith(("close_", "tuck_")))
    stacked = np.stack([fields[n] for n in names]) * 0.01
    peak = np.abs(stacked).max(axis=(1, 2))
    step = np.maximum(peak, 1e-9) / 30000.0
    steps = np.round(stacked / step[:, None, None]).astype(np.int16)
    return {"rig_names": np.array(names), "rig_fields": steps, "rig_steps": step.astype(np.float64)}
