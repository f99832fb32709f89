"""Chrome trace-event JSON: opens in Perfetto (https://ui.perfetto.dev) and in chrome://tracing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emoface.profile.measure import Measured
from emoface.writers.atomic import replacing


def write_trace(path: Path, measured: Measured) -> None:
    """Write one slice per step and, inside it, one per stage call. OutputError where it cannot be written."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit": "ms", "otherData": ')
        file.write(json.dumps({"package": measured.package.digest, "backend": measured.backend}))
        file.write(', "traceEvents": [')
        for index, event in enumerate(trace_events(measured)):
            file.write((",\n" if index else "\n") + json.dumps(event))
        file.write("\n]}\n")


def trace_events(measured: Measured) -> Iterator[dict[str, Any]]:
    """The events in the order of their beginnings; times in microseconds since the first step."""
    common = {"pid": 1, "tid": 1}
    name = f"emoface {measured.package.manifest.name} ({measured.backend}, {measured.precision})"
    yield {"ph": "M", "name": "process_name", **common, "args": {"name": name}}
    yield {"ph": "M", "name": "thread_name", **common, "args": {"name": f"{measured.settings.voices} voice(s)"}}
    origin = float(measured.begin[0])
    call, calls = 0, measured.calls
    for step, (begin, wall) in enumerate(zip(measured.begin, measured.wall, strict=True)):
        over = bool(1000 * wall > measured.block_ms)
        args = {"step": step, "over_budget": over}
        yield {"ph": "X", "cat": "step", "name": "step", **_span(begin, begin + wall, origin), **common, "args": args}
        while call < len(calls) and calls[call, 1] < begin + wall:
            place, first, last, n, voices = calls[call]
            stage = measured.stages[int(place)]
            args = {"n": int(n), "voices": int(voices)}
            yield {"ph": "X", "cat": "stage", "name": stage, **_span(first, last, origin), **common, "args": args}
            call += 1


def _span(begin: float, end: float, origin: float) -> dict[str, float]:
    return {"ts": round(1e6 * (begin - origin), 3), "dur": round(1e6 * (end - begin), 3)}
