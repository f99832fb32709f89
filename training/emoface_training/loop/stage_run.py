"""A stage on its way: one optimiser step, its report, its validation, its checkpoint."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from emoface_training.data.sample import DatasetFace
from emoface_training.errors import CheckpointError, DivergedError
from emoface_training.loop.budget import Budget
from emoface_training.loop.learning_rate import one_cycle
from emoface_training.loop.log import RunLog
from emoface_training.loop.processes import Processes
from emoface_training.loop.split import Split
from emoface_training.models import checkpoint
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageOptions


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
        self.learning_rate = 0.0  # of the last step, before a group's own factor
        self.sums: dict[str, list[float]] = {}

    def begin(self) -> None:
        """Start the clock; before that, the task prepares itself with the weights that are in place."""
        self.task.prepare()
        steps = self.options.steps_for(self.task.data_size()["clips"])
        self.budget = Budget(self.options, self.threads, self.before, steps)
        self.log = RunLog(self.folder, self.task.name, self.processes.main)
        self.saved_at = self.validated_at = self.budget.used
        self.mark, self.marked_step, self.waited = time.monotonic(), self.step, 0.0

    def take_up(self) -> dict[str, Any] | None:
        """Continue from the checkpoint, where there is one; returns the totals of a stage that is complete."""
        if self.processes.main:
            checkpoint.recover(self.place)
        self.processes.wait()
        if not (self.place / checkpoint.CONFIG).is_file():
            return None
        task = self.task
        checkpoint.load_into(task.model, self.place)
        state = checkpoint.load_state(self.place)
        try:
            data = state.get("data", task.data_size())
            if data != task.data_size():
                raise ValueError(f"it was trained on {data}, this is {task.data_size()}")
            if task.extra is not None:
                task.extra.load_state_dict(state["extra"])
            self.optimiser.load_state_dict(state["optimiser"])
            if "scaler" in state:
                self.scaler.load_state_dict(state["scaler"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"a checkpoint in {self.place} that does not fit this configuration ({error})",
                "one of the same configuration and data",
                "Resume with those that started the run.",
            ) from error
        self.step, self.before, self.sums = state["step"], state["used"], state.get("sums", {})
        return state["complete"]

    @property
    def validation_due(self) -> bool:
        o = self.options
        return self._due(o.validate_every_steps, o.validate_every_minutes, self.validated_at)

    @property
    def checkpoint_due(self) -> bool:
        o = self.options
        return self._due(o.checkpoint_every_steps, o.checkpoint_every_minutes, self.saved_at)

    def _due(self, every_steps: int | None, every_minutes: float, last: float) -> bool:
        if every_steps is not None:
            return self.step % every_steps == 0
        return self.budget.used - last > 60.0 * every_minutes

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
        self.learning_rate = one_cycle(progress, self.options.learning_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * group["factor"]
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
        norm = float(self._clipped())
        if math.isfinite(norm):
            shown["gradient"] = norm
        elif self.scaler.is_enabled():  # it leaves this step out and lowers its factor
            norm = 0.0
        if not math.isfinite(shown["loss"] + norm):
            raise DivergedError(
                f"a loss of {shown['loss']} with gradients of {norm} at step {self.step} of {self.task.name}",
                "finite ones",
                f"Lower learning_rate (now {self.options.learning_rate}) or clip_norm (now {self.options.clip_norm}) "
                f"in a new run{f', which may begin with the weights in {self.place}' if self.place.exists() else ''}.",
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        for key, value in (shown | plain).items():
            self.sums.setdefault(key, []).append(value)
        return int(stopped)

    def _clipped(self) -> Tensor:
        """The norm of all gradients, before they are scaled down to `clip_norm` where there is one."""
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        if self.options.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.options.clip_norm, norm)
        return norm

    def report(self, waited: float) -> None:
        """A row of the log, where one is due. waited: seconds spent waiting for batches so far."""
        if self.step % self.options.log_every_steps:
            return
        seconds = max(1e-9, time.monotonic() - self.mark)
        shown = {key: sum(values) / len(values) for key, values in self.sums.items()}
        shown["learning_rate"] = self.learning_rate
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
