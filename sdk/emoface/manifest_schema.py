"""Typed reading of JSON fields with errors that name file, field, got, expected and remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from emoface.errors import ManifestError

_FILE = "manifest.json"
_REMEDY = "Export the package again with `emoface export`, or fetch an undamaged copy."
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_EXTENT = re.compile(r"(?:(\d{1,9})\*)?(n)(?:\+(\d{1,9}))?")


def fault(field: str, got: str, expected: str) -> ManifestError:
    """The error for a field of the manifest."""
    return ManifestError(_FILE, field, got if len(got) <= 200 else got[:200] + "...", expected, _REMEDY)


def check_file_name(name: str, field: str) -> None:
    """Refuse every name that is not a plain file name, so that no package reaches outside itself."""
    if not _FILE_NAME.fullmatch(name):
        raise fault(field, repr(name), "a plain file name inside the package: letters, digits, '_', '.', '-'")


def evaluate_extent(extent: int | str, sizes: Mapping[str, int]) -> int:
    """Value of one axis: an int, "B", "n" or `a*n+b`."""
    if isinstance(extent, int):
        return extent
    if extent == "B":
        return sizes["B"]
    match = _EXTENT.fullmatch(extent)
    if match is None:
        raise fault("shape", repr(extent), 'an int, "B", "n" or "a*n+b"')
    factor, _, offset = match.groups()
    return int(factor or 1) * sizes["n"] + int(offset or 0)


class Reader:
    """Reads one JSON object field by field and remembers which fields it knows."""

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, Mapping):
            raise fault(path or "JSON", type(data).__name__, "a JSON object")
        self._data = data
        self._path = path
        self._known: set[str] = set()

    def _field(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _get(self, key: str, expected: str) -> Any:
        self._known.add(key)
        if key not in self._data:
            raise fault(self._field(key), "nothing (the field is missing)", expected)
        return self._data[key]

    def refuse_unknown(self) -> None:
        """Refuse fields that nothing asked for: a misspelt field must not be ignored silently."""
        for key in self._data:
            if key not in self._known:
                raise fault(self._field(str(key)), "an unknown field", f"only {', '.join(sorted(self._known))}")

    def text(self, key: str) -> str:
        value = self._get(key, "text")
        if not isinstance(value, str) or not value or len(value) > 1000:
            raise fault(self._field(key), repr(value), "text of 1 to 1000 characters")
        return value

    def sha256(self, key: str) -> str:
        value = self._get(key, "a SHA-256")
        if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
            raise fault(self._field(key), repr(value), "64 lower-case hexadecimal digits")
        return value

    def integer(self, key: str, low: int, high: int = 1 << 40) -> int:
        return self._integer(self._get(key, "an integer"), self._field(key), low, high)

    @staticmethod
    def _integer(value: Any, field: str, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise fault(field, repr(value), f"an integer from {low} to {high}")
        return value

    def number(self, key: str) -> float:
        return self._number(self._get(key, "a number"), self._field(key))

    @staticmethod
    def _number(value: Any, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise fault(field, repr(value), "a finite number")
        return float(value)

    def _list(self, key: str, expected: str) -> list[Any]:
        value = self._get(key, expected)
        if not isinstance(value, (list, tuple)):
            raise fault(self._field(key), type(value).__name__, expected)
        return list(value)

    def integers(self, key: str, low: int, length: int | None = None) -> tuple[int, ...]:
        values = self._list(key, "a list of integers")
        if length is not None and len(values) != length:
            raise fault(self._field(key), f"{len(values)} values", f"{length} values")
        return tuple(self._integer(v, f"{self._field(key)}[{i}]", low, 1 << 40) for i, v in enumerate(values))

    def numbers(self, key: str) -> tuple[float, ...]:
        values = self._list(key, "a list of numbers")
        return tuple(self._number(v, f"{self._field(key)}[{i}]") for i, v in enumerate(values))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key, "a list of names")
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise fault(f"{self._field(key)}[{index}]", repr(value), "a name")
        if len(set(values)) != len(values):
            raise fault(self._field(key), "a name twice", "distinct names")
        return tuple(values)

    def shape(self, key: str) -> tuple[int | str, ...]:
        values = self._list(key, "a shape")
        for index, value in enumerate(values):
            field = f"{self._field(key)}[{index}]"
            if isinstance(value, str):
                if value not in ("B", "m") and not _EXTENT.fullmatch(value):
                    raise fault(field, repr(value), 'an int, "B", "n", "a*n+b", or "m" of a clip stage')
            else:
                self._integer(value, field, 1, 1 << 31)
        return tuple(values)

    def mapping(self, key: str, optional: bool = False) -> dict[str, Any]:
        if optional and key not in self._data:
            self._known.add(key)
            return {}
        value = self._get(key, "a JSON object")
        if not isinstance(value, Mapping):
            raise fault(self._field(key), type(value).__name__, "a JSON object")
        return {str(name): item for name, item in value.items()}

    def text_map(self, key: str) -> dict[str, str]:
        values = self.mapping(key)
        for name, value in values.items():
            if not isinstance(value, str) or not value:
                raise fault(f"{self._field(key)}.{name}", repr(value), "text")
        return values

    def children(self, key: str) -> Iterator[tuple[str, Reader]]:
        for name, value in self.mapping(key).items():
            yield name, Reader(value, f"{self._field(key)}.{name}")

    def items(self, key: str) -> Iterator[Reader]:
        for index, value in enumerate(self._list(key, "a list of objects")):
            yield Reader(value, f"{self._field(key)}[{index}]")
