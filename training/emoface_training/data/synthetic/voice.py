"""The sound of an emotion: changes to a clip that leave its timing alone.

Pitch, pitch range, tremor, spectral tilt, breath and formants are changed through the WORLD vocoder (Morise et
al. 2016).
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from emoface_training.errors import SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE

_HOP_MS = 5.0


def check() -> Any:
    """The vocoder; SpeechEngineError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld imports pkg_resources, which announces its own end
            import pyworld
    except ImportError as error:
        raise SpeechEngineError(
            f"no pyworld ({error})", "the WORLD vocoder", "pip install 'emoface[corpus]', which needs a C++ compiler."
        ) from error
    return pyworld


class Manner(NamedTuple):
    """How a voice departs from its own neutral one."""

    pitch: float = 1.0  # factor
    pitch_range: float = 1.0  # exponent on the pitch contour
    rate: float = 1.0  # speaking rate, applied by the engine
    gain_db: float = 0.0
    tilt_db: float = 0.0  # per octave around 1 kHz
    breath: float = 0.0  # 0..1
    tremor: float = 0.0  # standard deviation of log pitch
    formants: float = 1.0  # factor


# Correlates of strong emotional speech, after the reviews of Scherer (2003) and Juslin and Laukka (2003).
MANNERS = {
    "neutral": Manner(),
    "calm": Manner(0.95, 0.75, 0.90, -3, -1.5, 0.15, 0, 1),
    "happy": Manner(1.28, 1.5, 1.08, 3, 1.5, 0, 0, 1.03),
    "sad": Manner(0.92, 0.6, 0.78, -5, -3, 0.3, 0.004, 0.99),
    "angry": Manner(1.22, 1.5, 1.12, 6, 3.5, 0, 0.010, 1.0),
    "fearful": Manner(1.42, 1.1, 1.18, 1, 0, 0.25, 0.018, 1.02),
    "disgusted": Manner(0.92, 0.9, 0.85, 0, -1, 0.05, 0.012, 0.96),
    "surprised": Manner(1.5, 1.8, 1.0, 3, 1, 0.1, 0, 1.02),
}
_NEUTRAL_STRONG = Manner(1.05, 1.1, 1.0, 4, 1.0, 0, 0, 1)
_NORMAL_STRENGTH = 0.55


def manner(emotion: str, level: int, rng: np.random.Generator) -> Manner:
    """The manner of one clip: the emotion's correlates at its level, with a speaker's natural spread."""
    goal = np.array(_NEUTRAL_STRONG if emotion == "neutral" and level else MANNERS[emotion])
    strength = (1.0 if level else _NORMAL_STRENGTH) * rng.uniform(0.75, 1.25)
    start = np.array(Manner())
    values = start + (goal - start) * strength
    values[0] *= np.exp(rng.normal(0, 0.03))
    values[1] *= np.exp(rng.normal(0, 0.08))
    values[2] *= np.clip(np.exp(rng.normal(0, 0.06)), 0.85, 1.15)
    values[3] += rng.normal(0, 1)
    return Manner(*(float(value) for value in values))


def _warp(frames: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the frequency axis of [T, K] by ``factor``."""
    bins = frames.shape[1]
    position = np.clip(np.arange(bins) / factor, 0, bins - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, bins - 1)
    weight = position - low
    return frames[:, low] * (1 - weight) + frames[:, high] * weight


def revoice(audio: np.ndarray, how: Manner, rng: np.random.Generator) -> np.ndarray:
    """Speak ``audio`` [N] again in another manner, with the same N and the same timing; unvoiced clips return as is."""
    if np.abs(audio).max(initial=0.0) < 1e-4:
        return audio
    world = check()
    # WORLD needs a little noise where an engine leaves digital silence.
    signal = np.ascontiguousarray(audio + 1e-5 * rng.standard_normal(len(audio)))
    pitch, time = world.dio(signal, SAMPLE_RATE, f0_floor=60, f0_ceil=500, frame_period=_HOP_MS)
    pitch = world.stonemask(signal, pitch, time, SAMPLE_RATE)
    voiced = pitch > 0
    if voiced.sum() < 5:
        return audio
    envelope = world.cheaptrick(signal, pitch, time, SAMPLE_RATE)
    # Aperiodicity varies slowly: every second frame is enough, and it is the dearest part of the analysis.
    aperiodicity = world.d4c(
        signal, np.ascontiguousarray(pitch[::2]), np.ascontiguousarray(time[::2]), SAMPLE_RATE
    ).repeat(2, axis=0)[: len(pitch)]

    mean = np.exp(np.log(pitch[voiced]).mean())
    new = np.where(voiced, mean * (np.maximum(pitch, 1) / mean) ** how.pitch_range * how.pitch, 0.0)
    if how.tremor > 0:
        knots = np.arange(0, len(pitch) + 4, 4)
        shake = np.interp(np.arange(len(pitch)), knots, rng.standard_normal(len(knots)))
        shake += (2 if how.tremor > 0.015 else 0) * np.sin(2 * np.pi * 6 * time + rng.uniform(0, 6))
        new *= np.exp(how.tremor * shake)
    new = np.where(voiced, np.clip(new, 55, 600), 0.0)

    if abs(how.formants - 1) > 1e-3:
        envelope, aperiodicity = _warp(envelope, how.formants), _warp(aperiodicity, how.formants)
    frequency = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    tilt_db = how.tilt_db * np.log2(np.maximum(frequency, 300) / 1000)
    envelope = envelope * 10 ** (tilt_db / 10)
    if how.breath > 0:
        aperiodicity = np.clip(aperiodicity + how.breath * (1 - aperiodicity) * np.clip(frequency / 4000, 0.1, 1), 0, 1)
    spoken = world.synthesize(
        np.ascontiguousarray(new),
        np.ascontiguousarray(envelope),
        np.ascontiguousarray(aperiodicity),
        SAMPLE_RATE,
        frame_period=_HOP_MS,
    )
    return np.pad(spoken, (0, max(0, len(audio) - len(spoken))))[: len(audio)]
