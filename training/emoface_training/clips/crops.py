"""Random crops of clips: what one step of stage A trains on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.clips.conditions import Conditions, conditions
from emoface_training.clips.phoneme_labels import IGNORED, phoneme_frames
from emoface_training.clips.recording_conditions import RecordingConditions
from emoface_training.clips.store import ClipStore, StoredClip, heard
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.options import StageAOptions
from emoface_training.vocabulary import SAMPLE_RATE

# Frames at a cut edge whose context the crop lacks: they are encoded but not scored.
EDGE_FRAMES = 4
ONE_VOICE, BABBLE = 0.7, 5  # how often one voice alone is behind, and how many are otherwise


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
    options: StageAOptions,
    rows: range | None = None,
) -> CropBatch:
    """Random crops, resampled in time (pitch and formants move along), in random recording conditions.

    Crops of one voice (`clips_per_speaker` of them) share speed and recording conditions; voices behind are other
    clips of the batch. rows: the rows (and those
    with their neutral speech) whose sound is wanted; the others' stays silent.
    """
    o, fps, size = options, store.fps, options.batch_size
    recording = RecordingConditions(
        o.equaliser_db,
        o.noise_probability,
        o.gain_db,
        o.rumble_probability,
        o.quiet_probability,
        o.second_voice_probability,
    )
    frames = int(o.crop_seconds * fps)
    samples = frames * SAMPLE_RATE // fps
    audio = np.zeros((size, samples), np.float32)
    width = store.clips[0].parameters.shape[1]
    parameters = np.zeros((size, frames, width), np.float32)
    mask = np.zeros((size, frames), bool)
    phonemes = np.full((size, frames), IGNORED, np.int64)
    drawn, neutral = store.draw_speakers(generator, size, o.clips_per_speaker)
    chosen = [store.clips[i] for i in drawn]
    speeds = np.exp(generator.uniform(-o.speed_change, o.speed_change, size))
    speeds = np.where(generator.random(size) < o.speed_change_probability, speeds, 1.0)
    recordings = generator.integers(0, 2**63, size)
    behind = _drawn_behind(generator, size) if o.second_voice_probability > 0 else [[]] * size
    wanted = set(range(size)) if rows is None else {*rows, *(neutral[row] for row in rows)}
    for row, clip in enumerate(chosen):
        leader = row if neutral[row] < 0 else neutral[row]
        speed = float(speeds[leader])
        available = int((clip.frames - 1) / speed) + 1
        start = 0
        if available > frames:
            step = grid_step(fps)
            start = int(generator.integers(0, (clip.frames - int(frames * speed)) // step + 1)) * step
        length = min(frames, int((clip.frames - 1 - start) / speed) + 1)
        if row in wanted:
            cut = _cut_audio(clip, start * SAMPLE_RATE // fps, samples, speed)
            others = [_cut_audio(chosen[i], 0, samples, 1.0) for i in behind[row] if i != row]
            audio[row] = recording.apply(cut, np.random.default_rng(recordings[leader]), others)
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
        conditions(store, chosen, generator, o.emotion_dropped, o.style_dropped),
        torch.tensor(neutral),
    )


def _drawn_behind(generator: np.random.Generator, size: int) -> list[list[int]]:
    """Rows whose clips are heard behind each row: one voice, or now and then babble of several."""
    rows = generator.integers(0, size, (size, BABBLE))
    alone = generator.random(size) < ONE_VOICE
    return [row[:1] if single else row for row, single in zip(rows.tolist(), alone, strict=True)]


def _cut_audio(clip: StoredClip, start: int, samples: int, speed: float) -> np.ndarray:
    """`samples` samples from `start` at `speed` without their offset, zeros after the end, float32."""
    if speed == 1.0:
        piece = clip.audio[start : start + samples].astype(np.float32)
    else:
        source = clip.audio[start : start + math.ceil(samples * speed) + 1]
        count = min(samples, int(max(0, len(source) - 1) / speed) + 1)
        piece = np.interp(np.arange(count) * speed, np.arange(len(source)), source).astype(np.float32)
    out = np.zeros(samples, np.float32)
    out[: len(piece)] = heard(piece / 32768.0)
    return out


def _interpolate_rows(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Linear interpolation between rows [T, P] at fractional positions, float32."""
    before = np.minimum(position.astype(np.int64), len(rows) - 1)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (position - before)[:, None].astype(np.float32)
    return rows[before].astype(np.float32) * (1 - share) + rows[after].astype(np.float32) * share
