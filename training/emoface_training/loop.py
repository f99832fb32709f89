"""The loop both stages run in: budget, learning rate, clipping, logging, validation, checkpoints, resume."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from emoface_training import checkpoint
from emoface_training.data.sample import DatasetFace
from emoface_training.nn.emoface import EmoFace
from emoface_training.options import StageOptions
from emoface_training.schedules import one_cycle


class Task(Protocol):
    """What a stage gives to the loop."""

    name: str
    model: EmoFace
    options: StageOptions

    def parameter_groups(self) -> list[dict]: ...
    def prepare(self) -> None: ...
    def loss(self, step: int, progress: float) -> tuple[Tensor, dict[str, float]]: ...
    def validate(self) -> dict[str, float]: ...
    def set_train(self, training: bool) -> None: ...
    def finish(self) -> None: ...
    @property
    def extra(self) -> nn.Module | None: ...
    @property
    def face(self) -> DatasetFace | None: ...


class Budget:
    """Share of the stage used: the larger of steps and time, each over its limit."""

    def __init__(self, options: StageOptions, threads: int, used_seconds: float = 0.0) -> None:
        self.options, self.threads = options, max(1, threads)
        self.before = used_seconds
        self.start = self._now()

    def _now(self) -> float:
        return time.process_time() / self.threads if self.options.clock == "cpu" else time.monotonic()

    @property
    def used(self) -> float:
        """Seconds used, earlier runs of a resumed stage included."""
        return self.before + self._now() - self.start

    def progress(self, step: int) -> float:
        """n / N of the schedules, 0..1; the stage ends at 1."""
        shares = [0.0]
        if self.options.max_steps is not None:
            shares.append(step / self.options.max_steps)
        if self.options.max_minutes is not None:
            shares.append(self.used / (60.0 * self.options.max_minutes))
        return min(1.0, max(shares))


class RunLog:
    """Figures to TensorBoard, to `log.jsonl`, and as lines or a progress bar."""

    def __init__(self, folder: Path, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.writer = SummaryWriter(str(folder / "tensorboard" / name))
        self.path = folder / "log.jsonl"

    def write(self, kind: str, step: int, progress: float, used: float, figures: dict[str, float]) -> None:
        for key, value in figures.items():
            self.writer.add_scalar(f"{kind}/{key}", value, step)
        row = {"stage": self.name, "kind": kind, "step": step, "progress": round(progress, 5)}
        row["seconds"] = round(used, 1)
        with self.path.open("a") as stream:
            stream.write(json.dumps(row | figures) + "\n")
        text = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        end = "\r" if kind == "train" and sys.stderr.isatty() else "\n"
        bar = f"[{'#' * int(20 * progress):<20}] {100 * progress:5.1f}%"
        print(f"{self.name} {bar} step {step} {kind}: {text}", end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        self.writer.close()


def optimiser_for(task: Task) -> torch.optim.AdamW:
    """AdamW with one group per entry of `parameter_groups` (decay off for vectors such as norms and biases)."""
    groups = []
    for group in task.parameter_groups():
        for decays in (True, False):
            parameters = [p for p in group["params"] if (p.dim() > 1) == decays]
            decay = task.options.weight_decay if decays else 0.0
            if parameters:
                groups.append({"params": parameters, "weight_decay": decay, "factor": group["factor"]})
    return torch.optim.AdamW(groups, lr=task.options.learning_rate, fused=True)


def run(task: Task, folder: Path, threads: int = 1, resume: bool = False) -> dict[str, Any]:
    """Train until the budget is spent; returns the last validation's figures and the totals.

    The checkpoint lies in `folder / task.name`. With resume=True it continues from there (and does nothing when that
    stage is complete). Raises CheckpointError when the checkpoint does not fit.
    """
    place, options = folder / task.name, task.options
    optimiser = optimiser_for(task)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    step, used = 0, 0.0
    if resume and (place / checkpoint.CONFIG).is_file():
        step, used, done = _restore(task, optimiser, place)
        if done:
            return done
    task.prepare()  # after the weights are in place, before the clock runs
    budget, log = Budget(options, threads, used), RunLog(folder, task.name)
    last_saved = last_validated = budget.used
    figures: dict[str, float] = {}
    sums: dict[str, list[float]] = {}
    task.set_train(True)
    mark, marked_step = time.monotonic(), step

    def save(complete: dict[str, Any] | None = None) -> None:
        task.finish()
        state = {"step": step, "used": budget.used, "optimiser": optimiser.state_dict(), "complete": complete}
        checkpoint.save(place, task.model, state, task.extra, task.face)

    while (progress := budget.progress(step)) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(progress, options.learning_rate) * group["factor"]
        loss, parts = task.loss(step, progress)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"got a loss of {float(loss)} at step {step} of {task.name}, expected a finite one: lower "
                f"learning_rate (now {options.learning_rate}) or clip_norm, and resume from the last checkpoint"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, options.clip_norm)
        optimiser.step()
        step += 1
        for key, value in (parts | {"loss": float(loss.detach()), "gradient": float(norm)}).items():
            sums.setdefault(key, []).append(value)
        if step % options.log_every_steps == 0:
            now = time.monotonic()
            shown = {key: sum(values) / len(values) for key, values in sums.items()}
            shown["steps_per_second"] = (step - marked_step) / (now - mark)
            log.write("train", step, budget.progress(step), budget.used, shown)
            sums, mark, marked_step = {}, now, step
        if _due(options.validate_every_steps, step, options.validate_every_minutes, budget.used - last_validated):
            figures = _validate(task, log, step, budget)
            last_validated, mark, marked_step = budget.used, time.monotonic(), step
        if budget.used - last_saved > 60.0 * options.checkpoint_every_minutes:
            save()
            last_saved = budget.used
    figures = _validate(task, log, step, budget)
    totals = {"steps": step, "seconds": budget.used, "validation": figures}
    save(totals)
    log.close()
    return totals


def _due(every_steps: int | None, step: int, every_minutes: float, since: float) -> bool:
    if every_steps is not None:
        return step % every_steps == 0
    return since > 60.0 * every_minutes


def _validate(task: Task, log: RunLog, step: int, budget: Budget) -> dict[str, float]:
    task.set_train(False)
    figures = task.validate()
    task.set_train(True)
    log.write("validation", step, budget.progress(step), budget.used, figures)
    return figures


def _restore(task: Task, optimiser: torch.optim.Optimizer, place: Path) -> tuple[int, float, dict[str, Any] | None]:
    tensors, _ = checkpoint.load_weights(place)
    try:
        task.model.load_state_dict(tensors, strict=True)
        state = checkpoint.load_state(place)
        if task.extra is not None:
            task.extra.load_state_dict(state["extra"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise checkpoint.CheckpointError(
            f"got a checkpoint in {place} that does not fit this configuration ({error}): resume with the "
            "configuration that started the run"
        ) from error
    return state["step"], state["used"], state["complete"]
