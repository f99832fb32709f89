"""A picture as a PNG file: 8 bits, three channels, sRGB by convention, nothing but the necessary chunks."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(picture: NDArray[np.uint8]) -> bytes:
    """The file's bytes for a picture [H, W, 3]."""
    height, width, _ = picture.shape
    # Each row as differences from the row above: filter 2.
    above = np.zeros_like(picture)
    above[1:] = picture[:-1]
    rows = np.concatenate([np.full((height, 1), 2, np.uint8), (picture - above).reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
