"""Protocol-buffer messages read where they lie: no copy but of names, nothing believed before it is checked.

ONNX files are read so before ONNX Runtime sees them. The reader is stricter than a protobuf library: a field it does
not know, a field that may stand once and stands twice (libraries merge the two), a group, a wrong wire type, a varint
of more than 64 bits or a message that ends in the middle of a field is an error.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

MOST_FIELDS = 400_000
"""Fields in one file: what reading it may cost."""
_LONGEST_NAME = 1000
_PRINTABLE = re.compile(rb"[ -~]*")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGN, _LIMIT = 1 << 63, 1 << 64

Span = tuple[int, int]


class Kind(Enum):
    """What a field holds. Numbers and floats also come packed; `SPAN` and `MESSAGE` are [start, end) of the file."""

    INT = 0
    FLOAT = 1
    TEXT = 2
    SPAN = 3
    MESSAGE = 4
    INTS = 5
    FLOATS = 6
    DOUBLES = 7
    TEXTS = 8
    SPANS = 9
    MESSAGES = 10
    REFUSED = 11


_WIRE = {Kind.INT: _VARINT, Kind.INTS: _VARINT, Kind.FLOAT: _FIXED32, Kind.FLOATS: _FIXED32, Kind.DOUBLES: _FIXED64}
_REPEATED = frozenset((Kind.INTS, Kind.FLOATS, Kind.DOUBLES, Kind.TEXTS, Kind.SPANS, Kind.MESSAGES))
_WIDTH = {Kind.FLOATS: 4, Kind.DOUBLES: 8}


class Schema:
    """The fields of a message: number -> name and kind."""

    def __init__(self, fields: Mapping[int, tuple[str, Kind]]) -> None:
        self.fields = fields
        # Tag -> name, wire type, repeated, text, signed. Looked up for every field of a file: one dictionary, no more.
        self.tags: dict[int, tuple[str, int, bool, bool, bool]] = {}
        for number, (name, kind) in fields.items():
            if kind is Kind.REFUSED:
                continue
            many, text = kind in _REPEATED, kind in (Kind.TEXT, Kind.TEXTS)
            wire = _WIRE.get(kind, _BYTES)
            self.tags[number << 3 | wire] = (name, wire, many, text, kind is Kind.INT)
            if many and wire != _BYTES:
                self.tags[number << 3 | _BYTES] = (name, _BYTES, many, False, False)

    def fault(self, tag: int, what: str) -> WireError:
        """Why a tag is not one of these."""
        number, wire = tag >> 3, tag & 7
        if number not in self.fields:
            return WireError(f"field {number} of {what}", "only fields that this reader knows")
        name, kind = self.fields[number]
        if kind is Kind.REFUSED:
            return WireError(f"{name} in {what}", f"{what} without it")
        return WireError(f"wire type {wire} at {what}.{name}", "the type of this field")


class WireError(Exception):
    """A message that is not what it should be; `got` and `expected` go into the caller's error."""

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(got, expected)
        self.got = got
        self.expected = expected


