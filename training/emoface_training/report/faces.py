"""Faces in pictures: as they look, or coloured by a value per vertex."""

from __future__ import annotations

from typing import Any

import numpy as np

from emoface.render import Camera, Light, Lighting, Renderer, portrait
from emoface.render.portrait import PAPER
from emoface_training.clips.store import StoredClip
from emoface_training.motion.targets import Face

TILE = (200, 292)
# Soft and nearly from the front, so that a colour on the face is the colour of the bar beside it
FLAT = Lighting(
    lights=(Light((0.0, 0.35, 1.0), (0.42, 0.42, 0.42)),),
    sky=(0.66, 0.66, 0.66),
    ground=(0.52, 0.52, 0.52),
    wrap=(0.2, 0.2, 0.2),
    sheen=0.0,
)
LEAST_OPEN = 0.85


def rest_face(face: Face, clip: StoredClip | None = None) -> np.ndarray:
    """The neutral face [V, 3] that a clip's offsets belong to: its subject's own where the dataset has one."""
    if clip is not None and clip.vertices is not None:
        return clip.vertices.template
    return face.template


def portrait_of(face: Face, template: np.ndarray, size: tuple[int, int] = TILE) -> Renderer:
    """A renderer on white; `frame(vertices)` is a picture of (height, width, 3) uint8."""
    colours = getattr(face, "colours", None)
    return portrait(template, face.faces, colours, face.masks, size, background=PAPER)


def coloured(face: Face, values: np.ndarray, scale: Any, size: tuple[int, int] = TILE) -> np.ndarray:
    """The neutral face in the colours of `values` [V]; scale: a matplotlib ScalarMappable. (height, width, 3) uint8."""
    encoded = scale.to_rgba(values)[:, :3]
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    renderer = Renderer(
        face.faces,
        linear,
        size,
        Camera.fit(face.template, size[0] / size[1]),
        template=face.template,
        openness=np.full(len(values), LEAST_OPEN, np.float32),
        lighting=FLAT,
        background=PAPER,
    )
    return renderer.frame(face.template)
