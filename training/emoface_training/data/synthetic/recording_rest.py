"""Sounds of a person who does not speak: breaths, laughs, coughs, sighs, lip smacks, keys and mouse clicks in pauses.

The face rests meanwhile: segments stay, so a model learns that not every loud sound of a near mouth is speech. All is
made by rule: noise and glottal pulses through the resonances of a vocal tract.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from emoface_training.vocabulary import SAMPLE_RATE

from .phonemes import SIL
from .recording_levels import LOUDNESS, add_at, decibels, rms, spoken
from .recording_noises import key_stroke, mouse_click
from .speech import Speech

_EDGE = 0.06  # seconds between a sound and the speech around: the mouth is on its way there
_PAUSE_WITH_SOUND = 0.45
_AH = ((730, 90), (1250, 110), (2550, 170), (3500, 260))  # formants and bandwidths, Hz
_UH = ((560, 120), (1350, 160), (2500, 220), (3500, 300))
_INWARD = ((900, 400), (1700, 300), (2900, 400), (3700, 600))
_HIGHER = ((4500, 600), (5500, 900), (6500, 1200))  # a tract resonates on; without them all is dull
_NOSE = ((300, 200), (1000, 400), (2100, 500), (3200, 700))


class Body(NamedTuple):
    """Whom the sounds of one clip come from: pitch in Hz, and a factor on formants."""

    pitch: float
    formants: float


class RestSound(NamedTuple):
    """make(seconds, body, rng) -> samples; seconds: shortest and longest; level_db of the loudest 30 ms over speech."""

    make: Callable[[float, Body, np.random.Generator], np.ndarray]
    seconds: tuple[float, float]
    level_db: tuple[float, float]
    weight: float


def rest_sounds(speech: Speech, rng: np.random.Generator) -> Speech:
    """Speech with such sounds in some of its pauses, or through a clip without speech; segments unchanged.

    Samples of phonemes, and 60 ms around them, stay as they are. Levels are those of the clip's own speech, or the
    common loudness where there is none.
    """
    audio = speech.audio.astype(np.float64, copy=True)
    speaking = spoken(speech.segments, len(audio))
    level = rms(audio[speaking]) or LOUDNESS
    body = Body(rng.uniform(95, 260), rng.uniform(0.88, 1.18))
    chance = _PAUSE_WITH_SOUND if speaking.any() else 0.85
    for name, start, end in speech.segments:
        if name != SIL or rng.random() > chance:
            continue
        at, until = start + _EDGE, min(end, len(audio) / SAMPLE_RATE) - _EDGE
        if speaking.any() and until - at < 1.5:  # one sound; a breath taken in leads to the phrase behind it
            sound = _drawn(until - at, level, body, rng)
            if sound is not None:
                add_at(audio, at + rng.uniform(0.3, 1.0) * max(0.0, until - at - len(sound) / SAMPLE_RATE), sound)
            continue
        while (sound := _drawn(until - at, level, body, rng)) is not None:
            at += rng.uniform(0, min(1.2, until - at - len(sound) / SAMPLE_RATE))
            add_at(audio, at, sound)
            at += len(sound) / SAMPLE_RATE + rng.gamma(2, 0.25)
    return Speech(audio, speech.segments)


def _drawn(room: float, level: float, body: Body, rng: np.random.Generator) -> np.ndarray | None:
    """A sound that fits into ``room`` seconds, at its level; None where none does."""
    fitting = [sound for sound in REST_SOUNDS.values() if sound.seconds[0] <= room]
    if not fitting:
        return None
    weights = np.array([sound.weight for sound in fitting])
    chosen = fitting[int(rng.choice(len(fitting), p=weights / weights.sum()))]
    least, most = chosen.seconds
    samples = chosen.make(rng.uniform(least, min(most, room)), body, rng)[: int(room * SAMPLE_RATE)]
    samples = _soft_ends(samples)
    return samples * (level * decibels(rng.uniform(*chosen.level_db)) / _loudest(samples))


def _soft_ends(samples: np.ndarray) -> np.ndarray:
    ends = np.clip(np.arange(1, len(samples) + 1) / 32, 0, 1)
    return samples * ends * np.clip(np.arange(len(samples), 0, -1) / 160, 0, 1)


def _loudest(samples: np.ndarray) -> float:
    """Root mean square of the loudest 30 ms."""
    window = min(len(samples), round(0.03 * SAMPLE_RATE))
    power = np.convolve(samples**2, np.full(window, 1 / window), "valid")
    return float(np.sqrt(power.max())) + 1e-9


def _tract(source: np.ndarray, resonances: tuple[tuple[float, float], ...], body: Body) -> np.ndarray:
    """A source through a cascade of resonances (Klatt 1980)."""
    for frequency, bandwidth in resonances + _HIGHER:
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        turn = 2 * radius * np.cos(2 * np.pi * frequency * body.formants / SAMPLE_RATE)
        source = lfilter([1 - turn + radius**2], [1, -turn, radius**2], source)
    return source


def _glottis(pitch: np.ndarray, openness: float, rng: np.random.Generator) -> np.ndarray:
    """Glottal flow derivative [N] at a pitch course (Hz) [N], after Rosenberg (1971), with jitter and shimmer."""
    knots = np.arange(0, len(pitch) + 80, 80)
    unsteady = np.interp(np.arange(len(pitch)), knots, rng.normal(0, 1, len(knots)))
    phase = np.cumsum(pitch * (1 + 0.015 * unsteady)) / SAMPLE_RATE
    turn = phase % 1 / openness
    rising, falling = 2 / 3, 1 / 3
    flow = np.where(turn < rising, np.sin(np.pi * turn / rising), 0.0)
    closing = (turn >= rising) & (turn < 1)
    flow = np.where(closing, -3 * np.sin(np.pi / 2 * (turn - rising) / falling), flow)
    return flow * (1 + 0.1 * rng.standard_normal(int(phase[-1]) + 2))[phase.astype(int)]


def _noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Turbulence at a narrow place, the same whether loud or soft."""
    return lfilter([1], [1, -0.3], rng.standard_normal(count))


