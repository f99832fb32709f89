"""How an emotional utterance departs from the same voice's neutral one, and how people differ in it.

Nobody acts by one recipe. Every emotion has several *ways* (hot and cold anger, elated and content joy), each of them
ranges rather than values; a speaker leans to some ways and exaggerates some features; every clip draws anew. Some ways
are held out: no speaker of the training, validation, word, voice and engine splits ever uses them. The ranges follow
Banse and Scherer (1996) and the review of Juslin and Laukka (2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoface_training.vocabulary import EMOTIONS

from .phonemes import SIL, Segment


class Prosody(NamedTuple):
    """Departures of one utterance from the voice as its engine has it."""

    rate: float = 1.0  # speaking rate, factor
    pause: float = 1.0  # lengths of pauses, factor
    pitch: float = 0.0  # semitones
    range: float = 1.0  # of the pitch around its mean, factor
    slope: float = 0.0  # semitones by which the end of a phrase rises
    effort: float = 0.0  # loudness, dB
    contrast: float = 1.0  # loud against soft syllables, factor
    jitter: float = 0.0  # standard deviation of irregular pitch, semitones
    tremor: float = 0.0  # amplitude of pitch that trembles at about 6 Hz, semitones
    tilt: float = 0.0  # of the spectrum, dB per octave
    breath: float = 0.0  # 0 to 1
    formants: float = 1.0  # factor


FIELDS = Prosody._fields
_FACTORS = np.array([getattr(Prosody(), name) == 1.0 for name in FIELDS])  # these add up as logarithms
_ONE_SIDED = np.array([name in ("jitter", "tremor", "breath") for name in FIELDS])

Way = dict[str, tuple[float, float]]  # field -> lowest and highest value of strong emotion; others stay as they are

WAYS: dict[str, dict[str, Way]] = {
    "neutral": {
        # Neutral departs from itself at the strong level alone: the same person, speaking up.
        "plain": {"pitch": (0.4, 1.4), "range": (1.04, 1.2), "effort": (2, 5), "tilt": (0.3, 1.2)},
    },
    "calm": {
        "relaxed": {
            "rate": (0.82, 0.92), "pause": (1.2, 1.6), "pitch": (-1.5, -0.4), "range": (0.66, 0.86), "slope": (-1.2, 0),
            "effort": (-5, -2), "contrast": (0.8, 0.95), "tilt": (-2.2, -0.8), "breath": (0.05, 0.2),
        },
        "soothing": {
            "rate": (0.78, 0.88), "pause": (1.3, 1.8), "pitch": (0, 0.9), "range": (0.78, 0.95), "slope": (-0.4, 0.8),
            "effort": (-6, -3), "contrast": (0.75, 0.9), "tilt": (-2.8, -1.4), "breath": (0.2, 0.36),
            "formants": (1.0, 1.025),
        },
    },
    "happy": {
        "elated": {
            "rate": (1.05, 1.18), "pause": (0.6, 0.85), "pitch": (3.4, 6), "range": (1.5, 2.0), "slope": (0.8, 3),
            "effort": (3, 6), "contrast": (1.15, 1.4), "tilt": (1, 2.4), "formants": (1.02, 1.05),
        },
        "content": {
            "rate": (0.97, 1.06), "pause": (0.8, 1.05), "pitch": (1.4, 2.8), "range": (1.3, 1.6), "slope": (0.5, 2),
            "effort": (0.5, 2.5), "contrast": (1.05, 1.2), "tilt": (0.3, 1.2), "formants": (1.025, 1.06),
        },
        "playful": {
            "rate": (0.98, 1.1), "pause": (0.7, 1.0), "pitch": (2.4, 4), "range": (1.75, 2.3), "slope": (1.8, 3.6),
            "effort": (1, 3), "contrast": (1.2, 1.45), "tilt": (0.2, 1.4), "formants": (1.02, 1.06),
        },
    },
    "sad": {
        "subdued": {
            "rate": (0.7, 0.82), "pause": (1.5, 2.2), "pitch": (-3, -1.4), "range": (0.4, 0.6), "slope": (-3, -1.4),
            "effort": (-8, -5), "contrast": (0.7, 0.86), "jitter": (0.05, 0.15), "tilt": (-3.8, -2.4),
            "breath": (0.15, 0.35),
        },
        "tearful": {
            "rate": (0.74, 0.87), "pause": (1.4, 2.2), "pitch": (0.5, 2.2), "range": (0.5, 0.75), "slope": (-2.6, -1),
            "effort": (-5, -2), "contrast": (0.82, 1.0), "jitter": (0.1, 0.25), "tremor": (0.25, 0.5),
            "tilt": (-3, -1.4), "breath": (0.3, 0.5),
        },
        "gloomy": {
            "rate": (0.66, 0.75), "pause": (1.3, 1.9), "pitch": (-2.2, -0.6), "range": (0.34, 0.5), "slope": (-2.4, -1),
            "effort": (-5, -2.5), "contrast": (0.75, 0.9), "tilt": (-3, -1.6), "formants": (0.965, 1.0),
        },
    },
    "angry": {
        "hot": {
            "rate": (1.08, 1.22), "pause": (0.5, 0.75), "pitch": (2.8, 5.4), "range": (1.3, 1.75), "slope": (-3, -0.8),
            "effort": (6, 10), "contrast": (1.3, 1.6), "jitter": (0.12, 0.25), "tilt": (2.8, 4.5),
        },
        "cold": {
            "rate": (0.92, 1.03), "pause": (0.8, 1.1), "pitch": (-0.5, 1), "range": (0.85, 1.1), "slope": (-3.4, -1.8),
            "effort": (2.5, 5.5), "contrast": (1.3, 1.6), "jitter": (0.05, 0.12), "tilt": (2.4, 4),
            "formants": (0.97, 1.0),
        },
        "irritated": {
            "rate": (1.05, 1.16), "pause": (0.6, 0.9), "pitch": (1, 2.6), "range": (1.1, 1.35), "slope": (-3, -1.4),
            "effort": (3, 6), "contrast": (1.2, 1.45), "jitter": (0.08, 0.18), "tilt": (2, 3.4),
        },
    },
    "fearful": {
        "panicking": {
            "rate": (1.18, 1.32), "pause": (0.5, 0.8), "pitch": (5, 8), "range": (0.8, 1.1), "slope": (0, 1.5),
            "effort": (2, 5), "jitter": (0.25, 0.5), "tremor": (0.2, 0.45), "tilt": (0.4, 2), "breath": (0.1, 0.25),
        },
        "anxious": {
            "rate": (1.08, 1.2), "pause": (0.9, 1.3), "pitch": (2.5, 4.6), "range": (0.62, 0.86), "slope": (0.4, 2),
            "effort": (-3, -0.5), "contrast": (0.85, 1.0), "jitter": (0.15, 0.35), "tremor": (0.2, 0.42),
            "tilt": (-1, 0.6), "breath": (0.3, 0.5),
        },
    },
    "disgusted": {
        "repelled": {
            "rate": (0.77, 0.88), "pause": (1.1, 1.5), "pitch": (-2, -0.5), "range": (1.05, 1.3), "slope": (-5, -3),
            "effort": (0, 2), "contrast": (1.2, 1.5), "jitter": (0.15, 0.32), "tilt": (-1, 0.5),
            "formants": (0.93, 0.96),
        },
        "contemptuous": {
            "rate": (0.84, 0.94), "pause": (1.0, 1.4), "pitch": (-3, -1.4), "range": (0.8, 1.02), "slope": (-4, -2),
            "effort": (-1, 1), "contrast": (1.1, 1.3), "jitter": (0.1, 0.2), "tilt": (0, 1.2),
            "formants": (0.94, 0.97),
        },
    },
    "surprised": {
        "amazed": {
            "rate": (0.92, 1.03), "pitch": (4, 6.5), "range": (1.8, 2.3), "slope": (4, 6.6), "effort": (2, 4),
            "contrast": (1.1, 1.3), "tilt": (0.4, 1.5), "breath": (0.05, 0.16),
        },
        "startled": {
            "rate": (1.07, 1.2), "pause": (0.7, 0.95), "pitch": (6.2, 9), "range": (1.5, 2.0), "slope": (2.4, 4.6),
            "effort": (4, 7), "contrast": (1.1, 1.3), "tilt": (1, 2.4), "breath": (0.1, 0.2),
        },
    },
}  # fmt: skip

HELD_OUT_WAYS: dict[str, dict[str, Way]] = {
    "neutral": {
        "insistent": {"rate": (0.9, 0.97), "range": (0.9, 1.02), "effort": (1.5, 4), "contrast": (1.1, 1.25)},
    },
    "calm": {
        "serene": {
            "rate": (0.76, 0.85), "pause": (1.6, 2.2), "pitch": (-2.4, -1.5), "range": (0.76, 0.95), "slope": (-1, 0),
            "effort": (-4.5, -2), "contrast": (0.85, 1.0), "tilt": (-2, -0.8), "breath": (0.05, 0.15),
        },
    },
    "happy": {
        "amused": {
            "rate": (1.06, 1.15), "pause": (0.7, 0.95), "pitch": (2.8, 4), "range": (1.35, 1.7), "slope": (3, 5),
            "effort": (1, 3), "contrast": (1.1, 1.3), "tremor": (0.1, 0.25), "tilt": (0.4, 1.4), "breath": (0.1, 0.25),
            "formants": (1.03, 1.06),
        },
        "triumphant": {
            "rate": (0.9, 0.98), "pause": (0.85, 1.1), "pitch": (3.5, 5.5), "range": (1.55, 1.9), "slope": (2, 4),
            "effort": (3.5, 6), "contrast": (1.2, 1.4), "tilt": (1, 2.4), "formants": (1.02, 1.05),
        },
    },
    "sad": {
        "mournful": {
            "rate": (0.62, 0.7), "pause": (1.8, 2.5), "pitch": (-1, 0.4), "range": (0.55, 0.75), "slope": (-4, -3),
            "effort": (-6.5, -4), "contrast": (0.75, 0.9), "jitter": (0.05, 0.15), "tremor": (0.1, 0.22),
            "tilt": (-3.4, -2), "breath": (0.25, 0.4),
        },
    },
    "angry": {
        "threatening": {
            "rate": (0.83, 0.91), "pause": (0.9, 1.3), "pitch": (-2, -0.6), "range": (0.9, 1.15), "slope": (-4, -2.4),
            "effort": (3, 6), "contrast": (1.4, 1.7), "jitter": (0.1, 0.2), "tilt": (3, 4.5),
        },
        "exploding": {
            "rate": (1.0, 1.07), "pause": (0.5, 0.8), "pitch": (5.5, 7), "range": (1.4, 1.75), "slope": (-2.5, -0.5),
            "effort": (8.5, 12), "contrast": (1.4, 1.7), "jitter": (0.2, 0.35), "tilt": (3.8, 5),
        },
    },
    "fearful": {
        "trembling": {
            "rate": (0.98, 1.07), "pause": (1.2, 1.8), "pitch": (3, 5), "range": (0.66, 0.92), "slope": (0, 1.5),
            "effort": (-5, -2), "contrast": (0.9, 1.05), "jitter": (0.2, 0.4), "tremor": (0.46, 0.7),
            "tilt": (-2, -0.5), "breath": (0.4, 0.55),
        },
    },
    "disgusted": {
        "sneering": {
            "rate": (0.8, 0.9), "pause": (1.0, 1.4), "pitch": (-0.3, 1), "range": (1.35, 1.6), "slope": (-6, -4),
            "effort": (0.5, 2.5), "contrast": (1.2, 1.45), "jitter": (0.1, 0.25), "tilt": (-0.5, 0.8),
            "formants": (0.92, 0.95),
        },
    },
    "surprised": {
        "incredulous": {
            "rate": (0.82, 0.9), "pause": (0.9, 1.2), "pitch": (3.5, 5.5), "range": (2.2, 2.7), "slope": (6.6, 8.5),
            "effort": (1, 3), "contrast": (1.2, 1.5), "tilt": (0, 1.2), "breath": (0.1, 0.22),
        },
    },
}  # fmt: skip

# Standard deviations of what people have of their own when neutral, and of one clip of theirs against the next.
_HABITS = Prosody(0.0, 0.15, 0.4, 0.12, 0.3, 0.0, 0.06, 0.02, 0.0, 0.5, 0.03, 0.0)
_MOOD = Prosody(0.04, 0.1, 0.3, 0.07, 0.3, 0.8, 0.05, 0.02, 0.0, 0.3, 0.02, 0.003)
_SLOWEST, _FASTEST = 0.8, 1.25  # neutral speech
_TASTE = 0.25  # standard deviation of the logarithm by which a speaker exaggerates a feature
_FLOOR_MOVES = 0.35  # of a wider range, below the mean
_ENDING, _MEAN_OF_SLOPE = 0.55, 0.15  # where the end of a phrase begins; what keeps its mean pitch
_NO_FALL = 6.0  # semitones of slope at which a phrase does not fall at all
_FAITHFUL = 0.5  # chance that a speaker acts in the way that comes naturally
_STRENGTHS = ((0.45, 0.8), (0.8, 1.2))  # of the normal and of the strong level


class Speaker(NamedTuple):
    """One person's habits: the neutral voice, how much each feature is exaggerated, the favourite way per emotion."""

    habits: np.ndarray  # [F], factors as logarithms
    taste: np.ndarray  # [F]
    favourites: tuple[float, ...]  # 0 to 1 per emotion: a place in the list of its ways


