"""Blendshapes: named bases, weights for vertices, controls, other meshes of the same topology."""

from __future__ import annotations

from emoface.rig.basis import Blendshapes
from emoface.rig.names import ARKIT_52
from emoface.rig.solver import BlendshapeSolver

__all__ = ["ARKIT_52", "BlendshapeSolver", "Blendshapes"]
