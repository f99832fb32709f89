"""The loop both stages run in: budget, learning rate, clipping, logging, validation, checkpoints, resume."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from emoface_training.errors import TrainingInterrupted
from emoface_training.loop.interruption import Interruption
from emoface_training.loop.loading import AHEAD, Loader
from emoface_training.loop.log import finite
from emoface_training.loop.processes import Processes
from emoface_training.loop.stage_run import StageRun, Task


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
    if resume and (done := stage.take_up()):
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
                    interruption.signal or signal.SIGTERM, f"after step {stage.step} of {task.name}", str(stage.place)
                )
            if stage.validation_due:
                stage.validate(loader.waited)
            if stage.checkpoint_due:
                stage.save()
        figures = stage.validate(loader.waited)
        totals = {"steps": stage.step, "seconds": stage.budget.used, "validation": finite(figures)}
        stage.save(totals)
    stage.log.close()
    processes.wait()  # so that the next stage finds this one's checkpoint
    if late := int(processes.agree(interruption.signal)):
        raise TrainingInterrupted(late, f"after the end of {task.name}", str(stage.place))
    return totals
