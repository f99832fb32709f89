"""A checkpoint to a verified package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from emoface.errors import UsageError
from emoface.manifest import Manifest, StageSpec
from emoface.verification import verify_golden
from emoface_export.against_pytorch import (
    SECONDS,
    Comparison,
    compare,
    make_reference,
    refuse_failures,
    summary,
    tolerances_for,
)
from emoface_export.face_file import FaceArrays, with_motion_basis
from emoface_export.family_wiring import outputs_of, wiring_of
from emoface_export.golden import golden_file
from emoface_export.half import half_model, store_exact_halves
from emoface_export.onnx_export import ExportedStage, export_stage
from emoface_export.package_manifest import PackageFacts, checked_motion_range, package_manifest, stage_spec
from emoface_export.package_writer import file_entries, loaded, refuse_existing, write_package
from emoface_export.provenance import provenance_of, weights_sha256
from emoface_export.quantize import quantize_model
from emoface_export.step_module import Shape
from emoface_export.wiring import conditions_of, input_shapes, streaming_of
from emoface_training.nn.motion_decoder import MotionDecoder
from emoface_training.nn.stage import Stage
from emoface_training.nn.talking_model import TalkingModel

# Only these pay for 8 bits: the other stages are small, and their errors would go straight into the motion.
INT8_STAGES = ("content_encoder", "emotion_encoder")
PRECISIONS = ("fp32", "fp16", "int8")
LEAVE_OUT = (
    "The package would not do what the checkpoint does, so none was written. Leave out the failing precision, or check "
    "the model for operations that export inexactly."
)


@dataclass(frozen=True)
class ExportOptions:
    """What to write. `precisions` are kept in the package; fp32 serves every stage that has nothing smaller.

    seconds: audio that is compared with PyTorch, 1 to 3600. coefficients: the motion in the model's basis beside the
    offsets or, without `vertices`, in their place. Raises UsageError for what is out of range.
    """

    facts: PackageFacts
    precisions: tuple[str, ...] = ("fp32",)
    folder: bool = False
    force: bool = False
    seconds: float = SECONDS
    audio: NDArray[np.float32] | None = None
    coefficients: bool = False
    vertices: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.precisions or not set(self.precisions) <= set(PRECISIONS):
            raise UsageError(
                f"precisions {', '.join(self.precisions)}", f"some of {', '.join(PRECISIONS)}", "Try int8."
            )
        if not (self.vertices or self.coefficients):
            raise UsageError("neither vertices nor coefficients", "one of the two", "Add --coefficients.")
        if not 1 <= self.seconds <= 3600:
            raise UsageError(f"{self.seconds:g} seconds to compare", "1 to 3600", "Use at least 60 for a release.")


@dataclass(frozen=True)
class ExportReport:
    """What was written: bytes per file, size of the package, comparisons, manifest."""

    size: int
    files: dict[str, int]
    comparisons: list[Comparison]
    manifest: Manifest


def export_package(
    model: TalkingModel,
    face: FaceArrays,
    path: Path,
    options: ExportOptions,
    progress: Callable[[str], None] = lambda message: None,
    exporter: Callable[[str, Stage, Mapping[str, Shape]], ExportedStage] = export_stage,
) -> ExportReport:
    """Export, compare with PyTorch, and only then write. `exporter` turns one stage into a graph.

    Raises `ExportError` when the model cannot be exported or a comparison fails; nothing is left on disk then.
    """
    refuse_existing(path, options.force)
    model = model.eval()
    if not options.coefficients:
        return _export(model, face, path, options, progress, exporter, ())
    face, motion = with_motion_basis(face, model), model.motion
    given = ("offsets", *motion.coefficient_names)
    with motion.giving(*given):
        return _export(model, face, path, options, progress, exporter, given)


def _export(
    model: TalkingModel,
    face: FaceArrays,
    path: Path,
    options: ExportOptions,
    progress: Callable[[str], None],
    exporter: Callable[[str, Stage, Mapping[str, Shape]], ExportedStage],
    given: tuple[str, ...],
) -> ExportReport:
    """`export_package` of a model whose motion stage gives these outputs; empty: those of its wiring."""
    streaming = streaming_of(model.config, options.facts.block_features)
    progress(f"running PyTorch over {options.seconds:g} s of audio")
    reference = make_reference(model, options.seconds, options.audio)
    motion_range = checked_motion_range(reference.motion_range * options.facts.unit_in_metres)
    stages: list[ExportedStage] = []
    graphs: dict[str, dict[str, bytes]] = {}
    for name, stage in model.stages.items():
        progress(f"exporting {name}")
        with nullcontext() if options.vertices or stage is not model.motion else _without_offsets(stage):
            exported = exporter(name, _frozen(stage), input_shapes(model.config, name))
        # Everything is verified, also the fp32 graphs that a small package leaves out
        graphs[name] = _variants(exported, {"fp32", *options.precisions})
        # From here on the bytes do: full-size encoders fill gigabytes
        stages.append(replace(exported, model=onnx.ModelProto()))
    progress("computing golden vectors")
    wiring = wiring_of(model.config)
    outputs = outputs_of(wiring, given)
    left_out = () if options.vertices else (outputs.pop("offsets"),)
    common = {"face.npz": face.to_npz(), "golden.npz": golden_file(model, left_out), **face.texture_files}
    provenance, digest = provenance_of(model, options.provenance), weights_sha256(model.state_dict())

    def assemble(precisions: Iterable[str], measured: Mapping[str, Any]) -> tuple[Manifest, dict[str, bytes]]:
        chosen = tuple(precisions)
        specs, files = _files(wiring.sources, stages, graphs, chosen)
        files |= common
        verification = {"tolerances": tolerances_for(chosen, motion_range), **measured}
        manifest = package_manifest(
            options.facts,
            model.config.family,
            streaming,
            conditions_of(model.config),
            face,
            specs,
            outputs,
            motion_range,
            file_entries(files),
            provenance,
            verification,
            wiring.noise,
            model_sha256=digest,
        )
        return manifest, files

    everything = tuple(p for p in PRECISIONS if p == "fp32" or p in options.precisions)
    comparisons: list[Comparison] = []
    for precision in everything:
        progress(f"comparing the {precision} stream with PyTorch")
        with loaded(*assemble((precision,), {})) as package:
            comparisons += compare(package, model, reference, precision=precision)
    refuse_failures(comparisons, LEAVE_OUT)
    measured = {"seconds": options.seconds, "measured": summary(comparisons)}
    manifest, files = assemble(options.precisions, measured)
    with loaded(manifest, files) as package:
        for precision in options.precisions:
            refuse_failures(verify_golden(package, precision=precision), LEAVE_OUT)
    size = write_package(path, manifest, files, folder=options.folder, force=options.force)
    return ExportReport(size, {name: len(data) for name, data in files.items()}, comparisons, manifest)


def _without_offsets(decoder: MotionDecoder) -> AbstractContextManager[None]:
    return decoder.giving(*decoder.coefficient_names)


def _frozen(stage: Any) -> Any:
    """What depends on weights alone is computed before tracing, where the stage offers it."""
    return stage.freeze() if hasattr(stage, "freeze") else stage


def _variants(stage: ExportedStage, precisions: Iterable[str]) -> dict[str, bytes]:
    """The stage's graph as bytes per precision it is worth having in; the graph itself is used up."""
    graphs: dict[str, onnx.ModelProto] = {}
    if "int8" in precisions and stage.name in INT8_STAGES:
        graphs["int8"] = quantize_model(stage.model)
    if "fp16" in precisions:
        graphs["fp16"] = half_model(stage.model)
    graphs["fp32"] = stage.model
    store_exact_halves(graphs["fp32"])
    return {precision: graph.SerializeToString(deterministic=True) for precision, graph in graphs.items()}


def _files(
    sources: Mapping[str, Mapping[str, str]],
    stages: list[ExportedStage],
    graphs: Mapping[str, Mapping[str, bytes]],
    precisions: tuple[str, ...],
) -> tuple[tuple[StageSpec, ...], dict[str, bytes]]:
    """Stage entries and graph files of the chosen precisions; fp32 where a stage has none of them."""
    specs, files = [], {}
    for stage in stages:
        kept = [p for p in precisions if p in graphs[stage.name]]
        # A precision without a file of its own falls back to the stage's fp32 file
        if not kept or any(p not in graphs[stage.name] for p in precisions):
            kept = list(dict.fromkeys(["fp32", *kept]))
        names = {p: f"{stage.name}.{p}.onnx" for p in kept}
        specs.append(stage_spec(stage, sources[stage.name], names))
        files |= {names[p]: graphs[stage.name][p] for p in kept}
    return tuple(specs), files
