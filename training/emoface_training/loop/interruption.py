"""Ctrl-C and SIGTERM during training: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType


class Interruption:
    """While it is entered, the first SIGINT or SIGTERM is noted in `signal`; a second one has its usual effect.

    Threads other than the main one cannot take signals: there, nothing changes.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._put_back()
        name = signal.Signals(number).name
        print(f"\n{name}: saving after this step; once more stops at once", file=sys.stderr, flush=True)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
