"""How much of a stage's budget is used: the clock of the schedules."""

from __future__ import annotations

import time

from emoface_training.options import StageOptions


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
