"""Loudness of recorded speech: the common level, automatic gain, overload, and the last step to int16."""

from collections.abc import Iterable

import numpy as np

from emoface_training.vocabulary import SAMPLE_RATE

from .phonemes import SIL, Segment

LOUDNESS = 0.06  # root mean square of spoken samples at 0 dB
_BLOCK = SAMPLE_RATE // 200  # samples in which a gain control measures and acts: 5 ms
_DIGITAL_SILENCE = 1e-6


def decibels(value: float) -> float:
    """Factor of a level in dB."""
    return float(10 ** (value / 20))


def rms(audio: np.ndarray) -> float:
    """Root mean square; 0 for no samples."""
    return float(np.sqrt(np.mean(np.square(audio)))) if len(audio) else 0.0


def add_at(audio: np.ndarray, at: float, sound: np.ndarray) -> None:
    """Add a sound from ``at`` seconds on, in place; what lies outside is cut off."""
    place = int(at * SAMPLE_RATE)
    if 0 <= place < len(audio):
        part = sound[: len(audio) - place]
        audio[place : place + len(part)] += part


def spoken(segments: Iterable[Segment], count: int) -> np.ndarray:
    """Which of ``count`` samples belong to a phoneme, bool [count]."""
    mask = np.zeros(count, bool)
    for name, start, end in segments:
        if name != SIL:
            mask[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = True
    return mask


def normalised(audio: np.ndarray, speaking: np.ndarray, gain_db: float) -> np.ndarray:
    """Speech [N] at the common loudness plus ``gain_db``; pauses do not count.

    A clip without speech gets the gain alone; silence stays silence.
    """
    level = rms(audio[speaking])
    return audio * (decibels(gain_db) * (LOUDNESS / level if level > _DIGITAL_SILENCE else 1.0))


def gain_control(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An automatic gain: quiet parts come up to the common loudness within its range, fast down and slowly up again.

    As telephones and laptops do it: the noise of a pause swells, the first syllable behind is too loud.
    """
    blocks = -(-len(audio) // _BLOCK)
    padded = np.pad(audio, (0, blocks * _BLOCK - len(audio))).reshape(blocks, _BLOCK)
    loud = 20 * np.log10(np.sqrt(np.mean(padded**2, axis=1)) + 1e-7)
    target = 20 * np.log10(LOUDNESS) + rng.uniform(-6, 4)
    most, least = rng.uniform(10, 30), -rng.uniform(10, 20)
    gate = target - rng.uniform(25, 50)  # what is quieter is taken for a pause: the gain waits
    fall, rise = (1 - np.exp(-0.005 / seconds) for seconds in (rng.uniform(0.01, 0.08), rng.uniform(0.3, 2.0)))
    share = rng.uniform(0.5, 1.0)  # of the way to the target
    gain, gains = 0.0, np.empty(blocks)
    for i, level in enumerate(loud):
        if level > gate:
            wanted = float(np.clip(share * (target - level), least, most))
            gain += (fall if wanted < gain else rise) * (wanted - gain)
        gains[i] = gain
    place = np.arange(len(audio)) / _BLOCK
    return audio * 10 ** (np.interp(place, np.arange(1, blocks + 1), gains) / 20)


def overloaded(audio: np.ndarray, over_db: float, rng: np.random.Generator) -> np.ndarray:
    """A recording whose peak would be ``over_db`` above full scale: cut off, or bent as an analogue stage bends it."""
    peak = np.abs(audio).max(initial=0.0)
    if peak < _DIGITAL_SILENCE:
        return audio
    driven = audio * (decibels(over_db) / peak)
    if rng.random() < 0.7:
        return np.clip(driven, -1, 1)
    bias = rng.uniform(-0.2, 0.2)  # one half wave suffers more than the other
    return 0.98 * (np.tanh(driven + bias) - np.tanh(bias)) / (1 + abs(np.tanh(bias)))


def to_int16(audio: np.ndarray) -> np.ndarray:
    """Samples -1..1 -> int16; what is beyond is cut off."""
    return np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
