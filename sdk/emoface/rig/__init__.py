"""Blendshapes: named bases, weights for vertices, controls, blinks, other meshes of the same topology."""

from __future__ import annotations

from emoface.rig.basis import Blendshapes
from emoface.rig.basis_files import read_blendshapes
from emoface.rig.blinks import Blinks
from emoface.rig.controls import RigControls
from emoface.rig.names import ARKIT_52
from emoface.rig.retarget import Retarget
from emoface.rig.solver import BlendshapeSolver

__all__ = [
    "ARKIT_52",
    "BlendshapeSolver",
    "Blendshapes",
    "Blinks",
    "Retarget",
    "RigControls",
    "read_blendshapes",
]
