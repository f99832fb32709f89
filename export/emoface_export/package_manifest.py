"""The manifest of a package, for every exporter: what the caller decides, what the stages say, and the fixed rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from emoface.errors import UsageError
from emoface.manifest import (
    ConditionSpec,
    FileEntry,
    InputSpec,
    Manifest,
    NoiseSpec,
    OutputSpec,
    StageSpec,
    StateSpec,
    declared_latency_samples,
    format_needed,
)
from emoface_export.errors import ExportError
from emoface_export.face_file import FaceArrays
from emoface_export.onnx_export import ExportedStage
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.wav2vec2 import HOP, OVERLAP
from emoface_training.vocabulary import SAMPLE_RATE

ALLOWED_BLOCKS = (1, 50)


@dataclass(frozen=True)
class PackageFacts:
    """What the caller decides about a package. block_features 0: the model's only size, or 40 ms.

    Raises UsageError for a block that no package may have.
    """

    name: str
    licence: str = "Apache-2.0"
    block_features: int = 0
    unit_in_metres: float = 1.0
    axes: str = "+Y up, +Z front"

    def __post_init__(self) -> None:
        low, high = ALLOWED_BLOCKS
        if self.block_features and not low <= self.block_features <= high:
            raise UsageError(f"a block of {20 * self.block_features} ms", f"{20 * low} to {20 * high} ms", "Try 40.")


@dataclass(frozen=True)
class Streaming:
    """fps, features per block (the default; least and most), and the look-ahead in features."""

    fps: int
    block_features: int
    allowed_block_features: tuple[int, int]
    delay_features: int


@dataclass(frozen=True)
class Conditions:
    """Default vectors float32 [k] by condition, and names for the entries of `style`, `emotion`, `level`, `person`."""

    defaults: Mapping[str, np.ndarray]
    styles: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()


def stage_spec(
    stage: ExportedStage,
    sources: Mapping[str, str],
    files: Mapping[str, str],
    initial: Callable[[str], float] = lambda name: 0.0,
) -> StageSpec:
    """The manifest's entry of an exported stage. initial: the value with which a state begins, by its name."""
    signature = stage.signature
    return StageSpec(
        name=stage.name,
        cadence=stage.cadence,
        files=dict(files),
        inputs=tuple(InputSpec(t.name, sources[t.name], t.shape, t.dtype) for t in signature.inputs),
        outputs=tuple(OutputSpec(t.name, t.shape, t.dtype) for t in signature.outputs),
        state=tuple(StateSpec(t.name, t.shape, t.dtype, initial(t.name), t.shape.index("B")) for t in signature.state),
    )


def checked_motion_range(metres: float) -> float:
    """The range to four digits. Raises ExportError for a face that does not move, or to infinity."""
    if not 0 < metres < float("inf"):
        raise ExportError(f"a motion range of {metres} m", "a face that moves", "Train the model before exporting it.")
    return float(f"{metres:.4g}")


def package_manifest(
    facts: PackageFacts,
    family: str,
    streaming: Streaming,
    conditions: Conditions,
    face: FaceArrays,
    stages: tuple[StageSpec, ...],
    outputs: Mapping[str, str],
    motion_range_m: float,
    files: Mapping[str, FileEntry],
    provenance: Mapping[str, Any],
    verification: Mapping[str, Any],
    noise: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
    model_sha256: str = "",
) -> Manifest:
    """The whole manifest, checked by the SDK's own schema. In format 1 there is no place for `model_sha256`."""
    specs = {name: NoiseSpec(tuple(shape)) for name, shape in noise.items()}
    version = format_needed(outputs, specs, face.assets, face.textures, conditions.persons)
    streams = all(stage.cadence != "clip" for stage in stages)
    block, delay = streaming.block_features, streaming.delay_features
    return Manifest(
        format=version,
        noise=specs,
        textures={name: f"{name}.png" for name in face.textures},
        name=facts.name,
        family=family,
        model_sha256=model_sha256 if version >= 2 else "",
        licence=facts.licence,
        fps=streaming.fps,
        sample_rate=SAMPLE_RATE,
        feature_rate=FEATURE_RATE,
        hop=HOP,
        overlap=OVERLAP,
        block_features=block,
        allowed_block_features=streaming.allowed_block_features,
        delay_features=delay,
        latency_samples=declared_latency_samples(block, delay, streaming.fps) if streams else 0,
        vertices=len(face.template),
        faces_sha256=face.faces_sha256,
        unit_in_metres=facts.unit_in_metres,
        axes=facts.axes,
        styles=conditions.styles,
        emotions=conditions.emotions,
        levels=conditions.levels,
        persons=conditions.persons,
        default_precision=_default_precision(stages),
        conditions={
            name: ConditionSpec(np.shape(value), tuple(float(v) for v in value))
            for name, value in conditions.defaults.items()
        },
        stages=stages,
        outputs=dict(outputs),
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
