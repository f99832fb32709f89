"""A clip's motion as few shapes with weights between 0 and 1: morph targets."""

from __future__ import annotations

from dataclasses import dataclass

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


def fit_motion_basis(offsets: FloatArray, tolerance: float, max_rank: int = 48) -> MotionBasis:
    """The basis of `offsets` (T, V, 3), T >= 1, with the fewest shapes whose residual is below `tolerance`.

    At most `max_rank` shapes besides the first; the residual may then stay larger. The shapes are the principal
    components of the clip (of an even choice of frames where the clip is long).
    """
    frames, vertices = len(offsets), offsets.shape[1]
    flat = np.asarray(offsets, np.float32).reshape(frames, -1)
    mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    chosen = flat[np.linspace(0, frames - 1, min(frames, _FRAMES_FOR_BASIS)).astype(np.int64)] - mean
    # Eigenvectors of the small frame x frame matrix are the cheap way to the components.
    values, vectors = np.linalg.eigh(chosen.astype(np.float64) @ chosen.T.astype(np.float64))
    order = np.argsort(values)[::-1][:max_rank]
    order = order[values[order] > max(values.max(), 0) * 1e-14]
    components = (vectors[:, order].T @ chosen / np.sqrt(values[order])[:, None]).astype(np.float32)
    scores = np.concatenate([(block - mean) @ components.T for block in _blocks(flat)])

    low, high = 0, len(components)
    while low < high:
        middle = (low + high) // 2
        if _residual(flat, *_positive(mean, components[:middle], scores[:, :middle])) < tolerance:
            high = middle
        else:
            low = middle + 1
    shapes, weights = _positive(mean, components[:low], scores[:, :low])
    return MotionBasis(shapes.reshape(-1, vertices, 3), weights, _residual(flat, shapes, weights))


def _positive(mean: FloatArray, components: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shapes (1 + K, 3V) and weights (T, 1 + K) in 0..1 of the same motion."""
    least = scores.min(axis=0)
    reach = np.maximum(scores.max(axis=0) - least, np.float32(1e-12))
    shapes = np.concatenate([(mean + least @ components)[None], reach[:, None] * components])
    weights = np.concatenate([np.ones((len(scores), 1)), (scores - least) / reach], axis=1)
    return np.asarray(shapes, np.float32), np.clip(weights, 0, 1).astype(np.float32)


def morph_residual(offsets: FloatArray, shapes: FloatArray, weights: FloatArray) -> float:
    """Largest distance of a vertex of offsets (T, V, 3) from where shapes (K, V, 3) with weights (T, K) put it."""
    size = offsets[0].size if len(offsets) else 0
    return _residual(offsets.reshape(len(offsets), size), shapes.reshape(len(shapes), -1), weights)


def _residual(flat: FloatArray, shapes: FloatArray, weights: FloatArray) -> float:
    largest = 0.0
    for block, share in zip(_blocks(flat), _blocks(weights), strict=True):
        error = (block - share @ shapes).reshape(len(block), -1, 3)
        largest = max(largest, float(np.einsum("tvc,tvc->tv", error, error).max()))
    return float(np.sqrt(largest))


def _blocks(rows: FloatArray, size: int = 256) -> list[FloatArray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
