"""Speech-like test signals made from a seed: golden vectors and verification need no recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def speech_like(seconds: float, seed: int, rate: int = 16000) -> NDArray[np.float32]:
    """Syllables of gliding harmonics through moving formants, noise bursts and pauses, float32 [N] within +-0.5."""
    random = np.random.default_rng(seed)
    total = int(seconds * rate)
    out = np.zeros(total)
    begin = int(0.05 * rate)
    while begin < total:
        length = int(rate * random.uniform(0.08, 0.3))
        kind = random.choice(["voiced", "voiced", "voiced", "noise", "pause"])
        if kind != "pause":
            sound = _voiced(length, rate, random) if kind == "voiced" else 0.3 * random.standard_normal(length)
            envelope = np.sin(np.pi * np.arange(length) / length) ** 0.5
            piece = (sound * envelope * random.uniform(0.1, 0.4))[: total - begin]
            out[begin : begin + len(piece)] += piece
        begin += length
    return np.clip(out, -0.5, 0.5).astype(np.float32)


def _voiced(length: int, rate: int, random: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(length) / rate
    pitch = random.uniform(90, 240) * (1 + random.uniform(-0.3, 0.3) * np.linspace(0, 1, length))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [(random.uniform(250, 900), 120.0), (random.uniform(900, 2600), 250.0)]
    sound = np.zeros(length)
    for harmonic in range(1, 24):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in formants)
        sound += gain * np.sin(harmonic * phase)
    return sound / max(1e-9, float(np.abs(sound).max(initial=0.0))) + 0.005 * random.standard_normal(len(time))
