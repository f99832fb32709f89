"""The loop both stages run in: budget, learning rate, clipping, logging, validation, checkpoints, resume."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from emoface_training import checkpoint
from emoface_training.data.sample import DatasetFace
from emoface_training.interruption import Interruption, TrainingInterrupted
from emoface_training.loading import AHEAD, Loader
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageOptions
from emoface_training.processes import Processes
from emoface_training.schedules import one_cycle
from emoface_training.split import Split


class Task(Protocol):
    """What a stage gives to the loop.

    `load` makes the batch of a step, or what `rows` of it need, on the CPU, from (seed, step) alone and in any thread.
    `loss` is the part of the step's loss that falls to `rows`: the parts add up to the whole batch's. Of its figures,
    tensors add up likewise; plain numbers are the same for every part.
    """

    name: str
    model: TalkingModel
    options: StageOptions

    def parameter_groups(self) -> list[dict]: ...
    def prepare(self) -> None: ...
    def load(self, step: int, rows: range | None = None) -> Any: ...
    def loss(
        self, step: int, progress: float, batch: Any = None, rows: range | None = None
    ) -> tuple[Tensor, dict[str, Tensor | float]]: ...
    def validate(self) -> dict[str, float]: ...
    def set_train(self, training: bool) -> None: ...
    def finish(self) -> None: ...
    def data_size(self) -> dict[str, int]: ...
    @property
    def extra(self) -> nn.Module | None: ...
    @property
    def face(self) -> DatasetFace | None: ...


class DivergedError(FloatingPointError):
    """The loss is no longer a finite number; the message says what to lower."""

    exit_code = 5


class Budget:
    """Share of the stage used: the larger of steps and time, each over its limit."""

    def __init__(self, options: StageOptions, threads: int, used_seconds: float, steps: int | None) -> None:
        self.options, self.threads, self.steps = options, max(1, threads), steps
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
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.options.max_minutes is not None:
            shares.append(self.used / (60.0 * self.options.max_minutes))
        return min(1.0, max(shares))


class RunLog:
    """Figures to TensorBoard, to `log.jsonl`, and as lines or a progress bar; nothing where it is not `main`."""

    def __init__(self, folder: Path, name: str, main: bool = True) -> None:
        self.name, self.path, self.writer = name, folder / "log.jsonl", None
        if main:
            from torch.utils.tensorboard import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self.writer = SummaryWriter(str(folder / "tensorboard" / name))

    def write(self, kind: str, step: int, progress: float, used: float, figures: dict[str, float]) -> None:
        """One row. Raises SaveError when the file cannot be written."""
        if self.writer is None:
            return
        row = {"stage": self.name, "kind": kind, "step": step, "progress": round(progress, 5)}
        row["seconds"] = round(used, 1)
        try:
            for key, value in figures.items():
                self.writer.add_scalar(f"{kind}/{key}", value, step)
            with self.path.open("a") as stream:
                stream.write(json.dumps(row | finite(figures)) + "\n")
        except OSError as error:
            raise checkpoint.SaveError(
                f"got {error} while writing {self.path}, expected room for the log: free some space and continue with "
                "--resume"
            ) from error
        text = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        end = "\r" if kind == "train" and sys.stderr.isatty() else "\n"
        bar = f"[{'#' * int(20 * progress):<20}] {100 * progress:5.1f}%"
        print(f"{self.name} {bar} step {step} {kind}: {text}", end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def finite(figures: dict[str, float]) -> dict[str, float | None]:
    """None for what is no number (a correlation without motion): JSON has no other way to write it."""
    return {key: value if math.isfinite(value) else None for key, value in figures.items()}


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


class StageRun:
    """A stage on its way: optimiser, budget, log, and the sums since the last row of the log."""

    def __init__(self, task: Task, folder: Path, threads: int, processes: Processes) -> None:
        self.task, self.options, self.processes = task, task.options, processes
        self.place = folder / task.name
        self.split = Split(task.options.batch_size, processes.count, processes.rank, task.options.accumulate)
        self.optimiser = optimiser_for(task)
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        # Half precision needs it; elsewhere it does nothing
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=task.options.float16)
        self.threads, self.folder = threads, folder
        self.step, self.before = 0, 0.0
        self.sums: dict[str, list[float]] = {}

    def begin(self) -> None:
        """Start the clock; before that, the task prepares itself with the weights that are in place."""
        self.task.prepare()
        steps = self.options.steps_for(self.task.data_size()["clips"])
        self.budget = Budget(self.options, self.threads, self.before, steps)
        self.log = RunLog(self.folder, self.task.name, self.processes.main)
        self.saved_at = self.validated_at = self.budget.used
        self.mark, self.marked_step, self.waited = time.monotonic(), self.step, 0.0

    def progress(self) -> float:
        """The share used; where it is a matter of time, the main process' clock counts."""
        share = self.budget.progress(self.step)
        return share if self.options.max_minutes is None else self.processes.agree(share)

    def save(self, complete: dict[str, Any] | None = None) -> None:
        """Replace the checkpoint (the main process alone). Raises SaveError."""
        self.saved_at = self.budget.used
        if not self.processes.main:
            return
        self.task.finish()
        state = {"step": self.step, "used": self.budget.used, "optimiser": self.optimiser.state_dict()}
        state |= {"complete": complete, "sums": self.sums, "data": self.task.data_size()}
        if self.options.float16:
            state["scaler"] = self.scaler.state_dict()
        checkpoint.save(self.place, self.task.model, state, self.task.extra, self.task.face)

    def advance(self, progress: float, batch: Any, stop: int) -> int:
        """One optimiser step; returns the number of the signal by which any process was asked to stop, or 0."""
        for group in self.optimiser.param_groups:
            group["lr"] = one_cycle(progress, self.options.learning_rate) * group["factor"]
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for rows in self.split.micro:
            loss, parts = self.task.loss(self.step, progress, batch, rows)
            self.scaler.scale(loss).backward()
            for key, value in (parts | {"loss": loss}).items():
                if isinstance(value, Tensor):
                    sums[key] = sums.get(key, 0.0) + value.detach().double()
        plain = {key: value for key, value in parts.items() if not isinstance(value, Tensor)}
        figures = torch.stack([*sums.values(), loss.new_tensor(stop, dtype=torch.float64)])
        if self.processes.count > 1:
            figures = self.processes.add_up(self.parameters, figures.float())
        *values, stopped = figures.tolist()
        shown = dict(zip(sums, values, strict=True))
        self.scaler.unscale_(self.optimiser)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.options.clip_norm))
        if math.isfinite(norm):
            shown["gradient"] = norm
        elif self.scaler.is_enabled():  # it leaves this step out and lowers its factor
            norm = 0.0
        if not math.isfinite(shown["loss"] + norm):
            raise DivergedError(
                f"got a loss of {shown['loss']} with gradients of {norm} at step {self.step} of {self.task.name}, "
                f"expected finite ones: lower learning_rate (now {self.options.learning_rate}) or clip_norm, and "
                "resume from the last checkpoint"
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        for key, value in (shown | plain).items():
            self.sums.setdefault(key, []).append(value)
        return int(stopped)

    def report(self, waited: float) -> None:
        """A row of the log, where one is due. waited: seconds spent waiting for batches so far."""
        if self.step % self.options.log_every_steps:
            return
        seconds = max(1e-9, time.monotonic() - self.mark)
        shown = {key: sum(values) / len(values) for key, values in self.sums.items()}
        shown["steps_per_second"] = (self.step - self.marked_step) / seconds
        shown["loading_share"] = (waited - self.waited) / seconds
        self.log.write("train", self.step, self.budget.progress(self.step), self.budget.used, shown)
        self.sums = {}
        self._mark(waited)

    def _mark(self, waited: float) -> None:
        self.mark, self.marked_step, self.waited = time.monotonic(), self.step, waited

    def validate(self, waited: float) -> dict[str, float]:
        """The figures of the validation split (the main process alone), also written to the log."""
        figures: dict[str, float] = {}
        if self.processes.main:
            self.task.set_train(False)
            figures = self.task.validate()
            self.task.set_train(True)
            self.log.write("validation", self.step, self.budget.progress(self.step), self.budget.used, figures)
        self.validated_at = self.budget.used
        self._mark(waited)
        return figures


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
        raise checkpoint.CheckpointError(
            f"got a checkpoint in {stage.place} that does not fit this configuration ({error}): resume with the "
            "configuration and the data that started the run"
        ) from error
    stage.step, stage.before = state["step"], state["used"]
    stage.sums = state.get("sums", {})
    return state["complete"]
