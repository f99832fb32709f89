"""Brings a voice to one level while it speaks: a quiet microphone moves the face as far as a loud one.

Layer norm takes the level out of loud sound only: below its epsilon (about -60 dBFS) features fade, and motion with
them. The gain here follows the loudest segment of 20 ms so far, which is forgotten slowly. It is part of the step:
nothing depends on blocks or on the future.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emoface_training.vocabulary import SAMPLE_RATE

# Mean absolute values of a segment: what the loudest is brought to, and below which nothing is amplified further
LEVEL, FLOOR = 0.16, 2.5e-4
_PER_DECIBEL = math.log(10) / 20


def levelled(audio: Tensor, loudest: Tensor, decay: float, hop: int, overlap: int) -> tuple[Tensor, Tensor]:
    """Audio at a common level.

    Args:
        audio: [B, hop n + overlap], of which the first `overlap` samples were heard before.
        loudest: [B] the loudest segment so far in dB above FLOOR; 0 before a stream.
        decay: dB per second by which it is forgotten.

    Returns:
        [B, hop n + overlap] within -1..1, and the loudest [B] behind it. A segment has one gain, so that a loud one is
        never amplified as the pause before it was.
    """
    segments = audio[:, overlap:].unflatten(1, (-1, hop))
    heard = torch.log(segments.abs().mean(2).clamp(min=FLOOR) / FLOOR) / _PER_DECIBEL
    held = _held(heard, loudest, decay * hop / SAMPLE_RATE)
    gains = (LEVEL / FLOOR) * torch.exp(-_PER_DECIBEL * torch.cat([loudest[:, None], held], 1))
    out = torch.cat([audio[:, :overlap] * gains[:, :1], (segments * gains[:, 1:, None]).flatten(1)], 1)
    return out.clamp(-1.0, 1.0), held[:, -1]


def _held(heard: Tensor, loudest: Tensor, decay: float) -> Tensor:
    """The largest of what was heard up to each segment, less `decay` per segment since. heard [B, n], at least 0."""
    number = torch.arange(heard.shape[1], device=heard.device)
    lost = decay * (number + 1).to(heard.dtype)
    if torch.compiler.is_exporting():  # ONNX has no running maximum; n is small
        age = number[:, None] - number[None]
        older = heard[:, None] - decay * age.to(heard.dtype)
        held = torch.where(age >= 0, older, torch.zeros_like(older)).amax(2)
    else:
        held = (heard + lost).cummax(1).values - lost
    return torch.maximum(held, loudest[:, None] - lost).clamp(min=0.0)
