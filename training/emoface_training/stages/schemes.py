"""What the decoders are fed during training: ground truth, own predictions, or a growing mixture (equation 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emoface_training.errors import OptionsError
from emoface_training.options import SCHEMES

GUIDED_FRACTION = 0.1  # theta / N


def ground_truth_probability(progress: float, scheme: str = "self-growing", guided: float = GUIDED_FRACTION) -> float:
    """Chance that a frame fed back is ground truth.

    progress: n / N in 0..1, the share of training done. Self-growing (equation 4): 1 before theta, then
    max(0, cos(pi (n - theta) / (N - theta))), so the second half of the rest sees only predictions.
    Raises OptionsError for an unknown scheme.
    """
    if scheme == "teacher-forcing":
        return 1.0
    if scheme == "autoregressive":
        return 0.0
    if scheme != "self-growing":
        raise OptionsError(f"scheme {scheme!r}", f"one of {', '.join(SCHEMES)}", "Correct stage_b.scheme.")
    if progress < guided:
        return 1.0
    return max(0.0, math.cos(math.pi * (progress - guided) / (1.0 - guided)))


def mix(
    ground_truth: Tensor,
    predicted: Tensor,
    probability: float,
    generator: torch.Generator,
    index: Tensor | None = None,
    total: int = 0,
) -> Tensor:
    """Per-frame mixture I(n, t) of equation 4.

    ground_truth, predicted: [B, T, ...]; each frame is ground truth with the given probability. `predicted` is
    detached: the first pass carries no gradient. index int64 [B]: which rows of a batch of `total` these are; they get
    what they would get there.
    """
    if probability >= 1.0:
        return ground_truth
    predicted = predicted.detach()
    if probability <= 0.0:
        return predicted
    batch, frames = ground_truth.shape[:2]
    keep = torch.rand(batch if index is None else total, frames, generator=generator) < probability
    keep = (keep if index is None else keep[index]).to(ground_truth.device)
    return torch.where(keep.view(batch, frames, *([1] * (ground_truth.dim() - 2))), ground_truth, predicted)
