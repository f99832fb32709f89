"""What a microphone or a line does to the spectrum: equalisers, narrow bands, low sampling rates, telephones.

Filters are of zero phase or resample symmetrically, so that nothing moves in time.
"""

from collections.abc import Callable
from math import gcd

import numpy as np
from scipy import fft
from scipy.signal import resample_poly

from emoface_training.vocabulary import SAMPLE_RATE

from .recording_levels import rms

BANDS = ("telephone", "8 kHz", "11 kHz", "muffled")
_MARGIN = SAMPLE_RATE // 10  # samples of silence behind, in which a filter may ring


def filtered(audio: np.ndarray, frequency: list[float], gain_db: list[float] | np.ndarray) -> np.ndarray:
    """Audio [N] through a zero-phase response in dB at frequencies (Hz), straight over log f between them."""
    size = fft.next_fast_len(len(audio) + _MARGIN, real=True)
    bins = np.maximum(fft.rfftfreq(size, 1 / SAMPLE_RATE), 1.0)
    response = 10 ** (np.interp(np.log(bins), np.log(frequency), gain_db) / 20)
    return fft.irfft(fft.rfft(audio, size) * response, size)[: len(audio)]


def passed(audio: np.ndarray, low: float, high: float, slope_db: float = 24.0) -> np.ndarray:
    """A band from ``low`` to ``high`` Hz with so many dB per octave outside."""
    points = [low / 8, low, high, high * 8]
    return filtered(audio, points, [-3 * slope_db, 0.0, 0.0, -3 * slope_db])


def equalised(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random smooth response of about +-8 dB at the same loudness: a place, a distance, a cheap microphone."""
    points = np.geomspace(50.0, SAMPLE_RATE / 2, 8)
    return _as_loud(filtered(audio, list(points), rng.uniform(-8, 8, 8)), audio)


def old_microphone(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Carbon and ribbon: a narrow band with two resonances, and a membrane that bends loud half waves."""
    low, high = rng.uniform(120, 350), rng.uniform(3000, 5500)
    resonances = np.sort(rng.uniform(low * 1.5, high / 1.3, 2))
    points = [low / 4, low, resonances[0], np.sqrt(resonances.prod()), resonances[1], high, high * 2]
    tops = rng.uniform(2, 9, 2)
    thin = filtered(audio, [float(p) for p in points], [-40, 0, tops[0], 0, tops[1], 0, -30])
    peak = np.abs(thin).max(initial=0.0)
    if peak > 0:
        drive, bias = rng.uniform(0.5, 3.0) / peak, rng.uniform(-0.3, 0.3)
        thin = np.tanh(thin * drive + bias) - np.tanh(bias)
    return _as_loud(thin, audio)


def banded(audio: np.ndarray, band: str, rng: np.random.Generator) -> np.ndarray:
    """Audio through one of BANDS: 300-3400 Hz with 8-bit mu-law steps, a low sampling rate, or a cloth over it."""
    if band == "telephone":
        narrow = passed(audio, rng.uniform(200, 330), rng.uniform(3200, 3500), 60)
        return at_rate(narrow, 8000, _mu_law)
    if band == "muffled":
        return passed(audio, 30.0, rng.uniform(1200, 3000), rng.uniform(6, 18))
    rate = {"8 kHz": 8000, "11 kHz": 11025}[band]
    return at_rate(audio, rate) if rng.random() < 0.7 else _coarsely(audio, rate)


def at_rate(audio: np.ndarray, rate: int, line: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """As sampled at ``rate`` Hz: nothing above half of it is left. ``line`` changes the samples at that rate."""
    common = gcd(rate, SAMPLE_RATE)
    there = resample_poly(audio, rate // common, SAMPLE_RATE // common)
    there = there if line is None else line(there)
    return resample_poly(there, SAMPLE_RATE // common, rate // common)[: len(audio)]


def _coarsely(audio: np.ndarray, rate: int) -> np.ndarray:
    """As `at_rate` by a careless converter: straight lines between samples, with aliases and images."""
    place = np.arange(len(audio))
    kept = np.arange(0, len(audio), SAMPLE_RATE / rate)
    return np.interp(place, kept, np.interp(kept, place, audio))


def _mu_law(audio: np.ndarray) -> np.ndarray:
    """The 255 steps of a digital telephone line (ITU-T G.711's law)."""
    folded = np.sign(audio) * np.log1p(255 * np.minimum(np.abs(audio), 1)) / np.log(256)
    steps = np.round(folded * 127) / 127
    return np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255


def _as_loud(changed: np.ndarray, audio: np.ndarray) -> np.ndarray:
    level = rms(changed)
    return changed * (rms(audio) / level) if level > 0 else changed
