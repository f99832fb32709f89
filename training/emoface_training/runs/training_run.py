"""One training run from a configuration, a corpus and a folder: the work behind `emoface train`.

RUN holds `config.yaml` (what was asked, resolved), `stage_a/` and `stage_b/` (checkpoint folders), `log.jsonl`,
`tensorboard/` and `summary.json`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emoface_training.clips.store import ClipStore
from emoface_training.encoders import pretrained_sections
from emoface_training.encoders.pretrained import MASKED_SPEC_EMBED
from emoface_training.errors import CheckpointError, OptionsError
from emoface_training.errors import RunExistsError as RunExistsError
from emoface_training.loop import stage_loop
from emoface_training.loop.processes import Processes, use_threads
from emoface_training.loop.split import Split
from emoface_training.models import checkpoint
from emoface_training.models.families import family_of
from emoface_training.motion.targets import Face, face_basis
from emoface_training.nn.stage import Stage
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageOptions, TrainingOptions
from emoface_training.runs.run_folder import CONFIG as CONFIG
from emoface_training.runs.run_folder import claim, write_summary
from emoface_training.stages.stage_a import StageA
from emoface_training.stages.stage_b import StageB

STAGES = ("a", "b", "all")
LAYER_KEY = re.compile(r"encoder\.encoder\.layers\.(\d+)\.")
OUTPUT_KEY = re.compile(r"(attention\.out_proj|feed_forward\.output_dense)\.(weight|bias)$")


def train(
    options: TrainingOptions,
    corpus: Any,
    rig: Face | None,
    out: Path,
    stage: str = "all",
    resume: bool = False,
    threads: int = 1,
    start_from: Path | None = None,
    model_from: Path | None = None,
    progress: Callable[[Iterable], Iterable] = lambda items: items,
    processes: Processes | None = None,
) -> dict[str, Any]:
    """Train one or both stages; returns what is written to `summary.json`.

    corpus: as `Corpus` and every dataset class offer it (`clips(split)`, `actors`, `fps`). rig: the corpus' rig or the
    dataset's face; may be None for stage "a", which touches no vertex.
    stage: "a", "b" or "all". start_from: a checkpoint folder whose encoders the first of these stages begins with
    (stage A also takes its heads; default for stage B: this run's stage A, where there is one); model_from: one whose
    every weight stage B begins with. processes: where to compute (default: this process, on the CPU); all processes
    see the same corpus and the same `out`.
    Raises RunExistsError for an existing run without resume, OptionsError for what cannot be trained.
    """
    if stage not in STAGES:
        raise OptionsError(f"stage {stage!r}", f"one of {STAGES}", "Correct --stage.")
    if rig is None and stage != "a":
        raise OptionsError("no rig", "one for stage b", "It is trained on vertices.")
    for letter, given in (("a", options.stage_a), ("b", options.stage_b)):
        if stage == letter and given is None:
            raise OptionsError(f"--stage {letter}", f"a config with stage_{letter}", "Add that section.")
    if options.stage_a is None and options.stage_b is None:
        raise OptionsError("a config with neither stage_a nor stage_b", "at least one of them", "Add a section.")
    if options.stage_a is not None and stage in ("a", "all"):
        pretrained_sections.refuse_stage_a(*pretrained_sections.resolve(options.model))
    out, processes = Path(out), processes or Processes()
    _check_processes(options, stage, processes)
    use_threads(threads)
    if processes.main:
        claim(out, options, stage, resume)
    processes.wait()
    styles = tuple(corpus.actors)
    stores = [
        ClipStore.load(progress(corpus.clips(split)), corpus_fps(corpus), len(styles))
        for split in (options.train_split, options.validation_split)
    ]
    model = new_model(options, styles, rig, stores[0]).to(processes.device)
    summary: dict[str, Any] = {
        "seed": options.seed,
        "train_clips": len(stores[0].clips),
        "train_seconds": stores[0].seconds,
        "model": model.config.to_dict(),
    }
    if options.stage_a is not None and stage in ("a", "all"):
        task = StageA(model, *stores, options.stage_a, options.seed)
        if start_from is not None and not (resume and (out / "stage_a" / checkpoint.CONFIG).is_file()):
            load_encoders(model, Path(start_from))
            load_heads(task, Path(start_from))
            summary["stage_a_from"] = Path(start_from).name
        summary["stage_a"] = stage_loop.run(task, out, threads, resume, processes)
        if processes.main:
            write_summary(out, summary)
    if options.stage_b is not None and stage in ("b", "all"):
        fresh = not (resume and (out / "stage_b" / checkpoint.CONFIG).is_file())
        given = start_from is not None and (stage == "b" or options.stage_a is None)
        source = Path(start_from) if given else out / "stage_a"
        if fresh and model_from is not None:
            load_model(model, Path(model_from))
            summary["model_from"] = Path(model_from).name
        elif fresh and (given or (source / checkpoint.CONFIG).is_file()):
            load_encoders(model, source)
            summary["encoders_from"] = source.name
        task = StageB(model, *stores, rig, options.stage_b, options.seed)
        summary["stage_b"] = stage_loop.run(task, out, threads, resume, processes)
        if processes.main:
            write_summary(out, summary)
    return summary


def _check_processes(options: TrainingOptions, stage: str, processes: Processes) -> None:
    """Raises OptionsError for stages that these processes or this device cannot compute."""
    for name in ("stage_a", "stage_b"):
        chosen: StageOptions | None = getattr(options, name)
        if chosen is None or stage not in ("all", name[-1]):
            continue
        Split(chosen.batch_size, processes.count, processes.rank, chosen.accumulate)
        if chosen.float16 and processes.device.type == "cpu":
            raise OptionsError(
                f"{name}.float16 on a CPU", "a GPU", "Set bfloat16 instead, which needs no loss scaling."
            )


def corpus_fps(corpus: Any) -> int:
    """Frame rate of a corpus (its description's, or an attribute of a corpus in memory)."""
    description = getattr(corpus, "description", None)
    return int(description["fps"] if description else corpus.fps)


def new_model(options: TrainingOptions, styles: tuple[str, ...], rig: Face | None, train: ClipStore) -> TalkingModel:
    """The untrained model for a rig and a corpus; its weights depend on the seed alone."""
    section, folders = pretrained_sections.resolve(options.model)
    data = section | {"styles": styles, "fps": train.fps}
    if rig is not None:
        data["vertices"] = len(rig.template)
    try:
        config = pretrained_sections.wanted_class(section).from_dict(data)
    except TypeError as error:
        raise OptionsError(
            f"a model section that does not fit ({error})", "fields of that family", "Correct it."
        ) from None
    basis = None
    if rig is not None and config.decoder.motion_rank is not None:
        basis = torch.from_numpy(face_basis(rig, train, config.decoder.motion_rank, options.seed))
    torch.manual_seed(options.seed)
    model = family_of(config).new(config, rig, basis)
    pretrained_sections.load(model, folders)
    return model


def load_encoders(model: TalkingModel, folder: Path) -> None:
    """Copy the encoders that the model has, and the classifier, of a checkpoint of any family into the model.

    A deeper encoder than the checkpoint's begins as the same function: its further layers add nothing at first.
    """
    tensors, config = checkpoint.load_weights(folder)
    try:
        for name in model.encoders:
            prefix, stage = f"{name}.", model.stages[name]
            if not hasattr(config, name):
                raise RuntimeError(f"a checkpoint of family {config.family!r} has no {name}")
            part = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            _keep_own_mask(stage, part)
            layers = getattr(config, name).num_hidden_layers
            stage.load_state_dict(_further_layers(stage, layers) | part, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"encoders in {folder} of width {config.width} that do not fit this model ({error})",
            "the model's own",
            "Use one model section for both stages.",
        ) from error


def _keep_own_mask(stage: Stage, part: dict[str, Tensor]) -> None:
    """SpecAugment's vector is training's alone: taken over where both have one, else the encoder's own or none."""
    own, name = stage.state_dict(), f"encoder.{MASKED_SPEC_EMBED}"
    if name not in own:
        part.pop(name, None)
    elif name not in part:
        part[name] = own[name]


def _further_layers(stage: Stage, layers: int) -> dict[str, Tensor]:
    """Weights of a pre-norm encoder's layers after the first `layers`, with outputs of zero."""
    if not stage.encoder.config.do_stable_layer_norm:
        return {}
    further = {}
    for key, value in stage.state_dict().items():
        layer = LAYER_KEY.match(key)
        if layer and int(layer.group(1)) >= layers:
            further[key] = torch.zeros_like(value) if OUTPUT_KEY.search(key) else value
    return further


def load_heads(task: StageA, folder: Path) -> None:
    """Copy stage A's training-only heads of a checkpoint, so that training goes on where it ended."""
    extra = checkpoint.load_state(folder).get("extra")
    try:
        if extra is None:
            raise RuntimeError("it holds no heads")
        task.head.load_state_dict(extra, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder}, whose stage A heads do not fit ({error})",
            "the stage_a folder of a run on the same corpus",
            "Give that one to --encoders.",
        ) from error


def load_model(model: TalkingModel, folder: Path) -> None:
    """Copy every weight of a checkpoint of the same family and shapes into the model, its motion basis included."""
    checkpoint.load_into(model, folder)


def with_overrides(
    options: TrainingOptions,
    max_minutes: float | None = None,
    max_steps: int | None = None,
    scheme: str | None = None,
    fusion: str | None = None,
    max_epochs: float | None = None,
) -> TrainingOptions:
    """The options with what the command line changes; a given limit replaces the stage's own limits."""
    changes: dict[str, Any] = {}
    for name in ("stage_a", "stage_b"):
        stage: StageOptions | None = getattr(options, name)
        if stage is None:
            continue
        values: dict[str, Any] = {}
        if (max_minutes, max_steps, max_epochs) != (None, None, None):
            values |= {"max_minutes": max_minutes, "max_steps": max_steps, "max_epochs": max_epochs}
        if scheme is not None and name == "stage_b":
            values["scheme"] = scheme
        changes[name] = dataclasses.replace(stage, **values)
    if fusion is not None:
        model = dict(options.model)
        model["mesh_attention"] = dict(model.get("mesh_attention", {})) | {"fusion": fusion}
        changes["model"] = model
    return dataclasses.replace(options, **changes)
