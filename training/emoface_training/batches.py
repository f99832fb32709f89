"""Clips in memory and the batches drawn from them.

A step's batch depends on (seed, stage, step) alone, so a resumed run sees what the uninterrupted one would have seen.
Audio is kept as int16 and rig parameters as float16: three hours take 0.4 GB.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.augmentation import AS_RECORDED, RecordingConditions
from emoface_training.data.errors import EmptySplitError
from emoface_training.data.sample import ClipReference, VertexMotion
from emoface_training.data.synthetic.parameters import EMOTIONS, LEVELS
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL
from emoface_training.nn.interpolation import FEATURE_RATE

IGNORED = -100
UNKNOWN_EMOTION = len(EMOTIONS)
NEUTRAL = EMOTIONS.index("neutral")
SAMPLE_RATE = 16000
# Frames at a cut edge whose context the crop lacks: they are encoded but not scored.
EDGE_FRAMES = 4


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
                "got no clips, expected at least one: generate the corpus first (`emoface data synth`), or see what "
                "`emoface data check` says of the dataset"
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
        if count >= len(self.clips):
            return self.clips
        return [self.clips[i] for i in np.linspace(0, len(self.clips) - 1, count).round().astype(int)]

    def parameter_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each parameter over all frames, float32 [P]."""
        rows = np.concatenate([clip.parameters for clip in self.clips]).astype(np.float32)
        return rows.mean(0), rows.std(0) + 1e-3


def step_generator(seed: int, stage: str, step: int) -> np.random.Generator:
    """The randomness of one step's batch."""
    return np.random.default_rng([seed, sum(stage.encode()), step])


def seed_step(seed: int, stage: str, step: int) -> torch.Generator:
    """Seed dropout for one step and return a generator for the step's own draws."""
    torch.manual_seed(int(step_generator(seed, stage + "-dropout", step).integers(2**31)))
    return torch.Generator().manual_seed(int(step_generator(seed, stage + "-mixture", step).integers(2**31)))


def phoneme_frames(clip: StoredClip, times: np.ndarray) -> np.ndarray:
    """Phoneme index at each time in seconds, int64; IGNORED outside the labels or for unknown names."""
    labels = np.full(len(times), IGNORED, np.int64)
    if not clip.phonemes:
        return labels
    starts = np.array([start for _, start, _ in clip.phonemes])
    ends = np.array([end for _, _, end in clip.phonemes])
    names = np.array([PHONEME_INDEX.get(name.rstrip("012"), IGNORED) for name, _, _ in clip.phonemes])
    position = np.searchsorted(starts, times, side="right") - 1
    inside = (position >= 0) & (times < ends[position])
    labels[inside] = names[position[inside]]
    return labels


@dataclass(frozen=True)
class Conditions:
    """style [B, n] weights, level [B, 2], emotion_class [B, 9] (last column: unknown)."""

    style: Tensor
    level: Tensor
    emotion_class: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> Conditions:
        """The same change to every tensor."""
        return Conditions(change(self.style), change(self.level), change(self.emotion_class))


def conditions(
    store: ClipStore,
    clips: list[StoredClip],
    generator: np.random.Generator | None = None,
    emotion_dropped: float = 0.0,
    style_dropped: float = 0.0,
) -> Conditions:
    """One-hot conditions; emotion dropped to `unknown` and style to the mean of the styles with the given chances.

    Unknown actors (index -1) always get the mean of the styles.
    """
    count = len(clips)
    style = np.full((count, store.styles), 1.0 / store.styles, np.float32)
    level = np.zeros((count, len(LEVELS)), np.float32)
    emotion = np.zeros((count, UNKNOWN_EMOTION + 1), np.float32)
    chance = np.ones((count, 2)) if generator is None else generator.random((count, 2))
    for row, clip in enumerate(clips):
        if 0 <= clip.actor_index < store.styles and chance[row, 0] >= style_dropped:
            style[row] = 0.0
            style[row, clip.actor_index] = 1.0
        level[row, clip.level] = 1.0
        emotion[row, clip.emotion if chance[row, 1] >= emotion_dropped else UNKNOWN_EMOTION] = 1.0
    return Conditions(torch.from_numpy(style), torch.from_numpy(level), torch.from_numpy(emotion))


