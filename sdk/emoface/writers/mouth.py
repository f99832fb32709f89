"""How far the mouth is open, and which frames show it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emoface.package import Face


def mouth_opening(face: Face, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance (n,) between the inner lips of frames' vertices (n, V, 3), in their unit.

    Taken at the middle third of the masks `upper_lip_inner` and `lower_lip_inner`; a face without them gives the
    vertical extent of its `lips` above that of the template, or the mean motion where there is no such mask either.
    """
    masks = face.masks
    if "upper_lip_inner" in masks and "lower_lip_inner" in masks:
        upper, lower = masks["upper_lip_inner"], masks["lower_lip_inner"]
        if len(upper) == len(lower) > 0:
            sideways = np.abs(face.template[upper, 0])
            middle = sideways <= np.quantile(sideways, 0.34)
            gap = np.linalg.norm(vertices[:, upper[middle]] - vertices[:, lower[middle]], axis=2)
            return np.asarray(gap.mean(axis=1), np.float32)
    if len(masks.get("lips", ())):
        height = vertices[:, masks["lips"], 1]
        return np.asarray(np.ptp(height, axis=1) - np.ptp(face.template[masks["lips"], 1]), np.float32)
    return np.asarray(np.linalg.norm(vertices - face.template, axis=2).mean(axis=1), np.float32)


def widest_frames(opening: NDArray[np.float32], count: int) -> list[int]:
    """At most `count` frames, in order of time, at the largest `opening` (T,), well apart from each other."""
    apart = max(1, len(opening) // (2 * count + 2))
    chosen: list[int] = []
    for frame in np.argsort(-opening, kind="stable"):
        if all(abs(int(frame) - other) >= apart for other in chosen):
            chosen.append(int(frame))
            if len(chosen) == count:
                break
    return sorted(chosen)


def even_frames(total: int, count: int) -> list[int]:
    """At most `count` frames, in the middle of equal parts of `total` frames."""
    return sorted({int((k + 0.5) * total / count) for k in range(count)})
