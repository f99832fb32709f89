"""The sound of an emotion: changes to a clip that leave its timing alone.

Pitch, its range and contour, contrast of loudness, spectral tilt, breath and formants are changed through the WORLD
vocoder (Morise et al. 2016).
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from emoface_training.errors import SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE

from .phonemes import Segment
from .prosody import Prosody, melody, phrases

_HOP_MS = 5.0
_LOUDNESS_FRAME = 160  # samples of a step in which loudness is seen
_MOST_CONTRAST_DB = 8.0


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


def timbre(how: Prosody) -> Prosody:
    """What is left for the vocoder where an engine changes rate, pitch and loudness itself."""
    return Prosody(tilt=how.tilt, breath=how.breath, formants=how.formants)


def audible(how: Prosody) -> bool:
    """Whether the timbre differs enough from the engine's to be worth the vocoder's own traces."""
    return abs(how.tilt) > 0.6 or how.breath > 0.06 or abs(how.formants - 1) > 0.01


def _warp(frames: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the frequency axis of [T, K] by ``factor``."""
    bins = frames.shape[1]
    position = np.clip(np.arange(bins) / factor, 0, bins - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, bins - 1)
    weight = position - low
    return frames[:, low] * (1 - weight) + frames[:, high] * weight


def revoice(audio: np.ndarray, segments: Sequence[Segment], how: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Speak ``audio`` [N] again in another manner, with the same N and the same timing; unvoiced clips return as is.

    Rate, pauses and effort are not changed here.
    """
    if np.abs(audio).max(initial=0.0) < 1e-4:
        return audio
    world = check()
    # WORLD needs a little noise where an engine leaves digital silence.
    signal = np.ascontiguousarray(audio + 1e-5 * rng.standard_normal(len(audio)))
    pitch, time = world.dio(signal, SAMPLE_RATE, f0_floor=60, f0_ceil=600, frame_period=_HOP_MS)
    pitch = world.stonemask(signal, pitch, time, SAMPLE_RATE)
    voiced = pitch > 0
    if voiced.sum() < 5:
        return audio
    envelope = world.cheaptrick(signal, pitch, time, SAMPLE_RATE)
    # Aperiodicity varies slowly: every second frame is enough, and it is the dearest part of the analysis.
    aperiodicity = world.d4c(
        signal, np.ascontiguousarray(pitch[::2]), np.ascontiguousarray(time[::2]), SAMPLE_RATE
    ).repeat(2, axis=0)[: len(pitch)]

    octaves = np.log2(np.maximum(pitch, 1.0))
    mean = float(octaves[voiced].mean())
    new = 2.0 ** melody(octaves, mean, _HOP_MS / 1000, phrases(segments), how, rng)
    new = np.where(voiced, np.clip(new, 55, 600), 0.0)

    if abs(how.formants - 1) > 1e-3:
        envelope, aperiodicity = _warp(envelope, how.formants), _warp(aperiodicity, how.formants)
    frequency = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    tilt_db = how.tilt * np.log2(np.maximum(frequency, 300) / 1000)
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
    spoken = np.pad(spoken, (0, max(0, len(audio) - len(spoken))))[: len(audio)]
    return spoken if abs(how.contrast - 1) < 1e-3 else _contrasted(spoken, how.contrast)


def _contrasted(audio: np.ndarray, contrast: float) -> np.ndarray:
    """Loud syllables louder and soft ones softer, or the other way round, by a factor on their decibels."""
    frames = len(audio) // _LOUDNESS_FRAME
    if frames < 10:
        return audio
    power = (audio[: frames * _LOUDNESS_FRAME].reshape(frames, -1) ** 2).mean(1)
    power = np.convolve(np.pad(power, 3, mode="edge"), np.ones(7) / 7, "valid")
    decibels = 10 * np.log10(power + 1e-12)
    speaking = decibels > decibels.max() - 35
    excess = (contrast - 1) * (decibels - decibels[speaking].mean()) * speaking
    excess = np.clip(
        np.convolve(np.pad(excess, 2, mode="edge"), np.ones(5) / 5, "valid"), -_MOST_CONTRAST_DB, _MOST_CONTRAST_DB
    )
    centres = (np.arange(frames) + 0.5) * _LOUDNESS_FRAME
    return audio * 10 ** (np.interp(np.arange(len(audio)), centres, excess) / 20)
