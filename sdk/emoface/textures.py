"""Textures of a face: PNG images, whose structure is checked when a package is read. Nothing is inflated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from emoface.manifest import Manifest
from emoface.package_files import integrity_fault

MOST_BYTES = 16 << 20
MOST_PIXELS = 4096
"""Each way."""
EXPECTED = f"a PNG image of 8 bits RGB or RGBA, 1 to {MOST_PIXELS} pixels each way, at most {MOST_BYTES} bytes"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a chunk beside its data: length, type, CRC


def read_textures(manifest: Manifest, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bytes of the manifest's textures by name; PackageIntegrityError for what is no texture."""
    for _, file in sorted(manifest.textures.items()):
        if why := texture_fault(files[file]):
            raise integrity_fault(f"{file}: {why}", EXPECTED)
    return {name: files[file] for name, file in manifest.textures.items()}


def texture_fault(data: bytes) -> str | None:
    """What is wrong with the bytes of a texture, None where nothing is.

    Signature, chunks and their CRCs, the header, and that there is image data and an end. Chunks that are not needed
    for the image are passed over, profiles and gamma among them: a texture is sRGB.
    """
    if len(data) > MOST_BYTES:
        return f"{len(data)} bytes"
    if not data.startswith(_SIGNATURE):
        return "no PNG image"
    at, before, seen = len(_SIGNATURE), b"", set[bytes]()
    while at < len(data):
        if len(data) - at < _AROUND:
            return "a broken chunk"
        size, kind = struct.unpack_from(">L4s", data, at)
        if size > len(data) - at - _AROUND or not kind.isalpha():
            return "a broken chunk"
        content = data[at + 8 : at + 8 + size]
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(data[at + 8 + size : at + _AROUND + size], "big"):
            return f"chunk {kind.decode()} with a wrong CRC"
        if why := _chunk_fault(kind, content, before, seen):
            return why
        at += _AROUND + size
        if kind == b"IEND":
            return "bytes behind its end" if at < len(data) else None
        seen.add(kind)
        before = kind
    return "no end"


def _chunk_fault(kind: bytes, content: bytes, before: bytes, seen: set[bytes]) -> str | None:
    """What is wrong with a chunk in its place."""
    if kind == b"IHDR" and not before:
        return _header_fault(content)
    if not before:
        return "no header"
    if kind == b"IDAT" and (before == b"IDAT" or b"IDAT" not in seen):
        return None
    if kind == b"IEND":
        return None if b"IDAT" in seen and not content else "no image data"
    # Those with a small first letter need not be understood.
    return f"chunk {kind.decode()}" if kind[:1].isupper() else None


def _header_fault(content: bytes) -> str | None:
    if len(content) != 13:
        return "no header"
    width, height, *form = struct.unpack(">2L5B", content)
    if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS):
        return f"{width} x {height} pixels"
    depth, colours, packing, filtering, interlaced = form
    if (depth, packing, filtering, interlaced) != (8, 0, 0, 0) or colours not in (2, 6):
        layers = f"compression {packing}, filter {filtering}, interlace {interlaced}"
        return f"bit depth {depth}, colour type {colours}, {layers}"
    return None
