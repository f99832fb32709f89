"""A small reader of binary glTF: its JSON, and accessors as arrays. No images, no external files."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError

_KINDS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_REMEDY = "Export the file again as binary glTF 2.0 (.glb), uncompressed."


@dataclass(frozen=True)
class Glb:
    """A read file. Errors of its structure are RigError."""

    path: Path
    document: dict[str, Any]
    binary: bytes

    def accessor_count(self, index: int) -> int:
        """Number of elements of an accessor."""
        return int(self._accessor(index)["count"])

    def array(self, index: int) -> npt.NDArray[Any]:
        """The values (n,) or (n, width) of an accessor: float32 for floats and normalised integers."""
        accessor = self._accessor(index)
        try:
            kind, width = _KINDS[accessor["componentType"]], _WIDTHS[accessor["type"]]
            shape = (accessor["count"], width)
            # Before anything is allocated: sparse accessors store less than they hold, but never so much less.
            if shape[0] > len(self.binary):
                raise ValueError(f"{shape[0]} elements in a file of {len(self.binary)} bytes")
            values = np.zeros(shape, kind)
            if "bufferView" in accessor:
                values = self._values(accessor["bufferView"], accessor.get("byteOffset", 0), kind, shape)
            if "sparse" in accessor:
                sparse = accessor["sparse"]
                places, changes = sparse["indices"], sparse["values"]
                count = sparse["count"]
                rows = self._values(
                    places["bufferView"], places.get("byteOffset", 0), _KINDS[places["componentType"]], (count, 1)
                )
                values = values.copy()
                values[rows[:, 0]] = self._values(
                    changes["bufferView"], changes.get("byteOffset", 0), kind, (count, width)
                )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RigError(f"{self.path}: accessor {index}: {error!r}", "a valid accessor", _REMEDY) from None
        if accessor.get("normalized") and kind is not np.float32:
            most = float(np.iinfo(values.dtype).max)
            values = np.maximum(values.astype(np.float32) / most, -1).astype(np.float32)
        return values[:, 0] if width == 1 else values

    def _accessor(self, index: int) -> dict[str, Any]:
        accessors = self.document.get("accessors", [])
        if not isinstance(index, int) or not 0 <= index < len(accessors):
            raise RigError(f"{self.path}: accessor {index!r}", f"one of {len(accessors)}", _REMEDY)
        return dict(accessors[index])

    def _values(self, view_index: int, offset: int, kind: type[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
        view = self.document["bufferViews"][view_index]
        size = np.dtype(kind).itemsize
        stride = view.get("byteStride", size * shape[1])
        start = view.get("byteOffset", 0) + offset
        if view.get("buffer", 0) != 0 or "uri" in self.document["buffers"][0]:
            raise ValueError("data outside the file")
        if shape[0] and start + stride * (shape[0] - 1) + size * shape[1] > len(self.binary):
            raise ValueError("data beyond the end of the file")
        return np.ndarray(shape, np.dtype(kind).newbyteorder("<"), self.binary, start, (stride, size)).astype(kind)


def read_glb(path: Path) -> Glb:
    """The JSON and binary chunk of a .glb file; RigError for anything else."""
    content = path.read_bytes()
    if len(content) < 20 or content[:4] != b"glTF" or struct.unpack_from("<I", content, 4)[0] != 2:
        raise RigError(f"{path}: not a binary glTF 2.0 file", "a .glb file", _REMEDY)
    chunks: dict[int, bytes] = {}
    position = 12
    while position + 8 <= len(content):
        length, kind = struct.unpack_from("<II", content, position)
        if position + 8 + length > len(content):
            raise RigError(f"{path}: truncated at {len(content)} bytes", "a whole .glb file", _REMEDY)
        chunks.setdefault(kind, content[position + 8 : position + 8 + length])
        position += 8 + length
    try:
        document = json.loads(chunks.get(_JSON, b""))
    except (ValueError, RecursionError) as error:
        raise RigError(f"{path}: {error}", "JSON in the first chunk", _REMEDY) from None
    if not isinstance(document, dict):
        raise RigError(f"{path}: JSON that is no object", "a glTF document", _REMEDY)
    return Glb(path, document, chunks.get(_BINARY, b""))
