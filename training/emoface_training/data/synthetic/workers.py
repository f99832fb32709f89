"""Jobs in several processes, which an interruption ends after those that have begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def each(function: Callable[..., Any], workers: int, *arguments: Iterable[Any]) -> Iterator[Any]:
    """Results of function over arguments, in their order, by so many processes; one works in this one."""
    if workers == 1:
        yield from map(function, *arguments)
        return
    pool = ProcessPoolExecutor(workers)
    try:
        yield from pool.map(function, *arguments)
    finally:  # a pool that is left would first do all that is waiting
        pool.shutdown(cancel_futures=True)
