"""Lossy codecs at low rates, through libsndfile, with their delay measured and taken out.

A codec that starts late would teach a face to follow late: LAME's MP3 comes 1105 samples late at the rates whose
frames have no room for the note that says so. The delay of each setting is therefore measured once per process, on a
probe.
"""

import io
from functools import cache
from math import gcd
from typing import NamedTuple

import numpy as np
import soundfile
from scipy import fft
from scipy.signal import resample_poly

from emoface_training.errors import CorpusError
from emoface_training.vocabulary import SAMPLE_RATE


class Codec(NamedTuple):
    """rate in Hz; level: libsndfile's compression level, 0..1."""

    name: str
    rate: int
    level: float


MP3 = tuple(Codec("mp3", rate, level) for rate in (8000, 11025, 16000) for level in (0.8, 0.9, 0.95))
OPUS = tuple(Codec("opus", rate, level) for rate in (8000, 12000, 16000) for level in (0.93, 0.96, 0.98))
_FORMATS = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS")}
_LATEST = 0.3  # seconds of silence behind the sound, in which a late codec ends


def check() -> None:
    """CorpusError where this libsndfile lacks a codec."""
    absent = [name for name, (container, kind) in _FORMATS.items() if not soundfile.check_format(container, kind)]
    if absent:
        raise CorpusError(
            f"libsndfile {soundfile.__libsndfile_version__} without {' and '.join(absent)}",
            "libsndfile 1.1 or later with LAME, mpg123 and Opus",
            "pip install --force-reinstall soundfile brings one in its wheel.",
        )


def coded(audio: np.ndarray, codec: Codec) -> np.ndarray:
    """Audio float64 [N] at 16 kHz as it comes out of a codec, [N] at the same time; clipped to -1..1."""
    return _there_and_back(audio, codec, delay(codec))


@cache
def delay(codec: Codec) -> int:
    """Samples at the codec's rate by which it comes late, from bursts of noise that it keeps well."""
    rng = np.random.default_rng(0)
    count = SAMPLE_RATE
    spectrum = fft.rfft(rng.standard_normal(count))
    frequency = fft.rfftfreq(count, 1 / SAMPLE_RATE)
    bursts = fft.irfft(spectrum * ((frequency > 300) & (frequency < 1500)), count)
    bursts *= np.interp(np.arange(count), np.arange(0, count, 800), rng.random(20) ** 3)
    sent = _resampled(0.3 * bursts / np.abs(bursts).max(), SAMPLE_RATE, codec.rate)
    came = _decoded(sent, codec)
    size = fft.next_fast_len(len(sent) + len(came), real=True)
    likeness = fft.irfft(fft.rfft(came, size) * np.conj(fft.rfft(sent, size)), size)
    return int(np.argmax(likeness[: int(_LATEST * codec.rate)]))


def _there_and_back(audio: np.ndarray, codec: Codec, late: int) -> np.ndarray:
    padded = np.pad(np.clip(audio, -1, 1), (0, int(_LATEST * SAMPLE_RATE)))
    sound = _decoded(_resampled(padded, SAMPLE_RATE, codec.rate), codec)[late:]
    back = _resampled(sound, codec.rate, SAMPLE_RATE)[: len(audio)]
    return np.pad(back, (0, len(audio) - len(back)))


def _decoded(sound: np.ndarray, codec: Codec) -> np.ndarray:
    check()
    container, kind = _FORMATS[codec.name]
    file = io.BytesIO()
    mode = {"bitrate_mode": "CONSTANT"} if codec.name == "mp3" else {}
    soundfile.write(file, sound, codec.rate, kind, format=container, compression_level=codec.level, **mode)
    file.seek(0)
    came, rate = soundfile.read(file)
    if rate != codec.rate:
        raise CorpusError(f"{rate} Hz from {codec}", f"{codec.rate} Hz", "Install soundfile's own libsndfile.")
    return came


def _resampled(audio: np.ndarray, source: int, target: int) -> np.ndarray:
    common = gcd(source, target)
    return audio if source == target else resample_poly(audio, target // common, source // common)