def _course(points: list[float], count: int) -> np.ndarray:
    """A smooth course [count] through evenly spaced points."""
    place = np.linspace(0, len(points) - 1, count)
    left = np.minimum(place.astype(int), len(points) - 2)
    share = 0.5 - 0.5 * np.cos(np.pi * (place - left))
    values = np.asarray(points, np.float64)
    return values[left] * (1 - share) + values[left + 1] * share


def breath_in(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """Rises to a maximum late and stops soon behind it; through the mouth, or the nose."""
    count = int(seconds * SAMPLE_RATE)
    resonances = _NOSE if rng.random() < 0.3 else _INWARD
    loud = _course([0, 0.25, rng.uniform(0.4, 0.7), rng.uniform(0.7, 0.9), 1, 0.8, 0], count)
    return _tract(_noise(count, rng), resonances, body) * loud


def breath_out(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """Loud at once, then dying away."""
    count = int(seconds * SAMPLE_RATE)
    resonances = _NOSE if rng.random() < 0.3 else _UH
    return _tract(_noise(count, rng), resonances, body) * _course([0, 1, 0.7, 0.45, 0.25, 0.1, 0], count)


def sigh(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """A breath in, a moment, a long breath out with a falling murmur in it."""
    inward = breath_in(seconds * rng.uniform(0.28, 0.38), body, rng)
    count = int(seconds * SAMPLE_RATE) - len(inward)
    pitch = body.pitch * _course([1.25, 1.1, 0.85, 0.7], count)
    murmur = _glottis(pitch, 0.85, rng) * _course([0, 1, 0.6, 0.2, 0, 0], count)
    air = _noise(count, rng) * _course([0, 0.9, 1, 0.6, 0.3, 0.1, 0], count)
    out = _tract(rng.uniform(0.0, 0.5) * murmur + 0.5 * air, _UH, body)
    return np.concatenate([0.6 * inward * rms(out) / (rms(inward) + 1e-12), out])


def laugh(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """Bursts of "ha" at 4 to 6 a second, each breathed on; pitch and loudness sink; now and then without voice."""
    count = int(seconds * SAMPLE_RATE)
    out = np.zeros(count)
    voiced, top = rng.random() < 0.8, body.pitch * rng.uniform(1.4, 2.2)
    at, period = 0.0, 1 / rng.uniform(4.2, 6.0)
    while at + 0.1 < seconds:
        size = int(min(period * rng.uniform(0.85, 1.0), seconds - at) * SAMPLE_RATE)
        done = at / seconds
        breath = _noise(size, rng) * _course([0, 0.8, 0.35, 0.25, 0.4, 0], size)
        voice = _glottis(top * (1 - 0.35 * done) * _course([0.92, 1.08, 0.95, 0.85], size), 0.7, rng)
        burst = 0.5 * breath + (voiced * 1.2) * voice * _course([0, 0.1, 1, 0.85, 0.1, 0], size)
        add_at(out, at, burst * (1 - 0.6 * done) * rng.uniform(0.75, 1.1))
        at += period * (1 + 0.25 * done) * rng.uniform(0.93, 1.07)
    return _tract(out, _AH, body)


def cough(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """One to three: a burst, a noisy middle, now and then a voiced end."""
    count = int(seconds * SAMPLE_RATE)
    out = np.zeros(count)
    at = 0.0
    while at + 0.16 < seconds:
        size = int(min(rng.uniform(0.2, 0.42), seconds - at) * SAMPLE_RATE)
        time = np.arange(size) / SAMPLE_RATE
        burst = _noise(size, rng) * (np.exp(-time / 0.022) * 2.2 + _course([0.2, 0.55, 0.5, 0.3, 0.1, 0], size))
        end = _glottis(body.pitch * _course([1.5, 1.3, 1.0], size), 0.6, rng) * _course([0, 0, 0.2, 1, 0.4, 0], size)
        add_at(out, at, (burst + rng.choice([0.0, 0.8]) * end) * np.minimum(time / 0.002, 1))
        at += size / SAMPLE_RATE + rng.uniform(0.02, 0.15)
    return _tract(out, _UH, body) + 0.25 * out * rms(_tract(out, _UH, body)) / (rms(out) + 1e-12)


def lip_smack(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    """One to three wet clicks as lips or tongue part."""
    out = np.zeros(int(seconds * SAMPLE_RATE))
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.uniform(0, 0.6) * len(out))
        time = np.arange(len(out) - place) / SAMPLE_RATE
        click = _noise(len(time), rng) * np.exp(-time / rng.uniform(0.002, 0.006))
        out[place:] += rng.uniform(0.4, 1) * click
    return _tract(out, ((rng.uniform(900, 1800), 250), (rng.uniform(2200, 3600), 350)), body)


def _keys(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(int(seconds * SAMPLE_RATE))
    at, pace = 0.0, rng.uniform(4, 9)
    while True:
        stroke = key_stroke(rng) * rng.uniform(0.4, 1.0)
        if int(at * SAMPLE_RATE) + len(stroke) > len(out):
            return out
        add_at(out, at, stroke)
        at += rng.gamma(4, 1 / (4 * pace))


def _mouse(seconds: float, body: Body, rng: np.random.Generator) -> np.ndarray:
    return mouse_click(rng)


REST_SOUNDS = {
    "breath in": RestSound(breath_in, (0.25, 0.8), (-26, -6), 3.0),
    "breath out": RestSound(breath_out, (0.3, 1.0), (-28, -10), 2.0),
    "sigh": RestSound(sigh, (0.9, 1.8), (-20, -4), 0.7),
    "laugh": RestSound(laugh, (0.5, 2.0), (-8, 6), 1.2),
    "cough": RestSound(cough, (0.3, 1.1), (-4, 8), 1.0),
    "lip smack": RestSound(lip_smack, (0.06, 0.2), (-22, -6), 1.2),
    "keys": RestSound(_keys, (0.18, 1.6), (-24, -2), 1.0),
    "mouse": RestSound(_mouse, (0.16, 0.2), (-26, -8), 0.6),
}
