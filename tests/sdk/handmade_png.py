"""PNG images, right and wrong."""

from __future__ import annotations

import struct
import zlib


def image(
    width: int = 2,
    height: int = 3,
    *,
    depth: int = 8,
    colour: int = 2,
    packing: int = 0,
    filtering: int = 0,
    interlace: int = 0,
    chunks: tuple[str, ...] | list[str] = ("IHDR", "IDAT", "IEND"),
    wrong_crc: str = "",
    longer: str = "",
    padded: int = 0,
    cut: int = 0,
    behind: int = 0,
) -> bytes:
    """An image of a ramp, of the chunks named: all IDAT together hold the image, others four zeros.

    wrong_crc, longer: the chunk whose CRC is wrong, whose data are a byte too long. padded: zeros of a last chunk
    before the end. cut, behind: bytes taken from the end, or put behind it.
    """
    rows = (b"\0" + bytes(range(width * (4 if colour == 6 else 3)))) * height if width * height < 60 else b"\0"
    data = zlib.compress(rows)
    parts = [data[i :: chunks.count("IDAT")] for i in range(chunks.count("IDAT"))]
    header = struct.pack(">2L5B", width, height, depth, colour, packing, filtering, interlace)
    made = b"\x89PNG\r\n\x1a\n"
    for kind in chunks:
        content = {"IHDR": header, "IEND": b""}.get(kind, bytes(4))
        if kind == "IDAT":
            content = data if len(parts) == 1 else parts.pop(0)
        if kind == "IEND" and padded:
            made += _chunk(b"tEXt", bytes(padded))
        made += _chunk(kind.encode("latin-1"), content + b"\0" * (kind == longer), kind == wrong_crc)
    return made[: len(made) - cut] + bytes(behind)


def _chunk(kind: bytes, content: bytes, wrong: bool = False) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content) ^ wrong)
