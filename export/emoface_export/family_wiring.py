"""How the stages of each model family are wired in a package: the only place of the exporter that knows families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emoface.manifest import AFFECT
from emoface_training.config import EMOTION_CLASSES, EmoFaceConfig, FaceFormerConfig, ModelConfig
from emoface_training.nn.faceformer import block_multiple
from emoface_training.vocabulary import EMOTIONS, LEVELS

Vectors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Wiring:
    """One family.

    sources: stage -> input -> where it comes from; outputs: what the caller sees; conditions: configuration -> default
    vectors; extents: configuration -> what follows batch and time in the shape of every input but audio, conditions and
    noise; block_multiple: features that a block holds a multiple of; frame_stages: those of one frame per call, a chain
    in this order; noise: name -> shape of what stages read of it.
    """

    sources: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, str]
    emotions: tuple[str, ...]
    levels: tuple[str, ...]
    conditions: Callable[[Any], Vectors]
    extents: Callable[[Any], dict[str, tuple[int, ...]]]
    block_multiple: Callable[[Any], int]
    frame_stages: tuple[str, ...] = ("decoder",)
    noise: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    variant: Callable[[Any, Wiring], Wiring] = lambda config, wiring: wiring


def wiring_of(config: ModelConfig) -> Wiring:
    """The wiring of a configuration's family, as its options have it."""
    wiring = WIRINGS[config.family]
    return wiring.variant(config, wiring)


def outputs_of(wiring: Wiring, motion: tuple[str, ...]) -> dict[str, str]:
    """What the caller sees of a model whose motion stage gives `motion`: offsets, and their like in a basis."""
    owner = wiring.outputs["offsets"].partition(".")[0]
    return {**wiring.outputs, **{name: f"{owner}.{name}" for name in motion}}


def _emoface_conditions(config: EmoFaceConfig) -> Vectors:
    """Mean of the styles, normal level, emotion from the voice alone, no speaker calibration."""
    return {
        "style": np.full(len(config.styles), 1 / len(config.styles), np.float32),
        "level": np.eye(len(LEVELS), dtype=np.float32)[0],
        "emotion": np.eye(len(EMOTIONS) + 1, dtype=np.float32)[-1],
        "speaker_mean": np.zeros(config.voice_width, np.float32),
    }


def _emoface_extents(config: EmoFaceConfig) -> dict[str, tuple[int, ...]]:
    heard = {"heard": (EMOTION_CLASSES,)} if config.emotion_heard else {}
    return {"content": (config.width,), "emotion": (config.width,), "emotion_weight": (config.vertices,)} | heard


def _emoface_variant(config: EmoFaceConfig, wiring: Wiring) -> Wiring:
    """With `emotion_heard`: what the encoder hears goes to the decoder and to the caller."""
    if not config.emotion_heard:
        return wiring
    decoder = {**wiring.sources["decoder"], "heard": "emotion_encoder.heard"}
    affect = {role: f"emotion_encoder.{role}" for role in AFFECT}
    return replace(wiring, sources={**wiring.sources, "decoder": decoder}, outputs={**wiring.outputs, **affect})


def _faceformer_conditions(config: FaceFormerConfig) -> Vectors:
    return {"style": np.full(len(config.styles), 1 / len(config.styles), np.float32)}


def _faceformer_extents(config: FaceFormerConfig) -> dict[str, tuple[int, ...]]:
    return {"content": (config.keys * config.width,)}


WIRINGS: dict[str, Wiring] = {
    "emoface": Wiring(
        sources={
            "content_encoder": {"audio": "audio"},
            "emotion_encoder": {"audio": "audio", "speaker_mean": "condition.speaker_mean"},
            "mesh_attention": {"content": "content_encoder.content", "emotion": "emotion_encoder.emotion"},
            "decoder": {
                "content": "content_encoder.content",
                "emotion": "emotion_encoder.emotion",
                "emotion_weight": "mesh_attention.emotion_weight",
                "style": "condition.style",
                "level": "condition.level",
                "emotion_class": "condition.emotion",
            },
        },
        outputs={
            "offsets": "decoder.offsets",
            "emotion": "emotion_encoder.probabilities",
            "emotion_weight": "mesh_attention.emotion_weight",
        },
        emotions=EMOTIONS,
        levels=LEVELS,
        conditions=_emoface_conditions,
        extents=_emoface_extents,
        block_multiple=lambda config: 1,
        variant=_emoface_variant,
    ),
    "faceformer": Wiring(
        sources={
            "content_encoder": {"audio": "audio"},
            "decoder": {"content": "content_encoder.content", "style": "condition.style"},
        },
        outputs={"offsets": "decoder.offsets"},
        emotions=(),
        levels=(),
        conditions=_faceformer_conditions,
        extents=_faceformer_extents,
        block_multiple=block_multiple,
    ),
}
