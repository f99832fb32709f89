"""ARKit's mouth and tongue shapes that the rig has no field for (centimetres)."""

from __future__ import annotations

import numpy as np

from .head_parts import FACE_LABELS, Array, Index, Parts, bump, smoothstep
from .mouth import CONTACT, COS, SIN
from .rig_fields import Skin
from .rig_mouth import FIRST_LIP, MouthFields

_UP, _DOWN = SIN > 0, SIN < 0
_RISE = np.abs(SIN)[None, :]
_SIDE = np.sign(COS)


class _Lips(MouthFields):
    """The rings that the rig moves, for shapes given ring by ring."""

    def __init__(self, parts: Parts, points: Array, faces: Index) -> None:
        super().__init__(parts, points, Skin(points, faces, parts.labels))
        self.r = np.clip(self.radius, 0.0, 1.0)[:, None]

    def shape(self, dx: Array, dy: Array, dz: Array, depth: tuple[float, ...]) -> Array:
        return self._spread(self._vector(dx, dy, dz, self._depth(*depth)))


def paired_shapes(parts: Parts, points: Array, faces: Index) -> dict[str, Array]:
    """mouthDimple of both sides together, [V, 3]."""
    lips = _Lips(parts, points, faces)
    corner = np.abs(COS)[None, :] ** 4
    none = np.zeros(lips.rest.shape[:2])
    height = np.abs(lips.rest[..., 1] - lips.rest[CONTACT - FIRST_LIP, :, 1]) * (lips.radius[:, None] > 0)
    thinner = -np.sign(SIN) * height * 0.22 * (1 - corner)
    dimple = lips.shape(
        _SIDE * corner * 0.34 + none, thinner + 0.06 * corner, -0.40 * corner - 0.04, (1.0, 1.0, 0.9, 0.5, 0.1, 0.0)
    )
    x, y, _ = points.T
    skin = np.isin(np.array(parts.labels), FACE_LABELS)
    pit = bump(x, y, 3.35, -6.1, 0.55, 0.8) * skin
    return {"mouthDimple": dimple + np.stack([0.05 * np.sign(x) * pit, 0 * pit, -0.14 * pit], axis=1)}


def whole_shapes(parts: Parts, points: Array, faces: Index) -> dict[str, Array]:
    """cheekPuff, mouthLeft/Right, mouthRollLower/Upper, mouthShrugLower/Upper and tongueOut, each [V, 3]."""
    lips = _Lips(parts, points, faces)
    none = np.zeros(lips.rest.shape[:2])
    out: dict[str, Array] = {}
    # sideways along the face: the depth follows the curve of the mouth
    contact = lips.rest[CONTACT - FIRST_LIP]
    bend = np.polyfit(contact[:, 0] ** 2, contact[:, 2], 1)[0]
    x = lips.rest[..., 0]
    for name, side in (("mouthLeft", 1.0), ("mouthRight", -1.0)):
        dx = side * 0.85
        leading = 0.10 * np.clip(side * COS, 0, 1) ** 2
        out[name] = lips.shape(
            dx + none, leading + none, 0.8 * bend * ((x + dx) ** 2 - x**2), (1.0, 1.0, 0.9, 0.5, 0.15, 0.0)
        )
    r = lips.r
    wet = (1.0, 0.9, 0.5, 0.2, 0.0, 0.0)
    for name, part, sign, reach in (("mouthRollLower", _DOWN, 1.0, 0.34), ("mouthRollUpper", _UP, -1.0, 0.24)):
        share = np.where(part, _RISE**0.6, 0.0)
        inward = np.interp(r, [0.0, 0.2, 0.46, 0.74, 1.0], [-0.42, -0.46, -0.42, -0.30, -0.12])
        towards = np.interp(r, [0.0, 0.2, 0.46, 0.74, 1.0], [0.02, 0.10, 0.55, 0.95, 1.0])
        out[name] = lips.shape(none, sign * reach * towards * share, inward * share, wet)
    rise, labels = _RISE**0.6, np.array(parts.labels)
    push = np.where(_DOWN, 0.40 * rise, 0.30 * rise) * (1 - 0.12 * r)
    pout = np.where(_DOWN, 0.26 * rise, 0.16 * rise) * np.interp(r, [0.0, 0.5, 1.0], [0.9, 1.0, 0.6])
    out["mouthShrugLower"] = lips.shape(none, push, pout, wet) + _chin_lift(labels, points)
    lift = np.where(_UP, 0.34 * rise, 0.10 * rise) * np.interp(r, [0.0, 0.5, 1.0], [0.7, 1.0, 0.8])
    out["mouthShrugUpper"] = lips.shape(none, lift, np.where(_UP, 0.36 * rise, 0.06 * rise), wet)
    out["cheekPuff"] = _cheek_puff(lips, labels)
    out["tongueOut"] = _tongue_out(labels == "tongue", points)
    return out


def _cheek_puff(lips: _Lips, labels: Array) -> Array:
    """Blown-up cheeks behind sealed lips: given in the middle of the cheeks, spread to the lips and the cheekbones."""
    x, y, z = lips.points.T
    ax = np.abs(x)
    surface = np.isin(labels, (*FACE_LABELS, "lids"))
    away = ((ax - 4.1) / 2.9) ** 2 + ((y + 5.7) / 3.1) ** 2
    centre = surface & (((ax - 4.4) / 0.9) ** 2 + ((y + 5.8) / 0.9) ** 2 < 1) & (z > 2.0)
    still = surface & ((away > 1) | (z < 1.0)) & ~centre
    fixed = np.concatenate([lips.ids, np.flatnonzero(centre), np.flatnonzero(still)])
    fixed, first = np.unique(fixed, return_index=True)
    blown = np.stack([np.sign(x[centre]) * 0.75, 0.0 * x[centre], 0.65 + 0.0 * x[centre]], axis=1)
    corner = np.abs(COS)[None, :] ** 4
    sealed = lips._vector(_SIDE * 0.04 * corner, 0 * corner, 0.24 * corner, lips._depth(1.0, 1.0, 0.8, 0.4, 0.1, 0.0))
    given = np.concatenate([sealed.reshape(-1, 3), np.zeros((1, 3))])  # and the pole at the end of the cavity
    values = np.concatenate([given, blown, np.zeros((int(still.sum()), 3))])
    return lips.skin.extend(fixed, values[first])


def _chin_lift(labels: Array, points: Array) -> Array:
    x, y, z = points.T
    chin = bump(x, y, 0.0, -9.0, 1.6, 0.95) * np.isin(labels, FACE_LABELS) * smoothstep(4.0, 6.5, z)
    return np.outer(chin, np.array([0.0, 0.34, 0.10]))


def _tongue_out(tongue: Array, points: Array) -> Array:
    """The tongue stretches over the lower teeth and lip and hangs a little; meant together with an open jaw."""
    x, _, z = points.T
    along = np.clip((z - 2.2) / 4.95, 0.0, 1.0)  # 0 at the root, 1 at the tip
    forward = 3.6 * along**1.25
    up = 0.75 * np.sin(np.pi * np.clip(along, 0, 1) ** 1.1) ** 1.0 + 0.10 * along
    narrower = -0.06 * x * along
    return np.asarray(np.stack([narrower, up, forward], axis=1) * tongue[:, None])
