"""Where a run computes: its device and, under a launcher, the processes that share every batch.

One process without a launcher, on the GPU where there is one. Under `accelerate launch` or `torchrun` (Hugging Face
accelerate takes up either) every process computes its rows of each batch; gradients are added up in one all-reduce per
step and every process takes the same step. The main process alone validates and writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emoface.options import check_threads
from emoface_training.errors import OptionsError

if TYPE_CHECKING:
    from accelerate import Accelerator

# The others wait in the next step while the main process validates
PATIENCE = timedelta(hours=2)


def use_threads(threads: int) -> None:
    """Threads of one operator of PyTorch, and no denormals. Raises UsageError for what is no number of threads."""
    torch.set_num_threads(check_threads(threads))
    torch.set_flush_denormal(True)  # silence makes them: they are slow and mean nothing


@dataclass(frozen=True)
class Processes:
    """`count` processes, of which this is number `rank`, and this one's device. The default is this process alone."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    count: int = 1
    rank: int = 0
    accelerator: Accelerator | None = None

    @classmethod
    def start(cls, cpu: bool = False) -> Processes:
        """Join the processes of the launcher (or stay alone). cpu: leave a GPU unused.

        Raises OptionsError where the launcher's processes do not find each other: alone, each would write the run.
        """
        from accelerate import Accelerator
        from accelerate.utils import InitProcessGroupKwargs

        # Without a GPU accelerate joins processes only if it is told so; Apple's have no float64
        cpu = cpu or not torch.cuda.is_available()
        accelerator = Accelerator(cpu=cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
        expected = int(os.environ.get("WORLD_SIZE", "1"))
        if accelerator.num_processes != expected:
            raise OptionsError(
                f"{accelerator.num_processes} process of the {expected} that WORLD_SIZE names",
                "all of them",
                "Start with `torchrun` or `accelerate launch`, or without WORLD_SIZE in the environment.",
            )
        return cls(accelerator.device, accelerator.num_processes, accelerator.process_index, accelerator)

    @property
    def main(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            self.accelerator.wait_for_everyone()

    def agree(self, value: float) -> float:
        """The main process' value, in all of them."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor([value], dtype=torch.float64, device=self.device))[0])

    def add_up(self, parameters: Iterable[Tensor], figures: Tensor) -> Tensor:
        """Sum gradients (in place) and figures [n] over the processes; returns the summed figures.

        A parameter that no process has a gradient for keeps none.
        """
        if self.count == 1:
            return figures
        parameters = [p for p in parameters if p.requires_grad]
        has = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=self.device)
        gradients = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        sizes = [len(g) for g in gradients]
        summed = self.accelerator.reduce(torch.cat([*gradients, has, figures]), "sum")
        *gradients, has, figures = summed.split([*sizes, len(has), len(figures)])
        for parameter, gradient, count in zip(parameters, gradients, has.tolist(), strict=True):
            parameter.grad = gradient.view_as(parameter) if count else None
        return figures
