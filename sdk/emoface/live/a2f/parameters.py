"""What of Audio2Face-3D's parameters our voices have, and what they do not: the latter is said to the client."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import ConditionError, RigError
from emoface.live.codes import LiveError
from emoface.rig import EmotionBlending, RigControls
from emoface.rig.names import ARKIT_52

Floats = npt.NDArray[np.float32]

CONTROLS: Mapping[str, str] = {
    "lowerFaceSmoothing": "lower_smoothing",
    "upperFaceSmoothing": "upper_smoothing",
    "lowerFaceStrength": "lower_strength",
    "upperFaceStrength": "upper_strength",
    "faceMaskLevel": "mask_level",
    "faceMaskSoftness": "mask_softness",
    "skinStrength": "skin_strength",
    "blinkStrength": "blink_strength",
    "blinkOffset": "blink_offset",
    "eyelidOpenOffset": "eyelid_open_offset",
    "lipOpenOffset": "lip_open_offset",
    "tongueStrength": "tongue_strength",
    "tongueHeightOffset": "tongue_height_offset",
    "tongueDepthOffset": "tongue_depth_offset",
}
"""Their face parameters and our controls; scales are each one's own."""

EMOTIONS: Mapping[str, str] = {
    "amazement": "surprised",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "grief": "sad",
    "joy": "happy",
    "sadness": "sad",
    "neutral": "neutral",
}
"""Their emotions and ours; cheekiness, outofbreath and pain have none."""
_THEIRS = {"surprised": "amazement", "angry": "anger", "disgusted": "disgust", "fearful": "fear", "happy": "joy",
           "sad": "sadness"}  # fmt: skip
_NO_EMOTION = ("cheekiness", "outofbreath", "pain")
_UNUSED_FLOATS = 1e-6


@dataclass
class Wishes:
    """What a header asks for.

    Attributes:
        controls: ours, by name.
        blending: how emotion keys are blended.
        auto_strength: how far "auto" follows the voice.
        start: the emotion before the first key, in our names; empty for what the voice says.
        multipliers, offsets: of weights, by name in small letters.
        clamped: whether weights are kept within 0 to 1.
        warnings: what was asked for and is not there.
    """

    controls: dict[str, float] = field(default_factory=dict)
    blending: EmotionBlending = field(default_factory=EmotionBlending)
    auto_strength: float = 1.0
    start: dict[str, float] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)
    offsets: dict[str, float] = field(default_factory=dict)
    clamped: bool = False
    warnings: list[str] = field(default_factory=list)

    def rig_controls(self) -> RigControls | None:
        """The controls, or None where none is asked for."""
        return RigControls(**self.controls) if self.controls else None


def wishes_of(header: Any, warnings: list[str]) -> Wishes:
    """Read a header's parameters.

    Args:
        header: their AudioStreamHeader.
        warnings: the list that `Wishes.warnings` shall be.

    Raises:
        LiveError: code "bad_header" for a value out of its range.
    """
    wishes = Wishes(warnings=warnings)
    try:
        _face(header.face_params, wishes)
        _emotion(header, wishes)
    except (RigError, ConditionError) as error:
        raise LiveError("bad_header", error.got, error.expected, error.remedy) from None
    weights = header.blendshape_params
    for given, kept in (
        (weights.bs_weight_multipliers, wishes.multipliers),
        (weights.bs_weight_offsets, wishes.offsets),
    ):
        for name, value in given.items():
            kept[name.lower()] = _finite(f"the weight's factor or offset {name}", value)
    wishes.clamped = weights.enable_clamping_bs_weight
    return wishes


def _face(given: Any, wishes: Wishes) -> None:
    for name, value in given.float_params.items():
        if name in CONTROLS:
            wishes.controls[CONTROLS[name]] = _finite(name, value)
        else:
            wishes.warnings.append(f"face parameter {name}: no counterpart")
    for name in [*given.integer_params, *given.float_array_params]:
        wishes.warnings.append(f"face parameter {name}: no counterpart")
    softness = wishes.controls.get("mask_softness")
    if softness is not None:
        wishes.controls["mask_softness"] = round(softness, 6)  # .001 as float32 lies below .001
    for name, (low, high) in RigControls.limits().items():
        if name in wishes.controls:  # float32 on the wire: 1.3 arrives as 1.2999999523
            value = round(wishes.controls[name], 6)
            wishes.controls[name] = min(max(value, low), high) if low - 1e-6 <= value <= high + 1e-6 else value
    RigControls(**wishes.controls)


