"""Apple's 52 face shapes by name."""

from __future__ import annotations

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
_MOUTH_PAIRS = ("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch")
_LIP_PAIRS = ("mouthPress", "mouthLowerDown", "mouthUpperUp")


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in ("Left", "Right"))


ARKIT_52: tuple[str, ...] = (
    *(f"{name}Left" for name in _EYE),
    *(f"{name}Right" for name in _EYE),
    *("jawForward", "jawRight", "jawLeft", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft"),
    *_both(_MOUTH_PAIRS),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *_both(_LIP_PAIRS),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""In the order of Live Link Face's files. Left and right are those of the face."""
