"""Measures of the mouth on vertices of the procedural head.

All take vertices [T, V, 3] (or [V, 3], which counts as one frame) in metres and return float64 [T] in metres.
They measure the synthetic rig's own geometry; they say nothing about the fidelity of human motion.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.rig import Rig

Float = NDArray[np.float64]

CLOSED = 0.0008  # lips nearer than this (metres, at their middle) count as closed
OPEN = 0.004  # lips further apart than this count as open


@lru_cache(maxsize=1)
def _rig() -> Rig:
    return Rig.load()


def _frames(vertices: ArrayLike) -> Float:
    v = np.asarray(vertices, dtype=np.float64)
    if v.ndim == 2:
        v = v[None]
    expected = _rig().template.shape
    if v.ndim != 3 or v.shape[1:] != expected:
        raise ValueError(
            f"vertices have shape {np.shape(vertices)}, expected (frames, {expected[0]}, {expected[1]}); "
            "these measures know only the procedural head"
        )
    return v


def _middle(vertices: Float, mask: str) -> Float:
    """Mean position [T, 3] of the middle three vertices of an inner lip row."""
    ids = _rig().masks[mask]
    centre = len(ids) // 2
    return np.asarray(vertices[:, ids[centre - 1 : centre + 2]].mean(axis=1))


def lip_gap(vertices: ArrayLike) -> Float:
    """Vertical distance [T] (m) between the middles of the inner lips; 0 when they touch."""
    v = _frames(vertices)
    return np.asarray(_middle(v, "upper_lip_inner")[:, 1] - _middle(v, "lower_lip_inner")[:, 1])


def contact_gap(vertices: ArrayLike) -> Float:
    """Largest distance [T] (m) between facing vertices along the whole inner lips."""
    v = _frames(vertices)
    masks = _rig().masks
    apart = v[:, masks["upper_lip_inner"]] - v[:, masks["lower_lip_inner"]]
    return np.asarray(np.linalg.norm(apart, axis=-1).max(axis=1))


def lip_width(vertices: ArrayLike) -> Float:
    """Distance [T] (m) between the outermost inner lip vertices, just inside the corners of the mouth."""
    v = _frames(vertices)
    masks = _rig().masks
    both = 0.5 * (v[:, masks["upper_lip_inner"]] + v[:, masks["lower_lip_inner"]])
    return np.asarray(np.linalg.norm(both[:, 0] - both[:, -1], axis=-1))


def lip_protrusion(vertices: ArrayLike) -> Float:
    """Forward displacement [T] (m) of the middle of both lips from the template; positive when pushed out."""
    v = _frames(vertices)
    rest = _rig().template.astype(np.float64)[None]
    now = 0.5 * (_middle(v, "upper_lip_inner") + _middle(v, "lower_lip_inner"))
    then = 0.5 * (_middle(rest, "upper_lip_inner") + _middle(rest, "lower_lip_inner"))
    return np.asarray((now - then)[:, 2])


def jaw_drop(vertices: ArrayLike) -> Float:
    """Downward displacement [T] (m) of the lower front teeth from the template."""
    v = _frames(vertices)
    rest = _rig().template.astype(np.float64)
    ids = _rig().masks["teeth_lower"]
    front = ids[np.argsort(-rest[ids, 2])[:24]]
    return np.asarray((rest[front, 1] - v[:, front, 1]).mean(axis=1))


def tuck_distance(vertices: ArrayLike) -> Float:
    """Distance [T] (m) from the middle of the lower lip to the nearest vertex of the upper teeth; small for "f"."""
    v = _frames(vertices)
    lower = _middle(v, "lower_lip_inner")
    teeth = v[:, _rig().masks["teeth_upper"]]
    return np.asarray(np.linalg.norm(teeth - lower[:, None], axis=-1).min(axis=1))


def teeth_shown(vertices: ArrayLike) -> Float:
    """Height [T] (m) of the upper front teeth seen between the lips; 0 or less when the lips cover them."""
    v = _frames(vertices)
    rest = _rig().template.astype(np.float64)
    ids = _rig().masks["teeth_upper"]
    ids = ids[(np.abs(rest[ids, 0]) < 0.004) & (rest[ids, 2] > 0.07)]
    edge = v[:, ids, 1].min(axis=1)
    return np.asarray(np.minimum(_middle(v, "upper_lip_inner")[:, 1] - edge, lip_gap(v)))


def pose(**values: float) -> Float:
    """Rig parameters [1, 21] with the named values set and all others 0.

    Raises:
        ValueError: a name is not a rig parameter.
    """
    unknown = sorted(set(values) - set(RIG_PARAMETERS))
    if unknown:
        raise ValueError(f"unknown rig parameter {unknown[0]!r}, expected one of {', '.join(RIG_PARAMETERS)}")
    return np.array([[values.get(name, 0.0) for name in RIG_PARAMETERS]])


def phoneme_check(phoneme: str, vertices: ArrayLike) -> NDArray[np.bool_]:
    """Whether each frame [T] looks like the visible core of a phoneme (ARPAbet without stress).

    P B M: lips touch. F V: lower lip at the upper teeth, which show. UW OW W: lips narrower and pushed
    forward. AA AE AH AO: lips open. IY EY: lips not rounded and teeth or gap visible. SIL: lips touch.

    Raises:
        ValueError: no check exists for the phoneme.
    """
    v = _frames(vertices)
    rest = _rig().template
    if phoneme in ("P", "B", "M", "SIL"):
        return np.asarray(lip_gap(v) < CLOSED)
    if phoneme in ("F", "V"):
        rested = tuck_distance(rest)[0]
        return np.asarray((tuck_distance(v) < 0.7 * rested) & (teeth_shown(v) > 0.001))
    if phoneme in ("UW", "OW", "W"):
        return np.asarray((lip_width(v) < 0.85 * lip_width(rest)[0]) & (lip_protrusion(v) > 0.001))
    if phoneme in ("AA", "AE", "AH", "AO"):
        return np.asarray(lip_gap(v) > OPEN)
    if phoneme in ("IY", "EY"):
        return np.asarray((lip_width(v) > 0.97 * lip_width(rest)[0]) & (lip_gap(v) > CLOSED))
    raise ValueError(
        f"no visible check for phoneme {phoneme!r}, expected one of P B M SIL F V UW OW W AA AE AH AO IY EY"
    )
