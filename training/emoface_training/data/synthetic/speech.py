"""What every speech engine returns."""

import io
import wave
from math import gcd
from typing import NamedTuple

import numpy as np
from scipy.signal import resample_poly

from emoface_training.errors import SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE

from .phonemes import Segment


class Speech(NamedTuple):
    """Synthesised speech: mono float64 samples [-1, 1] at 16 kHz, and its phonemes."""

    audio: np.ndarray
    segments: list[Segment]


def to_16k(samples: np.ndarray, rate: int) -> np.ndarray:
    """int16 samples at any rate -> float64 [-1, 1] at 16 kHz."""
    audio = np.asarray(samples, np.float64) / 32768.0
    if rate == SAMPLE_RATE:
        return audio
    divisor = gcd(rate, SAMPLE_RATE)
    return resample_poly(audio, SAMPLE_RATE // divisor, rate // divisor)


def read_wave(data: bytes) -> tuple[np.ndarray, int]:
    """16-bit mono WAVE bytes -> (int16 samples, rate in Hz)."""
    with wave.open(io.BytesIO(data)) as reader:
        if reader.getnchannels() != 1 or reader.getsampwidth() != 2:
            raise SpeechEngineError(
                f"got {reader.getnchannels()} channels of {8 * reader.getsampwidth()} bits from the engine, "
                "expected 16-bit mono: check the installed version of the speech engine"
            )
        samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        return samples, reader.getframerate()


def missing(engine: str, what: str, packages: str) -> SpeechEngineError:
    """The error for an absent engine, naming the Debian packages that bring it."""
    return SpeechEngineError(
        f"the speech engine {engine!r} needs {what}, which is not on this machine; "
        f"install it with: apt-get install {packages}"
    )
