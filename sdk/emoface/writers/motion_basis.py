"""A clip's motion as few shapes with weights between 0 and 1: morph targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_FRAMES_FOR_BASIS = 1500


@dataclass(frozen=True)
class MotionBasis:
    """offsets[t] = sum over k of weights[t, k] * shapes[k].

    shapes: (K, V, 3) float32, weights: (T, K) float32 in 0..1. Where they are fitted to a clip, shape 0 has weight 1 in
    every frame; with it the others need no negative weights, which some engines clamp. `residual` is the largest
    distance of a vertex in any frame from where it should be, in the unit of the vertices.
    """

    shapes: FloatArray
    weights: FloatArray
    residual: float


class Rows(Protocol):
    """Frames that need not be in memory: an array (T, V, 3), or a `Spool` of them."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        """The frames of a slice or of an array of indices."""
        ...


def fit_motion_basis(offsets: Rows, tolerance: float, max_rank: int = 48) -> MotionBasis:
    """The basis of `offsets` (T, V, 3), T >= 1, with the fewest shapes whose residual is below `tolerance`.

    At most `max_rank` shapes besides the first; the residual may then stay larger. The shapes are the principal
    components of the clip (of an even choice of frames where the clip is long). In memory are the chosen frames and
    the weights.
    """
    frames, vertices = offsets.shape[:2]
    mean = (sum(block.sum(axis=0, dtype=np.float64) for block in _blocks(offsets)) / frames).astype(np.float32)
    places = np.linspace(0, frames - 1, min(frames, _FRAMES_FOR_BASIS)).astype(np.int64)
    chosen = np.asarray(offsets[places], np.float32).reshape(len(places), -1) - mean
    # Eigenvectors of the small frame x frame matrix are the cheap way to the components.
    double = chosen.astype(np.float64)
    values, vectors = np.linalg.eigh(double @ double.T)
    del double
    order = np.argsort(values)[::-1][:max_rank]
    order = order[values[order] > max(values.max(), 0) * 1e-14]
    components = (vectors[:, order].T @ chosen / np.sqrt(values[order])[:, None]).astype(np.float32)
    scores = np.concatenate([(block - mean) @ components.T for block in _blocks(offsets)])

    low, high = 0, len(components)
    while low < high:
        middle = (low + high) // 2
        if morph_residual(offsets, *_positive(mean, components[:middle], scores[:, :middle])) < tolerance:
            high = middle
        else:
            low = middle + 1
    shapes, weights = _positive(mean, components[:low], scores[:, :low])
    return MotionBasis(shapes.reshape(-1, vertices, 3), weights, morph_residual(offsets, shapes, weights))


def _positive(mean: FloatArray, components: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shapes (1 + K, 3V) and weights (T, 1 + K) in 0..1 of the same motion."""
    least = scores.min(axis=0)
    reach = np.maximum(scores.max(axis=0) - least, np.float32(1e-12))
    shapes = np.concatenate([(mean + least @ components)[None], reach[:, None] * components])
    weights = np.concatenate([np.ones((len(scores), 1)), (scores - least) / reach], axis=1)
    return np.asarray(shapes, np.float32), np.clip(weights, 0, 1).astype(np.float32)


def morph_residual(offsets: Rows, shapes: FloatArray, weights: FloatArray) -> float:
    """Largest distance of a vertex of offsets (T, V, 3) from where shapes (K, V, 3) with weights (T, K) put it."""
    flat, largest, start = shapes.reshape(len(shapes), -1), 0.0, 0
    for block in _blocks(offsets):
        error = (block - weights[start : start + len(block)] @ flat).reshape(len(block), -1, 3)
        largest = max(largest, float(np.einsum("tvc,tvc->tv", error, error).max()))
        start += len(block)
    return float(np.sqrt(largest))


def _blocks(rows: Rows, size: int = 256) -> Iterator[FloatArray]:
    """Frames (n, 3 V), a few at a time."""
    for start in range(0, rows.shape[0], size):
        block = np.asarray(rows[start : start + size], np.float32)
        yield block.reshape(len(block), -1)
