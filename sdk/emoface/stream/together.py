"""Several streams at once: the calls they wait for, run in groups of the same stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from emoface.backends import Array
from emoface.errors import EmoFaceError
from emoface.stream.driver import Calls, StageCall

T = TypeVar("T")
RunGroup = Callable[[Sequence[StageCall]], Sequence[Mapping[str, Array]]]


def run_together(streams: Sequence[Calls[T]], order: Mapping[str, int], run_group: RunGroup) -> list[T | EmoFaceError]:
    """Run streams to their ends; per stream its result, or the error that it ended with.

    Args:
        streams: streams at work, none of them begun.
        order: stage name -> place in the manifest.
        run_group: runs calls of one stage and one n, and returns their outputs in the same order. What it raises ends
            every stream.

    The stream furthest behind, by block and then by stage, decides what runs next; all that wait for the same stage
    with the same n run along, so that voices fed alike stay in step whatever their numbers of frames.
    """
    results: list[T | EmoFaceError | None] = [None] * len(streams)
    waiting: dict[int, StageCall] = {}
    first_block: dict[int, int] = {}

    def advance(index: int, outputs: Mapping[str, Array] | None) -> None:
        try:
            waiting[index] = next(streams[index]) if outputs is None else streams[index].send(outputs)
            first_block.setdefault(index, waiting[index].block)
        except StopIteration as stop:
            results[index] = stop.value
        except EmoFaceError as error:
            results[index] = error

    def progress(index: int) -> tuple[int, int]:
        call = waiting[index]
        return call.block - first_block[index], order[call.stage.spec.name]

    try:
        for index in range(len(streams)):
            advance(index, None)
        while waiting:
            lead = waiting[min(waiting, key=progress)]
            group = [i for i, c in waiting.items() if c.stage.spec.name == lead.stage.spec.name and c.n == lead.n]
            group.sort()  # the same order every time: a batch whose voices keep their rows need not move their state
            outputs = run_group([waiting.pop(index) for index in group])
            for index, given in zip(group, outputs, strict=True):
                advance(index, given)
    finally:
        for stream in streams:
            stream.close()
    return [result for result in results if result is not None]
