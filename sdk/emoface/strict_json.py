"""JSON that means one thing, whoever reads it: as the C++ runtime's reader (csrc/runtime/strict_json.cpp) takes it."""

from __future__ import annotations

import json
import math
from typing import Any

_OF_64_BITS = 20  # characters of the longest integer of 64 bits


def parse_object(data: bytes, deepest: int) -> dict[str, Any]:
    """The JSON object in UTF-8 text, of at most `deepest` levels.

    Integers beyond 64 bits become floats, as in C++.

    Raises:
        ValueError: no such object; a key twice in one object, NaN, a number that float64 cannot hold, half a surrogate
            pair, a byte order mark.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError(f"more than {deepest} levels") from None
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} instead of an object")
    level: list[Any] = [value]
    for _ in range(deepest):
        # Containers and texts alone: numbers need no second look.
        level = [item for parent in level for item in _inside(parent) if isinstance(item, (list, dict))]
        if not level:
            return value
    raise ValueError(f"more than {deepest} levels")


def _inside(parent: Any) -> Any:
    if isinstance(parent, dict):
        for key in parent:
            key.encode()
        parent = parent.values()
    for item in parent:
        if isinstance(item, str):
            item.encode()  # half a surrogate pair raises a ValueError
    return parent


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice in one object")
    return made


def _no_number(text: str) -> Any:
    raise ValueError(f"{text}, which is no JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number beyond float64")
    return value


def _integer(text: str) -> int | float:
    if len(text) > _OF_64_BITS or not -(1 << 63) <= int(text) < 1 << 64:
        return _float(text)
    return int(text)
