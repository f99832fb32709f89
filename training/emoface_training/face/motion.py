"""ARKit's 52 shapes on the head: MakeHuman's face units, with eyes that turn about their centres."""

from __future__ import annotations

import numpy as np

from . import eyeballs
from .base_mesh import VERTICES, BaseMesh
from .cut import PARTS, Cut
from .wheel import Array, Wheel

NAMES = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
# The face units turn the eyes by 10 to 15 degrees, ours further: the lids follow as much further.
LIDS = {"Up": 1.3, "Down": 1.1, "In": 1.0, "Out": 1.0}
# The face unit goes on after the lids have met; ARKit's shape ends there.
_BLINK = 0.70


def shapes(wheel: Wheel, mesh: BaseMesh, cut: Cut, eyes: dict[str, tuple[Array, float]]) -> Array:
    """Offsets [52, V, 3] in decimetres, in the order of `NAMES`; eyes: centre and radius of either by its side."""
    out = np.zeros((len(NAMES), len(cut.part), 3))
    rest = np.flatnonzero(cut.part < PARTS.index("eye_left"))
    # The upper teeth are of the skull; one unit moves them by a rounding error.
    still = (cut.part[rest] != PARTS.index("teeth_upper"))[:, None]
    for row, name in zip(out, NAMES, strict=True):
        row[rest] = still * cut.points(wheel.target(f"faceunits01/targets/faceunits/{name}", VERTICES))
        if name.startswith("eyeBlink"):
            row *= _BLINK
        if name.startswith("eyeLook"):
            side = "left" if name.endswith("Left") else "right"
            direction = name.removeprefix("eyeLook").removesuffix(side.capitalize())
            row *= LIDS[direction]
            pitch, yaw = eyeballs.TURNS[direction]
            centre, radius = eyes[side]
            ball = eyeballs.ball(centre, radius)
            row[cut.of(f"eye_{side}")] = eyeballs.turned(ball, centre, pitch, yaw if side == "left" else -yaw)
    return out
