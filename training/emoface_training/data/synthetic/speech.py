"""What every speech engine returns."""

import io
import wave
from typing import NamedTuple

import numpy as np

from emoface_training.data.resampling import at_sample_rate
from emoface_training.errors import SpeechEngineError

from .phonemes import Segment


class Speech(NamedTuple):
    """Synthesised speech: mono float64 samples [-1, 1] at 16 kHz, and its phonemes."""

    audio: np.ndarray
    segments: list[Segment]


def to_16k(samples: np.ndarray, rate: int) -> np.ndarray:
    """int16 samples at any rate -> float64 [-1, 1] at 16 kHz."""
    return at_sample_rate(np.asarray(samples, np.float64) / 32768.0, rate)


def read_wave(data: bytes) -> tuple[np.ndarray, int]:
    """16-bit mono WAVE bytes -> (int16 samples, rate in Hz)."""
    with wave.open(io.BytesIO(data)) as reader:
        if reader.getnchannels() != 1 or reader.getsampwidth() != 2:
            raise SpeechEngineError(
                f"{reader.getnchannels()} channels of {8 * reader.getsampwidth()} bits from the engine",
                "16-bit mono",
                "Check the installed version of the speech engine.",
            )
        samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        return samples, reader.getframerate()


def missing(engine: str, what: str, packages: str) -> SpeechEngineError:
    """The error for an absent engine, naming the Debian packages that bring it."""
    return SpeechEngineError(
        f"no {what}, which the speech engine {engine!r} needs",
        "it on this machine",
        f"Install it with: apt-get install {packages}",
    )
