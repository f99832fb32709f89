"""Snapshots: a stream's whole state as versioned bytes that any machine with the same package can continue from.

Layout: magic, version (u32), header length (u32), SHA-256 of what follows, JSON header, arrays. Arrays are
little-endian in C order, described by the header; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import SnapshotError
from emoface.strict_json import parse_object

MAGIC = b"EMOFACES"
VERSION = 2
_HEAD = struct.Struct("<8sII32s")
_DTYPES = ("float32", "float16", "int64", "int32")
_MOST_AXES, _MOST_VALUES = 8, 1 << 40
_DEEPEST = 16
TAKEN = "Take the snapshot again with Animator.snapshot(), or start over with reset()."

Arrays = Mapping[str, npt.NDArray[Any]]


def pack(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Header (JSON values) and arrays as snapshot bytes."""
    table = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False).encode()
    body = b"".join(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes() for a in arrays.values())
    digest = hashlib.sha256(text + body).digest()
    return _HEAD.pack(MAGIC, VERSION, len(text), digest) + text + body


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The header and arrays of `pack`; SnapshotError for anything else. What they say is for others to check."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise refused("data", type(data).__name__, "bytes from Animator.snapshot()")
    data = bytes(data)
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise refused("data", f"{len(data)} bytes that are no snapshot", "bytes from Animator.snapshot()")
    _, version, length, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise refused("version", str(version), str(VERSION), "Use the version of EmoFace that made it.")
    if hashlib.sha256(data[_HEAD.size :]).digest() != digest:
        raise refused("sha256", "that of other bytes: the snapshot is damaged", "the bytes as they were made")
    end = _HEAD.size + length
    if end > len(data):
        raise refused("length", str(length), "a header within the snapshot")
    try:
        content = parse_object(data[_HEAD.size : end], _DEEPEST)
    except ValueError as error:
        raise refused("content", str(error), "a header in JSON") from None
    if content.keys() != {"header", "arrays"}:
        raise refused("content", "other keys", '"header" and "arrays"')
    arrays = _arrays(content["arrays"], data, end)
    if not isinstance(content["header"], dict):
        raise refused("header", shown(content["header"]), "a JSON object")
    return content["header"], arrays


def _arrays(table: Any, data: bytes, offset: int) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(table, list):
        raise refused("arrays", shown(table), "a list of [name, dtype, shape]")
    arrays = dict[str, npt.NDArray[Any]]()
    for index, entry in enumerate(table):
        field = f"arrays[{index}]"
        if not isinstance(entry, list) or len(entry) != 3:
            raise refused(field, shown(entry), "[name, dtype, shape]")
        name, dtype, shape = entry
        if not isinstance(name, str) or not isinstance(dtype, str) or not isinstance(shape, list):
            raise refused(field, "other types", "[name, dtype, shape]")
        if dtype not in _DTYPES or len(shape) > _MOST_AXES:
            raise refused(
                field, f"{len(shape)} axes of {shown(dtype)}", f"at most {_MOST_AXES} of {', '.join(_DTYPES)}"
            )
        for extent in shape:
            integer(extent, field, 0, _MOST_VALUES)
        if math.prod(extent for extent in shape if extent) > _MOST_VALUES:
            raise refused(field, "a shape beyond all snapshots", "the arrays of a stream")
        kind, count = np.dtype(dtype), math.prod(shape)
        if count * kind.itemsize > len(data) - offset:
            raise refused(field, "values beyond the snapshot's end", "whole arrays")
        if name in arrays:
            raise refused(field, f"{shown(name)} twice", "one of each name")
        arrays[name] = np.frombuffer(data, kind.newbyteorder("<"), count, offset).astype(kind).reshape(shape)
        offset += count * kind.itemsize
    if offset != len(data):
        raise refused("arrays", f"{len(data) - offset} bytes beyond them", "the arrays alone")
    return arrays


def refused(field: str, got: str, expected: str, remedy: str = TAKEN) -> SnapshotError:
    """The error for one field of a snapshot."""
    return SnapshotError(f"{field} = {got}", expected, remedy)


def shown(value: Any) -> str:
    """A value as an error shows it: short, in ASCII."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = ascii(value)
    return text if len(text) <= 80 else text[:80] + "..."


def integer(value: Any, field: str, low: int, high: int) -> int:
    """A JSON integer in its range, or the field's SnapshotError."""
    if type(value) is not int or not low <= value <= high:
        raise refused(field, shown(value), f"an integer from {low} to {high}")
    return value


def require_array(arrays: Arrays, name: str, dtype: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array of this name, type and shape, without NaN or infinities, or its SnapshotError."""
    found = arrays.get(name)
    if found is None or found.shape != shape or found.dtype != dtype:
        got = "nothing" if found is None else f"{found.shape} {found.dtype}"
        raise refused(name, got, f"{shape} {np.dtype(dtype)}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise refused(name, "NaN or infinite values", "finite values")
    return found
