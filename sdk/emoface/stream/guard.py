"""One thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emoface.errors import ConcurrentUseError


class Guard:
    """Refuses a second call while one is running, instead of waiting: a stream's order would be left to chance.

    Args:
        subject: what is guarded, for the message.
        remedy: what the caller can do.
    """

    def __init__(self, subject: str, remedy: str) -> None:
        self._subject = subject
        self._remedy = remedy
        self._lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """ConcurrentUseError where another thread is inside."""
        if not self._lock.acquire(blocking=False):
            raise ConcurrentUseError(
                f"two calls on one {self._subject} at the same time", f"one thread per {self._subject}", self._remedy
            )
        try:
            yield
        finally:
            self._lock.release()