def speaker(rng: np.random.Generator) -> Speaker:
    """Somebody new."""
    habits = np.array(_HABITS) * rng.standard_normal(len(FIELDS))
    habits[_ONE_SIDED] = np.abs(habits[_ONE_SIDED])
    habits[FIELDS.index("rate")] = rng.uniform(np.log(0.86), np.log(1.16))
    taste = np.exp(_TASTE * rng.standard_normal(len(FIELDS)))
    return Speaker(habits, taste, tuple(float(x) for x in rng.random(len(EMOTIONS))))


def draw(
    emotion: str, level: int, who: Speaker, rng: np.random.Generator, *, held_out: bool = False
) -> tuple[Prosody, str]:
    """What one clip shall sound like, and the name of its way. ``level`` is 0 normal or 1 strong."""
    ways = (HELD_OUT_WAYS if held_out else WAYS)[emotion]
    names = tuple(ways)
    place = who.favourites[EMOTIONS.index(emotion)] if rng.random() < _FAITHFUL else rng.random()
    name = names[min(int(place * len(names)), len(names) - 1)]
    way = ways[name]
    lowest, highest = (_added(Prosody()._replace(**{k: v[i] for k, v in way.items()})) for i in (0, 1))
    low, high = _STRENGTHS[level]
    strength = rng.uniform(low, high)
    departure = rng.uniform(lowest, highest) * who.taste * strength
    mood = np.array(_MOOD) * rng.standard_normal(len(FIELDS))
    mood[_ONE_SIDED] = np.abs(mood[_ONE_SIDED])
    own = who.habits + mood
    rate = FIELDS.index("rate")
    own[rate] = np.clip(own[rate], np.log(_SLOWEST), np.log(_FASTEST))
    if emotion == "neutral" and level == 0:
        departure[:] = 0.0
    return _clipped(own + departure), name


