"""Emotion, level and loudness -> the expression parameters, and each actor's own way of moving.

Targets are poses of the whole face at the strong level; they follow the usual descriptions of the six basic emotions by
facial action units (Ekman and Friesen 1978), with ``calm`` as a faint smile under relaxed lids. A pose comes with the
voice, is fullest in a phrase, and sinks back where there is none. ``blink`` is how far tired or relaxed lids hang:
blinking does not follow from sound and is added at run time.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoface_training.errors import OptionsError
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

from .parameters import RIG_PARAMETERS, SPEECH_PARAMETERS
from .phonemes import SIL, Segment
from .visemes import CLOSE, FPS, JAW, LOWER, ROUND, TUCK, UPPER, WIDE, silence_weight, speech_parameters

POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "calm": {"smile": 0.28, "cheek_raise": 0.20, "brow_outer_up": 0.35, "blink": 0.11},
    "happy": {"smile": 0.95, "cheek_raise": 1.0, "eye_squint": 0.85, "brow_outer_up": 0.70, "brow_inner_up": 0.15},
    "sad": {"frown": 0.75, "brow_inner_up": 1.30, "chin_raise": 0.45, "eye_squint": 0.65, "blink": 0.37},
    "angry": {
        "brow_down": 1.0, "eye_wide": 0.75, "lips_press": 0.45, "nose_wrinkle": 0.30, "jaw_forward": 0.25,
        "frown": 0.25,
    },
    "fearful": {
        "brow_inner_up": 1.10, "brow_down": 0.45, "eye_wide": 1.0, "eye_squint": 0.15, "lips_stretch": 0.65,
        "frown": 0.15,
    },
    "disgusted": {
        "nose_wrinkle": 1.15, "upper_lip_up": 0.36, "brow_down": 0.70, "eye_squint": 0.95, "cheek_raise": 0.70,
        "frown": 0.35, "chin_raise": 0.25,
    },
    "surprised": {"brow_inner_up": 0.85, "brow_outer_up": 1.10, "eye_wide": 0.65, "jaw_open": 0.16},
}  # fmt: skip

# How wide an emotional speaker articulates, at the strong level.
ARTICULATION = {
    "neutral": 1.08, "calm": 0.92, "happy": 1.12, "sad": 0.75, "angry": 1.25, "fearful": 1.0, "disgusted": 0.92,
    "surprised": 1.15,
}  # fmt: skip

NORMAL_STRENGTH = 0.8  # of the strong pose

# Seconds in which an expression rises with a phrase and sinks in a pause, and what is left of it there.
_ONSET, _DECAY, _LEFT_IN_PAUSES, _SHORT_PAUSE = 0.25, 1.0, 0.55, 0.25
_AT_FIRST = 0.8  # a clip begins within an emotion
_STRESS = {"angry": {"brow_down": 0.25}, "others": {"brow_outer_up": 0.25, "brow_inner_up": 0.15}}


class Style(NamedTuple):
    """How one actor moves: factors on articulation and expression, and how much more the left half does."""

    jaw: float
    rounding: float
    width: float
    lips: float
    expression: float
    brows: float
    mouth: float
    brow_side: float
    mouth_side: float


def actor_style(name: str) -> Style:
    """The motion style of an actor, drawn from the name alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    low = [0.85, 0.88, 0.88, 0.85, 0.90, 0.85, 0.85, -0.25, -0.25]
    high = [1.15, 1.12, 1.12, 1.20, 1.12, 1.20, 1.15, 0.25, 0.25]
    return Style(*(float(value) for value in rng.uniform(low, high)))


