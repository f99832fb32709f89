"""How the rows of a step's batch are split over processes and micro-batches.

A step's batch, windows and randomness depend on (seed, step) alone and losses are means over the whole batch, so the
loss curve is the same, up to rounding, however the rows are split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.errors import OptionsError


@dataclass(frozen=True)
class Split:
    """batch_size rows, over `processes` of which this is number `rank`, and there over `accumulate` micro-batches.

    Raises OptionsError when some part would be empty.
    """

    batch_size: int
    processes: int = 1
    rank: int = 0
    accumulate: int = 1

    def __post_init__(self) -> None:
        parts = self.processes * self.accumulate
        if self.accumulate < 1 or parts > self.batch_size:
            raise OptionsError(
                f"batch_size {self.batch_size} for {self.processes} processes with accumulate {self.accumulate}",
                f"at least one clip for each of these {parts} parts (and accumulate at least 1)",
                "Raise batch_size, or lower accumulate or the number of processes.",
            )

    def _cut(self, part: int) -> int:
        return part * self.batch_size // (self.processes * self.accumulate)

    @property
    def own(self) -> range:
        """Rows of this process."""
        return range(self._cut(self.rank * self.accumulate), self._cut((self.rank + 1) * self.accumulate))

    @property
    def micro(self) -> list[range]:
        """The same rows, one range per micro-batch."""
        first = self.rank * self.accumulate
        return [range(self._cut(i), self._cut(i + 1)) for i in range(first, first + self.accumulate)]


@dataclass
class BatchRows:
    """Which rows of a batch of `total` the next forward pass has, int64 [n] on the CPU; None: all."""

    index: Tensor | None = None
    total: int = 0


class RowDropout(nn.Dropout):
    """Dropout that gives some rows of a batch what they would get in the whole batch (same seed)."""

    def __init__(self, p: float, rows: BatchRows) -> None:
        super().__init__(p)
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """x [n, ...], its first axis the rows."""
        if self.rows.index is None or not self.training:
            return super().forward(x)
        noise = F.dropout(x.new_ones(self.rows.total, *x.shape[1:]), self.p)
        return x * noise[self.rows.index.to(x.device)]


def share_dropout(model: nn.Module) -> BatchRows:
    """Replace the model's dropout layers by `RowDropout`; weights and their names stay. Returns what they look at."""
    rows = BatchRows()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, RowDropout(child.p, rows).train(child.training))
    return rows


def row_index(rows: range, partners: list[int]) -> list[int]:
    """Positions in the whole batch of these rows, then of their cross rows.

    The whole batch has one row per clip, then one per clip that has a partner (-1: none).
    """
    cross = [row for row, partner in enumerate(partners) if partner >= 0]
    wanted = set(rows)
    return list(rows) + [len(partners) + place for place, row in enumerate(cross) if row in wanted]
