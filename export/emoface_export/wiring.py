"""What the manifest says about a model beyond its graphs: sources of inputs, conditions, clock, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emoface.manifest import (
    ConditionSpec,
    FileEntry,
    InputSpec,
    Manifest,
    OutputSpec,
    StageSpec,
    StateSpec,
    declared_latency_samples,
)
from emoface_export.onnx_export import ExportedStage, ExportError
from emoface_export.step_module import Shape
from emoface_training.config import EmoFaceConfig
from emoface_training.data.synthetic.parameters import EMOTIONS, LEVELS
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.wav2vec2 import HOP, OVERLAP

ALLOWED_BLOCKS = (1, 50)
AUDIO: Shape = ("B", f"{HOP}*n+{OVERLAP}")
SOURCES: dict[str, dict[str, str]] = {
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
}
OUTPUTS = {
    "offsets": "decoder.offsets",
    "emotion": "emotion_encoder.probabilities",
    "emotion_weight": "mesh_attention.emotion_weight",
}


@dataclass(frozen=True)
class PackageFacts:
    """What the caller decides about a package."""

    name: str
    licence: str = "Apache-2.0"
    block_features: int = 2
    unit_in_metres: float = 1.0
    axes: str = "+Y up, +Z front"


def input_shapes(config: EmoFaceConfig, stage: str) -> dict[str, Shape]:
    """Symbolic shapes of a stage's inputs."""
    time: int | str = 1 if stage == "decoder" else "n"
    sizes: dict[str, Shape] = {
        "audio": AUDIO,
        "content": ("B", time, config.width),
        "emotion": ("B", time, config.width),
        "emotion_weight": ("B", time, config.vertices),
        "speaker_mean": ("B", config.width),
        "style": ("B", len(config.styles)),
        "level": ("B", len(LEVELS)),
        "emotion_class": ("B", len(EMOTIONS) + 1),
    }
    return {name: sizes[name] for name in SOURCES[stage]}


def check_streams(config: EmoFaceConfig) -> int:
    """The look-ahead R that both encoders share; `ExportError` for a model that cannot stream."""
    for name, encoder in (("content", config.content_encoder), ("emotion", config.emotion_encoder)):
        if not encoder.streams:
            raise ExportError(
                f"the {name} encoder has an unlimited band or utterance-level group norm",
                "a band (left, right, position_right) with fixed statistics for a group norm, or a window",
                "Distil the encoder with `emoface distill`, or give it a window; see the documentation of encoders.",
            )
    content, emotion = config.content_encoder.look_ahead, config.emotion_encoder.look_ahead
    if content != emotion:
        raise ExportError(
            f"look-ahead {content} (content encoder) and {emotion} (emotion encoder)",
            "one look-ahead for both",
            "Give both encoders the same position_right + sum(right).",
        )
    return content


def allowed_blocks(config: EmoFaceConfig, block_features: int) -> tuple[int, int]:
    """Least and most features per block: any for band encoders, one size where an encoder works on windows.

    Raises `ExportError` when `block_features` is not that size.
    """
    sizes = {e.window_block for e in (config.content_encoder, config.emotion_encoder) if e.window is not None}
    if not sizes:
        return ALLOWED_BLOCKS
    if sizes != {block_features}:
        raise ExportError(
            f"a block of {20 * block_features} ms",
            " and ".join(f"{20 * size} ms" for size in sorted(sizes)) + ", for which the windowed encoders are made",
            "Use that block size (--block-ms), one for both encoders: another would change what a window holds.",
        )
    return block_features, block_features


def default_conditions(config: EmoFaceConfig) -> dict[str, np.ndarray]:
    """Mean of the styles, normal level, emotion from the voice alone, no speaker calibration."""
    return {
        "style": np.full(len(config.styles), 1 / len(config.styles), np.float32),
        "level": np.eye(len(LEVELS), dtype=np.float32)[0],
        "emotion": np.eye(len(EMOTIONS) + 1, dtype=np.float32)[-1],
        "speaker_mean": np.zeros(config.width, np.float32),
    }


def stage_spec(stage: ExportedStage, files: Mapping[str, str]) -> StageSpec:
    """The manifest's entry of an exported stage."""
    signature, sources = stage.signature, SOURCES[stage.name]
    return StageSpec(
        name=stage.name,
        cadence=stage.cadence,
        files=dict(files),
        inputs=tuple(InputSpec(t.name, sources[t.name], t.shape, t.dtype) for t in signature.inputs),
        outputs=tuple(OutputSpec(t.name, t.shape, t.dtype) for t in signature.outputs),
        state=tuple(StateSpec(t.name, t.shape, t.dtype, 0.0, t.shape.index("B")) for t in signature.state),
    )


def build_manifest(
    model: EmoFace,
    facts: PackageFacts,
    stages: tuple[StageSpec, ...],
    files: Mapping[str, FileEntry],
    faces_sha256: str,
    motion_range_m: float,
    provenance: Mapping[str, object],
    verification: Mapping[str, object],
) -> Manifest:
    """The whole manifest, checked by the SDK's own schema."""
    config = model.config
    look_ahead = check_streams(config)
    return Manifest(
        name=facts.name,
        family=config.family,
        licence=facts.licence,
        fps=config.fps,
        sample_rate=config.sample_rate,
        feature_rate=FEATURE_RATE,
        hop=HOP,
        overlap=OVERLAP,
        block_features=facts.block_features,
        allowed_block_features=allowed_blocks(config, facts.block_features),
        delay_features=look_ahead,
        latency_samples=declared_latency_samples(facts.block_features, look_ahead, config.fps),
        vertices=config.vertices,
        faces_sha256=faces_sha256,
        unit_in_metres=facts.unit_in_metres,
        axes=facts.axes,
        styles=config.styles,
        emotions=EMOTIONS,
        levels=LEVELS,
        default_precision=_default_precision(stages),
        conditions={
            name: ConditionSpec(value.shape, tuple(float(v) for v in value))
            for name, value in default_conditions(config).items()
        },
        stages=stages,
        outputs=OUTPUTS,
        motion_range_m=motion_range_m,
        files=files,
        provenance=provenance,
        verification=verification,
    )


def _default_precision(stages: tuple[StageSpec, ...]) -> str:
    """int8 where any stage has it (the CPU's fastest), else fp32 if every stage has it, else fp16."""
    if any("int8" in stage.files for stage in stages):
        return "int8"
    return "fp32" if all("fp32" in stage.files for stage in stages) else "fp16"
