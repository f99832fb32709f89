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
from emoface_export.errors import ExportError
from emoface_export.family_wiring import wiring_of
from emoface_export.onnx_export import ExportedStage
from emoface_export.step_module import Shape
from emoface_training.config import ModelConfig
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.nn.wav2vec2 import HOP, OVERLAP

ALLOWED_BLOCKS = (1, 50)
USUAL_BLOCK = 2
AUDIO: Shape = ("B", f"{HOP}*n+{OVERLAP}")


@dataclass(frozen=True)
class PackageFacts:
    """What the caller decides about a package. block_features 0: the model's only size, or 40 ms."""

    name: str
    licence: str = "Apache-2.0"
    block_features: int = 0
    unit_in_metres: float = 1.0
    axes: str = "+Y up, +Z front"


def input_shapes(config: ModelConfig, stage: str) -> dict[str, Shape]:
    """Symbolic shapes of a stage's inputs."""
    wiring = wiring_of(config)
    conditions, widths = wiring.conditions(config), wiring.widths(config)
    shapes: dict[str, Shape] = {}
    for key, source in wiring.sources[stage].items():
        if source == "audio":
            shapes[key] = AUDIO if streams(config) else ("B", "n")
        elif source.startswith("condition."):
            shapes[key] = ("B", len(conditions[source.removeprefix("condition.")]))
        else:
            shapes[key] = ("B", 1 if stage == "decoder" else "n", widths[key])
    return shapes


def streams(config: ModelConfig) -> bool:
    """Whether the package streams; False where a stage hears whole clips."""
    return not config.hears_whole_clips or all(encoder.streams for encoder in config.encoders.values())


def check_streams(config: ModelConfig) -> int:
    """The look-ahead R in features that all encoders share, 0 for a model that hears whole clips.

    Raises `ExportError` for a model that can do neither.
    """
    if not streams(config):
        return 0
    for name, encoder in config.encoders.items():
        if not encoder.streams:
            raise ExportError(
                f"the {name} encoder has an unlimited band or utterance-level group norm",
                "a band (left, right, position_right) with fixed statistics for a group norm, or a window",
                "Distil the encoder with `emoface distill`, or give it a window; see the documentation of encoders.",
            )
    delays = {name: encoder.delay_features for name, encoder in config.encoders.items()}
    if len(set(delays.values())) > 1:
        raise ExportError(
            "look-ahead " + " and ".join(f"{delay} ({name} encoder)" for name, delay in delays.items()),
            "one look-ahead for both",
            "Give both encoders the same position_right + sum(right).",
        )
    return next(iter(delays.values()))


def default_block(config: ModelConfig) -> int:
    """Features per block where the caller does not choose: the one size there is, or else the usual 40 ms."""
    sizes = _only_sizes(config)
    if not streams(config):
        return 1
    return next(iter(sizes)) if len(sizes) == 1 else max(USUAL_BLOCK, wiring_of(config).block_multiple(config))


def allowed_blocks(config: ModelConfig, block_features: int) -> tuple[int, int]:
    """Least and most features per block: any for band encoders, one size where an encoder works on windows.

    A model whose blocks are groups of features (FaceFormer's) allows one size too, a multiple of the group. Raises
    `ExportError` when `block_features` is not such a size.
    """
    if not streams(config):
        return 1, 1
    sizes, multiple = _only_sizes(config), wiring_of(config).block_multiple(config)
    if block_features % multiple:
        raise ExportError(
            f"a block of {20 * block_features} ms",
            f"a multiple of {20 * multiple} ms, in which whole frames lie",
            f"Use --block-ms {20 * multiple * -(-block_features // multiple)}.",
        )
    if not sizes:
        return ALLOWED_BLOCKS if multiple == 1 else (block_features, block_features)
    if sizes != {block_features}:
        raise ExportError(
            f"a block of {20 * block_features} ms",
            " and ".join(f"{20 * size} ms" for size in sorted(sizes)) + ", for which the windowed encoders are made",
            "Use that block size (--block-ms), one for both encoders: another would change what a window holds.",
        )
    return block_features, block_features


def _only_sizes(config: ModelConfig) -> set[int]:
    return {encoder.window_block for encoder in config.encoders.values() if encoder.window is not None}


def default_conditions(config: ModelConfig) -> dict[str, np.ndarray]:
    """Vectors of the package's conditions where the caller says nothing."""
    return wiring_of(config).conditions(config)


def stage_spec(config: ModelConfig, stage: ExportedStage, files: Mapping[str, str]) -> StageSpec:
    """The manifest's entry of an exported stage."""
    signature, sources = stage.signature, wiring_of(config).sources[stage.name]
    return StageSpec(
        name=stage.name,
        cadence=stage.cadence,
        files=dict(files),
        inputs=tuple(InputSpec(t.name, sources[t.name], t.shape, t.dtype) for t in signature.inputs),
        outputs=tuple(OutputSpec(t.name, t.shape, t.dtype) for t in signature.outputs),
        state=tuple(StateSpec(t.name, t.shape, t.dtype, 0.0, t.shape.index("B")) for t in signature.state),
    )


def build_manifest(
    model: TalkingModel,
    facts: PackageFacts,
    stages: tuple[StageSpec, ...],
    files: Mapping[str, FileEntry],
    faces_sha256: str,
    motion_range_m: float,
    provenance: Mapping[str, object],
    verification: Mapping[str, object],
) -> Manifest:
    """The whole manifest, checked by the SDK's own schema."""
    config, wiring = model.config, wiring_of(model.config)
    look_ahead = check_streams(config)
    block = facts.block_features or default_block(config)
    return Manifest(
        name=facts.name,
        family=config.family,
        licence=facts.licence,
        fps=config.fps,
        sample_rate=config.sample_rate,
        feature_rate=FEATURE_RATE,
        hop=HOP,
        overlap=OVERLAP,
        block_features=block,
        allowed_block_features=allowed_blocks(config, block),
        delay_features=look_ahead,
        latency_samples=declared_latency_samples(block, look_ahead, config.fps) if streams(config) else 0,
        vertices=config.vertices,
        faces_sha256=faces_sha256,
        unit_in_metres=facts.unit_in_metres,
        axes=facts.axes,
        styles=config.styles,
        emotions=wiring.emotions,
        levels=wiring.levels,
        default_precision=_default_precision(stages),
        conditions={
            name: ConditionSpec(value.shape, tuple(float(v) for v in value))
            for name, value in default_conditions(config).items()
        },
        stages=stages,
        outputs=wiring.outputs,
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