def energy_envelope(audio: np.ndarray, frames: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Loudness of each frame [T] over about 80 ms, relative to the clip's own loud parts (95th percentile is 1)."""
    edges = np.arange(frames + 1) * sample_rate // FPS
    power = np.concatenate([[0.0], np.cumsum(np.asarray(audio, np.float64) ** 2)])
    edges = np.minimum(edges, len(audio))
    rms = np.sqrt((power[edges[1:]] - power[edges[:-1]]) / np.maximum(edges[1:] - edges[:-1], 1))
    if frames >= 3:
        padded = np.pad(rms, 1, mode="edge")
        rms = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    loud = np.percentile(rms, 95) if frames else 1.0
    return np.clip(rms / loud, 0.0, 1.3) if loud > 1e-4 else np.zeros(frames)


def _strength(emotion: str, level: int) -> float:
    if emotion == "neutral":
        return 0.0
    return 1.0 if level else NORMAL_STRENGTH


def presence(segments: Sequence[Segment], frames: int) -> np.ndarray:
    """How far an expression is there [T], 0..1: it rises as a phrase begins and sinks in pauses, never to nothing."""
    time = (np.arange(frames) + 0.5) / FPS
    speaking = np.zeros(frames, bool)
    for name, start, end in segments:
        if name != SIL or end - start < _SHORT_PAUSE:
            speaking |= (time >= start) & (time < end)
    out, level = np.empty(frames), _AT_FIRST
    for frame, now in enumerate(speaking):
        goal, seconds = (1.0, _ONSET) if now else (_LEFT_IN_PAUSES, _DECAY)
        level += (goal - level) * (1.0 - np.exp(-1.0 / (FPS * seconds)))
        out[frame] = level
    return out


def motion(
    segments: Sequence[Segment],
    energy: np.ndarray,
    emotion: str,
    level: int,
    style: Style,
    rng: np.random.Generator,
) -> np.ndarray:
    """All rig parameters [T, P] of a clip, 0..1 but for the sides.

    ``energy`` [T] is :func:`energy_envelope` of the clean speech, ``level`` 0 normal or 1 strong.
    """
    if emotion not in EMOTIONS:
        raise OptionsError(f"the emotion {emotion!r}", f"one of {', '.join(EMOTIONS)}", "Choose one of them.")
    frames = len(energy)
    time = np.arange(frames) / FPS
    strength = _strength(emotion, level) if emotion != "neutral" else float(level)
    articulation = 1 + (ARTICULATION[emotion] - 1) * strength
    gain = np.ones((frames, len(SPEECH_PARAMETERS)))
    loudness = 0.76 + 0.29 * np.clip(energy, 0, 1.2)  # a louder syllable opens wider
    gain[:, JAW] = style.jaw * articulation * loudness
    gain[:, ROUND] = style.rounding
    gain[:, WIDE] = style.width
    gain[:, UPPER] = gain[:, LOWER] = style.lips * (0.5 + 0.5 * articulation)
    out = np.zeros((frames, len(RIG_PARAMETERS)))
    out[:, : len(SPEECH_PARAMETERS)] = speech_parameters(segments, frames, gain)

    silent = silence_weight(segments, frames) if segments else np.ones(frames)
    open_mouth = (1 - silent) * (1 - out[:, CLOSE]) * (1 - out[:, TUCK])
    amount = _strength(emotion, level) * style.expression * rng.uniform(0.92, 1.08)
    smooth = np.convolve(np.pad(energy, 4, mode="edge"), np.ones(9) / 9, "valid") if frames else energy
    drift = 1 + 0.05 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * time + rng.uniform(0, 2 * np.pi))
    envelope = presence(segments, frames) * (0.88 + 0.2 * np.clip(smooth, 0, 1)) * drift
    for name, value in POSES[emotion].items():
        column = RIG_PARAMETERS.index(name)
        taste = style.brows if name.startswith("brow") else style.mouth if name in ("smile", "frown") else 1.0
        track = value * amount * taste * envelope
        out[:, column] += track * open_mouth if column < len(SPEECH_PARAMETERS) else track
    # Brows mark stressed syllables: an angry face frowns them, others flash theirs.
    stress = np.clip(energy - 0.65, 0, 0.5) * style.brows
    for name, share in _STRESS["angry" if emotion == "angry" else "others"].items():
        out[:, RIG_PARAMETERS.index(name)] += share * stress
    out = np.clip(out, 0.0, 1.3)
    out[:, RIG_PARAMETERS.index("brow_side")] = style.brow_side
    out[:, RIG_PARAMETERS.index("mouth_side")] = style.mouth_side
    return out.astype(np.float32)
