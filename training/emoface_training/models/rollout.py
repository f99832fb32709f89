"""Autoregressive whole-clip inference over stored clips, batched by length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from emoface_training.clips.conditions import conditions
from emoface_training.clips.store import ClipStore, StoredClip, heard_batch
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.vocabulary import UNKNOWN_EMOTION

BATCH = 8


@dataclass(frozen=True)
class Rollout:
    """emotion: the clip's label, or "auto" (class `unknown`). style: the actor's own where known, or the mean."""

    emotion: Literal["given", "auto"] = "auto"
    style: Literal["own", "mean"] = "own"


@torch.no_grad()
def animate(
    model: TalkingModel,
    store: ClipStore,
    clips: list[StoredClip],
    rollout: Rollout,
    speaker_means: torch.Tensor | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index in clips, offsets float32 [T, V, 3] in metres), each frame fed with the model's previous one.

    speaker_means [clips, D]: what calibration found of each clip's voice; the model's encoders are told.
    """
    device = next(model.parameters()).device
    order = sorted(range(len(clips)), key=lambda i: clips[i].frames)
    for first in range(0, len(order), BATCH):
        indices = order[first : first + BATCH]
        some = [clips[i] for i in indices]
        given = conditions(store, some, style_dropped=2.0 if rollout.style == "mean" else 0.0)
        emotion_class = given.emotion_class
        if rollout.emotion == "auto":
            emotion_class = torch.zeros_like(emotion_class)
            emotion_class[:, UNKNOWN_EMOTION] = 1.0
        known = {} if speaker_means is None else {"speaker_mean": speaker_means[indices].to(device)}
        streams = model.encode_streams(heard_batch(some).to(device), [len(clip.audio) for clip in some], **known)
        steered = {"style": given.style, "level": given.level, "emotion_class": emotion_class}
        steered = {name: value.to(device) for name, value in steered.items()}
        offsets = model.motion.autoregressive(streams | model.fuse(streams) | steered)
        for row, index in enumerate(indices):
            yield index, offsets[row, : clips[index].frames].cpu().numpy()
