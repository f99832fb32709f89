"""What stage B minimises for each model family: its paper's reconstruction loss, and which other losses there are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from emoface_training.config import EmoFaceConfig, ModelConfig
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.options import StageBOptions
from emoface_training.stages import losses


@dataclass(frozen=True)
class Objective:
    """The objective of one family.

    reconstruction: outputs, target, mask, vertex weights, total (as `losses.reconstruction`) -> terms by branch, whose
    sum is the loss; unit: of these terms in the log (name, factor). rollout_gradient: whether the autoregressive scheme
    of its paper lets gradients through the frames fed back. off: options of stage B that mean nothing here, and what
    they are set to. variant: the same objective where a configuration's options change it.
    """

    reconstruction: Callable[..., dict[str, Tensor]]
    unit: tuple[str, float]
    rollout_gradient: bool
    off: Mapping[str, Any] = field(default_factory=dict)
    variant: Callable[[Any, Objective], Objective] = lambda config, objective: objective

    def effective(self, options: StageBOptions) -> StageBOptions:
        """The options without what means nothing to this family."""
        return dataclasses.replace(options, **self.off)


def objective_of(config: ModelConfig) -> Objective:
    """The objective of a configuration's family, as its options have it."""
    return OBJECTIVES[config.family].variant(config, OBJECTIVES[config.family])


def _equation_5(outputs: MotionOutputs, *arguments: Any) -> dict[str, Tensor]:
    return losses.reconstruction(*outputs, *arguments)


def _mean_square(outputs: MotionOutputs, *arguments: Any) -> dict[str, Tensor]:
    return {"fused": losses.mean_square(outputs.fused, *arguments)}


def _emoface_variant(config: EmoFaceConfig, objective: Objective) -> Objective:
    """What hears emotions is stage A's: stage B has no L_cls then."""
    return dataclasses.replace(objective, off={"classification": False}) if config.emotion_heard else objective


OBJECTIVES: dict[str, Objective] = {
    "emoface": Objective(_equation_5, ("mm", 1e3), rollout_gradient=False, variant=_emoface_variant),
    "faceformer": Objective(
        _mean_square,
        ("mm2", 1e6),
        rollout_gradient=True,
        off={"pairs": False, "classification": False, "calibrated": 0.0, "loss_velocity": 0.0, "fusion_from": 0.0},
    ),
}
