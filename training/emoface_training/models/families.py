"""How a model of each family is made: untrained for a face, or as a checkpoint's tensors need it.

Everything else talks to a model through `nn.talking_model.TalkingModel`; what its training differs in is in
`stages.objectives`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emoface_training.config import EmoFaceConfig, FaceFormerConfig, ModelConfig
from emoface_training.motion.targets import Face
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.nn.spiral import build_spirals
from emoface_training.nn.talking_model import TalkingModel


@dataclass(frozen=True)
class Family:
    """One family.

    new: configuration, face (None: not known yet) and motion basis -> untrained model; saved: configuration and a
    checkpoint's tensors -> the model they fit. stores_spirals: whether weights tell which face they belong to; else a
    checkpoint keeps the face.
    """

    new: Callable[[Any, Face | None, Tensor | None], TalkingModel]
    saved: Callable[[Any, Mapping[str, Tensor]], TalkingModel]
    stores_spirals: bool


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


def _new_faceformer(config: FaceFormerConfig, face: Face | None, basis: Tensor | None) -> FaceFormer:
    return FaceFormer(config, basis)


def _saved_faceformer(config: FaceFormerConfig, tensors: Mapping[str, Tensor]) -> FaceFormer:
    return FaceFormer(config, tensors.get("decoder.basis"))


FAMILIES: dict[str, Family] = {
    "emoface": Family(_new_emoface, _saved_emoface, stores_spirals=True),
    "faceformer": Family(_new_faceformer, _saved_faceformer, stores_spirals=False),
}