def _emotion(header: Any, wishes: Wishes) -> None:
    asked = header.emotion_post_processing_params
    settings: dict[str, Any] = {}
    if asked.HasField("emotion_contrast"):
        settings["contrast"] = round(asked.emotion_contrast, 6)
    if asked.HasField("max_emotions"):
        settings["max_emotions"] = asked.max_emotions
    if header.emotion_params.HasField("live_transition_time"):
        settings["transition_s"] = round(header.emotion_params.live_transition_time, 6)
    strength = round(asked.emotion_strength, 6) if asked.HasField("emotion_strength") else 1.0
    if not 0.0 <= strength <= 1.0:
        raise LiveError("bad_header", f"emotion_strength {strength:g}", "0 to 1", "Correct it.")
    wishes.auto_strength = strength
    if asked.enable_preferred_emotion:
        preferred = round(asked.preferred_emotion_strength, 6) if asked.HasField("preferred_emotion_strength") else 0.5
        if not 0.0 <= preferred <= 1.0:
            raise LiveError("bad_header", f"preferred_emotion_strength {preferred:g}", "0 to 1", "Correct it.")
        settings |= {"rest": "auto", "strength": preferred * strength}
    else:
        settings["strength"] = strength
    if asked.HasField("live_blend_coef"):
        wishes.warnings.append("live_blend_coef: no counterpart; what is heard is a running mean already")
    wishes.blending = EmotionBlending(**settings)
    wishes.start = emotions_of(header.emotion_params.beginning_emotion, wishes.warnings)


def emotions_of(given: Mapping[str, float], warnings: list[str]) -> dict[str, float]:
    """Weights of our emotions for weights of theirs; what has no counterpart is added to the warnings once.

    Raises:
        LiveError: code "bad_condition" for a weight that is no number from 0 to 1.
    """
    found: dict[str, float] = {}
    for name, weight in given.items():
        if not 0.0 <= weight <= 1.0 + _UNUSED_FLOATS:
            raise LiveError("bad_condition", f"emotion {name} at {weight!r}", "0 to 1", "Correct the weight.")
        ours = EMOTIONS.get(name.lower())
        if ours is not None:
            found[ours] = min(1.0, found.get(ours, 0.0) + weight)
        elif weight > 0:
            known = "no counterpart" if name.lower() in _NO_EMOTION else "unknown"
            if (text := f"emotion {name}: {known}") not in warnings:
                warnings.append(text)
    return {name: weight for name, weight in found.items() if weight > 0}


def theirs(emotions: Sequence[str], weights: Iterable[float]) -> dict[str, float]:
    """Weights of their emotions for ours."""
    return {_THEIRS[name]: float(w) for name, w in zip(emotions, weights, strict=True) if name in _THEIRS}


class Weights:
    """Weights as they are sent: their names and order, factors, offsets, limits.

    Args:
        names: of our weights, in order.
        wishes: factors and offsets of names that there are not are added to its warnings.
    """

    def __init__(self, names: Sequence[str], wishes: Wishes) -> None:
        ordered = [*(n for n in ARKIT_52 if n in names), *(n for n in names if n not in ARKIT_52)]
        self._places = np.array([list(names).index(name) for name in ordered], np.int64)
        self.names = [name[:1].upper() + name[1:] for name in ordered]
        lower = [name.lower() for name in self.names]
        self._factors = np.array([wishes.multipliers.get(name, 1.0) for name in lower], np.float32)
        self._offsets = np.array([wishes.offsets.get(name, 0.0) for name in lower], np.float32)
        self._clamped = wishes.clamped
        for name in sorted({*wishes.multipliers, *wishes.offsets} - set(lower)):
            if wishes.multipliers.get(name, 1.0) != 1.0 or wishes.offsets.get(name, 0.0) != 0.0:
                wishes.warnings.append(f"weight {name}: there is none of that name")

    def sent(self, weights: Floats) -> Floats:
        """Weights (n, K) in our order -> (n, K) in theirs: w * factor + offset, within 0 to 1 only if asked for."""
        out = weights[:, self._places] * self._factors + self._offsets
        return np.clip(out, 0.0, 1.0) if self._clamped else out


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise LiveError("bad_header", f"{name} = {value!r}", "a finite number", "Correct it.")
    return float(value)
