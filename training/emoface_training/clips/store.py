"""Clips in memory and the batches drawn from them.

A step's batch depends on (seed, stage, step) alone, so a resumed run sees what the uninterrupted one would have seen.
Audio is kept as int16 and rig parameters as float16: three hours take 0.4 GB.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from emoface.audio.offset import without_offset
from emoface_training.data.sample import ClipReference, VertexMotion
from emoface_training.data.synthetic.phonemes import SIL
from emoface_training.errors import EmptySplitError
from emoface_training.nn.wav2vec2 import HOP, OVERLAP
from emoface_training.vocabulary import NEUTRAL


@dataclass(frozen=True)
class StoredClip:
    """audio int16 [N]; parameters float16 [T, P]; phonemes (name, start s, end s); labels as in the corpus.

    Clips of recorded datasets have `vertices` (left in their file) and no parameters (P = 0).
    """

    audio: np.ndarray
    parameters: np.ndarray
    phonemes: list[tuple[str, float, float]]
    emotion: int
    level: int
    actor: str
    actor_index: int
    statement: int
    vertices: VertexMotion | None = None
    speaker: str = ""

    @property
    def frames(self) -> int:
        return len(self.parameters)

    @property
    def spoken(self) -> bool:
        """Whether there is speech; a clip without phonemes at all is of a corpus that knows none."""
        return not self.phonemes or any(name != SIL for name, _, _ in self.phonemes)

    def waveform(self) -> np.ndarray:
        """float32 [N] in -1..1."""
        return self.audio.astype(np.float32) / 32768.0

    def heard(self) -> np.ndarray:
        """float32 [N]: the waveform as a model hears it, in training as behind the front end of the runtime."""
        return heard(self.waveform())


def heard(waveform: np.ndarray) -> np.ndarray:
    """float32 [N] at the model's rate without a constant offset, as the runtime's front end passes it on."""
    return without_offset(np.ascontiguousarray(waveform, np.float32), HOP, OVERLAP)


def heard_batch(
    clips: Sequence[StoredClip], samples: int | None = None, loaded: Sequence[torch.Tensor | None] | None = None
) -> torch.Tensor:
    """What a model hears of whole clips, float32 [B, samples] (default: of the longest), zeros behind each one.

    loaded: what is in memory of it already, a clip each.
    """
    audio = torch.zeros(len(clips), samples or max(len(clip.audio) for clip in clips))
    for row, clip in enumerate(clips):
        known = None if loaded is None else loaded[row]
        audio[row, : len(clip.audio)] = torch.from_numpy(clip.heard()) if known is None else known
    return audio


def evenly_spread(clips: list[StoredClip], count: int) -> list[StoredClip]:
    """`count` of these clips, evenly spread (all when there are fewer)."""
    if count >= len(clips):
        return clips
    return [clips[i] for i in np.linspace(0, len(clips) - 1, count).round().astype(int)]


def neutral_takes_among(clips: Sequence[StoredClip]) -> list[list[int]]:
    """For each of these clips the others that are neutral and of the same named speaker, by their places."""
    return [
        [
            i
            for i, other in enumerate(clips)
            if i != index and clip.speaker and other.speaker == clip.speaker and other.emotion == NEUTRAL
        ]
        for index, clip in enumerate(clips)
    ]


@dataclass
class ClipStore:
    """One split in memory."""

    clips: list[StoredClip]
    fps: int
    styles: int

    @classmethod
    def load(
        cls,
        references: Iterable[ClipReference],
        fps: int,
        styles: int,
        progress: Callable[[Iterable], Iterable] = lambda items: items,
    ) -> ClipStore:
        """Read the clips of a dataset. Raises EmptySplitError when there are none."""
        clips = []
        for reference in progress(references):
            clip = reference.load()
            audio = np.clip(np.round(clip.audio * 32768.0), -32768, 32767).astype(np.int16)
            clips.append(
                StoredClip(
                    audio,
                    clip.parameters.astype(np.float16),
                    list(clip.phonemes),
                    clip.emotion,
                    clip.level,
                    clip.actor,
                    clip.actor_index,
                    clip.statement,
                    clip.vertices,
                    clip.speaker,
                )
            )
        if not clips:
            raise EmptySplitError(
                "no clips",
                "at least one",
                "Generate the corpus first (`emoface data synth`), or see what `emoface data check` says "
                "of the dataset.",
            )
        return cls(clips, fps, styles)

    def __post_init__(self) -> None:
        self._cumulative = np.cumsum([clip.frames for clip in self.clips])
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, clip in enumerate(self.clips):
            groups[clip.actor, clip.statement].append(index)
        # Pseudo pairs of L_cross: same actor and statement, different emotion
        self.partners = [
            [
                other
                for other in groups[clip.actor, clip.statement]
                if clip.statement >= 0 and self.clips[other].emotion != clip.emotion
            ]
            for clip in self.clips
        ]
        speakers: dict[str, list[int]] = defaultdict(list)
        for index, clip in enumerate(self.clips):
            if clip.speaker:
                speakers[clip.speaker].append(index)
        self.takes = [[other for other in speakers[clip.speaker] if other != i] for i, clip in enumerate(self.clips)]
        # What calibration may learn a clip's voice from
        neutral = [clip.emotion == NEUTRAL and clip.spoken for clip in self.clips]
        self.neutral_takes = [[i for i in takes if neutral[i]] for takes in self.takes]

    @property
    def seconds(self) -> float:
        return float(self._cumulative[-1]) / self.fps

    @property
    def size(self) -> dict[str, int]:
        """Clips and frames: what a resumed run checks to be the same."""
        return {"clips": len(self.clips), "frames": int(self._cumulative[-1])}

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Clip indices with probability proportional to length."""
        return np.searchsorted(self._cumulative, generator.integers(0, self._cumulative[-1], count), side="right")

    def draw_speakers(self, generator: np.random.Generator, count: int, group: int) -> tuple[list[int], list[int]]:
        """Clip indices in groups of one voice, and for each the row of its group's neutral clip (-1: none).

        A group is a neutral clip and `group - 1` others; clips of unknown speakers come alone, so do all for group 1.
        """
        if group < 2:
            return [int(i) for i in self.draw(generator, count)], [-1] * count
        rows: list[int] = []
        neutral: list[int] = []
        while len(rows) < count:
            chosen = int(self.draw(generator, 1)[0])
            if self.neutral_takes[chosen] and count - len(rows) >= group:
                first = len(rows)
                others = generator.choice(self.takes[chosen], group - 2).tolist()
                rows += [int(generator.choice(self.neutral_takes[chosen])), chosen, *others]
                neutral += [-1] + [first] * (group - 1)
            else:
                rows.append(chosen)
                neutral.append(-1)
        return rows, neutral

    def spread(self, count: int) -> list[StoredClip]:
        """`count` clips evenly spread over the split (all when it has fewer)."""
        return evenly_spread(self.clips, count)

    def parameter_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each parameter over all frames, float32 [P]."""
        rows = np.concatenate([clip.parameters for clip in self.clips]).astype(np.float32)
        return rows.mean(0), rows.std(0) + 1e-3
