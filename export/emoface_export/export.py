"""A checkpoint to a verified package."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from emoface.manifest import Manifest, StageSpec
from emoface.package import Package
from emoface.verification import verify_golden
from emoface_export.against_pytorch import SECONDS, Comparison, compare, make_reference, summary, tolerances_for
from emoface_export.errors import ExportError
from emoface_export.face_file import FaceArrays
from emoface_export.golden import golden_file
from emoface_export.half import half_model, store_exact_halves
from emoface_export.onnx_export import ExportedStage, export_stage
from emoface_export.package_writer import file_entries, refuse_existing, write_folder, write_package
from emoface_export.quantize import quantize_model
from emoface_export.step_module import Shape
from emoface_export.wiring import (
    PackageFacts,
    allowed_blocks,
    build_manifest,
    check_streams,
    default_block,
    input_shapes,
    stage_spec,
)
from emoface_training.config import ModelConfig
from emoface_training.nn.stage import Stage
from emoface_training.nn.talking_model import TalkingModel

# Only these pay for 8 bits: the other stages are small, and their errors would go straight into the motion.
INT8_STAGES = ("content_encoder", "emotion_encoder")


@dataclass(frozen=True)
class ExportOptions:
    """What to write. `precisions` are kept in the package; fp32 serves every stage that has nothing smaller."""

    facts: PackageFacts
    precisions: tuple[str, ...] = ("fp32",)
    folder: bool = False
    force: bool = False
    seconds: float = SECONDS
    audio: NDArray[np.float32] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


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
    if not options.precisions or not set(options.precisions) <= {"fp32", "fp16", "int8"}:
        raise ExportError(f"precisions {options.precisions}", "some of fp32, fp16, int8", "Give at least one of them.")
    model = model.eval()
    check_streams(model.config)
    allowed_blocks(model.config, options.facts.block_features or default_block(model.config))
    progress(f"running PyTorch over {options.seconds:g} s of audio")
    reference = make_reference(model, options.seconds, options.audio)
    motion_range = reference.motion_range * options.facts.unit_in_metres
    if not 0 < motion_range < float("inf"):
        raise ExportError(
            f"a motion range of {motion_range} m", "a face that moves", "Train the model before exporting it."
        )
    motion_range = float(f"{motion_range:.4g}")
    stages: list[ExportedStage] = []
    graphs: dict[str, dict[str, bytes]] = {}
    for name, stage in model.stages.items():
        progress(f"exporting {name}")
        exported = exporter(name, _frozen(stage), input_shapes(model.config, name))
        # Everything is verified, also the fp32 graphs that a small package leaves out
        graphs[name] = _variants(exported, {"fp32", *options.precisions})
        # From here on the bytes do: full-size encoders fill gigabytes
        stages.append(replace(exported, model=onnx.ModelProto()))
    progress("computing golden vectors")
    common = {"face.npz": face.to_npz(), "golden.npz": golden_file(model)}
    provenance = _provenance(model, options.provenance)

    def assemble(precisions: Iterable[str], measured: Mapping[str, Any]) -> tuple[Manifest, dict[str, bytes]]:
        chosen = tuple(precisions)
        specs, files = _files(model.config, stages, graphs, chosen)
        files |= common
        verification = {"tolerances": tolerances_for(chosen, motion_range), **measured}
        entries = file_entries(files)
        manifest = build_manifest(
            model, options.facts, specs, entries, face.faces_sha256, motion_range, provenance, verification
        )
        return manifest, files

    everything = tuple(p for p in ("fp32", "fp16", "int8") if p == "fp32" or p in options.precisions)
    comparisons: list[Comparison] = []
    for precision in everything:
        progress(f"comparing the {precision} stream with PyTorch")
        with _loaded(*assemble((precision,), {})) as package:
            comparisons += compare(package, model, reference, precision=precision)
    _refuse_failures(comparisons)
    measured = {"seconds": options.seconds, "measured": summary(comparisons)}
    manifest, files = assemble(options.precisions, measured)
    with _loaded(manifest, files) as package:
        for precision in options.precisions:
            golden = verify_golden(package, precision=precision)
            _refuse_failures([Comparison(c.name, c.value, c.limit, c.unit) for c in golden])
    size = write_package(path, manifest, files, folder=options.folder, force=options.force)
    return ExportReport(size, {name: len(data) for name, data in files.items()}, comparisons, manifest)


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
    config: ModelConfig,
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
        specs.append(stage_spec(config, stage, names))
        files |= {names[p]: graphs[stage.name][p] for p in kept}
    return tuple(specs), files


class _loaded:
    """A package loaded from a temporary folder, as a user would load it."""

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self._manifest, self._files = manifest, files
        self._folder = tempfile.TemporaryDirectory(prefix="emoface-export-")

    def __enter__(self) -> Package:
        folder = Path(self._folder.__enter__())
        write_folder(folder, self._manifest, self._files)
        return Package.load(folder)

    def __exit__(self, *details: Any) -> None:
        self._folder.__exit__(*details)


def _refuse_failures(comparisons: list[Comparison]) -> None:
    failed = [c for c in comparisons if not c.passed]
    if failed:
        worst = failed[0]
        raise ExportError(
            "; ".join(f"{c.name}: {c.value:.3g} {c.unit}" for c in failed),
            f"at most {worst.limit:g} {worst.unit}",
            "The package would not do what the checkpoint does, so none was written. Leave out the failing precision, "
            "or check the model for operations that export inexactly.",
        )


def _provenance(model: TalkingModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Where the package comes from: commit, versions, configuration, digest of the weights, and what was given."""
    from emoface import __version__

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    facts = {
        "emoface": __version__,
        "torch": str(torch.__version__),
        "onnx": onnx.__version__,
        "config": model.config.to_dict(),
        "weights_sha256": digest.hexdigest(),
    }
    commit = code_commit()
    return facts | ({"code_commit": commit} if commit else {}) | dict(given)


def code_commit() -> str | None:
    """Commit of the source tree this code runs from; None for an installed copy."""
    source = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
