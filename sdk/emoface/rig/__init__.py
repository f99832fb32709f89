"""Blendshapes: named bases, weights for vertices, other meshes of the topology. Controls, emotion keys, blinks, gaze,
head sway."""

from __future__ import annotations

from emoface.rig.basis import Blendshapes
from emoface.rig.basis_files import read_blendshapes
from emoface.rig.blinks import Blinks
from emoface.rig.controls import RigControls
from emoface.rig.gaze import Gaze
from emoface.rig.head_sway import HeadSway
from emoface.rig.names import ARKIT_52
from emoface.rig.retarget import Retarget
from emoface.rig.solver import BlendshapeSolver
from emoface.rig.timeline import EmotionBlend, EmotionBlending, EmotionTimeline

__all__ = [
    "ARKIT_52",
    "BlendshapeSolver",
    "Blendshapes",
    "Blinks",
    "EmotionBlend",
    "EmotionBlending",
    "EmotionTimeline",
    "Gaze",
    "HeadSway",
    "Retarget",
    "RigControls",
    "read_blendshapes",
]
