"""The text of `manifest.json`: RFC 8259 JSON in UTF-8, read as strictly as every other reader of the format does.

Python's own reader takes more than JSON: other encodings, a byte order mark, NaN and Infinity, lone surrogates, the
last of two equal keys. None of them is a manifest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from emoface.manifest_schema import fault

MAX_MANIFEST_BYTES = 4 << 20
MOST_LEVELS = 64
"""Most objects and lists within each other."""


def parse_manifest(source: str | bytes) -> Mapping[str, Any]:
    """The JSON object; ManifestError (field `size` or `JSON`) for anything else."""
    if len(source) > MAX_MANIFEST_BYTES:
        raise fault("size", str(len(source)), f"at most {MAX_MANIFEST_BYTES} bytes")
    try:
        text = source.decode("utf-8") if isinstance(source, bytes) else source
        data = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_number,
            # Beyond 64 bits an integer is out of every field's range: its value need not be exact.
            parse_int=lambda digits: int(digits) if len(digits) < 20 else _number(digits),
        )
        _check_levels(data)
        if "\\u" in text:
            # A lone surrogate is no character: it has no UTF-8.
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise fault("JSON", repr(str(error)), "a JSON object in UTF-8 (RFC 8259) without a key twice") from None
    if not isinstance(data, dict):
        raise fault("JSON", type(data).__name__, "a JSON object")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key twice")
    return data


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number beyond float64")
    return value


def _check_levels(data: Any) -> None:
    level, depth = [data], 0
    while level := [value for value in level if isinstance(value, (dict, list))]:
        depth += 1
        if depth > MOST_LEVELS:
            raise ValueError(f"more than {MOST_LEVELS} objects and lists within each other")
        level = [item for value in level for item in (value.values() if isinstance(value, dict) else value)]
