"""Offline software rendering of a face in numpy: no GPU, no display, no system package."""

from __future__ import annotations

from emoface.render.camera import Camera
from emoface.render.lighting import Light, Lighting
from emoface.render.portrait import portrait, portrait_of
from emoface.render.renderer import Renderer

__all__ = ["Camera", "Light", "Lighting", "Renderer", "portrait", "portrait_of"]