def _added(prosody: Prosody) -> np.ndarray:
    """Values [F] that add up: factors as logarithms."""
    values = np.array(prosody, np.float64)
    values[_FACTORS] = np.log(values[_FACTORS])
    return values


_LOWEST = Prosody(0.55, 0.4, -7, 0.25, -9, -14, 0.5, 0, 0, -6, 0, 0.85)
_HIGHEST = Prosody(1.6, 3, 12, 3, 10, 14, 2.2, 0.7, 0.9, 6, 0.7, 1.15)


def _clipped(values: np.ndarray) -> Prosody:
    values = values.copy()
    values[_FACTORS] = np.exp(values[_FACTORS])
    return Prosody(*(float(v) for v in np.clip(values, _LOWEST, _HIGHEST)))


def phrases(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    """Starts and ends in seconds of what is said between pauses."""
    found: list[tuple[float, float]] = []
    for name, start, end in segments:
        if name == SIL:
            continue
        if found and start - found[-1][1] < 1e-6:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def melody(
    octaves: np.ndarray,
    mean: float,
    hop: float,
    spans: Sequence[tuple[float, float]],
    how: Prosody,
    rng: np.random.Generator,
) -> np.ndarray:
    """Pitch [N] in octaves, a value every ``hop`` seconds, as this prosody has it; ``mean`` is the voice's own.

    A wide range goes up: a voice's floor hardly moves. Where phrases shall rise, their own fall is taken back.
    """
    away = octaves - mean
    down = np.full(len(away), 1 + (how.range - 1) * _FLOOR_MOVES if how.range > 1 else how.range)
    down *= 1 - np.clip(how.slope / _NO_FALL, 0, 1) * _endings(len(away), hop, spans)
    changed = mean + away * np.where(away > 0, how.range, down)
    return changed + contour(len(away), hop, spans, how, rng) / 12


def _endings(count: int, hop: float, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """How near the end of its phrase each moment is [count]: 0 to 1 over the last part of it, 0 elsewhere."""
    time, near = np.arange(count) * hop, np.zeros(count)
    for start, end in spans:
        inside = (time >= start) & (time < end)
        position = (time[inside] - start) / max(end - start, 1e-3)
        near[inside] = np.clip((position - _ENDING) / (1 - _ENDING), 0, 1)
    return near


def contour(
    count: int, hop: float, spans: Sequence[tuple[float, float]], how: Prosody, rng: np.random.Generator
) -> np.ndarray:
    """Semitones [count], a value every ``hop`` seconds, that pitch, slope, jitter and tremor add to a voice's pitch.

    ``spans`` are the starts and ends, in seconds, of what is said between pauses.
    """
    time = np.arange(count) * hop
    semitones = np.full(count, float(how.pitch))
    semitones += how.slope * _endings(count, hop, spans)
    for start, end in spans:
        semitones[(time >= start) & (time < end)] -= how.slope * _MEAN_OF_SLOPE
    if how.jitter > 0:
        knots = np.arange(0, count * hop + 0.08, 0.04)
        semitones += how.jitter * np.interp(time, knots, rng.standard_normal(len(knots)))
    if how.tremor > 0:
        speed = rng.uniform(5, 7.5)
        semitones += how.tremor * np.sin(2 * np.pi * speed * time + rng.uniform(0, 2 * np.pi))
    return semitones
