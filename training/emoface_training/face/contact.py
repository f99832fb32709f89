"""Contact of lips and teeth: at rest the lips touch, `mouthClose` closes what `jawOpen` opens, nothing passes through.

The data come near to all of that and not quite there. Corrections are small shifts of the lips, column by column
across the mouth, that fade out over the rings around it; they go into the template and into single shapes, so that
everything stays linear. Lengths are in decimetres, as in the data.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .cut import Cut
from .motion import NAMES
from .mouth import ACROSS, Mouth
from .wheel import Array

REST = 0.0007  # gap of closed lips: 0.07 mm, on the safe side of crossing
CLEARANCE, _CLEARANCES = 0.006, {"mouthRollLower": 0.0025}  # of lips in front of teeth
# Gap kept in single shapes, so that persons with other lips than the canonical head's stay clear too.
MARGIN, _MARGINS = 0.0015, {"mouthRollUpper": 0.012, "mouthFunnel": 0.003}
ROUNDS = 8
# Share of a crossing that the upper lip gives way; one half where it is not named.
_UPPER_YIELDS = {"mouthShrugLower": 1.0, "mouthRollLower": 0.0, "mouthRollUpper": 1.0, "mouthLowerDown": 0.0}
# The jaw's teeth go as far as its lip does.
_TEETH_SHARE = {"jawForward": 0.7, "jawLeft": 0.7, "jawRight": 0.7}
TEETH_WIDTH = 0.86
TONGUE_DOWN = 0.03
LASHES_FORWARD = 0.016  # out of the lids, which are coarser than they
TEETH_DOWN = {"upper": 0.014, "lower": 0.008}
TEETH_FORWARD = {"upper": 0.015, "lower": -0.03}

# f and v: the lower lip rolled in touches the upper teeth while the upper lip is out of the way.
TUCK = {"mouthRollLower": 1.0, "mouthShrugLower": 0.25, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6}
TUCKED = 0.007  # distance of the lower lip from the teeth then
_MIDDLE = np.abs(ACROSS) <= 0.5

# These leave lips that touch touching; pairs do so when both sides act.
_STAYS_CLOSED = ("cheekPuff", "mouthLeft", "mouthRight", "mouthPucker", "noseSneer", "mouthShrugLower", "mouthFrown",
                 "mouthPress", "mouthSmile", "mouthStretch", "mouthDimple")  # fmt: skip
LEFT_RIGHT = ("mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "mouthDimple",
              "noseSneer")  # fmt: skip


class Fit:
    """Corrections for one mouth; weights of the lips' rings and columns of its vertices."""

    def __init__(self, cut: Cut, mouth: Mouth, template: Array) -> None:
        self.cut, self.mouth = cut, mouth
        ring = mouth.ring
        reach = np.interp(ring, [-5, -2, 4, 10], [0.0, 1.0, 1.0, 0.0]) * (ring != 99)
        self.upper = reach * mouth.upper
        self.lower = reach * ~mouth.upper
        right, left = template[list(mouth.corners), 0]
        # Columns follow the corners, so that one stays a column while the mouth narrows.
        self.column = (template[:, 0] - (right + left) / 2) / ((left - right) / 2)
        self.fade = np.clip((1.25 - np.abs(self.column)) / 0.35, 0.0, 1.0)

    def spread(self, values: Array) -> Array:
        """Values [19] at `ACROSS` for every vertex, [V]."""
        return np.asarray(np.interp(self.column, ACROSS, values) * self.fade)

    def settled(self, template: Array) -> Array:
        """The template with its small parts in place: narrower teeth, away from the cheeks, the upper ones nearer to
        the lips and a little in sight below them; a lower tongue that does not fill an open mouth; lashes in front of
        the lids."""
        out = template.copy()
        for half, forward in TEETH_FORWARD.items():
            rows = self.cut.of(f"teeth_{half}")
            out[rows, 0] *= TEETH_WIDTH
            out[rows, 2] += forward
            out[rows, 1] -= TEETH_DOWN[half]
        out[self.cut.of("tongue"), 1] -= TONGUE_DOWN
        out[self.cut.of("lashes"), 2] += LASHES_FORWARD
        return out

    def closed(self, points: Array, yields: float = 0.5) -> Array:
        """Offsets [V, 3] that bring the lips of points [V, 3] to the gap `REST` everywhere, from both sides."""
        offsets = np.zeros_like(points)
        for _ in range(ROUNDS):
            gap = self.spread(self.mouth.lip_gaps(points + offsets) - REST)
            offsets[:, 1] += gap * ((1 - yields) * self.lower - yields * self.upper)
        return offsets

    def uncrossed(self, points: Array, name: str, margin: float = MARGIN) -> Array:
        """Offsets [V, 3] that part lips which cross in a shape, and push them forward out of the teeth."""
        offsets = np.zeros_like(points)
        clear = _CLEARANCES.get(name, CLEARANCE)
        yields, margin = _UPPER_YIELDS.get(name, 0.5), _MARGINS.get(name, margin)
        for _ in range(ROUNDS):
            crossed = np.minimum(self.mouth.lip_gaps(points + offsets) - margin, 0.0)
            short = [np.minimum(self.mouth.teeth_gaps(points + offsets, half) - clear, 0.0) for half in TEETH_FORWARD]
            pierced = np.minimum(*short)
            if crossed.min() > -REST / 2 and pierced.min() > -REST:
                break
            gap = self.spread(_widened(crossed))
            offsets[:, 1] += gap * ((1 - yields) * self.lower - yields * self.upper)
            push = self.spread(_widened(pierced))
            offsets[:, 2] -= push * np.maximum(self.upper, self.lower)
        return offsets

    def _tucked(self, points: Array) -> Array:
        """Offsets [V, 3] that lay the middle of the lower lip of points [V, 3] onto the upper teeth."""
        offsets = np.zeros_like(points)
        share = self.lower * np.clip((1.0 - np.abs(self.column)) / 0.5, 0.0, 1.0)
        for _ in range(2 * ROUNDS):
            gaps = self.mouth.teeth_gaps(points + offsets, "upper", ("lower",))[_MIDDLE]
            short = np.where(np.isfinite(gaps), gaps - TUCKED, 0.0)
            short = np.clip((short + short[::-1]) / 2, -0.01, 0.01)  # the same on both sides, in small steps
            offsets[:, 2] -= share * np.interp(self.column, ACROSS[_MIDDLE], short)
        return offsets

    def shapes(self, template: Array, shapes: Array) -> Array:
        """Shapes [52, V, 3] without crossings at weight 1, pairs of both sides together, and with a true mouthClose."""
        out = shapes.copy()
        row = {name: k for k, name in enumerate(NAMES)}
        for name, share in _TEETH_SHARE.items():
            out[row[name]][self.cut.of("teeth_lower", "tongue")] *= share
        moved = [name for name in NAMES if name.startswith(("jaw", "mouth", "cheekPuff", "noseSneer"))]
        for name in moved:
            if name != "mouthClose" and not name.startswith(LEFT_RIGHT):
                out[row[name]] += self.uncrossed(template + out[row[name]], name)
                if name in _STAYS_CLOSED:
                    out[row[name]] += self.closed(template + out[row[name]])
                    out[row[name]] += self.uncrossed(template + out[row[name]], name, REST)
        for name in LEFT_RIGHT:
            left, right = row[f"{name}Left"], row[f"{name}Right"]
            for _ in range(2):
                for side in (left, right):
                    out[side] += self.uncrossed(template + out[side], name, REST)
                together = template + out[left] + out[right]
                both = self.uncrossed(together, name, REST)
                if name in _STAYS_CLOSED:
                    both += self.closed(together + both)
                share = np.clip(0.5 + 0.5 * self.column, 0.0, 1.0)[:, None]
                out[left] += share * both
                out[right] += (1.0 - share) * both
            for side in (left, right):
                out[side] += self.uncrossed(template + out[side], name, REST)
        roll = row["mouthRollLower"]
        out[roll] += self._tucked(pose(template, out, TUCK))
        out[roll] += self.uncrossed(template + out[roll], "mouthRollLower")
        out[row["mouthClose"]] += self.closed(template + out[row["jawOpen"]] + out[row["mouthClose"]], 0.0)
        return out


def _widened(values: Array) -> Array:
    """Each value's least among its neighbours: what gives way takes the columns between two samples along."""
    return np.minimum(values, np.minimum(np.append(values[1:], 0.0), np.append(0.0, values[:-1])))


def pose(template: Array, shapes: Array, weights: Mapping[str, float]) -> Array:
    """The face [V, 3] at named weights."""
    out = template.copy()
    for name, weight in weights.items():
        out += weight * shapes[NAMES.index(name)]
    return out
