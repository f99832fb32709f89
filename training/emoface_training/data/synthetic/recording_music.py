"""Music behind a voice, made by random rules: chords, a bass, drums and a tune. Every note is this project's own."""

from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt

from emoface_training.vocabulary import SAMPLE_RATE

from .recording_levels import add_at
from .recording_noises import unit

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))  # major, minor, dorian
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (1, 4, 0, 0), (0, 3, 4, 3), (5, 3, 0, 4), (0, 6, 5, 4))  # scale degrees


class _Song(NamedTuple):
    """beat: seconds; key: MIDI note; offbeat: how late the second half of a beat comes (0.5 straight, to 0.66)."""

    beat: float
    key: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    offbeat: float

    def pitch(self, degree: int, octave: int) -> float:
        """Hz of a scale degree."""
        turns, step = divmod(degree, 7)
        return float(440 * 2 ** ((self.key + self.scale[step] + 12 * (turns + octave) - 69) / 12))


def music(count: int, rng: np.random.Generator) -> np.ndarray:
    """A few bars [count] from some place of a song, root mean square 1."""
    song = _Song(
        60 / rng.uniform(66, 150),
        int(rng.integers(55, 67)),
        _SCALES[rng.integers(len(_SCALES))],
        _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))],
        rng.uniform(0.5, 0.66) if rng.random() < 0.4 else 0.5,
    )
    bars = int(np.ceil(count / SAMPLE_RATE / (4 * song.beat))) + 1
    skip = int(rng.uniform(0, 4 * song.beat) * SAMPLE_RATE)
    total = count + skip
    parts = [(_chords, 0.95, 0.5), (_bass, 0.8, 0.6), (_drums, 0.7, 0.6), (_tune, 0.6, 0.45)]
    sound = np.zeros(total)
    while not sound[skip:].any():
        for part, chance, loud in parts:
            if rng.random() < chance:
                sound += loud * rng.uniform(0.5, 1.3) * unit(part(song, bars, total, rng))
    return unit(sound[skip:])


def _note(pitch: float, seconds: float, overtones: np.ndarray, attack: float, decay: float) -> np.ndarray:
    """Harmonics [K] with given strengths; the higher ones die away faster; a short release."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    number = np.arange(1, len(overtones) + 1)
    number = number[number * pitch < 0.47 * SAMPLE_RATE]
    fade = np.exp(-time[:, None] * number**0.5 / decay)
    wave = (fade * np.sin(2 * np.pi * pitch * time[:, None] * number)) @ overtones[: len(number)]
    return wave * np.minimum(time / attack, 1) * np.clip((seconds - time) / 0.03, 0, 1)


def _timbre(rng: np.random.Generator, count: int) -> np.ndarray:
    """Strengths of the overtones of one instrument, from a flute's to a sawtooth's."""
    number = np.arange(1, count + 1)
    return number ** -rng.uniform(0.9, 2.6) * np.where(number % 2 == 0, rng.uniform(0.1, 1.0), 1.0)


def _chords(song: _Song, bars: int, total: int, rng: np.random.Generator) -> np.ndarray:
    """Held, or struck on each beat, or broken."""
    out, timbre = np.zeros(total), _timbre(rng, 10)
    way = rng.choice(["held", "struck", "broken"])
    attack, decay = (rng.uniform(0.05, 0.3), 3.0) if way == "held" else (0.005, rng.uniform(0.2, 0.9))
    tones = (0, 2, 4, 6) if rng.random() < 0.4 else (0, 2, 4)
    for bar in range(bars):
        start, root = bar * 4 * song.beat, song.chords[bar % 4]
        pitches = [song.pitch(root + tone, 0 if root + tone < 9 else -1) for tone in tones]
        if way == "broken":
            for eighth in range(8):
                at = start + (eighth // 2 + (song.offbeat if eighth % 2 else 0)) * song.beat
                add_at(out, at, _note(pitches[eighth % len(pitches)], 1.2 * song.beat, timbre, attack, decay))
            continue
        each = 4 if way == "held" else 1
        chord = sum(_note(pitch, each * song.beat, timbre, attack, decay) for pitch in pitches)
        for beat in range(0, 4, each):
            add_at(out, start + beat * song.beat, chord)
    return out


def _bass(song: _Song, bars: int, total: int, rng: np.random.Generator) -> np.ndarray:
    out, timbre = np.zeros(total), _timbre(rng, 6)
    steps = [(0.0, 0)] + [(beat, int(rng.choice([0, 0, 4, 2]))) for beat in (1, 1.5, 2, 3, 3.5) if rng.random() < 0.5]
    for bar in range(bars):
        for beat, tone in steps:
            pitch = song.pitch(song.chords[bar % 4] + tone, -2)
            add_at(out, (bar * 4 + beat) * song.beat, _note(pitch, 0.9 * song.beat, timbre, 0.01, 0.7))
    return out


def _drums(song: _Song, bars: int, total: int, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(total)
    time = np.arange(int(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    kick = np.sin(2 * np.pi * (50 * time + 4.5 * (1 - np.exp(-time / 0.03)))) * np.exp(-time / 0.09)
    rattle = sosfilt(butter(2, [900, 6000], "bandpass", fs=SAMPLE_RATE, output="sos"), rng.standard_normal(len(time)))
    snare = (unit(rattle) * 0.3 + 0.4 * np.sin(2 * np.pi * 190 * time)) * np.exp(-time / 0.06)
    hiss = sosfilt(butter(2, 5500, "highpass", fs=SAMPLE_RATE, output="sos"), rng.standard_normal(len(time)))
    hat = 0.15 * unit(hiss) * np.exp(-time / rng.uniform(0.015, 0.06))
    kicks = [0.0, 2.0] + [beat for beat in (1.5, 2.5, 3.5) if rng.random() < 0.3]
    for bar in range(bars):
        start = bar * 4 * song.beat
        for beat in kicks:
            add_at(out, start + beat * song.beat, kick)
        for beat in (1, 3):
            add_at(out, start + beat * song.beat, snare)
        for eighth in range(8):
            at = eighth // 2 + (song.offbeat if eighth % 2 else 0)
            add_at(out, start + at * song.beat, hat * rng.uniform(0.5, 1.0))
    return out


def _tune(song: _Song, bars: int, total: int, rng: np.random.Generator) -> np.ndarray:
    """A walk on the scale in notes of half a beat to two beats, with a slight vibrato of loudness."""
    out, timbre = np.zeros(total), _timbre(rng, 8)
    degree, at = int(rng.integers(0, 7)), 0.0
    while at < bars * 4:
        length = float(rng.choice([0.5, 0.5, 1.0, 1.0, 2.0]))
        if rng.random() < 0.8:
            add_at(out, at * song.beat, _note(song.pitch(degree, 1), length * song.beat, timbre, 0.02, 0.8))
        degree = int(np.clip(degree + rng.integers(-2, 3), -3, 10))
        at += length
    return out
