"""The rig: its parameters to weights of ARKit's 52 shapes.

The shapes are offsets that add up, the same for every person. What keeps the mouth right is therefore in the weights:

- Closed lips: `mouthClose` equals `jawOpen`, and every shape that parts the lips is withdrawn, whatever else the face
  does. Shapes that leave touching lips touching (smile, frown, pucker, press, ..) stay: sums of them do, too.
- Tucked lower lip (f v): the pose of `emoface_training.face.contact.TUCK`, with a jaw that is nearly shut.
- The tongue stays in while there is no opening to come out of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emoface_training.face.contact import TUCK
from emoface_training.face.motion import NAMES

from .parameters import RIG_PARAMETERS

Floats = NDArray[np.float64]

# The weight of the shape where its parameter is 1: `jawOpen` 1 opens by 34 mm, a loud /aa/ by about 15.
_JAW = 0.42
_PUCKER, _FUNNEL = 0.90, 0.62
_WIDE_STRETCH, _WIDE_SMILE = 0.34, 0.16
_UPPER, _LOWER = 0.95, 1.05
_TONGUE, _TONGUE_FROM = 0.36, 0.06  # the tongue comes out fully from this much `jawOpen` on
_TUCKED_JAW = 0.75  # share of its opening that the jaw gives up for f and v
_SMILE, _FROWN, _PRESS, _STRETCH = 0.72, 0.85, 0.55, 0.60
_SQUEEZE = 0.25  # of `mouthPress`, where lips are held shut against an open jaw
_SQUEEZED = 0.10  # and the parameter `jaw_open` from which they are
_PAIRED = {
    "cheek_raise": ("cheekSquint", 1.0), "nose_wrinkle": ("noseSneer", 0.75), "brow_outer_up": ("browOuterUp", 0.9),
    "brow_down": ("browDown", 1.0), "eye_wide": ("eyeWide", 0.85), "eye_squint": ("eyeSquint", 0.9),
}  # fmt: skip
_SIDED = {
    "brow_side": ("browOuterUp", "browDown"), "mouth_side": ("mouthSmile", "mouthFrown", "noseSneer", "cheekSquint")
}  # fmt: skip


def weights(parameters: NDArray[np.floating]) -> NDArray[np.float32]:
    """Weights [T, 52], in the order of `face.motion.NAMES`, of parameters [T, P], in the order of `RIG_PARAMETERS`."""
    p = {name: np.asarray(parameters[:, i], np.float64) for i, name in enumerate(RIG_PARAMETERS)}
    out = {name: np.zeros(len(parameters)) for name in NAMES}
    _mouth(p, out)
    out["browInnerUp"] = 0.9 * p["brow_inner_up"]
    for name, (shape, most) in _PAIRED.items():
        _both(out, shape, most * p[name])
    blink = np.clip(p["blink"], 0.0, 1.0)
    _both(out, "eyeBlink", blink)
    for shape in ("eyeWide", "eyeSquint"):
        for side in ("Left", "Right"):
            out[shape + side] *= 1.0 - blink
    for name, shapes in _SIDED.items():
        for shape in shapes:
            out[shape + "Left"] *= 1.0 + p[name]
            out[shape + "Right"] *= 1.0 - p[name]
    return np.stack([np.clip(out[name], 0.0, 1.0) for name in NAMES], axis=1).astype(np.float32)


def _both(out: dict[str, Floats], shape: str, amount: Floats) -> None:
    for side in ("Left", "Right"):
        out[shape + side] = out[shape + side] + amount


def _mouth(p: dict[str, Floats], out: dict[str, Floats]) -> None:
    close = np.clip(p["lips_close"], 0.0, 1.0)
    tuck = np.clip(p["lip_tuck"], 0.0, 1.0) * (1.0 - close)  # closed lips leave no room for a tuck
    apart, loose = 1.0 - close, 1.0 - tuck
    jaw = _JAW * p["jaw_open"] * (1.0 - _TUCKED_JAW * tuck)
    out["jawOpen"] = jaw
    out["jawForward"] = 0.5 * p["jaw_forward"] * (1.0 - 0.85 * close)  # it would part the lips
    out["mouthClose"] = jaw * close
    # Rounding protrudes closed lips as a pucker; the wider they part, the more it is a funnel.
    parted = np.clip(1.1 * p["jaw_open"] + 0.6 * (p["upper_lip_up"] + p["lower_lip_down"]), 0.0, 1.0) * apart
    rounded = p["lips_round"] * loose
    out["mouthPucker"] = _PUCKER * rounded * (1.0 - 0.5 * parted)
    out["mouthFunnel"] = _FUNNEL * rounded * parted
    spread = 1.0 - 0.35 * np.clip(p["lips_round"], 0.0, 1.0)  # rounded lips cannot smile or stretch in full
    wide = p["lips_wide"] * loose
    _both(out, "mouthStretch", _WIDE_STRETCH * wide + _STRETCH * p["lips_stretch"] * spread)
    _both(out, "mouthSmile", _WIDE_SMILE * wide + _SMILE * p["smile"] * spread * (1.0 - 0.6 * tuck))
    _both(out, "mouthFrown", _FROWN * p["frown"])
    _both(out, "mouthUpperUp", _UPPER * p["upper_lip_up"] * apart * loose + tuck * TUCK["mouthUpperUpLeft"])
    _both(out, "mouthLowerDown", _LOWER * p["lower_lip_down"] * apart * loose)
    squeeze = _SQUEEZE * close * np.clip(p["jaw_open"] / _SQUEEZED, 0.0, 1.0)
    _both(out, "mouthPress", _PRESS * p["lips_press"] * loose + squeeze)
    # A smile draws the lips against the teeth: there is less to roll in.
    out["mouthRollLower"] = (
        tuck * TUCK["mouthRollLower"] * (1.0 - 0.06 * np.clip(p["smile"] + p["cheek_raise"], 0.0, 1.5))
    )
    out["mouthShrugLower"] = tuck * TUCK["mouthShrugLower"] + 0.5 * p["chin_raise"] * loose * (
        1.0 - np.clip(2.5 * rounded, 0.0, 1.0) * close
    )
    room = np.clip(jaw * apart / _TONGUE_FROM, 0.0, 1.0)
    out["tongueOut"] = _TONGUE * p["tongue_up"] * room * loose
