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

MAGIC = b"EMOFACES"
VERSION = 1
_HEAD = struct.Struct("<8sII32s")
_DTYPES = ("float32", "float16", "int64", "int32")
_REMEDY = "Take the snapshot again with Animator.snapshot(), or start over with reset()."


def pack(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Header (JSON values) and arrays as snapshot bytes."""
    table = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False).encode()
    body = b"".join(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes() for a in arrays.values())
    digest = hashlib.sha256(text + body).digest()
    return _HEAD.pack(MAGIC, VERSION, len(text), digest) + text + body


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The header and arrays of `pack`; SnapshotError for anything else."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise SnapshotError(f"{type(data).__name__}", "bytes from Animator.snapshot()", _REMEDY)
    data = bytes(data)
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise SnapshotError(f"{len(data)} bytes that are no snapshot", "bytes from Animator.snapshot()", _REMEDY)
    _, version, length, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(f"snapshot version {version}", f"version {VERSION}", "Use the SDK version that made it.")
    if hashlib.sha256(data[_HEAD.size :]).digest() != digest:
        raise SnapshotError("a damaged snapshot (its SHA-256 differs)", "the bytes as they were made", _REMEDY)
    try:
        return _read(data, length)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise SnapshotError(
            f"a snapshot whose header does not fit its data ({error})", "bytes from Animator.snapshot()", _REMEDY
        ) from error


def _read(data: bytes, length: int) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    content = json.loads(data[_HEAD.size : _HEAD.size + length])
    offset, arrays = _HEAD.size + length, {}
    for name, dtype, shape in content["arrays"]:
        if dtype not in _DTYPES:
            raise SnapshotError(f"an array of {dtype}", f"one of {', '.join(_DTYPES)}", _REMEDY)
        kind, count = np.dtype(dtype), math.prod(shape)
        array = np.frombuffer(data, kind.newbyteorder("<"), count, offset).astype(kind).reshape(shape)
        arrays[name] = array
        offset += count * kind.itemsize
    return dict(content["header"]), arrays


def require_same(found: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Refuse a snapshot whose identity (package, backend, precision, rate, ...) differs from this stream's."""
    for key in {**mine, **found}:
        if found.get(key) != mine.get(key):
            raise SnapshotError(
                f"a snapshot with {key} = {found.get(key)!r}",
                f"{key} = {mine.get(key)!r}",
                "Restore it into an animator made with the same package and options.",
            )
