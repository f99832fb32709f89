"""Feature clock (50 Hz) to frame clock, in absolute integer time, so that streams and whole clips agree."""

from __future__ import annotations

import torch
from torch import Tensor

FEATURE_RATE = 50


def frame_count(samples: int, fps: int, sample_rate: int = 16000) -> int:
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
