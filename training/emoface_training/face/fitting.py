"""Persons on one set of shapes: where lips, lids and teeth meet, every person has the canonical head's geometry.

The 52 shapes add the same offsets to every person. Whether two surfaces touch after that depends only on how they lie
to each other at rest. So around the mouth and the lids a person is the canonical head moved by a smooth field, the same
for what faces each other: as wide, high, slanted and far out as the person's own, and as close as the canonical head's.
The field's share falls off over the rings around.
"""

from __future__ import annotations

import numpy as np

from . import eyeballs
from .base_mesh import Index
from .contact import Fit
from .cut import Cut
from .mouth import spread
from .wheel import Array

Eyes = dict[str, tuple[Array, float]]
MOST_STRETCH = 0.1  # of an eye's width: beyond it lids would leave the ball


class Fitter:
    """Puts persons onto the canonical head's contacts.

    canonical [V, 3] is the corrected template, raw [V, 3] the same head as the data give it, eyes its eyes.
    """

    def __init__(self, cut: Cut, fit: Fit, canonical: Array, raw: Array, eyes: Eyes) -> None:
        self.cut, self.fit, self.canonical, self.raw, self.eyes = cut, fit, canonical, raw, eyes
        ring = fit.mouth.ring
        self.mouth = np.where(ring == 99, 0.0, np.interp(ring, [3, 8], [1.0, 0.0]))
        self.mouth[(cut.depth == -1) | np.isin(cut.part, (1, 2, 3))] = 1.0
        self.lips = np.flatnonzero(np.abs(ring) <= 3)
        self.lids: dict[str, Array] = {}
        self.margins: dict[str, Index] = {}
        rings = lid_rings(cut)
        for side, sign in zip(eyeballs.SIDES, (1.0, -1.0), strict=True):
            own = np.sign(raw[:, 0]) == sign
            share = np.interp(rings, [2, 8], [1.0, 0.0]) * own
            share[own & ((cut.depth > 0) | np.isin(cut.part, (4, 5, 6)))] = 1.0
            self.lids[side], self.margins[side] = share, np.flatnonzero((rings == 0) & own)

    def placing(self, person: Array) -> Array:
        """What is added to a person's head [V, 3] so that its eyes lie as high and as far out as the canonical ones."""
        away = [(person - self.raw)[self.margins[side]].mean(axis=0) for side in eyeballs.SIDES]
        return -np.mean(away, axis=0) * [0.0, 1.0, 1.0]

    def template(self, person: Array) -> Array:
        """The template [V, 3] of a person whose head the data give as person [V, 3], both in the canonical position."""
        moved = person - self.raw + self.placing(person)
        out = self.raw + moved
        column = np.clip(self.fit.column, -1.2, 1.2)
        terms = np.stack([np.ones_like(column), column, column**2], axis=1)
        field = np.linalg.lstsq(terms[self.lips], moved[self.lips], rcond=None)[0]
        out += self.mouth[:, None] * (self.canonical + terms @ field - out)
        for side in eyeballs.SIDES:
            centre = self.eyes[side][0]
            margin, share = self.margins[side], self.lids[side]
            across = self.raw[:, 0] - centre[0]
            linear = np.stack([np.ones_like(across), across], axis=1)
            slope = np.linalg.lstsq(linear[margin], moved[margin], rcond=None)[0]
            slope[1, 0] = np.clip(slope[1, 0], -MOST_STRETCH, MOST_STRETCH)
            slope[1, 2] = 0.0
            shift = linear @ slope
            ball = self.cut.of(f"eye_{side}")
            shift[ball] = slope[0]  # the ball stays round
            out += share[:, None] * (self.canonical + shift - out)
        return np.asarray(out + self.fit.closed(out))


def lid_rings(cut: Cut) -> Index:
    """Ring [V] of the skin outside the lids: 0 on their edges, where the sockets begin; 99 in the sockets and far."""
    faces = cut.faces[(cut.part[cut.faces] == 0).all(axis=1)]
    socket = cut.depth > 0
    margin = np.setdiff1d(np.unique(faces[socket[faces].any(axis=1)]), np.flatnonzero(socket))
    rings = spread(len(cut.part), faces[~socket[faces].any(axis=1)], margin, 9)
    rings[rings > 9] = 99
    return rings
