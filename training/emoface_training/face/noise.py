"""Smooth values that look random and are a rule: the same for every machine."""

from __future__ import annotations

import numpy as np

from .wheel import Array


def noise(at: Array, seed: int) -> Array:
    """Value noise [P] in 0..1 at positions [P, 3]: random values on whole numbers, smooth in between."""
    cell = np.floor(at).astype(np.int64)
    part = at - cell
    part = part * part * (3.0 - 2.0 * part)
    total = np.zeros(len(at))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1.0 - part), axis=1)
        total += weight * _value(cell + np.array(corner), seed)
    return total


def _value(cell: Array, seed: int) -> Array:
    """A value 0..1 for each cell [P, 3]: an integer hash."""
    with np.errstate(over="ignore"):
        h = cell.astype(np.uint64) @ np.array([0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
        h += np.uint64(seed) * np.uint64(0x27D4EB2F165667C5)
        for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53)):
            h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
        h ^= h >> np.uint64(33)
    return np.asarray((h >> np.uint64(11)).astype(np.float64) / 2.0**53)


def smoothstep(a: float, b: float, t: Array) -> Array:
    """0 at a, 1 at b, smooth in between; a may lie above b."""
    q = np.clip((t - a) / (b - a), 0.0, 1.0)
    return np.asarray(q * q * (3.0 - 2.0 * q))
