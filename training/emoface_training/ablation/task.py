"""Stage B and inference on features that are already there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.ablation.features import SplitFeatures
from emoface_training.clips.conditions import conditions
from emoface_training.clips.store import ClipStore
from emoface_training.measures.vertices import VertexMetrics
from emoface_training.motion.targets import Face, clip_offsets
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageBOptions
from emoface_training.stages.features import ClipFeatures, Features
from emoface_training.stages.stage_b import StageB
from emoface_training.vocabulary import UNKNOWN_EMOTION

BATCH = 20  # clips decoded together


@dataclass(frozen=True)
class Split:
    """One split: clips, their features, and which of them are measured."""

    features: SplitFeatures
    chosen: list[int]

    @property
    def store(self) -> ClipStore:
        return self.features.store


class GivenFeatures(ClipFeatures):
    """Features that were computed before."""

    def __init__(self, model: TalkingModel, given: SplitFeatures, options: StageBOptions) -> None:
        super().__init__(model, given.store, options)
        self.given = given

    def encode_all(self) -> list[Features]:
        clips = (self.given.clip(i) for i in range(len(self.store.clips)))
        return [Features(**{name: clip[name] for name in self.model.streams}) for clip in clips]


class RowTask(StageB):
    """The trainer's stage B with the encoders' outputs given; validates on given features too."""

    def __init__(
        self, model: TalkingModel, train: SplitFeatures, validation: Split, rig: Face, options: StageBOptions, seed: int
    ) -> None:
        super().__init__(model, train.store, validation.store, rig, options, seed)
        self.features, self.validation_split = GivenFeatures(model, train, options), validation

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """LVE, EVE and FDD of free running on about `validation_clips` of the measured validation clips."""
        metrics = VertexMetrics.of(self.rig)
        chosen = self.validation_split.chosen
        step = max(1, len(chosen) // self.options.validation_clips)
        split = Split(self.validation_split.features, chosen[::step])
        for index, offsets in free_running(self.model, split):
            metrics.add(offsets, clip_offsets(self.rig, split.store.clips[index]))
        return {key: value for key, value in metrics.figures().items() if not isinstance(value, str)}


@torch.no_grad()
def free_running(
    model: TalkingModel, split: Split, emotion: str = "auto", resting: bool = False
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (clip index, offsets float32 [T, V, 3]) of autoregression on the model's own output.

    resting: both branches count half everywhere, in place of what Mesh Attention says.
    """
    for indices, inputs in _batches(model, split, emotion, resting):
        offsets = model.motion.autoregressive(inputs)
        for row, index in enumerate(indices):
            yield index, offsets[row, : split.store.clips[index].frames].cpu().numpy()


@torch.no_grad()
def one_step_ahead(
    model: TalkingModel, split: Split, face: Face, emotion: str = "auto"
) -> Iterator[tuple[int, MotionOutputs]]:
    """Yield (clip index, outputs [T, V, 3]), every frame fed with the true motion before it."""
    for indices, inputs in _batches(model, split, emotion):
        truth = torch.zeros(*inputs["content"].shape[:2], model.config.vertices, 3)
        for row, index in enumerate(indices):
            clip = split.store.clips[index]
            truth[row, : clip.frames] = torch.from_numpy(clip_offsets(face, clip))
        outputs = model.motion.given(inputs, model.motion.motion_code(truth.to(inputs["content"].device)))
        for row, index in enumerate(indices):
            frames = split.store.clips[index].frames
            yield index, MotionOutputs(*(None if out is None else out[row, :frames].cpu() for out in outputs))


@torch.no_grad()
def emotion_weights(model: TalkingModel, split: Split) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (clip index, Mesh Attention's w_e float32 [T, V])."""
    for indices, inputs in _batches(model, split, "auto"):
        for row, index in enumerate(indices):
            yield index, inputs["emotion_weight"][row, : split.store.clips[index].frames].cpu().numpy()


def weighs_branches(model: TalkingModel) -> bool:
    """Whether the model has Mesh Attention: two branches that are not just added."""
    fusing = model.stages.get("mesh_attention")
    return fusing is not None and not fusing.adds


def _batches(
    model: TalkingModel, split: Split, emotion: str, resting: bool = False
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Clips of similar length, and the decoder's inputs for them."""
    clips, device = split.store.clips, next(model.parameters()).device
    order = sorted(split.chosen, key=lambda i: clips[i].frames)
    for first in range(0, len(order), BATCH):
        indices = order[first : first + BATCH]
        some = [clips[i] for i in indices]
        longest = max(clip.frames for clip in some)
        streams = {name: torch.zeros(len(some), longest, width) for name, width in model.stream_widths.items()}
        for row, index in enumerate(indices):
            features = split.features.clip(index)
            for name, padded in streams.items():
                padded[row, : len(features[name])] = features[name]
        given = conditions(split.store, some)
        classes = given.emotion_class
        if emotion == "auto":
            classes = torch.zeros_like(classes)
            classes[:, UNKNOWN_EMOTION] = 1.0
        steered = {"style": given.style, "level": given.level, "emotion_class": classes}
        inputs = {name: value.to(device) for name, value in (streams | steered).items()}
        yield indices, inputs | model.fuse({name: inputs[name] for name in streams}, resting=resting)
