"""Rows of one decoder batch in stage B: features, motion and conditions of windows, with swapped content beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from emoface_training.clips.conditions import Conditions
from emoface_training.clips.store import ClipStore
from emoface_training.loop.split import row_index
from emoface_training.stages.features import Features
from emoface_training.stages.stage_b_batch import StageBBatch, padded, swapped_content


@dataclass(frozen=True)
class DecoderRows:
    """One decoder batch: self rows first, then the cross rows (swapped content) with the same targets.

    motion: the targets' codes (`MotionTargets.window`), [B, T, width]. labels int64 [own] and pooled [own, D]: classes
    and mean emotion features for L_cls, None without that stream. Where these are a part of a batch: index, their rows
    among all `total` of it, and totals, its `StageBBatch.totals()`. heard [B, T, 8]: of a model that hears.
    """

    content: Tensor
    emotion: Tensor | None
    mask: Tensor
    frame_weights: Tensor
    motion: Tensor
    given: Conditions
    own: int
    labels: Tensor
    pooled: Tensor | None
    heard: Tensor | None = None
    index: Tensor | None = None
    total: int = 0
    totals: dict[str, tuple[float, float]] | None = None

    @classmethod
    def of(
        cls,
        batch: StageBBatch,
        own: range,
        features: dict[int, Features],
        store: ClipStore,
        pair_alignment: str,
        calibrate: Callable[[Features, Tensor], Features],
        device: torch.device,
    ) -> DecoderRows:
        """Decoder inputs and targets of `own` rows of a batch.

        features: of the clips that these rows want, by index; pair_alignment: as in `StageBOptions`; calibrate:
        features relative to a voice's mean.
        """
        draw = batch.draw
        cross, longest = draw.cross(own), batch.mask.shape[1]
        features = _calibrated(features, {draw.clips[row] for row in own}, draw.takes, calibrate)
        content, emotion, heard, motion = [], [], [], []
        for place, row in enumerate([*own, *cross]):
            clip, partner, window = draw.clips[row], draw.partners[row], draw.window(row)
            source = features[clip].content
            if place >= len(own):
                source = swapped_content(store, clip, partner, features[partner].content, pair_alignment)
            content.append(source[window])
            if features[clip].emotion is not None:
                emotion.append(features[clip].emotion[window])
            if features[clip].heard is not None:
                heard.append(features[clip].heard[window])
            motion.append(batch.motion[row])
        items = torch.tensor([*own, *cross])
        given = Conditions(*(part[items].to(device) for part in vars(draw.given).values()))
        part = {}
        if len(own) < len(draw.clips):
            index = torch.tensor(row_index(own, draw.partners))
            part = {"index": index, "total": len(draw.clips) + len(draw.cross(range(len(draw.clips))))}
            part |= {"totals": batch.totals()}
        return cls(
            padded(content, longest),
            padded(emotion, longest) if emotion else None,
            batch.mask[items].to(device),
            batch.frame_weights[items].to(device),
            padded(motion, longest).to(device),
            given,
            len(own),
            torch.tensor([store.clips[draw.clips[row]].emotion for row in own], device=device),
            torch.stack([features[draw.clips[row]].emotion.mean(0) for row in own]) if emotion else None,
            padded(heard, longest) if heard else None,
            **part,
        )

    @property
    def streams(self) -> dict[str, Tensor]:
        """Features by stream."""
        streams = {"content": self.content, "emotion": self.emotion, "heard": self.heard}
        return {name: rows for name, rows in streams.items() if rows is not None}


def _calibrated(
    features: dict[int, Features],
    clips: set[int],
    takes: dict[int, int],
    calibrate: Callable[[Features, Tensor], Features],
) -> dict[int, Features]:
    """Emotion features of the clips that have a take, relative to the mean of that take's."""
    # All before any is taken off: a take may be a calibrated clip itself
    means = {clip: features[takes[clip]].voice.mean(0) for clip in sorted(clips & set(takes))}
    return features | {clip: calibrate(features[clip], mean) for clip, mean in means.items()}
