"""Typed reading of JSON fields with errors that name file, field, got, expected and remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emoface.errors import ManifestError

MOST_INTEGER = 1 << 40
MOST_EXTENT = 1 << 31
MOST_AXES = 16
MOST_NAMES = 4096
MOST_TEXT = 1000
MOST_FLOAT32 = 3.4028234663852886e38

_FILE = "manifest.json"
_REMEDY = "Export the package again with `emoface export`, or fetch an undamaged copy."
_FILE_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,126}[A-Za-z0-9_\-])?")
# Names that Windows gives to devices, whatever comes after a dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_EXTENT = re.compile(r"(?:([2-9]|[1-9][0-9]{1,8})\*)?n(?:\+([1-9][0-9]{0,8}))?")
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def fault(field: str, got: str, expected: str) -> ManifestError:
    """The error for a field of the manifest."""
    return ManifestError(_FILE, field, got if len(got) <= 200 else got[:200] + "...", expected, _REMEDY)


def shown(key: str) -> str:
    """A key as it stands in the path of a field: printable ASCII, 64 characters at most."""
    text = re.sub(r"[^\x20-\x7e]", "?", key[:65])
    return text if len(text) <= 64 else text[:64] + "..."


def is_text(value: Any) -> bool:
    """Whether a value is a text of 1 to 1000 characters, none of them a control character."""
    return isinstance(value, str) and 0 < len(value) <= MOST_TEXT and not _NO_TEXT.search(value)


def is_file_name(name: str) -> bool:
    """Whether a name is a plain file name on every system: no path, no device, nothing hidden."""
    return _FILE_NAME.fullmatch(name) is not None and not _DEVICE.fullmatch(name)


def check_file_name(name: str, field: str) -> None:
    """Refuse every name that is not a plain file name, so that no package reaches outside itself."""
    if not is_file_name(name):
        raise fault(field, repr(name), "a plain file name inside the package: letters, digits, '_', '.', '-'")


def affine(factor: int, offset: int) -> str:
    """How `factor` n + `offset` is written in a shape."""
    return (f"{factor}*n" if factor != 1 else "n") + (f"+{offset}" if offset else "")


def evaluate_extent(extent: int | str, sizes: Mapping[str, int]) -> int:
    """Value of one axis: an int, "B", "n" or `a*n+b`."""
    if isinstance(extent, int):
        return extent
    if extent == "B":
        return sizes["B"]
    match = _EXTENT.fullmatch(extent)
    if match is None:
        raise fault("shape", repr(extent), 'an int, "B", "n" or "a*n+b"')
    factor, offset = match.groups()
    return int(factor or 1) * sizes["n"] + int(offset or 0)


class Reader:
    """Reads one JSON object field by field and remembers which fields it knows."""

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, Mapping):
            raise fault(path or "JSON", type(data).__name__, "a JSON object")
        self._data = data
        self._path = path
        self._known: set[str] = set()

    def field(self, key: str) -> str:
        """The path of a field of this object."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Whether the object has this field."""
        return key in self._data

    def _get(self, key: str, expected: str) -> Any:
        self._known.add(key)
        if key not in self._data:
            raise fault(self.field(key), "nothing (the field is missing)", expected)
        return self._data[key]

    def refuse_unknown(self) -> None:
        """Refuse fields that nothing asked for: a misspelt field must not be ignored silently."""
        for key in self._data:
            if key not in self._known:
                raise fault(self.field(shown(str(key))), "an unknown field", f"only {', '.join(sorted(self._known))}")

    def text(self, key: str) -> str:
        value = self._get(key, "text")
        if not is_text(value):
            raise fault(self.field(key), repr(value), f"text of 1 to {MOST_TEXT} characters, no control characters")
        return str(value)

    def choice(self, key: str, choices: Iterable[str]) -> str:
        value = self._get(key, "text")
        if not isinstance(value, str) or value not in choices:
            raise fault(self.field(key), repr(value), f"one of {', '.join(choices)}")
        return value

    def sha256(self, key: str) -> str:
        value = self._get(key, "a SHA-256")
        if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
            raise fault(self.field(key), repr(value), "64 lower-case hexadecimal digits")
        return value

    def integer(self, key: str, low: int, high: int = MOST_INTEGER) -> int:
        return self._integer(self._get(key, "an integer"), self.field(key), low, high)

    @staticmethod
    def _integer(value: Any, field: str, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise fault(field, repr(value), f"an integer from {low} to {high}, written without point and exponent")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        return self._number(self._get(key, "a number"), self.field(key), low, high)

    @staticmethod
    def _number(value: Any, field: str, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise fault(field, repr(value), f"a number from {low:g} to {high:g}")
        return float(value)

    def _list(self, key: str, expected: str, most: int) -> Sequence[Any]:
        value = self._get(key, expected)
        if not isinstance(value, (list, tuple)):
            raise fault(self.field(key), type(value).__name__, expected)
        if len(value) > most:
            raise fault(self.field(key), f"{len(value)} values", f"at most {most}")
        return value

    def integers(self, key: str, low: int, high: int, least: int, most: int) -> tuple[int, ...]:
        """From `least` to `most` integers from `low` to `high`."""
        values = self._list(key, "a list of integers", MOST_INTEGER)
        if not least <= len(values) <= most:
            raise fault(self.field(key), f"{len(values)} values", f"{least} to {most} values")
        return tuple(self._integer(v, f"{self.field(key)}[{i}]", low, high) for i, v in enumerate(values))

    def floats(self, key: str, most: int) -> tuple[float, ...]:
        """Numbers that float32 holds."""
        values = self._list(key, "a list of numbers", most)
        return tuple(
            self._number(v, f"{self.field(key)}[{i}]", -MOST_FLOAT32, MOST_FLOAT32) for i, v in enumerate(values)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key, "a list of names", MOST_NAMES)
        for index, value in enumerate(values):
            if not is_text(value):
                expected = f"a name of 1 to {MOST_TEXT} characters, no control characters"
                raise fault(f"{self.field(key)}[{index}]", repr(value), expected)
        if len(set(values)) != len(values):
            raise fault(self.field(key), "a name twice", "distinct names")
        return tuple(values)

    def shape(self, key: str) -> tuple[int | str, ...]:
        values = self._list(key, "a shape", MOST_AXES)
        for index, value in enumerate(values):
            field = f"{self.field(key)}[{index}]"
            if isinstance(value, str):
                if value not in ("B", "m") and not _EXTENT.fullmatch(value):
                    raise fault(field, repr(value), 'an int, "B", "n", "a*n+b", or "m" of a clip stage')
            else:
                self._integer(value, field, 1, MOST_EXTENT)
        return tuple(values)

    def mapping(self, key: str, optional: bool = False, most: int = MOST_INTEGER) -> dict[str, Any]:
        if optional and key not in self._data:
            self._known.add(key)
            return {}
        value = self._get(key, "a JSON object")
        if not isinstance(value, Mapping):
            raise fault(self.field(key), type(value).__name__, "a JSON object")
        if len(value) > most:
            raise fault(self.field(key), f"{len(value)} entries", f"at most {most}")
        return {str(name): item for name, item in value.items()}

    def text_map(self, key: str, most: int) -> dict[str, str]:
        values = self.mapping(key, most=most)
        for name, value in values.items():
            if not is_text(value):
                raise fault(f"{self.field(key)}.{shown(name)}", repr(value), "text without control characters")
        return values

    def children(self, key: str, most: int) -> Iterator[tuple[str, Reader]]:
        for name, value in self.mapping(key, most=most).items():
            yield name, Reader(value, f"{self.field(key)}.{shown(name)}")

    def items(self, key: str, most: int) -> Iterator[Reader]:
        for index, value in enumerate(self._list(key, "a list of objects", most)):
            yield Reader(value, f"{self.field(key)}[{index}]")
