"""Snapshots taken apart, changed and packed again with a digest that is right."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

HEAD = struct.Struct("<8sII32s")


class Draft:
    """A snapshot as JSON content and arrays.

    Attributes:
        header: the JSON header.
        table: entries [name, dtype, shape], in order.
        values: name -> array, for entries of its name.
        tail: bytes behind the arrays.
    """

    def __init__(self, data: bytes) -> None:
        _, self.version, length, _ = HEAD.unpack_from(data)
        content = json.loads(data[HEAD.size : HEAD.size + length])
        self.magic = b"EMOFACES"
        self.header: Any = content["header"]
        self.table: Any = content["arrays"]
        self.values, self.tail, offset = {}, b"", HEAD.size + length
        for name, dtype, shape in self.table:
            array = np.frombuffer(data, dtype, int(np.prod(shape)), offset).reshape(shape).copy()
            self.values[name] = array
            offset += array.nbytes
        self.extra: dict[str, Any] = {}
        self.change_text: Callable[[bytes], bytes] = bytes
        self.length: int | None = None
        self.digest: bytes | None = None

    def set(self, name: str, array: np.ndarray) -> None:
        """Replace, or add, an array and its entry."""
        entry = [name, array.dtype.name, list(array.shape)]
        self.table = [entry if old[0] == name else old for old in self.table]
        if name not in self.values:
            self.table.append(entry)
        self.values[name] = array

    def remove(self, name: str) -> None:
        """Leave an array and its entry out."""
        self.table = [entry for entry in self.table if entry[0] != name]
        del self.values[name]

    def pack(self) -> bytes:
        """The bytes, with the digest of what they hold."""
        text = json.dumps({"header": self.header, "arrays": self.table, **self.extra}).encode()
        text = self.change_text(text)
        body = b"".join(array.tobytes() for array in self.values.values()) + self.tail
        digest = hashlib.sha256(text + body).digest() if self.digest is None else self.digest
        length = len(text) if self.length is None else self.length
        return HEAD.pack(self.magic, self.version, length, digest) + text + body
