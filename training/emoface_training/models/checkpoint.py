"""Checkpoint folders: `config.json` + `model.safetensors`, `training_state.pt` for resuming, a dataset's `face.npz`.

A folder appears whole or not at all: it is written under a temporary name beside its place and renamed. Weights are
read from safetensors and the training state with `weights_only=True`, so no file here can run code.
"""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emoface_training.config import ModelConfig, load_config
from emoface_training.data.sample import DatasetFace
from emoface_training.errors import CheckpointError, SaveError
from emoface_training.models.families import family_of
from emoface_training.nn.talking_model import TalkingModel

CONFIG, WEIGHTS, STATE, FACE = "config.json", "model.safetensors", "training_state.pt", "face.npz"


def save(
    folder: Path,
    model: TalkingModel,
    state: dict[str, Any] | None = None,
    extra: nn.Module | None = None,
    face: DatasetFace | None = None,
) -> None:
    """Write or replace a checkpoint folder in one step.

    state: what resuming needs (plain containers, numbers and tensors); extra: a module used in training alone, saved
    inside the training state and never in the weights that are exported; face: the dataset's face, which
    `emoface export` puts into the package. Raises SaveError, with the previous checkpoint in place, when a file cannot
    be written.
    """
    folder = Path(folder)
    fresh, old = folder.with_name(folder.name + ".tmp"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    name = CONFIG
    try:
        fresh.mkdir(parents=True)
        model.config.save(fresh / name)
        name = WEIGHTS
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, str(fresh / name))
        if state is not None:
            name, state = STATE, dict(state)
            if extra is not None:
                state["extra"] = extra.state_dict()
            torch.save(state, fresh / name)
        if face is not None:
            name = FACE
            np.savez(fresh / name, **face.arrays(), unit_in_metres=np.float64(face.unit_in_metres))
        for file in fresh.iterdir():
            _to_disk(file)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        shutil.rmtree(fresh, ignore_errors=True)
        kept = f"the previous checkpoint in {folder} is intact" if folder.exists() else "nothing was saved before"
        raise SaveError(
            f"{str(error).splitlines()[0]} while writing {folder / name}",
            "room for the checkpoint",
            f"Free some space and continue with --resume ({kept}).",
        ) from error
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _to_disk(file: Path) -> None:
    """Before the rename, so that a power cut cannot leave an empty file under the final name."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def recover(folder: Path) -> None:
    """Put back the previous checkpoint if a crash struck between the two renames of `save`."""
    folder = Path(folder)
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():
        old.rename(folder)


def load_weights(folder: Path) -> tuple[dict[str, Tensor], ModelConfig]:
    """Tensors by name and the model's configuration. Raises CheckpointError for a missing or broken folder."""
    folder = Path(folder)
    recover(folder)
    if not folder.exists() and (folder.parent / "tensorboard" / folder.name).exists():
        raise CheckpointError(
            f"{folder}, which is not there: its run ended before the first checkpoint",
            "a checkpoint folder",
            "Train on with --resume; checkpoint_every_minutes and checkpoint_every_steps say when one is saved.",
        )
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} without {name}",
                f"a checkpoint folder with {CONFIG} and {WEIGHTS}",
                "Give the folder that `emoface train` wrote, for example RUN/stage_b.",
            )
    try:
        return load_file(str(folder / WEIGHTS)), load_config(folder / CONFIG)
    except Exception as error:
        raise CheckpointError(
            f"an unreadable checkpoint in {folder} ({error})",
            f"whole {CONFIG} and {WEIGHTS}",
            "Train or copy it again.",
        ) from error


def load_into(model: TalkingModel, folder: Path) -> None:
    """Copy every weight of a checkpoint of the model's family into it.

    Raises CheckpointError for another family, and for weights that do not fit, naming what differs in the
    configurations.
    """
    tensors, found = load_weights(folder)
    wanted = model.config
    if found.family != wanted.family:
        raise CheckpointError(
            f"{folder}, a checkpoint of family {found.family!r}",
            f"one of family {wanted.family!r}",
            "Give another checkpoint, or correct model.family in the config.",
        )
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        differing = differences(found.to_dict(), wanted.to_dict())
        listed = "; ".join(f"{name} {a!r} instead of {b!r}" for name, (a, b) in list(differing.items())[:4])
        raise CheckpointError(
            f"{folder}, a checkpoint of another config ({listed or error})",
            "weights that fit this one",
            "Give another checkpoint, or correct the model section.",
        ) from error


def differences(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Fields, dotted, with their two values, in which two configurations differ."""
    listed: dict[str, tuple[Any, Any]] = {}
    for name in [*found, *(name for name in wanted if name not in found)]:
        a, b = found.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            listed |= differences(a, b, f"{prefix}{name}.")
        elif a != b:
            listed[prefix + name] = (a, b)
    return listed


def load(folder: Path) -> tuple[TalkingModel, ModelConfig]:
    """The model in evaluation mode and its configuration."""
    tensors, config = load_weights(folder)
    try:
        model = family_of(config).saved(config, tensors)
        model.load_state_dict(tensors, strict=True)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"weights in {folder} that do not fit its {CONFIG} ({error})",
            "both of one run",
            "The folder mixes two runs: copy it again.",
        ) from error
    return model.eval(), config


def load_state(folder: Path) -> dict[str, Any]:
    """What `save` was given as `state` (with `extra` as a nested dict). Raises CheckpointError when absent."""
    recover(folder)
    path = Path(folder) / STATE
    if not path.is_file():
        raise CheckpointError(f"{folder} without {STATE}", "one to resume", "Start a new run instead.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path}, which cannot be read ({str(error).splitlines()[0]})",
            "a training state of plain values and tensors",
            "Copy the run again, or start a new one.",
        ) from None
