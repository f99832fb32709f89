"""How a region moves beside how it should: what squared maxima such as LVE and EVE do not tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class RegionMotion:
    """Accumulates clips of one region. region: vertex indices; unit_in_metres: of the offsets that are added."""

    region: np.ndarray
    unit_in_metres: float = 1.0
    _absolute: float = 0.0
    _vertices: int = 0
    _squared: float = 0.0
    _standing: float = 0.0
    _common: float = 0.0
    _true: float = 0.0
    _shake: float = 0.0
    _true_shake: float = 0.0

    def add(self, predicted: np.ndarray, target: np.ndarray) -> None:
        """Add one clip: offsets from the template, [T, V, 3] in units of `unit_in_metres`, T >= 3."""
        own, true = predicted[:, self.region].astype(np.float64), target[:, self.region].astype(np.float64)
        error = own - true
        self._absolute += float(np.abs(error).sum())
        self._vertices += error.shape[0] * error.shape[1]
        self._squared += float((error**2).sum())
        self._standing += len(error) * float((error.mean(0) ** 2).sum())
        own_moving, true_moving = own - own.mean(0), true - true.mean(0)
        self._common += float((own_moving * true_moving).sum())
        self._true += float((true_moving**2).sum())
        self._shake += float((np.diff(own, 2, axis=0) ** 2).sum())
        self._true_shake += float((np.diff(true, 2, axis=0) ** 2).sum())

    def figures(self) -> dict[str, float]:
        """l1_mm: what the paper's losses lower, the sum of a vertex's three absolute errors, mean over vertices and
        frames. standing: the share of the squared error that stands still through a clip (a misjudged expression).
        gain: slope of the predicted motion over the true one, both about their clip means (1: full amplitude).
        jitter: RMS of the second difference over the true one's. NaN where the truth does not move.
        """
        true, shake = self._true or np.nan, self._true_shake or np.nan
        return {
            "l1_mm": 1000.0 * self.unit_in_metres * self._absolute / self._vertices,
            "standing": self._standing / (self._squared or np.nan),
            "gain": self._common / true,
            "jitter": (self._shake / shake) ** 0.5,
        }
