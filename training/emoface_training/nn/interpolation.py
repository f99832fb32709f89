"""Feature clock (50 Hz) to frame clock, in absolute integer time, so that streams and whole clips agree."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emoface_training.vocabulary import SAMPLE_RATE

FEATURE_RATE = 50


def frame_count(samples: int, fps: int, sample_rate: int = SAMPLE_RATE) -> int:
    """Frames of a clip of `samples`: floor(samples * fps / sample_rate)."""
    return samples * fps // sample_rate


def features_needed(frames: int, fps: int) -> int:
    """Features that `frames` frames touch: frame m needs feature floor(50 m / fps), and the next one in between."""
    if frames == 0:
        return 0
    position = (frames - 1) * FEATURE_RATE
    return position // fps + (2 if position % fps else 1)


def interpolate(features: Tensor, frames: int, fps: int) -> Tensor:
    """features [B, T, C] at 50 Hz -> [B, frames, C]; frame m lies at m / fps seconds."""
    position = torch.arange(frames, device=features.device) * FEATURE_RATE
    index = position // fps
    fraction = ((position % fps).to(features.dtype) / fps)[None, :, None]
    before = features[:, index]
    after = features[:, (index + 1).clamp(max=features.shape[1] - 1)]
    return before + (after - before) * fraction


def hold(rows: Tensor, rate: int) -> Tensor:
    """Rows at `rate` Hz [B, R, C] -> 50 Hz [B, 50 R / rate, C], from which `interpolate` reads the same rows again.

    Both features that a frame lies between hold that frame's row, so a + (b - a) w gives it exactly. R must be whole
    groups (3 rows for 5 features at 30 Hz); see `can_hold` for the rates.
    """
    if rate == FEATURE_RATE:
        return rows
    features, per_group = group(rate)
    count = rows.shape[1] // per_group * features
    return rows[:, ((torch.arange(count, device=rows.device) + 1) * rate - 1) // FEATURE_RATE]


def held(rows: Tensor, count: int) -> Tensor:
    """The first `count` of rows [B, R, C]; the last one is held where there are fewer."""
    return rows[:, torch.arange(count, device=rows.device).clamp(max=rows.shape[1] - 1)]


def group(rate: int) -> tuple[int, int]:
    """(features, rows): the least numbers of both that last equally long, 5 and 3 at 30 Hz."""
    common = math.gcd(FEATURE_RATE, rate)
    return FEATURE_RATE // common, rate // common


def can_hold(rate: int) -> bool:
    """Whether no feature of 50 Hz is read by two rows at `rate` Hz: true up to 25 Hz, at 30 Hz and at 50 Hz."""
    features, rows = group(rate)
    read = [{FEATURE_RATE * row // rate, -(-FEATURE_RATE * row // rate)} for row in range(rows)]
    return sum(map(len, read)) == len(set().union(*read)) <= features
