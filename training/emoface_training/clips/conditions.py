"""What a model is told beside the sound: style, level and emotion of each clip of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.vocabulary import LEVELS, UNKNOWN_EMOTION


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
