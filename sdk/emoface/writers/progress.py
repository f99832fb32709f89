"""Progress of the slow writers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

Progress = Callable[[int, int | None], None]
"""Called with the number of frames done and the number of all frames, None where that is not known."""


def progress_line(label: str, stream: TextIO | None = None) -> Progress | None:
    """A progress line `label 12/240` on `stream` (stderr), or None where that is closed or no terminal."""
    target = sys.stderr if stream is None else stream
    if target is None or target.closed or not target.isatty():
        return None

    def show(done: int, total: int | None) -> None:
        # The cursor waits at the line's beginning: a message that interrupts writes over it.
        line = f"{label} {done}/{'?' if total is None else total}" + (
            "\n" if total is not None and done >= total else "\r"
        )
        # A terminal that went away is no reason to stop.
        with suppress(OSError, ValueError):
            target.write(line)
            target.flush()

    return show
