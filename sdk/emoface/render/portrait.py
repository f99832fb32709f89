"""The standard picture of a face: what the video and contact sheet writers draw with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emoface.render.camera import Camera
from emoface.render.renderer import Renderer

# How strongly a region reflects the lights as a sharp spot.
_GLOSS = {"lips": 0.10, "tongue": 0.12, "teeth_upper": 0.25, "teeth_lower": 0.25, "eyeballs": 0.75}


def portrait(
    template: NDArray[np.floating],
    faces: NDArray[np.integer],
    colours: NDArray[np.floating] | None = None,
    masks: Mapping[str, NDArray[np.integer]] | None = None,
    size: tuple[int, int] = (512, 512),
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> Renderer:
    """A renderer that frames `template` (V, 3), with glossy eyes, lips and teeth where `masks` name them.

    size is (width, height) in pixels; yaw and pitch, in radians, turn the camera around the head.
    """
    gloss = np.zeros(len(template), np.float32)
    for region, strength in _GLOSS.items():
        if masks is not None and region in masks:
            gloss[masks[region]] = strength
    camera = Camera.fit(template, size[0] / size[1], yaw=yaw, pitch=pitch)
    return Renderer(faces, colours, size, camera, template=template, gloss=gloss if gloss.any() else None)
