"""What differs between model families for the trainer: module, reconstruction loss, and which losses there are.

Everything else talks to a model through `nn.talking_model.TalkingModel`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from emoface_training import losses
from emoface_training.config import EmoFaceConfig, FaceFormerConfig, ModelConfig
from emoface_training.motion_targets import Face
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.nn.spiral import build_spirals
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageBOptions


@dataclass(frozen=True)
class Family:
    """One family.

    new: configuration, face (None: not known yet) and motion basis -> untrained model; saved: configuration and a
    checkpoint's tensors -> the model they fit. reconstruction: outputs, target, mask, vertex weights, total (as
    `losses.reconstruction`) -> terms by branch, whose sum is the loss; unit: of these terms in the log (name, factor).
    stores_spirals: whether weights tell which face they belong to; else a checkpoint keeps the face. off: options of
    stage B that mean nothing here, and what they are set to. rollout_gradient: whether the
    autoregressive scheme of its paper lets gradients through the frames fed back.
    """

    new: Callable[[Any, Face | None, Tensor | None], TalkingModel]
    saved: Callable[[Any, Mapping[str, Tensor]], TalkingModel]
    reconstruction: Callable[..., dict[str, Tensor]]
    unit: tuple[str, float]
    rollout_gradient: bool
    stores_spirals: bool = False
    off: Mapping[str, Any] = field(default_factory=dict)

    def effective(self, options: StageBOptions) -> StageBOptions:
        """The options without what means nothing to this family."""
        return dataclasses.replace(options, **self.off)


def family_of(config: ModelConfig) -> Family:
    """The family of a configuration."""
    return FAMILIES[config.family]


def _new_emoface(config: EmoFaceConfig, face: Face | None, basis: Tensor | None) -> EmoFace:
    if face is None:
        return EmoFace(config)
    mesh = config.mesh_attention
    spiral = build_spirals(face.template, face.faces, mesh.kernel, mesh.dilation)
    return EmoFace(config, torch.as_tensor(spiral), basis)


def _saved_emoface(config: EmoFaceConfig, tensors: Mapping[str, Tensor]) -> EmoFace:
    return EmoFace(config, spiral=tensors.get("spiral"), basis=tensors.get("decoder.basis"))


def _equation_5(outputs: MotionOutputs, *arguments: Any) -> dict[str, Tensor]:
    return losses.reconstruction(*outputs, *arguments)


def _new_faceformer(config: FaceFormerConfig, face: Face | None, basis: Tensor | None) -> FaceFormer:
    return FaceFormer(config, basis)


def _saved_faceformer(config: FaceFormerConfig, tensors: Mapping[str, Tensor]) -> FaceFormer:
    return FaceFormer(config, tensors.get("decoder.basis"))


def _mean_square(outputs: MotionOutputs, *arguments: Any) -> dict[str, Tensor]:
    return {"fused": losses.mean_square(outputs.fused, *arguments)}


FAMILIES: dict[str, Family] = {
    "emoface": Family(
        _new_emoface, _saved_emoface, _equation_5, ("mm", 1e3), rollout_gradient=False, stores_spirals=True
    ),
    "faceformer": Family(
        _new_faceformer,
        _saved_faceformer,
        _mean_square,
        ("mm2", 1e6),
        rollout_gradient=True,
        off={"pairs": False, "classification": False, "calibrated": 0.0, "loss_velocity": 0.0, "fusion_from": 0.0},
    ),
}
