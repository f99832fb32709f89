"""Progress of the commands, on stderr: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

LINE_EVERY_S = 30.0


def bar(label: str) -> Callable[[Iterable], Iterator]:
    """Progress over items that are counted first."""

    def over(items: Iterable) -> Iterator:
        items = list(items)
        return progress(label, items, len(items))

    return over


def progress(label: str, items: Iterable, total: int) -> Iterator:
    """Progress over `total` items."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=label, total=total, mininterval=0.5)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > LINE_EVERY_S:
            last = time.monotonic()
            print(f"emoface: {label}: {done}/{total}", file=sys.stderr, flush=True)
