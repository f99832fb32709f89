"""Autoregressive whole-clip inference over stored clips, batched by length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from emoface_training.batches import UNKNOWN_EMOTION, ClipStore, StoredClip, conditions
from emoface_training.nn.emoface import EmoFace

BATCH = 8


@dataclass(frozen=True)
class Rollout:
    """emotion: the clip's label, or "auto" (class `unknown`). style: the actor's own where known, or the mean."""

    emotion: Literal["given", "auto"] = "auto"
    style: Literal["own", "mean"] = "own"


@torch.no_grad()
def animate(
    model: EmoFace, store: ClipStore, clips: list[StoredClip], rollout: Rollout
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index in clips, offsets float32 [T, V, 3] in metres), each frame fed with the model's previous one."""
    order = sorted(range(len(clips)), key=lambda i: clips[i].frames)
    for first in range(0, len(order), BATCH):
        indices = order[first : first + BATCH]
        some = [clips[i] for i in indices]
        audio = torch.zeros(len(some), max(len(clip.audio) for clip in some))
        for row, clip in enumerate(some):
            audio[row, : len(clip.audio)] = torch.from_numpy(clip.waveform())
        given = conditions(store, some, style_dropped=2.0 if rollout.style == "mean" else 0.0)
        emotion_class = given.emotion_class
        if rollout.emotion == "auto":
            emotion_class = torch.zeros_like(emotion_class)
            emotion_class[:, UNKNOWN_EMOTION] = 1.0
        content, emotion, _ = model.encode(audio)
        weight = model.mesh_attention.whole(content, emotion)
        offsets = model.decode_autoregressive(content, emotion, weight, given.style, given.level, emotion_class)
        for row, index in enumerate(indices):
            yield index, offsets[row, : clips[index].frames].numpy()
