"""Rooms: early reflections of a box by mirrored sources, then a late tail that decays at its own pace in each band.

The direct sound is the first sample with factor 1, so speech stays where it is; only what follows it is the room's.
"""

from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from scipy.signal import fftconvolve

from emoface_training.vocabulary import SAMPLE_RATE

from .recording_bands import passed
from .recording_levels import rms

_SPEED = 343.0  # of sound, m/s
_CENTRES = (250.0, 1000.0, 4000.0)  # Hz of the bands with a decay of their own
_EARLY = 3  # reflections of a mirrored source, at most
_LONGEST = 1.2  # seconds of decay by 60 dB


class Room(NamedTuple):
    """A box (m) and how much of the sound its walls take in each band (0..1); a second, slower decay where coupled."""

    size: np.ndarray
    absorption: np.ndarray
    coupled: float  # share of the late energy that decays at half the pace: an open door, a stairwell

    @property
    def decays(self) -> np.ndarray:
        """Seconds until the late sound is 60 dB down in each band, after Eyring, with what the air takes."""
        volume, (x, y, z) = self.size.prod(), self.size
        surface = 2 * (x * y + y * z + x * z)
        taken = -surface * np.log1p(-self.absorption) + 4 * volume * np.array([0.0003, 0.001, 0.008])
        return np.minimum(0.161 * volume / taken, _LONGEST)


def drawn_room(rng: np.random.Generator) -> Room:
    """From a furnished bedroom to a bare hall: decays of about 0.1 to 1.2 s at 1 kHz."""
    scale = np.exp(rng.uniform(np.log(0.7), np.log(2.2)))
    size = np.array([4.0, 3.2, 2.6]) * np.array([scale, scale, scale**0.4]) * rng.uniform(0.8, 1.25, 3)
    middle = np.exp(rng.uniform(np.log(0.08), np.log(0.5)))
    absorption = np.clip(middle * np.array([rng.uniform(0.5, 1.0), 1.0, rng.uniform(1.0, 1.8)]), 0.03, 0.8)
    return Room(size, absorption, rng.uniform(0.05, 0.3) if rng.random() < 0.3 else 0.0)


def response(room: Room, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Impulse response [K] at 16 kHz between two places ``distance`` metres apart, the direct sound 1 at sample 0."""
    decays = room.decays
    out = np.zeros(int(decays.max() * (2.0 if room.coupled else 1.0) * SAMPLE_RATE) + 1)
    ear = room.size * rng.uniform(0.25, 0.75, 3)
    turn = rng.standard_normal(3) * np.array([1, 1, 0.3])
    mouth = np.clip(ear + distance * turn / np.linalg.norm(turn), 0.15, room.size - 0.15)
    direct = max(float(np.linalg.norm(mouth - ear)), 0.1)

    late = _late(room, decays, len(out), rng)
    volume = room.size.prod()
    critical = 0.057 * np.sqrt(volume / decays[1])  # where direct and late energy are equal
    late *= (direct / critical) / (np.sqrt(np.sum(late**2)) + 1e-12)
    mixed = 0.002 * np.sqrt(volume)  # seconds until reflections are too many to tell apart
    time = np.arange(len(out)) / SAMPLE_RATE
    out += late * np.clip(time / (2 * mixed), 0, 1)

    keep = np.sqrt(1 - room.absorption[1])
    cells = np.array([c for c in product(range(-_EARLY, _EARLY + 1), repeat=3) if 0 < np.abs(c).sum() <= _EARLY])
    odd = cells % 2 == 1
    mirrored = cells * room.size + np.where(odd, room.size - mouth, mouth)
    mirrored += rng.normal(0, 0.02, mirrored.shape)  # no room is a perfect box
    far = np.linalg.norm(mirrored - ear, axis=1)
    strength = keep ** np.abs(cells).sum(1) * direct / far * rng.uniform(0.6, 1.0, len(far))
    place = (far - direct) / _SPEED * SAMPLE_RATE
    whole = place.astype(int)
    inside = (whole >= 1) & (whole < len(out) - 1)
    share = (place - whole)[inside]
    np.add.at(out, whole[inside], strength[inside] * (1 - share))
    np.add.at(out, whole[inside] + 1, strength[inside] * share)
    out[0] = 1.0
    return out


def _late(room: Room, decays: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise [count] that dies away in each band at its own pace."""
    time = np.arange(count) / SAMPLE_RATE
    edges = (60.0, *(np.sqrt(a * b) for a, b in pairwise(_CENTRES)), 7500.0)
    late = np.zeros(count)
    for decay, low, high in zip(decays, edges[:-1], edges[1:], strict=True):
        noise = passed(rng.standard_normal(count), low, high)
        fade = (1 - room.coupled) * 10 ** (-3 * time / decay) + room.coupled * 10 ** (-1.5 * time / decay)
        late += noise / (rms(noise) + 1e-12) * np.sqrt((high - low) / high) * fade
    return late


def in_room(audio: np.ndarray, impulse: np.ndarray) -> np.ndarray:
    """Audio [N] with its echoes, [N]."""
    return fftconvolve(audio, impulse)[: len(audio)]
