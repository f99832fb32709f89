"""Batches for the loop, and how long it waited for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

AHEAD = 2


class Loader:
    """`load(step)` for one step after the other; with `ahead`, the next ones are made in a thread meanwhile.

    A batch depends on its step alone, so reading ahead changes nothing. `waited`: seconds spent in `get` in all.
    """

    def __init__(self, load: Callable[[int], Any], ahead: int = 0) -> None:
        self.load, self.ahead = load, ahead
        self.waited = 0.0
        self._pool = ThreadPoolExecutor(1, "loader") if ahead else None
        self._coming: dict[int, Future] = {}

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def get(self, step: int) -> Any:
        """The batch of a step; what loading it raised is raised here."""
        begin = time.perf_counter()
        if self._pool is None:
            batch = self.load(step)
        else:
            for number in range(step, step + 1 + self.ahead):
                if number not in self._coming:
                    self._coming[number] = self._pool.submit(self.load, number)
            batch = self._coming.pop(step).result()
        self.waited += time.perf_counter() - begin
        return batch
