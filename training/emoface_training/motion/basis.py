"""Principal components of motion: the low-rank vertex head's basis.

A rig is linear in its displacement fields, so its components come from field coefficients, exactly. The basis is
uncentred, so that no motion stays exactly no motion. Its rows are orthogonal and scaled by the standard deviation
of their coordinate, which makes every coordinate O(1) for the network.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from emoface_training.clips.store import ClipStore
from emoface_training.errors import OptionsError

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
    Raises OptionsError when the rig has fewer fields than the rank.
    """
    fields = rig.fields.astype(np.float64)
    if rank > len(fields):
        raise OptionsError(f"motion_rank {rank}", f"at most the rig's {len(fields)} fields", "Lower motion_rank.")
    orthonormal, upper = np.linalg.qr(fields.T)  # fields = upper.T @ orthonormal.T
    coordinates = rig.coefficients(parameters).astype(np.float64) @ upper.T
    values, vectors = np.linalg.eigh(coordinates.T @ coordinates / len(coordinates))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rows = vectors[:, :rank].T @ orthonormal.T
    lost_mm = 1000.0 * float(np.sqrt(values[rank:].sum() / len(rig.template)))
    return _scaled(rows, np.sqrt(values[:rank])), lost_mm


def rows_basis(offsets: np.ndarray, rank: int) -> np.ndarray:
    """Basis float32 [rank, 3V] of offsets [frames, 3V]. Raises OptionsError for fewer frames than the rank."""
    if rank > len(offsets):
        raise OptionsError(f"motion_rank {rank}", f"at most the {len(offsets)} frames given", "Lower motion_rank.")
    _, values, vectors = np.linalg.svd(offsets, full_matrices=False)
    return _scaled(vectors[:rank].astype(np.float64), values[:rank].astype(np.float64) / np.sqrt(len(offsets)))


def _scaled(rows: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Orthonormal rows times their spread, with a fixed sign and values exact in half precision."""
    # eigenvectors have no sign of their own: fix it, so that a corpus gives one basis
    peak = rows[np.arange(len(rows)), np.abs(rows).argmax(1)]
    rows = rows * np.where(peak < 0, -1.0, 1.0)[:, None]
    rows *= np.maximum(spread, SMALLEST_SCALE * spread[0])[:, None]
    return rows.astype(np.float16).astype(np.float32)
