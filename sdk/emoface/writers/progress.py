"""Progress of the slow writers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[int, int], None]
"""Called with the number of frames done and the number of all frames."""


def progress_line(label: str, stream: TextIO | None = None) -> Progress | None:
    """A progress line `label 12/240` on `stream` (stderr), or None where that is not a terminal."""
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        return None

    def show(done: int, total: int) -> None:
        target.write(f"\r{label} {done}/{total}" + ("\n" if done >= total else ""))
        target.flush()

    return show