class Wire:
    """One file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._fields = 0
        self._texts: dict[bytes, str] = {}

    def read(self, span: Span, schema: Schema, what: str) -> dict[str, Any]:
        """The fields of a message by name; a field that does not stand there has no entry.

        INTS, FLOATS and DOUBLES give a list of spans (packed) and numbers (unpacked): see `ints` and `count`.
        """
        data, tags = self.data, schema.tags
        position, end = span
        found: dict[str, Any] = {}
        fields = self._fields
        value: Any
        while position < end:
            fields += 1
            if fields > MOST_FIELDS:
                raise WireError(f"more than {MOST_FIELDS} fields", "a smaller graph")
            tag = data[position]
            if tag < 128:
                position += 1
            else:
                tag, position = self._varint(position, end, what)
            entry = tags.get(tag)
            if entry is None:
                raise schema.fault(tag, what)
            name, wire, many, text, signed = entry
            if wire == _BYTES:
                if position < end and data[position] < 128:
                    start = position + 1
                    position = start + data[position]
                else:
                    length, start = self._varint(position, end, what)
                    position = start + length
                if position > end:
                    raise WireError(f"{what}.{name} of {position - start} bytes, {end - start} left", "a whole file")
                value = self._text(start, position, what, name) if text else (start, position)
            elif wire == _VARINT:
                value, position = self._varint(position, end, what)
                if signed and value & _SIGN:
                    value -= _LIMIT
            else:
                size = 4 if wire == _FIXED32 else 8
                if size > end - position:
                    raise WireError(f"{what}.{name} cut off", "a whole file")
                value = struct.unpack_from("<f" if wire == _FIXED32 else "<d", data, position)[0]
                position += size
            if name not in found:
                found[name] = [value] if many else value
            elif many:
                found[name].append(value)
            else:
                raise WireError(f"{what}.{name} twice", "once at most")
        self._fields = fields
        return found

    def ints(self, parts: list[Any], most: int, what: str) -> list[int]:
        """Numbers of an INTS field as signed 64-bit integers; WireError beyond `most`."""
        values: list[int] = []
        for part in parts:
            if isinstance(part, tuple):
                position, end = part
                if end - position > 10 * (most - len(values)):
                    raise WireError(f"{what} of {end - position} bytes", f"at most {most} numbers")
                while position < end:
                    value, position = self._varint(position, end, what)
                    values.append(value)
            else:
                values.append(part)
        if len(values) > most:
            raise WireError(f"{what} of {len(values)} numbers", f"at most {most}")
        return [value - _LIMIT if value & _SIGN else value for value in values]

    def floats(self, parts: list[Any], kind: Kind) -> list[float]:
        """Numbers of a FLOATS or DOUBLES field."""
        values: list[float] = []
        for part in parts:
            if isinstance(part, tuple):
                raw = self.data[part[0] : part[1]]
                values += np.frombuffer(raw, "<f4" if kind is Kind.FLOATS else "<f8").tolist()
            else:
                values.append(part)
        return values

    def count(self, parts: list[Any], kind: Kind, what: str) -> int:
        """How many numbers the parts of a repeated field hold, without reading them."""
        total = 0
        for part in parts:
            if not isinstance(part, tuple):
                total += 1
            elif kind is Kind.INTS:
                size = part[1] - part[0]
                last = np.frombuffer(self.data, np.uint8, size, part[0]) < 128 if size else np.ones(1, bool)
                if not last[-1]:
                    raise WireError(f"{what} cut off", "whole numbers")
                total += int(last.sum()) if size else 0
            else:
                width = _WIDTH[kind]
                if (part[1] - part[0]) % width:
                    raise WireError(f"{what} of {part[1] - part[0]} bytes", f"{width} bytes for each number")
                total += (part[1] - part[0]) // width
        return total

    def _varint(self, position: int, end: int, what: str) -> tuple[int, int]:
        value = shift = 0
        data = self.data
        while position < end:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value >> 64:
                    raise WireError(f"a number of more than 64 bits in {what}", "64 bits")
                return value, position
            shift += 7
            if shift > 63:
                raise WireError(f"a number of more than 10 bytes in {what}", "64 bits")
        raise WireError(f"{what} cut off in a number", "a whole file")

    def _text(self, start: int, end: int, what: str, name: str) -> str:
        if end - start > _LONGEST_NAME:
            raise WireError(f"{what}.{name} of {end - start} bytes", f"at most {_LONGEST_NAME}")
        raw = self.data[start:end]
        known = self._texts.get(raw)
        if known is not None:
            return known
        if _PRINTABLE.fullmatch(raw) is None:
            raise WireError(f"{what}.{name} = {raw[:60]!r}", "printable ASCII")
        text = self._texts[raw] = raw.decode("ascii")
        return text
