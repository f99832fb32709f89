"""Emotion, level and loudness -> the twelve expression parameters, and each actor's own way of moving.

Targets are poses of the whole face at the strong level; they follow the usual descriptions of the six basic emotions by
facial action units (Ekman and Friesen 1978), with ``calm`` as a faint smile. ``blink`` stays 0: blinking does not
follow from sound and is added at run time.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoface_training.errors import OptionsError
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

from .parameters import RIG_PARAMETERS, SPEECH_PARAMETERS
from .phonemes import Segment
from .visemes import CLOSE, FPS, JAW, LOWER, ROUND, UPPER, WIDE, silence_weight, speech_parameters

POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "calm": {"smile": 0.20, "eye_squint": 0.10, "brow_inner_up": 0.06},
    "happy": {"smile": 1.0, "cheek_raise": 0.8, "eye_squint": 0.35, "brow_outer_up": 0.2},
    "sad": {"frown": 0.9, "brow_inner_up": 0.9, "eye_squint": 0.3, "brow_down": 0.1},
    "angry": {
        "brow_down": 1.0, "lips_press": 0.35, "nose_wrinkle": 0.35, "eye_wide": 0.25, "eye_squint": 0.3,
        "jaw_forward": 0.4, "frown": 0.3,
    },
    "fearful": {"brow_inner_up": 0.8, "brow_outer_up": 0.6, "eye_wide": 0.9, "lips_stretch": 0.7, "frown": 0.15},
    "disgusted": {
        "nose_wrinkle": 1.0, "upper_lip_up": 0.36, "brow_down": 0.5, "eye_squint": 0.5, "frown": 0.4,
        "cheek_raise": 0.3,
    },
    "surprised": {"brow_inner_up": 0.8, "brow_outer_up": 1.0, "eye_wide": 0.8, "jaw_open": 0.18},
}  # fmt: skip

# How wide an emotional speaker articulates, at the strong level.
ARTICULATION = {
    "neutral": 1.08, "calm": 0.92, "happy": 1.12, "sad": 0.75, "angry": 1.25, "fearful": 1.0, "disgusted": 0.92,
    "surprised": 1.15,
}  # fmt: skip

NORMAL_STRENGTH = 0.55  # of the strong pose


class Style(NamedTuple):
    """How one actor moves: factors on articulation and expression, and a lopsided taste for some expressions."""

    jaw: float
    rounding: float
    width: float
    lips: float
    expression: float
    brows: float
    mouth: float


def actor_style(name: str) -> Style:
    """The motion style of an actor, drawn from the name alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    low = [0.80, 0.85, 0.85, 0.85, 0.78, 0.75, 0.85]
    high = [1.12, 1.10, 1.15, 1.20, 1.12, 1.25, 1.15]
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


def motion(
    segments: Sequence[Segment],
    energy: np.ndarray,
    emotion: str,
    level: int,
    style: Style,
    rng: np.random.Generator,
) -> np.ndarray:
    """All rig parameters [T, 21] of a clip, in 0..1.

    ``energy`` [T] is :func:`energy_envelope` of the clean speech, ``level`` 0 normal or 1 strong.
    """
    if emotion not in EMOTIONS:
        raise OptionsError(f"the emotion {emotion!r}", f"one of {', '.join(EMOTIONS)}", "Choose one of them.")
    frames = len(energy)
    time = np.arange(frames) / FPS
    strength = _strength(emotion, level) if emotion != "neutral" else float(level)
    articulation = 1 + (ARTICULATION[emotion] - 1) * strength
    gain = np.ones((frames, len(SPEECH_PARAMETERS)))
    loudness = 0.72 + 0.33 * np.clip(energy, 0, 1.2)  # a louder syllable opens wider
    gain[:, JAW] = style.jaw * articulation * loudness
    gain[:, ROUND] = style.rounding
    gain[:, WIDE] = style.width
    gain[:, UPPER] = gain[:, LOWER] = style.lips * (0.5 + 0.5 * articulation)
    out = np.zeros((frames, len(RIG_PARAMETERS)))
    out[:, : len(SPEECH_PARAMETERS)] = speech_parameters(segments, frames, gain)

    silent = silence_weight(segments, frames) if segments else np.ones(frames)
    open_mouth = (1 - silent) * (1 - out[:, CLOSE])
    amount = _strength(emotion, level) * style.expression * rng.uniform(0.92, 1.08)
    # An expression lives with the voice: it is fullest on loud syllables and sinks a little in pauses.
    smooth = np.convolve(np.pad(energy, 4, mode="edge"), np.ones(9) / 9, "valid") if frames else energy
    envelope = 0.78 + 0.22 * np.clip(smooth, 0, 1)
    drift = 1 + 0.05 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * time + rng.uniform(0, 2 * np.pi))
    for name, value in POSES[emotion].items():
        column = RIG_PARAMETERS.index(name)
        taste = style.brows if name.startswith("brow") else style.mouth if name in ("smile", "frown") else 1.0
        track = value * amount * taste * envelope * drift
        out[:, column] += track * open_mouth if column < len(SPEECH_PARAMETERS) else track
    # Rounded lips cannot smile or stretch in full.
    for name in ("smile", "lips_stretch"):
        out[:, RIG_PARAMETERS.index(name)] *= 1 - 0.35 * out[:, ROUND]
    # Brows flash on stressed syllables.
    stress = np.clip(energy - 0.65, 0, 0.5) * style.brows
    out[:, RIG_PARAMETERS.index("brow_outer_up")] += 0.25 * stress
    out[:, RIG_PARAMETERS.index("brow_inner_up")] += 0.12 * stress
    return np.clip(out, 0.0, 1.2).astype(np.float32)
