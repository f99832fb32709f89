"""Training losses of EmoFace (the paper's section 3.3, equations 5 to 9).

Norms are L1. A vertex's error is the sum of its three absolute coordinate errors; losses are means over vertices
and over the frames that the mask keeps. Offsets are in metres, so the paper's weights (1000, 1000, 500, 1e-4) apply
as printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from emoface_training.errors import OptionsError


@dataclass(frozen=True)
class LossWeights:
    """Weights of equation 9, and of the prices of `stages.closure`."""

    self_reconstruction: float = 1000.0
    cross_reconstruction: float = 1000.0
    velocity: float = 500.0
    classification: float = 1e-4
    closure: float = 0.0


def frame_mean(error: Tensor, mask: Tensor, vertex_weights: Tensor | None = None, total: float | None = None) -> Tensor:
    """Mean L1 error over vertices and kept frames.

    error: [B, T, V, 3] signed differences in metres. mask: [B, T], True for frames that count, or their weights.
    vertex_weights: optional [V] with mean 1, a declared deviation from the paper (1 everywhere). total: the sum of the
    whole batch's mask where these rows are a part of it, so that the parts' results add up to the whole's mean.
    Returns a scalar; zero when no frame counts.
    """
    per_vertex = error.abs().sum(-1)
    per_frame = per_vertex.mean(-1) if vertex_weights is None else (per_vertex * vertex_weights).mean(-1)
    keep = mask.to(per_frame.dtype)
    return (per_frame * keep).sum() / (keep.sum().clamp(min=1) if total is None else max(total, 1.0))


def mean_square(
    offsets: Tensor,
    target: Tensor,
    mask: Tensor,
    vertex_weights: Tensor | None = None,
    total: float | None = None,
) -> Tensor:
    """FaceFormer's loss: the squared error's mean over kept frames and all coordinates. Arguments as `frame_mean`."""
    squares = (offsets - target).square().mean(-1)
    per_frame = squares.mean(-1) if vertex_weights is None else (squares * vertex_weights).mean(-1)
    keep = mask.to(per_frame.dtype)
    return (per_frame * keep).sum() / (keep.sum().clamp(min=1) if total is None else max(total, 1.0))


def reconstruction(
    fused: Tensor,
    emotion_branch: Tensor,
    content_branch: Tensor,
    target: Tensor,
    mask: Tensor,
    vertex_weights: Tensor | None = None,
    total: float | None = None,
) -> dict[str, Tensor]:
    """The three terms of equation 5 (or 6, for swapped features): each branch and the fusion against the target.

    Arguments as in `frame_mean`; offsets [B, T, V, 3] in metres. Returns `fused`, `emotion`, `content`; their sum is
    the equation's loss.
    """
    return {
        "fused": frame_mean(fused - target, mask, vertex_weights, total),
        "emotion": frame_mean(emotion_branch - target, mask, vertex_weights, total),
        "content": frame_mean(content_branch - target, mask, vertex_weights, total),
    }


def velocity(
    fused: Tensor,
    target: Tensor,
    mask: Tensor,
    vertex_weights: Tensor | None = None,
    total: float | None = None,
) -> Tensor:
    """One term of equation 7: L1 between frame-to-frame changes; a change counts when both of its frames do.

    total: the changes that count in the whole batch, as in `frame_mean`.
    """
    change = (fused[:, 1:] - fused[:, :-1]) - (target[:, 1:] - target[:, :-1])
    return frame_mean(change, changes(mask), vertex_weights, total)


def changes(mask: Tensor) -> Tensor:
    """Frame-to-frame changes that count, bool [B, T - 1], for frames that count [B, T]."""
    return mask[:, 1:] & mask[:, :-1]


def classification(logits: Tensor, emotion: Tensor, total: int | None = None) -> Tensor:
    """Equation 8 as a mean over clips. logits [B, 8] before softmax; emotion int64 [B]; total: the whole batch's B."""
    mean = functional.cross_entropy(logits, emotion)
    return mean if total is None else mean * (len(emotion) / total)


def total(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Equation 9. terms: `self`, and optionally `velocity`, `cross`, `classification`, and `missed` with `extra` of
    `stages.closure` (absent terms are off)."""
    loss = weights.self_reconstruction * terms["self"]
    if "velocity" in terms:
        loss = loss + weights.velocity * terms["velocity"]
    if "cross" in terms:
        loss = loss + weights.cross_reconstruction * terms["cross"]
    if "classification" in terms:
        loss = loss + weights.classification * terms["classification"]
    if "missed" in terms:
        loss = loss + weights.closure * (terms["missed"] + terms["extra"])
    return loss


def region_weights(
    vertex_count: int, masks: dict[str, object], extra: dict[str, float], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Per-vertex weights with mean 1 from named regions, for `frame_mean` (a deviation from the paper).

    masks: name -> vertex indices; extra: name -> how much weight the region gains on top of 1.
    Raises OptionsError naming the unknown region.
    """
    weights = torch.ones(vertex_count, dtype=dtype)
    for name, gain in extra.items():
        if name not in masks:
            raise OptionsError(
                f"region {name!r}", f"one of {', '.join(sorted(masks))}", "Correct loss_regions in the config."
            )
        weights[torch.as_tensor(masks[name], dtype=torch.long)] += gain
    return weights / weights.mean()