@dataclass(frozen=True)
class CropBatch:
    """audio [B, N]; parameters [B, T, P]; mask bool [B, T]; phonemes int64 [B, T]; emotion int64 [B].

    neutral int64 [B]: the row with neutral speech of the same voice in the same recording conditions, -1 where there
    is none.
    """

    audio: Tensor
    parameters: Tensor
    mask: Tensor
    phonemes: Tensor
    emotion: Tensor
    conditions: Conditions
    neutral: Tensor

    def with_neutral(self, rows: range) -> list[int]:
        """Those rows, then the neutral rows that they refer to and that are not among them."""
        referred = {int(i) for i in self.neutral[list(rows)] if i >= 0}
        return [*rows, *sorted(referred - set(rows))]

    def part(self, rows: Sequence[int]) -> CropBatch:
        """Some rows; `neutral` counts them anew, -1 for those that refer to none of them."""
        rows = list(rows)
        places = torch.tensor([rows.index(i) if i in rows else -1 for i in self.neutral[rows].tolist()])
        return self._each(lambda tensor: tensor[rows], places)

    def first(self, count: int) -> CropBatch:
        """The first rows, whose `neutral` keeps its numbers."""
        return self._each(lambda tensor: tensor[:count], self.neutral[:count])

    def to(self, device: torch.device) -> CropBatch:
        """The batch on a device (itself where it is there already)."""
        if self.audio.device == device:
            return self
        return self._each(lambda tensor: tensor.to(device), self.neutral.to(device))

    def _each(self, change: Callable[[Tensor], Tensor], neutral: Tensor) -> CropBatch:
        tensors = (self.audio, self.parameters, self.mask, self.phonemes, self.emotion)
        return CropBatch(*(change(tensor) for tensor in tensors), self.conditions.each(change), neutral)


def grid_step(fps: int) -> int:
    """Frames between two instants at which a frame and a feature coincide (3 at 30 fps)."""
    return fps // math.gcd(fps, FEATURE_RATE)


def crop_batch(
    store: ClipStore,
    generator: np.random.Generator,
    size: int,
    seconds: float,
    emotion_dropped: float,
    style_dropped: float,
    speed_change: float = 0.0,
    speed_change_probability: float = 0.0,
    recording: RecordingConditions = AS_RECORDED,
    clips_per_speaker: int = 1,
    rows: range | None = None,
) -> CropBatch:
    """Random crops, resampled in time (pitch and formants move along), in random recording conditions.

    Crops of one voice (`clips_per_speaker` of them) share speed and recording conditions. rows: the rows (and those
    with their neutral speech) whose sound is wanted; the others' stays silent.
    """
    fps = store.fps
    frames = int(seconds * fps)
    samples = frames * SAMPLE_RATE // fps
    audio = np.zeros((size, samples), np.float32)
    width = store.clips[0].parameters.shape[1]
    parameters = np.zeros((size, frames, width), np.float32)
    mask = np.zeros((size, frames), bool)
    phonemes = np.full((size, frames), IGNORED, np.int64)
    drawn, neutral = store.draw_speakers(generator, size, clips_per_speaker)
    chosen = [store.clips[i] for i in drawn]
    speeds = np.exp(generator.uniform(-speed_change, speed_change, size))
    speeds = np.where(generator.random(size) < speed_change_probability, speeds, 1.0)
    recordings = generator.integers(0, 2**63, size)
    heard = set(range(size)) if rows is None else {*rows, *(neutral[row] for row in rows)}
    for row, clip in enumerate(chosen):
        leader = row if neutral[row] < 0 else neutral[row]
        speed = float(speeds[leader])
        available = int((clip.frames - 1) / speed) + 1
        start = 0
        if available > frames:
            step = grid_step(fps)
            start = int(generator.integers(0, (clip.frames - int(frames * speed)) // step + 1)) * step
        length = min(frames, int((clip.frames - 1 - start) / speed) + 1)
        if row in heard:
            cut = _cut_audio(clip, start * SAMPLE_RATE // fps, samples, speed)
            audio[row] = recording.apply(cut, np.random.default_rng(recordings[leader]))
        position = start + speed * np.arange(length)
        parameters[row, :length] = _interpolate_rows(clip.parameters, position)
        phonemes[row, :length] = phoneme_frames(clip, position / fps)
        first = EDGE_FRAMES if start > 0 else 0
        last = length - (EDGE_FRAMES if start + speed * frames < clip.frames - 1 else 0)
        mask[row, first:last] = True
    return CropBatch(
        torch.from_numpy(audio),
        torch.from_numpy(parameters),
        torch.from_numpy(mask),
        torch.from_numpy(phonemes),
        torch.tensor([clip.emotion for clip in chosen]),
        conditions(store, chosen, generator, emotion_dropped, style_dropped),
        torch.tensor(neutral),
    )


def _cut_audio(clip: StoredClip, start: int, samples: int, speed: float) -> np.ndarray:
    """`samples` samples from `start` at `speed`, zeros after the end, float32."""
    if speed == 1.0:
        piece = clip.audio[start : start + samples].astype(np.float32)
    else:
        source = clip.audio[start : start + math.ceil(samples * speed) + 1]
        count = min(samples, int(max(0, len(source) - 1) / speed) + 1)
        piece = np.interp(np.arange(count) * speed, np.arange(len(source)), source).astype(np.float32)
    out = np.zeros(samples, np.float32)
    out[: len(piece)] = piece / 32768.0
    return out


def _interpolate_rows(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Linear interpolation between rows [T, P] at fractional positions, float32."""
    before = np.minimum(position.astype(np.int64), len(rows) - 1)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (position - before)[:, None].astype(np.float32)
    return rows[before].astype(np.float32) * (1 - share) + rows[after].astype(np.float32) * share
