"""What one step of stage B trains on: clips, their pseudo partners, a window of each, and the conditions.

Drawn for the whole batch from (seed, step) alone; sound and motion are loaded for a process' own rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.clips.conditions import Conditions, conditions
from emoface_training.clips.length_buckets import LengthBuckets
from emoface_training.clips.store import ClipStore
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.motion.targets import MotionTargets
from emoface_training.options import StageBOptions
from emoface_training.stages.losses import changes


@dataclass(frozen=True)
class Draw:
    """The whole batch: per clip its index, its partner's (-1: none) and its window in frames; conditions per clip.

    takes: for some clips another one with neutral speech of the same voice, which they are calibrated by.
    """

    clips: list[int]
    partners: list[int]
    takes: dict[int, int]
    starts: list[int]
    frames: list[int]
    given: Conditions

    @classmethod
    def make(
        cls, store: ClipStore, options: StageBOptions, generator: np.random.Generator, buckets: LengthBuckets | None
    ) -> Draw:
        """Clips by length (or of one bucket), a partner of each that has any, a window of at most `max_frames`."""
        source = store if buckets is None else buckets
        clips = [int(i) for i in source.draw(generator, options.batch_size)]
        partners = [
            int(generator.choice(store.partners[i])) if options.pairs and store.partners[i] else -1 for i in clips
        ]
        takes = _neutral_takes(store, clips, options.calibrated, generator.spawn(1)[0])
        frames = [min(options.max_frames, store.clips[i].frames) for i in clips]
        rooms = [store.clips[i].frames - n + 1 for i, n in zip(clips, frames, strict=True)]
        starts = [int(generator.integers(0, room)) for room in rooms]
        chosen = [store.clips[i] for i in clips]
        given = conditions(store, chosen, generator, options.emotion_dropped, options.style_dropped)
        return cls(clips, partners, takes, starts, frames, given)

    def cross(self, rows: range) -> list[int]:
        """Those of the rows that have a partner."""
        return [row for row in rows if self.partners[row] >= 0]

    def wanted(self, rows: range, store: ClipStore) -> list[int]:
        """Clips whose features the rows need, shortest first."""
        named = [self.clips[row] for row in rows] + [self.partners[row] for row in self.cross(rows)]
        named += [self.takes[clip] for clip in named[: len(rows)] if clip in self.takes]
        return sorted(set(named), key=lambda i: store.clips[i].frames)

    def window(self, row: int) -> slice:
        return slice(self.starts[row], self.starts[row] + self.frames[row])


def _neutral_takes(
    store: ClipStore, clips: list[int], probability: float, generator: np.random.Generator
) -> dict[int, int]:
    chosen = [i for i in sorted(set(clips)) if generator.random() < probability]
    return {i: int(generator.choice(store.neutral_takes[i])) for i in chosen if store.neutral_takes[i]}


@dataclass(frozen=True)
class StageBBatch:
    """A draw with what `rows` of it need, on the CPU.

    motion: codes [n, width] by row. audio: float32 [N] by clip (empty where features are kept), and the length
    `samples` that all are padded to. mask bool and frame_weights [B, T] are the whole batch's.
    """

    draw: Draw
    rows: range
    motion: dict[int, Tensor]
    audio: dict[int, Tensor]
    samples: int
    mask: Tensor
    frame_weights: Tensor

    @classmethod
    def load(
        cls,
        draw: Draw,
        rows: range,
        store: ClipStore,
        targets: MotionTargets,
        frame_gains: dict[str, float],
        with_audio: bool,
    ) -> StageBBatch:
        count, longest = len(draw.clips), max(draw.frames)
        mask = torch.zeros(count, longest, dtype=torch.bool)
        weights = torch.zeros(count, longest)
        for row, (clip, n) in enumerate(zip(draw.clips, draw.frames, strict=True)):
            mask[row, :n] = True
            weights[row, :n] = frame_weights(store, clip, draw.window(row), frame_gains)
        motion = {
            row: targets.window(draw.clips[row], draw.starts[row], draw.starts[row] + draw.frames[row]) for row in rows
        }
        wanted = draw.wanted(rows, store) if with_audio else []
        audio = {i: torch.from_numpy(store.clips[i].heard()) for i in wanted}
        # Of the whole batch, so that a row's features do not depend on how the rows are split
        samples = max(len(store.clips[i].audio) for i in draw.wanted(range(count), store))
        return cls(draw, rows, motion, audio, samples, mask, weights)

    def totals(self) -> dict[str, tuple[float, float]]:
        """By group of rows, self and cross: sums of the whole batch's frame weights and of its counting changes."""
        groups = {"self": list(range(len(self.draw.clips))), "cross": self.draw.cross(range(len(self.draw.clips)))}
        return {
            name: (float(self.frame_weights[rows].sum()), float(changes(self.mask[rows]).sum()))
            for name, rows in groups.items()
            if rows
        }


def frame_weights(store: ClipStore, clip: int, window: slice, gains: dict[str, float]) -> Tensor:
    """1 + sum of gain x rig parameter for the frames of a window, [n]."""
    parameters = torch.from_numpy(store.clips[clip].parameters[window].astype(np.float32))
    row = torch.zeros(parameters.shape[1])
    for name, gain in gains.items():
        row[RIG_PARAMETERS.index(name)] = gain
    return 1.0 + parameters.clamp(0.0, 1.0) @ row


def swapped_content(store: ClipStore, clip: int, partner: int, content: Tensor, alignment: str) -> Tensor:
    """The partner's content [T', D] resampled to the clip's length (by phoneme boundaries where both takes match)."""
    own, other = store.clips[clip], store.clips[partner]
    time = np.linspace(0.0, other.frames - 1.0, own.frames)
    if alignment == "phonemes":
        same = [p[0] for p in own.phonemes] == [p[0] for p in other.phonemes]
        if same and own.phonemes:
            here = [s for _, s, _ in own.phonemes] + [own.phonemes[-1][2]]
            there = [s for _, s, _ in other.phonemes] + [other.phonemes[-1][2]]
            time = np.interp(np.arange(own.frames) / store.fps, here, there) * store.fps
    time = np.clip(time, 0.0, other.frames - 1.0)
    before = torch.from_numpy(np.minimum(time.astype(np.int64), max(0, other.frames - 2)))
    share = (torch.from_numpy(time) - before).float()[:, None].to(content.device)
    after = (before + 1).clamp(max=other.frames - 1)
    before, after = before.to(content.device), after.to(content.device)
    return content[before] * (1 - share) + content[after] * share


def padded(rows: list[Tensor], length: int) -> Tensor:
    """Tensors [n, D] -> [B, length, D], zeros behind each."""
    return torch.stack([F.pad(row, (0, 0, 0, length - len(row))) for row in rows])
