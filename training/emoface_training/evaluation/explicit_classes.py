"""How far apart a model's faces are when it is told one class after the other, whatever the voice says.

The same clips are animated under each of the eight classes at the level "normal"; a class's face is the mean over their
frames. Two faces' distance is the root of the mean squared distance of their vertices of the eyes and the forehead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.evaluation.measured_models import EvaluatedModel
from emoface_training.motion.targets import Face
from emoface_training.vocabulary import EMOTIONS, NEUTRAL

# The two classes that are meant to look almost alike
CALM = EMOTIONS.index("calm")
LIKE = frozenset({NEUTRAL, CALM})


def class_distances(
    model: EvaluatedModel,
    face: Face,
    clips: Sequence[StoredClip],
    progress: Callable[[str, Iterable, int], Iterable] = lambda _label, items, _total: items,
) -> dict[str, Any]:
    """Keys: clips; distances_mm [8][8]; nearest_mm and nearest, the least distance of two classes and their names,
    neutral and calm left out; calm_mm, the distance of those two. The face has the mask eyes + forehead.
    """
    region = np.asarray(face.masks["eyes_forehead"])
    faces = np.zeros((len(EMOTIONS), len(region), 3))
    for emotion, name in enumerate(EMOTIONS):
        told = [replace(clip, emotion=emotion, level=0) for clip in clips]
        for _, offsets in progress(f"{model.label}, {name}", model.animate(told, "given"), len(told)):
            faces[emotion] += offsets[:, region].sum(0, dtype=np.float64)
    faces *= 1000.0 * getattr(face, "unit_in_metres", 1.0) / sum(clip.frames for clip in clips)
    apart = np.sqrt(((faces[:, None] - faces[None]) ** 2).sum(-1).mean(-1))
    pairs = [(a, b) for a in range(len(EMOTIONS)) for b in range(a) if {a, b} != LIKE]
    one, other = min(pairs, key=lambda pair: apart[pair])
    return {
        "clips": len(clips),
        "distances_mm": apart.tolist(),
        "nearest_mm": float(apart[one, other]),
        "nearest": [EMOTIONS[other], EMOTIONS[one]],
        "calm_mm": float(apart[NEUTRAL, CALM]),
    }


def lines(label: str, found: dict[str, Any]) -> list[str]:
    """For the terminal: the distances of every two classes, and the least."""
    width = max(map(len, EMOTIONS))
    cells = [f"{name[:6]:>7}" for name in EMOTIONS]
    rows = [
        f"{label} told each class on {found['clips']} clips: eyes and forehead apart, mm",
        " " * width + "".join(cells),
    ]
    for name, row in zip(EMOTIONS, found["distances_mm"], strict=True):
        rows.append(f"{name:>{width}}" + "".join(f"{value:7.2f}" for value in row))
    nearest = " and ".join(found["nearest"])
    return [*rows, f"least apart: {nearest}, {found['nearest_mm']:.2f} mm; neutral and calm {found['calm_mm']:.2f} mm"]
