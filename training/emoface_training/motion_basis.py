"""Principal components of a rig's motion: the low-rank vertex head's basis, and compact training targets.

The rig is linear in its displacement fields, so ground-truth motion is kept as field coefficients, exactly. The basis
is uncentred, so that no motion stays exactly no motion. Its rows are orthogonal and scaled by the standard deviation
of their coordinate, which makes every coordinate O(1) for the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from emoface_training.batches import ClipStore

# Rows of tiny components are not shrunk further, so that half precision keeps their digits
SMALLEST_SCALE = 0.02


class MotionRig(Protocol):
    """What the trainer needs of a face.

    template [V, 3] m, faces [F, 3], masks by name, displacement fields [K, 3V] m, field coefficients [T, K] of
    parameters [T, P], and offsets [T, V, 3] m = coefficients @ fields.
    """

    template: np.ndarray
    faces: np.ndarray
    masks: dict[str, np.ndarray]
    fields: np.ndarray

    def coefficients(self, parameters: np.ndarray) -> np.ndarray: ...
    def offsets(self, parameters: np.ndarray) -> np.ndarray: ...


def all_parameters(store: ClipStore) -> np.ndarray:
    """Every frame of a split, float32 [frames, P]."""
    return np.concatenate([clip.parameters for clip in store.clips]).astype(np.float32)


def motion_basis(rig: MotionRig, parameters: np.ndarray, rank: int) -> tuple[np.ndarray, float]:
    """Basis float32 [rank, 3V] (values exact in half precision) of the motion of parameters [T, P].

    Also returns what the basis loses: the RMS vertex distance in mm over the given frames.
    Raises ValueError when the rig has fewer fields than the rank.
    """
    fields = rig.fields.astype(np.float64)
    if rank > len(fields):
        raise ValueError(f"got motion_rank {rank}, expected at most the rig's {len(fields)} fields: lower motion_rank")
    orthonormal, upper = np.linalg.qr(fields.T)  # fields = upper.T @ orthonormal.T
    coordinates = rig.coefficients(parameters).astype(np.float64) @ upper.T
    values, vectors = np.linalg.eigh(coordinates.T @ coordinates / len(coordinates))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rows = vectors[:, :rank].T @ orthonormal.T
    # eigenvectors have no sign of their own: fix it, so that a corpus gives one basis
    peak = rows[np.arange(rank), np.abs(rows).argmax(1)]
    rows *= np.where(peak < 0, -1.0, 1.0)[:, None]
    spread = np.sqrt(values[:rank])
    rows *= np.maximum(spread, SMALLEST_SCALE * spread[0])[:, None]
    lost_mm = 1000.0 * float(np.sqrt(values[rank:].sum() / len(rig.template)))
    return rows.astype(np.float16).astype(np.float32), lost_mm


@dataclass(frozen=True)
class MotionTargets:
    """Ground-truth motion of a split: fields [K, 3V] and one float32 [T, K] of coefficients per clip."""

    fields: torch.Tensor
    coefficients: list[torch.Tensor]

    @classmethod
    def build(cls, rig: MotionRig, store: ClipStore) -> MotionTargets:
        coefficients = [
            torch.from_numpy(rig.coefficients(clip.parameters.astype(np.float32)).astype(np.float32))
            for clip in store.clips
        ]
        return cls(torch.from_numpy(np.ascontiguousarray(rig.fields, dtype=np.float32)), coefficients)

    def offsets(self, coefficients: torch.Tensor, vertices: torch.Tensor | None = None) -> torch.Tensor:
        """coefficients [..., K] -> offsets [..., V, 3] in metres, or those of the listed vertices."""
        fields = self.fields if vertices is None else self.fields.unflatten(1, (-1, 3))[:, vertices].flatten(1)
        return (coefficients @ fields).unflatten(-1, (-1, 3))
