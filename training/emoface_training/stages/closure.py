"""A price for lips that miss a closure, and one for lips that close where they should not (ours, not the paper's).

A mean of absolute errors asks for the middle of what may be: where the sound does not tell to 20 ms when lips meet, a
short closure gets lost, and weight on closing frames alone closes the lips of its neighbours instead. These two prices
look at the gap between the lips within a frame of its time, so that a shift by one frame costs nothing and a closure
that is missing or one too many costs its whole gap.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.errors import OptionsError
from emoface_training.measures.mouth import MASKS, MaskedTemplate, middle_third

UPPER, LOWER = MASKS[:2]
CLOSED_BELOW = 0.8e-3
"""Metres: lips of the target nearer than this, beyond how they lie in the template, are closed."""
OPEN_ABOVE = 2.0e-3
"""Lips of the target that are further apart than this all around a frame have no reason to close near it."""
TOUCHING, LEAST_SHARE = 0.3e-3, 0.6
"""What a closure must come to, and the share of the target's least gap nearby that open lips must keep."""
RARE = 12.0
"""How much more a frame of a missed closure counts than one of lips closed in error: five to one would make them equal,
for open frames are that many more, and the rest says that a missed p is seen first. On frozen features of an earlier
model, a factor of 5 closed 89 % of p b m and 0.8 % of free consonants."""


def lip_pairs(face: MaskedTemplate) -> Tensor:
    """Facing vertices int64 [2, n], upper then lower, of the middle third of the lips.

    Raises:
        OptionsError: a face without the masks of the inner lips.
    """
    if not {UPPER, LOWER} <= set(face.masks):
        raise OptionsError(
            "loss_closure on a face without the masks of its inner lips", f"{UPPER} and {LOWER}", "Set loss_closure: 0."
        )
    upper, lower = (np.asarray(face.masks[name], np.int64) for name in (UPPER, LOWER))
    middle, lower, facing = middle_third(face.template, upper, lower)
    return torch.from_numpy(np.stack([middle, lower[facing.argmax(axis=1)]]))


def lip_gap(offsets: Tensor) -> Tensor:
    """Opening [..., T] beyond the template's of offsets [..., T, 2 n, 3] at `lip_pairs`, flattened; the mean of the
    pairs."""
    upper, lower = offsets[..., 1].chunk(2, dim=-1)
    return (upper - lower).mean(-1)


def closure(gap: Tensor, target: Tensor, mask: Tensor, total: float | None = None) -> dict[str, Tensor]:
    """Prices in metres for gaps [B, T] against the target's; mask bool [B, T] of frames that count.

    total: frames of the whole batch where these rows are a part of it. Returns `missed`: how far the lips stay from
    touching, within a frame, in the target's closed frames; and `extra`: what open lips lack of `LEAST_SHARE` of the
    target's least gap around a frame. Both are sums over frames divided by all frames; `missed` counts `RARE` times.
    """
    closed = (target < CLOSED_BELOW) & mask
    nearest = _least_nearby(gap.masked_fill(~closed, torch.inf))
    missed = (nearest - TOUCHING).clamp(min=0).masked_fill(~closed, 0)
    least = _least_nearby(target.masked_fill(~mask, torch.inf))
    opened = (least > OPEN_ABOVE) & mask
    extra = (LEAST_SHARE * least - gap).clamp(min=0).masked_fill(~opened, 0)
    frames = mask.sum().clamp(min=1) if total is None else max(total, 1.0)
    return {"missed": RARE * missed.sum() / frames, "extra": extra.sum() / frames}


def _least_nearby(values: Tensor) -> Tensor:
    """The least of each frame and its two neighbours, [B, T]."""
    before = F.pad(values, (1, 0), value=torch.inf)[:, :-1]
    after = F.pad(values, (0, 1), value=torch.inf)[:, 1:]
    return torch.minimum(torch.minimum(before, after), values)
