"""What of a face touches, crosses and pierces, in millimetres: the figures that contact is judged by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .contact import LEFT_RIGHT, TUCK, pose
from .motion import NAMES
from .mouth import ACROSS, Mouth
from .wheel import Array

MILLIMETRES = 100.0  # in a decimetre
OPENINGS = (0.1, 0.25, 0.5, 0.75, 1.0)
# A short clip by its key poses, as speech would have them: m a m f i u m o f a, rest.
_I = {"mouthSmileLeft": 0.4, "mouthSmileRight": 0.4, "jawOpen": 0.12}
_U = {"mouthPucker": 0.8, "jawOpen": 0.12}
_O = {"mouthFunnel": 0.6, "jawOpen": 0.3}
_A = {"jawOpen": 0.6, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2}
_M = {"jawOpen": 0.25, "mouthClose": 0.25}
CLIP: tuple[Mapping[str, float], ...] = ({}, _M, _A, _M, TUCK, _I, _U, _M, _O, TUCK, _A, {})
_STEPS = 4


@dataclass(frozen=True)
class Contact:
    """Signed distances in millimetres; negative ones pass through.

    Attributes:
        closed: widest gap of the lips at rest and wherever `mouthClose` equals `jawOpen`.
        lips: least gap of the lips in every pose and every frame of the clip.
        teeth: least distance of the lips in front of the teeth in every pose and every frame.
        tuck: least and widest distance of the middle of the lower lip from the upper teeth in f and v.
        lips_at, teeth_at: where the least ones are.
    """

    closed: float
    lips: float
    teeth: float
    tuck: tuple[float, float]
    lips_at: str
    teeth_at: str


def poses() -> Iterator[tuple[str, dict[str, float]]]:
    """Named weights: rest, the closings, every shape of the lower face, both sides together, the clip's frames."""
    yield "rest", {}
    for opening in OPENINGS:
        yield f"closed at jawOpen {opening:g}", {"jawOpen": opening, "mouthClose": opening}
    for name in NAMES:
        if name.startswith(("jaw", "mouth", "cheek", "nose", "tongue")) and name != "mouthClose":
            yield name, {name: 1.0}
    for name in LEFT_RIGHT:
        yield f"{name} on both sides", {f"{name}Left": 1.0, f"{name}Right": 1.0}
    yield "f v", dict(TUCK)
    frame = 0
    for first, second in itertools.pairwise(CLIP):
        for step in range(_STEPS):
            share = step / _STEPS
            names = first.keys() | second.keys()
            weights = {n: (1 - share) * first.get(n, 0.0) + share * second.get(n, 0.0) for n in sorted(names)}
            yield f"frame {frame} of the clip", weights
            frame += 1


def pose_gaps(mouth: Mouth, template: Array, shapes: Array, weights: Mapping[str, float]) -> Array:
    """Gaps [19] of the lips in a pose, millimetres."""
    return np.asarray(mouth.lip_gaps(pose(template, shapes, weights)) * MILLIMETRES)


def contact(mouth: Mouth, template: Array, shapes: Array) -> Contact:
    """The contact of a face: template [V, 3] and shapes [52, V, 3] in decimetres."""
    closed, least, clear = 0.0, (np.inf, ""), (np.inf, "")
    for name, weights in poses():
        points = pose(template, shapes, weights)
        lips = mouth.lip_gaps(points) * MILLIMETRES
        teeth = min(mouth.teeth_gaps(points, half).min() for half in ("upper", "lower")) * MILLIMETRES
        if name == "rest" or name.startswith("closed"):
            closed = max(closed, float(lips.max()))
        least = min(least, (float(lips.min()), name))
        clear = min(clear, (float(teeth), name))
    middle = np.abs(ACROSS) <= 0.5
    tuck = mouth.teeth_gaps(pose(template, shapes, TUCK), "upper", ("lower",))[middle] * MILLIMETRES
    return Contact(closed, least[0], clear[0], (float(tuck.min()), float(tuck.max())), least[1], clear[1])
