"""A package of your own stages: any modules that keep the step contract, exported, proven and written.

    model = OwnModel("jaw", stages=(OwnStage("hearing", Hearing(), {"audio": "audio"}), ...), ...)
    export_own(model, Path("jaw.emoface"))

The golden vectors come from PyTorch: block and `frames` stages in one parallel call over the whole clip, `frame` stages
frame by frame. Before anything is written, the package runs through the SDK's own driver in small calls and must
reproduce them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface.manifest import Manifest, NoiseSpec, StageSpec
from emoface.stream.expansion import EXPANDED_ROLES, expanded_of
from emoface.stream.noise import NoiseSource
from emoface.verification import FP32_RELATIVE, verify_golden
from emoface_export.against_pytorch import refuse_failures
from emoface_export.errors import ExportError
from emoface_export.face_file import FaceArrays, deterministic_npz
from emoface_export.onnx_export import ExportedStage, export_stage
from emoface_export.package_manifest import (
    ALLOWED_BLOCKS,
    Conditions,
    PackageFacts,
    Streaming,
    checked_motion_range,
    package_manifest,
    stage_spec,
)
from emoface_export.package_writer import file_entries, loaded, refuse_existing, write_package
from emoface_export.provenance import code_commit, weights_sha256
from emoface_export.reference import frame_by_frame
from emoface_export.signals import speech_like
from emoface_export.step_module import Shape, StepModule
from emoface_export.wiring import AUDIO
from emoface_training.nn.interpolation import FEATURE_RATE, features_needed, frame_count
from emoface_training.nn.stage import Stage
from emoface_training.nn.wav2vec2 import HOP, OVERLAP

RATE = HOP * FEATURE_RATE
CHECK_STATE = "Chained calls of a stage must give what one call over the whole clip gives: check its state."
_GOLDEN_S = 0.6
_GOLDEN_FRAMES = 6
_SEED = 7

Values = dict[str, Tensor]


@dataclass(frozen=True)
class OwnStage:
    """One stage: its name in the manifest, the module, and where each of its inputs comes from.

    `sources` maps the module's `input_names` to "audio" (block stages: [B, 320 n + 80] samples at 16 kHz),
    "condition.<name>", "noise.<name>" or "<earlier stage>.<output>".
    """

    name: str
    module: Stage
    sources: Mapping[str, str]


@dataclass(frozen=True)
class OwnModel:
    """What goes into the package.

    Attributes:
        name, family, licence: for the manifest.
        stages: in the order in which they run.
        outputs: "offsets" (or "coefficients" of the face's basis) and others of `emoface.manifest.ROLES` ->
            "<stage>.<output>".
        face: what the offsets move.
        conditions: name -> default vector float32 [k].
        noise: name -> shape of the standard normal values of one feature or frame, one axis or two: a stage gets
            [B, n, *shape].
        styles, emotions, levels, persons: names for the entries of the conditions `style`, `emotion`, `level` and
            `person`.
        fps: frames per second.
        block_features: features of 20 ms per block.
        delay_features: look-ahead of the block stages: their first outputs, dropped by the driver.
        unit_in_metres: length of the face's unit.
        provenance: facts to store.
    """

    name: str
    stages: tuple[OwnStage, ...]
    outputs: Mapping[str, str]
    face: FaceArrays
    conditions: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    noise: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    styles: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    family: str = "custom"
    licence: str = "Apache-2.0"
    fps: int = 30
    block_features: int = 2
    delay_features: int = 0
    unit_in_metres: float = 1.0
    provenance: Mapping[str, Any] = field(default_factory=dict)


def export_own(model: OwnModel, path: Path, *, folder: bool = False, force: bool = False) -> Manifest:
    """Export the stages in fp32, prove them against PyTorch, and write the package.

    Raises:
        ExportError: a stage that cannot be exported, a source that does not exist, or a stream that does not do what
            the modules do in one call. ManifestError: stages that do not fit together. OutputError: see
            `write_package`. Nothing is written then.
    """
    refuse_existing(path, force)
    facts = PackageFacts(model.name, model.licence, model.block_features, model.unit_in_metres)
    exported, specs = _export_stages(model)
    golden = golden_of(model)
    files = {f"{stage.name}.fp32.onnx": stage.model.SerializeToString(deterministic=True) for stage in exported}
    files |= {"face.npz": model.face.to_npz(), "golden.npz": deterministic_npz(golden), **model.face.texture_files}
    motion = float(np.abs(_golden_offsets(model, golden)).max()) * model.unit_in_metres
    commit = code_commit()
    manifest = package_manifest(
        facts,
        model.family,
        Streaming(model.fps, model.block_features, ALLOWED_BLOCKS, model.delay_features),
        Conditions(model.conditions, model.styles, model.emotions, model.levels, model.persons),
        model.face,
        specs,
        model.outputs,
        checked_motion_range(motion),
        file_entries(files),
        ({"code_commit": commit} if commit else {}) | dict(model.provenance),
        {"tolerances": {"fp32": {"relative": FP32_RELATIVE}}},
        model.noise,
        model_sha256(model),
    )
    with loaded(manifest, files) as package:
        refuse_failures(verify_golden(package), CHECK_STATE)
    write_package(path, manifest, files, folder=folder, force=force)
    return manifest


def model_sha256(model: OwnModel) -> str:
    """The hash of the stages' weights, which person files name; `model_sha256` of the package where it has format 2."""
    weights = {f"{s.name}.{name}": value for s in model.stages for name, value in s.module.state_dict().items()}
    return weights_sha256(weights)


def _golden_offsets(model: OwnModel, golden: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Offsets of the golden frames, given or made of coefficients."""
    if "offsets" in model.outputs:
        return golden[model.outputs["offsets"]]
    basis = model.face.basis or model.face.blendshapes
    roles = {role: golden[model.outputs[role]] for role in EXPANDED_ROLES if role in model.outputs}
    vertices = len(model.face.template)
    at_frames = {k: v if vertices in v.shape[1:] else v[golden["frames"]] for k, v in roles.items()}
    rank = at_frames["coefficients"].shape[1]
    if basis is None or len(basis) != rank:
        raise ExportError(
            f"{rank} coefficients, and {'no basis' if basis is None else f'a basis of {len(basis)} shapes'}",
            "as many shapes as coefficients",
            "Give FaceArrays the basis, or blendshapes, that the coefficients are of.",
        )
    return expanded_of(basis, at_frames, "emotion_coefficients" in model.outputs)


def golden_of(model: OwnModel) -> dict[str, NDArray[Any]]:
    """Arrays of `golden.npz`: a speech-like sound, the conditions, and what every stage gives for them in PyTorch."""
    audio = speech_like(_GOLDEN_S, _SEED, RATE)
    conditions = {name: np.asarray(value, np.float32) for name, value in model.conditions.items()}
    with torch.no_grad():
        values = _whole_clip(model, torch.from_numpy(audio), {k: torch.from_numpy(v) for k, v in conditions.items()})
    frames = frame_count(len(audio), model.fps, RATE)
    chosen = np.unique(np.linspace(0, frames - 1, min(_GOLDEN_FRAMES, frames)).round().astype(np.int64))
    arrays: dict[str, NDArray[Any]] = {"audio": audio, "frames": chosen}
    arrays |= {f"condition.{name}": value for name, value in conditions.items()}
    for key, value in values.items():
        rows = value[0].numpy()
        # Arrays of the face's size are kept for a few frames only.
        arrays[key] = rows[chosen] if len(model.face.template) in rows.shape[1:] else rows
    return arrays


def _whole_clip(model: OwnModel, audio: Tensor, conditions: Values) -> Values:
    """Every stage's output "<stage>.<output>" [1, T or M, ...]; block outputs without the dropped look-ahead."""
    frames = frame_count(len(audio), model.fps, RATE)
    features = features_needed(frames, model.fps)
    blocks = features + model.delay_features
    samples = HOP * blocks + OVERLAP
    padded = torch.nn.functional.pad(audio, (0, max(0, samples - len(audio))))[:samples]
    known: Values = {"audio": padded[None]}
    known |= {f"condition.{name}": value[None] for name, value in conditions.items()}
    noise = NoiseSource({name: NoiseSpec(tuple(shape)) for name, shape in model.noise.items()}, 0)
    result: Values = {}
    by_block: set[str] = set()
    for stage in model.stages:
        cadence = stage.module.cadence
        inputs = {}
        for name, source in stage.sources.items():
            drawn = source.removeprefix("noise.")
            if source != drawn and drawn in model.noise:
                inputs[name] = torch.from_numpy(noise.values(drawn, 0, blocks if cadence == "block" else frames))
                continue
            value = known[source]
            if cadence != "block" and source in by_block:
                value = _at_frames(value[:, model.delay_features :], frames, model.fps)
            inputs[name] = value
        if cadence == "frame":
            held = {name: value for name, value in inputs.items() if stage.sources[name].startswith("condition.")}
            rest = {name: value for name, value in inputs.items() if name not in held}
            outputs = frame_by_frame(stage.module, rest, held, frames)
        else:
            outputs = stage.module.step(inputs, stage.module.initial_state(1))[0]
        for name, value in outputs.items():
            key = f"{stage.name}.{name}"
            known[key] = value
            result[key] = value[:, model.delay_features :] if cadence == "block" else value
            if cadence == "block":
                by_block.add(key)
    return result


def _at_frames(features: Tensor, frames: int, fps: int) -> Tensor:
    """Features [1, T, ...] at the frames' times, as the driver interpolates them."""
    position = torch.arange(frames) * FEATURE_RATE
    before = features[:, position // fps]
    after = features[:, (position // fps + 1).clamp(max=features.shape[1] - 1)]
    weight = ((position % fps).to(features.dtype) / fps).reshape(1, -1, *(1,) * (features.dim() - 2))
    return before + (after - before) * weight


def _export_stages(model: OwnModel) -> tuple[list[ExportedStage], tuple[StageSpec, ...]]:
    wiring = _wire(model)
    exported, specs = [], []
    for stage in model.stages:
        module = stage.module.eval()
        done = export_stage(stage.name, module, wiring[stage.name])
        exported.append(done)
        files = {"fp32": f"{stage.name}.fp32.onnx"}
        specs.append(stage_spec(done, stage.sources, files, partial(_initial, module)))
    return exported, tuple(specs)


def _wire(model: OwnModel) -> dict[str, dict[str, Shape]]:
    """Stage -> input -> shape. Checked as a whole before anything is traced, which takes seconds per stage."""
    shapes: dict[str, Shape] = {"audio": AUDIO}
    shapes |= {f"condition.{name}": ("B", len(value)) for name, value in model.conditions.items()}
    shapes |= {f"noise.{name}": ("B", "n", *shape) for name, shape in model.noise.items()}
    given = tuple(shapes)
    wiring: dict[str, dict[str, Shape]] = {}
    for stage in model.stages:
        module = stage.module.eval()
        wiring[stage.name] = {name: _input_shape(stage, name, shapes) for name in module.input_names}
        signature = StepModule(module).signature(wiring[stage.name])
        shapes |= {f"{stage.name}.{t.name}": t.shape for t in signature.outputs}
    made = [key for key in shapes if key not in given]
    needed = () if "coefficients" in model.outputs else ("offsets",)
    for role in (*needed, *model.outputs):
        if model.outputs.get(role) not in made:
            raise ExportError(
                f"outputs.{role} = {model.outputs.get(role)!r}",
                f"one of {', '.join(made)}",
                'Say which stage\'s output it is: outputs={"offsets": "<stage>.<output>"}.',
            )
    return wiring


def _input_shape(stage: OwnStage, name: str, shapes: Mapping[str, Shape]) -> Shape:
    source = stage.sources.get(name)
    if source is None or source not in shapes:
        raise ExportError(
            f"stage {stage.name}: input {name!r} from {source!r}",
            f"one of {', '.join(shapes)}",
            "Name a source for every input, and put stages after those that they read.",
        )
    shape = shapes[source]
    if source == "audio" or source.startswith("condition."):
        return shape
    return ("B", 1 if stage.module.cadence == "frame" else "n", *shape[2:])


def _initial(module: Stage, name: str) -> float:
    """A state begins with one value everywhere: that is what a manifest can say."""
    values = torch.unique(module.initial_state(1)[name])
    if len(values) != 1:
        raise ExportError(
            f"an initial state {name!r} of {len(values)} different values",
            "one value everywhere",
            "Keep the state relative to a constant that the module adds.",
        )
    return float(values[0])
