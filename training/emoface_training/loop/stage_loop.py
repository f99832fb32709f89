"""The loop both stages run in: budget, learning rate, clipping, logging, validation, checkpoints, resume."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from emoface_training.errors import CheckpointError, TrainingInterrupted
from emoface_training.loop.interruption import Interruption
from emoface_training.loop.loading import AHEAD, Loader
from emoface_training.loop.log import finite
from emoface_training.loop.processes import Processes
from emoface_training.loop.stage_run import StageRun, Task
from emoface_training.models import checkpoint


def run(
    task: Task, folder: Path, threads: int = 1, resume: bool = False, processes: Processes | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; returns the last validation's figures and the totals.

    The checkpoint lies in `folder / task.name`. With resume=True it continues from there (and does nothing when that
    stage is complete). Raises CheckpointError when the checkpoint does not fit, SaveError when one cannot be written,
    DivergedError, and TrainingInterrupted (after saving) for Ctrl-C and SIGTERM.
    """
    processes = processes or Processes()
    stage = StageRun(task, folder, threads, processes)
    options = task.options
    if resume and _has_checkpoint(stage):
        done = _restore(stage)
        if done:
            return done
    stage.begin()
    task.set_train(True)
    ahead = 0 if processes.device.type == "cpu" else AHEAD
    with Interruption() as interruption, Loader(lambda step: task.load(step, stage.split.own), ahead) as loader:
        while (progress := stage.progress()) < 1.0:
            stopped = stage.advance(progress, loader.get(stage.step), interruption.signal)
            stage.report(loader.waited)
            if stopped:
                stage.save()
                stage.log.close()
                raise TrainingInterrupted(
                    f"stopped after step {stage.step} of {task.name} and saved {stage.place}: continue with the same "
                    "command and --resume",
                    interruption.signal or signal.SIGTERM,
                )
            since = stage.budget.used - stage.validated_at
            if _due(options.validate_every_steps, stage.step, options.validate_every_minutes, since):
                stage.validate(loader.waited)
            since = stage.budget.used - stage.saved_at
            if _due(options.checkpoint_every_steps, stage.step, options.checkpoint_every_minutes, since):
                stage.save()
        figures = stage.validate(loader.waited)
        totals = {"steps": stage.step, "seconds": stage.budget.used, "validation": finite(figures)}
        stage.save(totals)
    stage.log.close()
    processes.wait()  # so that the next stage finds this one's checkpoint
    if late := int(processes.agree(interruption.signal)):
        raise TrainingInterrupted(
            f"stopped after the end of {task.name}, which is saved in {stage.place}: go on with the same command and "
            "--resume",
            late,
        )
    return totals


def _due(every_steps: int | None, step: int, every_minutes: float, since: float) -> bool:
    if every_steps is not None:
        return step % every_steps == 0
    return since > 60.0 * every_minutes


def _has_checkpoint(stage: StageRun) -> bool:
    if stage.processes.main:
        checkpoint.recover(stage.place)
    stage.processes.wait()
    return (stage.place / checkpoint.CONFIG).is_file()


def _restore(stage: StageRun) -> dict[str, Any] | None:
    """Take up the checkpoint; returns the totals of a stage that is complete."""
    task = stage.task
    checkpoint.load_into(task.model, stage.place)
    state = checkpoint.load_state(stage.place)
    try:
        data = state.get("data", task.data_size())
        if data != task.data_size():
            raise ValueError(f"it was trained on {data}, this is {task.data_size()}")
        if task.extra is not None:
            task.extra.load_state_dict(state["extra"])
        stage.optimiser.load_state_dict(state["optimiser"])
        if "scaler" in state:
            stage.scaler.load_state_dict(state["scaler"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"got a checkpoint in {stage.place} that does not fit this configuration ({error}): resume with the "
            "configuration and the data that started the run"
        ) from error
    stage.step, stage.before = state["step"], state["used"]
    stage.sums = state.get("sums", {})
    return state["complete"]
