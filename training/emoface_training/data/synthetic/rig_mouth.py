"""Displacement fields of the lips (centimetres): given ring by ring, then spread over the skin."""

from __future__ import annotations

import numpy as np

from . import mouth
from .head_parts import FACE_LABELS, Array, Index, Parts
from .mouth import CONTACT, COS, HALF_WIDTH, MOUTH_Y, PAIR, SIN
from .rig_fields import Skin

RADII = np.array(mouth.SKIN_RINGS + mouth.LIP_RINGS + mouth.INNER_RINGS)
FIRST_LIP = len(mouth.SKIN_RINGS)
_RISE = np.abs(SIN)  # 0 at the corners, 1 at the middle of either lip
_UP = SIN > 0
_DOWN = SIN < 0


class MouthFields:
    """Fields of lips, mouth cavity and the skin around them for a head of V vertices."""

    def __init__(self, parts: Parts, points: Array, skin: Skin) -> None:
        self.points, self.skin = points, skin
        self.rings: Index = parts.groups["mouth_rings"]
        self.moving = self.rings[FIRST_LIP:]  # lips and cavity: given explicitly
        self.radius = RADII[FIRST_LIP:]
        self.pole = int(parts.groups["mouth_pole"][0])
        self.ids = np.concatenate([self.moving.ravel(), [self.pole]])
        self.rest = points[self.moving]  # [R, 64, 3]
        label = np.array(parts.labels)
        x, y, z = points.T
        ax = np.abs(x)
        surface = np.isin(label, (*FACE_LABELS, "lids"))
        far = ((ax / 5.6) ** 2 + ((y - MOUTH_Y) / np.where(y > MOUTH_Y, 3.9, 3.2)) ** 2 > 1) | (z < 2.5)
        nose = (ax < 1.9) & (y > -4.6) & (z > 6)
        self._still = np.flatnonzero(surface & (far | nose) & ~np.isin(np.arange(len(x)), self.ids))
        # the chin itself does not follow small motions of the lower lip
        chin = surface & (y < -8.6) & (ax < 2.5)
        self._still = np.union1d(self._still, np.flatnonzero(chin))

    def _depth(self, *weights: float) -> Array:
        """Weight of each moving ring: given for the six cavity rings, 1 on the lips. [R, 1]"""
        out = np.ones(len(self.radius))
        out[-len(mouth.INNER_RINGS) :] = weights
        return out[:, None]

    def _spread(self, value: Array) -> Array:
        """Field [V, 3] from displacements [R, 64, 3] of the moving rings."""
        ring = value.copy()
        pole = ring[-1].mean(axis=0, keepdims=True) * 0.5
        given = np.concatenate([ring.reshape(-1, 3), pole, np.zeros((len(self._still), 3))])
        return self.skin.extend(np.concatenate([self.ids, self._still]), given)

    def _vector(self, dx: Array, dy: Array, dz: Array, depth: Array) -> Array:
        shape = self.rest.shape[:2]
        return np.stack([np.broadcast_to(d, shape) for d in (dx, dy, dz)], axis=-1) * depth[..., None]

    def jaw_share(self, points: Array, pivot: Array) -> Array:
        """Share of the jaw's rotation for `ids`, such that an open mouth is an ellipse between its corners."""
        corner = 0.42
        lip = np.clip(self.radius, 0.0, 1.0)[:, None]
        rise = _RISE[None, :] ** (0.85 - 0.30 * lip)
        share = np.where(_UP, corner * (1 - rise), corner + (1 - corner) * rise)
        share = np.where(SIN == 0, corner, share)
        # nearer to the pivot the same angle moves less: divide by depth, or the opening becomes a V
        depth = np.maximum(self.rest[..., 2] - pivot[2], 1.0)
        middle = self.rest[CONTACT - FIRST_LIP, mouth.COLUMNS // 4, 2] - pivot[2]
        scaled = share * np.clip(middle / depth, 1.0, 1.35)
        back = np.arange(len(self.radius)) >= len(self.radius) - 3
        # the walls go down with the lower teeth that they enclose
        floor = np.clip(1.5 * _RISE**0.6, 0.0, 1.0)
        scaled[back] = np.where(_UP, 0.25 * (1 - _RISE), 0.25 + 0.75 * floor)
        return np.concatenate([scaled.ravel(), [0.4]])

    def fields(self) -> dict[str, Array]:
        """Lip fields by name, each [V, 3]."""
        x, y, z = (self.rest[..., k] for k in range(3))
        r = np.clip(self.radius, 0.0, 1.0)[:, None]
        side = np.sign(COS)
        corner = np.abs(COS)[None, :] ** 1.8
        rise = _RISE[None, :]
        inside = self._depth(1.0, 1.0, 0.8, 0.35, 0.1, 0.0)
        inside_round = self._depth(1.0, 1.0, 0.85, 0.65, 0.3, 0.0)  # else the cavity would show through drawn-in cheeks
        out: dict[str, Array] = {}
        contact_z = z[CONTACT - FIRST_LIP]
        # a rounded mouth lies in a plane: the corners come forward to meet the middle
        plane = contact_z.max() + 0.40 - 0.34 * COS**2
        # and the red of the lips becomes a full ring of even width around an ellipse, with its crest in front
        line = y[CONTACT - FIRST_LIP]
        ring_y = MOUTH_Y - 0.05 + np.where(_UP, 0.56, 0.70) * SIN * r**0.85
        ring_y = np.where(self.radius[:, None] < 0, y - (line - MOUTH_Y + 0.05), ring_y)
        ring_x = 0.30 * HALF_WIDTH * COS + 0.56 * r**0.85 * COS
        ring_x = np.where(self.radius[:, None] < 0, 0.30 * x, ring_x)
        crest = np.interp(r, [0.0, 0.2, 0.46, 0.74, 1.0], [0.0, 0.17, 0.25, 0.16, -0.10])
        ring_z = np.where(self.radius[:, None] < 0, z + plane - contact_z, plane + crest)
        out["round"] = self._vector(ring_x - x, ring_y - y, ring_z - z, inside_round)
        out["round_open"] = self._vector(0 * x, np.where(_UP, 0.13, -0.19) * rise * (1 - 0.15 * r), 0.05 * rise, inside)
        out["wide"] = self._vector(
            0.15 * x, 0.07 * corner - 0.05 * SIN * r, -0.10 - 0.30 * corner, self._depth(1.0, 1.0, 0.9, 0.5, 0.2, 0.0)
        )
        up = np.where(_UP, rise**0.65, 0.0)
        down = np.where(_DOWN, rise**0.6, 0.0)
        lift = self._depth(1.0, 0.9, 0.6, 0.2, 0.0, 0.0)
        out["upper_lip_up"] = self._vector(0 * x, 0.52 * up, 0.10 * up, lift)
        out["lower_lip_down"] = self._vector(0 * x, -0.50 * down, 0.08 * down, lift)
        # "f": the lower lip rolls in and its wet edge rises over the tips of the upper teeth, which show above it
        roll = np.interp(r, [0.0, 0.2, 0.46, 0.74, 1.0], [-0.50, -0.42, -0.28, -0.14, -0.04])
        raise_ = np.interp(r, [0.0, 0.2, 0.46, 0.74, 1.0], [0.05, 0.15, 0.22, 0.26, 0.24])
        low = np.where(_DOWN, rise**0.9, 0.0)
        out["tuck"] = self._vector(
            0 * x, 0.30 * up + raise_ * low, 0.05 * up + roll * low, self._depth(0.9, 0.6, 0.3, 0.1, 0.0, 0.0)
        )
        pull = self._depth(1.0, 1.0, 0.9, 0.5, 0.1, 0.0)
        curl = np.abs(COS)[None, :] ** 2.6  # a smile turns up at its ends and stays level in the middle
        height = np.abs(y - line) * (self.radius[:, None] > 0)
        out["smile"] = self._vector(
            side * curl * 0.60,
            curl * 0.60 - 0.04 * (1 - curl) - 0.22 * np.sign(SIN) * height * (1 - curl),
            -curl * 0.48 - 0.10 * (1 - curl),
            pull,
        )
        out["frown"] = self._vector(side * corner * 0.06, -corner * 0.52 + 0.06 * (1 - corner), -corner * 0.12, pull)
        out["lips_stretch"] = self._vector(side * corner * 0.52, -corner * 0.14, -corner * 0.34 - 0.05, pull)
        thin = -np.sign(SIN) * height * 0.50
        out["lips_press"] = self._vector(0.03 * x, thin, -(0.10 + 0.14 * np.sin(np.pi * r)) * rise**0.5, inside)
        out["jaw_narrowing"] = self._spread(self._vector(-0.13 * x, 0 * y, 0.10 * corner, inside))
        wrinkle = self._vector(0 * x, 0.26 * up + 0.05 * corner, 0.06 * up, lift)
        out["nose_wrinkle"] = wrinkle
        for name in list(out):
            if name != "jaw_narrowing":
                out[name] = self._spread(out[name])
        return out

    def closing(self, field: Array, upper_share: float) -> Array:
        """Field [V, 3] that undoes the distance `field` [V, 3] puts between facing inner lip vertices.

        The upper lip takes `upper_share` of the distance, the lower lip the rest.
        """
        contact = self.rings[CONTACT]
        gap = field[contact] - field[contact[PAIR]]  # own displacement minus the facing one
        share = np.where(_UP, upper_share, 1.0 - upper_share)
        move = -gap * share[:, None]
        r = np.clip(self.radius, 0.0, 1.0)[:, None]
        weight = (1.0 - 0.10 * r**2) * self._depth(1.0, 0.95, 0.85, 0.3, 0.0, 0.0)
        return self._spread(move[None] * weight[..., None])
