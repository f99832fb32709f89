"""The papers' vertex metrics with units and masks stated: LVE, EVE and FDD.

LVE: per frame the maximum over lip vertices of the squared L2 distance, averaged over all frames of the test set
(frames of all clips together, not clip means). EVE: the same over eye and forehead vertices. FDD: mean over the
upper-face vertices of (standard deviation over time of the ground truth's squared displacement) minus (the
prediction's), signed, averaged over clips. With offsets in metres LVE and EVE are in m^2; published values "x 1e-5 mm"
are in fact 1e-5 m^2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from emoface_training.errors import EmptySplitError


def mask_hash(indices: np.ndarray) -> str:
    """SHA-256 of a vertex mask as little-endian int32 in C order, so that figures name the region they measure."""
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<i4").tobytes()).hexdigest()


def region_error(predicted: np.ndarray, target: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Per frame, the largest squared distance in the region. [T, V, 3] metres twice, indices [R] -> [T] in m^2."""
    _require_equal_shapes(predicted, target)
    difference = predicted[:, region].astype(np.float64) - target[:, region].astype(np.float64)
    return (difference**2).sum(-1).max(-1)


def _require_equal_shapes(predicted: np.ndarray, target: np.ndarray) -> None:
    if predicted.shape != target.shape:
        raise ValueError(
            f"got predicted {predicted.shape} and target {target.shape}, expected equal shapes: cut both to one length"
        )


def face_dynamics_deviation(predicted: np.ndarray, target: np.ndarray, region: np.ndarray) -> float:
    """FDD of one clip in m^2. Offsets from the template, [T, V, 3] metres; indices [R]. Signed: > 0 is too still."""
    spread = [
        (offsets[:, region].astype(np.float64) ** 2).sum(-1).std(axis=0).mean() for offsets in (target, predicted)
    ]
    return float(spread[0] - spread[1])


class MaskedFace(Protocol):
    """A rig (in metres) or a dataset's face (with its `unit_in_metres`)."""

    masks: Mapping[str, np.ndarray]


@dataclass
class VertexMetrics:
    """Accumulates clips; offsets are relative to the template, [T, V, 3] in units of `unit_in_metres`.

    Without a mask the figures that need it are absent.
    """

    lips: np.ndarray | None
    eyes_forehead: np.ndarray | None
    unit_in_metres: float = 1.0
    _frames: int = 0
    _lip_sum: float = 0.0
    _eye_sum: float = 0.0
    _all_sum: float = 0.0
    _dynamics: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, face: MaskedFace) -> VertexMetrics:
        """Empty metrics for a face's own masks and unit."""
        unit = getattr(face, "unit_in_metres", 1.0)
        return cls(face.masks.get("lips"), face.masks.get("eyes_forehead"), unit)

    def add(self, predicted: np.ndarray, target: np.ndarray) -> None:
        """Add one clip. Raises ValueError when the shapes differ."""
        _require_equal_shapes(predicted, target)
        # Before anything is computed: float32 would lose the error between two large offsets
        predicted = predicted.astype(np.float64) * self.unit_in_metres
        target = target.astype(np.float64) * self.unit_in_metres
        if self.lips is not None:
            self._lip_sum += float(region_error(predicted, target, self.lips).sum())
        if self.eyes_forehead is not None:
            self._eye_sum += float(region_error(predicted, target, self.eyes_forehead).sum())
            self._dynamics.append(face_dynamics_deviation(predicted, target, self.eyes_forehead))
        self._all_sum += float(((predicted - target) ** 2).sum()) / target.shape[1]
        self._frames += len(target)

    def figures(self) -> dict[str, float | str | int]:
        """LVE, EVE (m^2 and the root in mm), FDD (m^2), the RMS over all vertices (mm), and what was measured."""
        if not self._frames:
            raise EmptySplitError(
                "no frames", "at least one clip", "See what `emoface data check` says of the dataset."
            )
        figures: dict[str, float | str | int] = {}
        if self.lips is not None:
            lve = self._lip_sum / self._frames
            figures |= {"lve_m2": lve, "lve_rms_mm": 1000.0 * lve**0.5}
        if self.eyes_forehead is not None:
            eve = self._eye_sum / self._frames
            figures |= {"eve_m2": eve, "eve_rms_mm": 1000.0 * eve**0.5, "fdd_m2": float(np.mean(self._dynamics))}
        figures |= {"face_rms_mm": 1000.0 * (self._all_sum / self._frames) ** 0.5, "frames": self._frames}
        for name in ("lips", "eyes_forehead"):
            if (mask := getattr(self, name)) is not None:
                figures[f"{name}_mask_sha256"] = mask_hash(mask)
        return figures
