"""Animations as arrays."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from emoface.frames import Animation
from emoface.writers.atomic import replacing


def write_npz(path: str | os.PathLike[str], animation: Animation) -> None:
    """Writes a .npz that `numpy.load` opens without pickle.

    vertices (T, V, 3) float32 in the package's unit; time (T,) float64 seconds; faces (F, 3) int32; template (V, 3)
    float32; fps int; emotion (T, E) and emotion_weight (T, V) float32; metadata: a JSON text. Where the animation has
    them, blendshape_names (K,) text and blendshape_weights (T, K) float32. The same animation gives the same bytes.
    """
    face = animation.face
    weights: dict[str, Any] = {}
    if animation.blendshapes is not None:
        names = np.array(animation.blendshapes.names)
        weights = {"blendshape_names": names, "blendshape_weights": animation.blendshape_weights}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            vertices=animation.vertices,
            time=animation.time,
            faces=face.faces,
            template=face.template,
            fps=np.int64(animation.fps),
            emotion=animation.emotion,
            emotion_weight=animation.emotion_weight,
            metadata=np.array(
                json.dumps({**animation.metadata, "unit_in_metres": face.unit_in_metres}, sort_keys=True)
            ),
            **weights,
        )
