"""Sounds behind a voice: coloured noise, mains hum, a fan, traffic, a keyboard, people who talk at once.

Each gives [count] float64 samples of root mean square 1.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft
from scipy.signal import lfilter, resample_poly

from emoface_training.vocabulary import SAMPLE_RATE

from .recording_bands import filtered, passed
from .recording_levels import add_at, rms


def unit(audio: np.ndarray) -> np.ndarray:
    """At root mean square 1; silence stays silence."""
    level = rms(audio)
    return audio / level if level > 0 else audio


def coloured(count: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise between white and brown, now and then swelling."""
    size = fft.next_fast_len(count, real=True)
    frequency = np.maximum(fft.rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
    sound = fft.irfft(fft.rfft(rng.standard_normal(size)) * frequency ** -rng.uniform(0.0, 1.2), size)[:count]
    if rng.random() < 0.3:
        sound = sound * swell(count, rng)
    return unit(sound)


def swell(count: int, rng: np.random.Generator, pace: tuple[float, float] = (0.3, 4.0)) -> np.ndarray:
    """A slow random loudness, a factor from about 0.1 to 3, with so many turns per second."""
    knots = max(2, int(count / SAMPLE_RATE * rng.uniform(*pace)) + 2)
    course = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.normal(0, 0.6, knots))
    return np.exp(np.clip(course, -2.3, 1.1))


def hum(count: int, rng: np.random.Generator) -> np.ndarray:
    """Mains: 50 or 60 Hz with harmonics, the odd ones stronger."""
    time = np.arange(count) / SAMPLE_RATE
    base = rng.choice([50.0, 60.0]) * rng.uniform(0.998, 1.002)
    sound = np.zeros(count)
    for k in range(1, 13):
        strength = rng.uniform(0, 1) * (1.0 if k % 2 else 0.6) / k ** rng.uniform(0.3, 1.2)
        sound += strength * np.sin(2 * np.pi * (base * k * time + rng.random()))
    return unit(sound)


def fan(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rushing air, and the tones of the blades and the motor with slowly wandering speed."""
    air = unit(filtered(rng.standard_normal(count), [40, 200, 900, 4000, 8000], [0, 6, 0, -14, -30]))
    speed = rng.uniform(60, 220) * (1 + 0.01 * np.log(swell(count, rng, (0.2, 1.0))))
    phase = np.cumsum(speed) / SAMPLE_RATE
    tones = sum(rng.uniform(0, 1) / k * np.sin(2 * np.pi * (k * phase + rng.random())) for k in range(1, 7))
    return unit(air + rng.uniform(0.1, 0.8) * tones)


def traffic(count: int, rng: np.random.Generator) -> np.ndarray:
    """A road: a low rumble, and cars that pass, brighter while they are near."""
    sound = 0.4 * unit(filtered(rng.standard_normal(count), [20, 80, 400, 2000, 8000], [0, 3, -12, -28, -50]))
    time = np.arange(count) / SAMPLE_RATE
    for _ in range(int(rng.integers(1, 2 + count // (2 * SAMPLE_RATE)))):
        near = 1 / (1 + ((time - rng.uniform(-1, time[-1] + 1)) / rng.uniform(0.4, 1.5)) ** 2)
        tyres = unit(filtered(rng.standard_normal(count), [40, 150, 900, 2500, 8000], [4, 0, 0, -10, -26]))
        motor = sum(np.sin(2 * np.pi * (k * rng.uniform(45, 95) * time + rng.random())) / k for k in range(1, 6))
        sound += rng.uniform(0.4, 1.0) * (tyres * near**1.5 + 0.3 * motor * near)
    return unit(sound)


def key_stroke(rng: np.random.Generator) -> np.ndarray:
    """One key: the finger's landing, the bottom, and a weaker release; float64, peak 1."""
    out = np.zeros(int(0.16 * SAMPLE_RATE))
    for at, strength in ((0.0, rng.uniform(0.1, 0.4)), (rng.uniform(0.008, 0.02), 1.0), (rng.uniform(0.06, 0.12), 0.3)):
        _strike(out, at, strength * rng.uniform(0.7, 1.2), (1500, 6500), 0.003, rng)
        _strike(out, at, 0.6 * strength, (180, 600), 0.008, rng)  # what the desk answers
    return out / np.abs(out).max()


def mouse_click(rng: np.random.Generator) -> np.ndarray:
    """Two short snaps; float64, peak 1."""
    out = np.zeros(int(0.15 * SAMPLE_RATE))
    for at, strength in ((0.0, 1.0), (rng.uniform(0.06, 0.12), rng.uniform(0.5, 0.9))):
        _strike(out, at, strength, (2500, 7000), 0.0015, rng)
    return out / np.abs(out).max()


def _strike(
    out: np.ndarray, at: float, strength: float, between: tuple[float, float], decay: float, rng: np.random.Generator
) -> None:
    """A few damped resonances between two frequencies (Hz) from ``at`` seconds on, added in place."""
    place = int(at * SAMPLE_RATE)
    time = np.arange(len(out) - place) / SAMPLE_RATE
    for frequency in np.exp(rng.uniform(*np.log(between), 4)):
        wave = np.sin(2 * np.pi * frequency * time + rng.uniform(0, 6)) + 0.5 * rng.standard_normal(len(time))
        out[place:] += strength / 4 * wave * np.exp(-time / (decay * rng.uniform(0.6, 1.5)))


def keyboard(count: int, rng: np.random.Generator) -> np.ndarray:
    """Someone types: strokes in runs of 3 to 8 a second, with pauses."""
    sound = np.zeros(count)
    at, pace = rng.uniform(0, 0.5), rng.uniform(3, 8)
    while at * SAMPLE_RATE < count:
        add_at(sound, at, key_stroke(rng) * rng.uniform(0.4, 1.0))
        at += rng.gamma(4, 1 / (4 * pace)) + (rng.uniform(0.4, 1.5) if rng.random() < 0.12 else 0.0)
    return unit(sound)


def babble(count: int, rng: np.random.Generator, nearby: Sequence[np.ndarray]) -> np.ndarray:
    """4 to 12 people at once, far away: the given clips at other places, paces, pitches and loudnesses."""
    sound = np.zeros(count)
    for _ in range(int(rng.integers(4, 13))):
        sound += rng.uniform(0.3, 1.0) * unit(other_voice(count, rng, nearby))
    return unit(passed(sound, rng.uniform(80, 250), rng.uniform(2500, 6000), 12))


def other_voice(count: int, rng: np.random.Generator, nearby: Sequence[np.ndarray]) -> np.ndarray:
    """One of the given clips [count] from a random place on, again from its beginning at its end, faster or slower."""
    clip = nearby[int(rng.integers(len(nearby)))]
    changed = resample_poly(clip, 20, int(rng.integers(17, 25)))  # pitch and formants move along: another person
    return np.resize(np.roll(changed, -int(rng.integers(len(changed)))), count)


def microphone_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """The hiss of electronics, a little red."""
    return unit(lfilter([1.0], [1.0, -rng.uniform(0.0, 0.6)], rng.standard_normal(count)))


NOISES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "noise": coloured,
    "hum": hum,
    "fan": fan,
    "traffic": traffic,
    "keyboard": keyboard,
}
