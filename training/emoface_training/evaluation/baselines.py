"""Predictors that know less than a model: what it must beat to have learned anything about speech.

`MeanBaseline` shows the training split's mean face all the time; `EnergyBaseline` maps the sound's short-time energy
linearly to the motion.
"""

from __future__ import annotations

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.motion.targets import Face, clip_codes
from emoface_training.vocabulary import SAMPLE_RATE

ENERGY_CONTEXT = 4  # frames to each side that the energy baseline sees
ENERGY_FLOOR_DB = -50.0
RIDGE = 1e-2


class MeanBaseline:
    """The mean offsets of the training split, always."""

    def __init__(self, face: Face, train: list[StoredClip]) -> None:
        total = sum(clip_codes(face, clip).sum(0, dtype=np.float64) for clip in train)
        self.coefficients = total / sum(clip.frames for clip in train)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Motion codes [T, K]."""
        return np.repeat(self.coefficients[None], clip.frames, 0)


class EnergyBaseline:
    """Ridge regression from log energy around each frame to the motion's codes."""

    def __init__(self, face: Face, train: list[StoredClip], fps: int) -> None:
        self.fps = fps
        width = 2 * ENERGY_CONTEXT + 2
        system, known, frames = np.zeros((width, width)), 0.0, 0
        for clip in train:  # sums over clips: vertices of a whole split would not fit in memory
            sound = self._features(clip)
            system += sound.T @ sound
            known = known + sound.T @ clip_codes(face, clip)
            frames += len(sound)
        system += RIDGE * frames * np.diag([1.0] * (width - 1) + [0.0])
        self.map = np.linalg.solve(system, known)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Motion codes [T, K]."""
        return self._features(clip) @ self.map

    def _features(self, clip: StoredClip) -> np.ndarray:
        level = log_energy(clip, self.fps)
        padded = np.pad(level, ENERGY_CONTEXT, mode="edge")
        columns = [padded[i : i + len(level)] for i in range(2 * ENERGY_CONTEXT + 1)]
        return np.stack([*columns, np.ones(len(level))], 1)


def log_energy(clip: StoredClip, fps: int) -> np.ndarray:
    """Energy per frame relative to the clip's loud parts, in units of 50 dB, [T] in -1..about 0."""
    squares = np.concatenate([[0.0], np.cumsum(clip.waveform().astype(np.float64) ** 2)])
    centre = np.arange(clip.frames) * SAMPLE_RATE // fps
    half = SAMPLE_RATE // fps // 2
    low, high = np.clip(centre - half, 0, len(squares) - 1), np.clip(centre + half, 0, len(squares) - 1)
    energy = (squares[high] - squares[low]) / np.maximum(high - low, 1)
    level = 10.0 * np.log10(energy / (np.percentile(energy, 95) + 1e-12) + 10.0 ** (ENERGY_FLOOR_DB / 10.0))
    return level / -ENERGY_FLOOR_DB
