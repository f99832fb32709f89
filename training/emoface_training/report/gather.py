"""What a report shows and the tables do not hold: error per vertex over all clips, and the motion of a few of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.evaluation.measured_models import EvaluatedModel, in_own_style

# Clips of another length make curves that cannot be read
READABLE_S = (1.5, 8.0)


@dataclass
class VertexErrors:
    """Distance between prediction and ground truth per vertex [V], in the face's unit."""

    total: np.ndarray
    largest: np.ndarray
    frames: int = 0

    def add(self, offsets: np.ndarray, target: np.ndarray) -> None:
        distance = np.linalg.norm(offsets - target, axis=-1)
        self.total += distance.sum(0, dtype=np.float64)
        self.largest = np.maximum(self.largest, distance.max(0))
        self.frames += len(distance)

    @property
    def mean(self) -> np.ndarray:
        return self.total / max(1, self.frames)


@dataclass
class Gathered:
    """A `Watcher` of `evaluate`. rows: motion float32 [T, V, 3] by row and shown clip; targets likewise."""

    count: int
    models: dict[str, EvaluatedModel] = field(default_factory=dict)
    errors: dict[str, VertexErrors] = field(default_factory=dict)
    clips: dict[int, StoredClip] = field(default_factory=dict)
    rows: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    targets: dict[int, np.ndarray] = field(default_factory=dict)
    voices: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def begin(
        self, clips: list[StoredClip], models: dict[str, EvaluatedModel], voices: dict[str, list[np.ndarray]]
    ) -> None:
        fps = next(iter(models.values())).fps
        self.models, self.voices = models, voices
        self.clips = {index: clips[index] for index in shown_clips(clips, fps, self.count)}

    def see(self, row: str, index: int, offsets: np.ndarray, target: np.ndarray) -> None:
        vertices = target.shape[1]
        errors = self.errors.setdefault(row, VertexErrors(np.zeros(vertices), np.zeros(vertices, np.float32)))
        errors.add(offsets, target)
        if index in self.clips:
            self.rows.setdefault(row, {})[index] = np.array(offsets, np.float32)
            self.targets[index] = target

    def driven(self, row: str, index: int) -> StoredClip:
        """The clip as the model of that row was driven: with its own style or the mean of them."""
        return in_own_style([self.clips[index]], self.models[row].styles)[0]

    def voice(self, row: str, index: int) -> np.ndarray | None:
        """What calibration had found of the clip's voice, where the model was calibrated."""
        return self.voices[row][index] if row in self.voices else None


def shown_clips(clips: list[StoredClip], fps: int, count: int) -> list[int]:
    """Indices of at most `count` clips, evenly spread, of a readable length and of different emotions where there are.

    The same clips give the same choice.
    """
    low, high = READABLE_S
    candidates = [i for i, clip in enumerate(clips) if low <= clip.frames / fps <= high] or list(range(len(clips)))
    chosen: list[int] = []
    for k in range(min(count, len(candidates))):
        wanted = int((k + 0.5) * len(candidates) / count)
        free = sorted((i for i in candidates if i not in chosen), key=lambda i: abs(candidates.index(i) - wanted))
        used = {clips[i].emotion for i in chosen}
        chosen.append(next((i for i in free if clips[i].emotion not in used), free[0]))
    return sorted(chosen)
