"""A mouth read off vertices, for any face with the masks: gap of the lips, width, lower lip to upper teeth, jaw.

Everything is found by geometry (+X to a side, +Y up), so masks of any count and order of vertices do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.errors import OptionsError
from emoface_training.motion.basis import MotionRig

MASKS = ("upper_lip_inner", "lower_lip_inner", "lips", "teeth_upper", "teeth_lower")
# Closed lips are nearer than both: metres, and a share of the 95th percentile of the rules' gap
CLOSED_M, CLOSED_SHARE = 0.001, 0.1
TUCKED_SHARE, TUCK_JAW = 0.4, 0.15
WITHIN = 1e-6  # metres by which a vertex may miss the middle third and still belong to it


class MaskedTemplate(Protocol):
    """template [V, 3] in `unit_in_metres` (1 where a face does not say), masks by name."""

    template: np.ndarray
    masks: Mapping[str, np.ndarray]


def lacking(face: MaskedTemplate) -> list[str]:
    """The masks of a mouth that a face does not have."""
    return [name for name in MASKS if not len(face.masks.get(name, ()))]


def middle_third(
    template: np.ndarray, upper: np.ndarray, lower: np.ndarray, within: float = WITHIN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper vertices [U] of the mouth's middle third (at least the nearest one), all lower ones [L] from side to side,
    and what each upper one faces: weights [U, L] by linear interpolation across the template [V, 3]."""
    x = template[:, 0]
    ends = x[np.concatenate([upper, lower])]
    centre, third = (ends.min() + ends.max()) / 2, np.ptp(ends) / 6
    away = np.abs(x[upper] - centre)
    middle = upper[away <= max(third, away.min()) + within]
    lower = lower[np.argsort(x[lower], kind="stable")]
    facing = np.stack([np.interp(x[middle], x[lower], row) for row in np.eye(len(lower))], 1)
    return middle, lower, facing


class MouthGauge:
    """Tracks in metres of offsets [T, V, 3] from the template, in the face's unit.

    Raises OptionsError for a face that lacks a mask.
    """

    def __init__(self, face: MaskedTemplate) -> None:
        if missing := lacking(face):
            raise OptionsError(
                f"a face without the masks {', '.join(missing)}",
                f"{', '.join(MASKS)}",
                "Give the masks (docs/datasets.md), or leave the measures of speech out.",
            )
        self.unit = float(getattr(face, "unit_in_metres", 1.0))
        self.template = np.asarray(face.template, np.float64)
        upper, lower = (np.asarray(face.masks[name]) for name in MASKS[:2])
        self.upper, self.lower, self.facing = middle_third(self.template, upper, lower, WITHIN / self.unit)
        self.lips = np.asarray(face.masks["lips"])
        across = self.template[self.lips, 0]
        self.corners = int(self.lips[across.argmin()]), int(self.lips[across.argmax()])
        self.upper_teeth, self.lower_teeth = (np.asarray(face.masks[name]) for name in MASKS[3:])

    def _place(self, offsets: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return (offsets[:, indices].astype(np.float64) + self.template[indices]) * self.unit

    def gap(self, offsets: np.ndarray) -> np.ndarray:
        """Vertical distance [T] of the inner lips, mean over the mouth's middle third; negative: crossed."""
        upper, lower = self._place(offsets, self.upper)[..., 1], self._place(offsets, self.lower)[..., 1]
        return (upper - lower @ self.facing.T).mean(1)

    def width(self, offsets: np.ndarray) -> np.ndarray:
        """Distance [T] across of the lips' two corners."""
        left, right = (self._place(offsets, np.array([corner]))[:, 0, 0] for corner in self.corners)
        return right - left

    def teeth_distance(self, offsets: np.ndarray) -> np.ndarray:
        """Distance [T] from the middle of the lower lip to the nearest vertex of the upper teeth."""
        lip = np.einsum("l,tlc->tc", self.facing.mean(0), self._place(offsets, self.lower))[:, None]
        return np.linalg.norm(self._place(offsets, self.upper_teeth) - lip, axis=-1).min(1)

    def jaw_drop(self, offsets: np.ndarray) -> np.ndarray:
        """Mean downward displacement [T] of the lower teeth."""
        return -offsets[:, self.lower_teeth, 1].astype(np.float64).mean(1) * self.unit


def tucked_below(gauge: MouthGauge, rig: MotionRig) -> float:
    """Metres from lower lip to upper teeth at which the lip has come 40 % of the way of the rig's own full tuck."""
    loose, tucked = gauge.teeth_distance(
        rig.offsets(np.concatenate([_pose(jaw_open=TUCK_JAW), _pose(jaw_open=TUCK_JAW, lip_tuck=1.0)]))
    )
    return float(loose + TUCKED_SHARE * (tucked - loose))


def _pose(**values: float) -> np.ndarray:
    return np.array([[values.get(name, 0.0) for name in RIG_PARAMETERS]], np.float32)
