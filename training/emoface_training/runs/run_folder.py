"""The folder of a run: its resolved configuration and its summary, and the rule that no run is ever overwritten."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import yaml

from emoface_training.errors import CheckpointError, RunExistsError, SaveError
from emoface_training.options import TrainingOptions

CONFIG, SUMMARY = "config.yaml", "summary.json"
# What a resumed run may change: how long it goes on and what is looked at, but not what is learned
FREE = {
    *("max_steps", "max_epochs", "max_minutes", "clock", "accumulate", "log_every_steps", "validation_clips"),
    *("validate_every_minutes", "validate_every_steps", "checkpoint_every_minutes", "checkpoint_every_steps"),
}


def claim(out: Path, options: TrainingOptions, stage: str, resume: bool) -> None:
    """Write the resolved configuration, or refuse a folder that already holds this stage.

    stage: "a", "b" or "all". A configuration that is there and differs is kept as `config.1.yaml` and so on. Raises
    RunExistsError without `resume`, CheckpointError where the run was begun with another configuration.
    """
    if out.exists() and not out.is_dir():
        raise RunExistsError(f"{out}, which is a file", "a new folder", "Give another --out.")
    names = [name for name in ("stage_a", "stage_b") if stage in ("all", name[-1])]
    begun = [name for name in names if _begun(out, name)]
    if begun and not resume:
        raise _exists(out, begun)
    plain = json.loads(json.dumps(options.to_dict()))
    path, text = out / CONFIG, yaml.safe_dump(plain, sort_keys=False)
    if path.is_file() and path.read_text() != text:
        if begun:
            _refuse_another_configuration(path, plain, begun)
        number = 1
        while (kept := out / f"config.{number}.yaml").exists():
            number += 1
        os.replace(path, kept)
    write(path, text)


def _exists(out: Path, begun: list[str]) -> RunExistsError:
    """Say what is there: a run that ended before its first checkpoint has a log, and no stage yet."""
    saved = [name for name in begun if any((out / place).exists() for place in (name, f"{name}.old"))]
    if saved:
        got, remedy = f"{out}, which already holds {' and '.join(saved)}", "Continue it with --resume"
    else:
        got = f"{out}, where a run of {' and '.join(begun)} ended before its first checkpoint"
        remedy = "Start it again there with --resume"
    return RunExistsError(got, "a new folder", f"{remedy}, or give another --out.")


def _begun(out: Path, name: str) -> bool:
    """A checkpoint, one that was being replaced, or a log from before the first one."""
    return any((out / place).exists() for place in (name, f"{name}.old", f"tensorboard/{name}"))


def _refuse_another_configuration(path: Path, now: dict[str, Any], begun: list[str]) -> None:
    before = yaml.safe_load(path.read_text())
    differing = _differences(before, now, {"seed", "train_split", "model"}, "")
    for name in begun:
        section = before.get(name)
        if isinstance(section, dict) and now[name] is not None:
            differing += _differences(section, now[name], set(now[name]) - FREE, f"{name}.")
    if differing:
        name, old, new = differing[0]
        raise CheckpointError(
            f"{name} = {new!r} where {path} has {old!r}",
            "the configuration that the run was started with",
            "Resume with that one, or start a new run (--model takes over this one's weights).",
        )


def _differences(before: dict, now: dict, fields: set[str], prefix: str) -> list[tuple[str, Any, Any]]:
    """(name, old, new) of the fields that both have and that differ; new fields have their defaults then."""
    return [
        (prefix + name, before[name], now[name])
        for name in sorted(fields)
        if name in before and name in now and before[name] != now[name]
    ]


def write_summary(out: Path, summary: dict[str, Any]) -> None:
    """Add to the run's summary."""
    path = out / SUMMARY
    before = json.loads(path.read_text()) if path.is_file() else {}
    write(path, json.dumps(before | summary, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """A file that appears whole or not at all. Raises SaveError when it cannot be written."""
    fresh = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text)
        os.replace(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise SaveError(
            f"{error} while writing {path}", "room for it", "Free some space, or choose another --out."
        ) from error
