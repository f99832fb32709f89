"""What a sound file's header promises beside what is there: truncation found, lengths that nobody knew put right.

libsndfile takes a header at its word where it promises less than there is, and what there is where it promises more,
both without a word. Programs that write to a pipe cannot know a length: they leave 0 or a number near 2^31 or 2^32, and
such files are read to their end. A length that is no such number and lies beyond the file's end is a cut file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from emoface.audio.mpeg import mpeg_parts
from emoface.audio.ogg import ogg_parts
from emoface.audio.source import Span
from emoface.errors import AudioFileError

# What streaming writers leave as a length of 32 bits: sox 0x7f00...., arecord 0x7fff...., 0x8000...., ffmpeg 0xffff....
_STREAMED = ((0x7F000000, 0x7F0000FF), (0x7FFF0000, 0x8000FFFF), (0xFFFF0000, 0xFFFFFFFF))
_STREAMED_64 = 1 << 62
# More than this behind the sound that belongs to nothing is sound that the header does not count.
_STRAY = 1 << 16


@dataclass(frozen=True)
class Part:
    """One stream of sound for libsndfile: pieces of the file, and frames it must give (None: libsndfile knows)."""

    pieces: tuple[bytes | Span, ...]
    frames: int | None = None


def find_parts(file: BinaryIO, size: int, name: str) -> list[Part]:
    """The streams of a sound file, in order: one, but for chained Ogg and concatenated MP3.

    Raises:
        AudioFileError: the file ends before its header says so, or holds sound that its header does not count.
    """
    start = _after_tags(file, size)
    head = _read(file, start, 16)
    for magic, kind, examine in _CONTAINERS:
        if head.startswith(magic) and head[8 : 8 + len(kind)] == kind:
            return [Part(examine(file, start, size, name))]
    if head.startswith(b"OggS"):
        return [Part(((begin, end),)) for begin, end in ogg_parts(file, start, size, name)]
    streams = mpeg_parts(file, start, size, name)
    return [Part(pieces, frames) for pieces, frames in streams] or [Part(((start, size),))]


def _after_tags(file: BinaryIO, size: int) -> int:
    """Where the sound begins: behind ID3v2 tags, which any container may have before it."""
    start = 0
    while (head := _read(file, start, 10)).startswith(b"ID3") and len(head) == 10:
        length = 0
        for byte in head[6:]:
            length = length << 7 | byte & 0x7F
        start += 10 + length + (10 if head[5] & 0x10 else 0)
    return min(start, size)


@dataclass(frozen=True)
class _Chunks:
    """How a container lays out its chunks: identifier, length, contents.

    Attributes:
        order: of the bytes of a length.
        identifier, length: bytes of each.
        align: chunks begin at multiples of it.
        whole: lengths count the chunk's own header.
        first: where the first chunk lies.
        sound: identifier of the chunk with the sound, or its beginning.
    """

    order: str
    identifier: int
    length: int
    align: int
    whole: bool
    first: int
    sound: bytes

    @property
    def header(self) -> int:
        """Bytes of a chunk's header."""
        return self.identifier + self.length

    def read(self, file: BinaryIO, at: int, size: int) -> tuple[bytes, int] | None:
        """Identifier and length of the contents of the chunk at `at`; None where there is none."""
        if at + self.header > size:
            return None
        data = _read(file, at, self.header)
        if not all(32 <= byte < 127 for byte in data[:4]):
            return None
        length = _number(data[self.identifier :], self.order) - (self.header if self.whole else 0)
        return data[: self.identifier], length

    def end(self, at: int, length: int) -> int:
        """Where the chunk behind the one at `at` begins."""
        return at + self.header + length + -length % self.align


_RIFF = _Chunks("little", 4, 4, 2, False, 12, b"data")
_RIFX = _Chunks("big", 4, 4, 2, False, 12, b"data")
_AIFF = _Chunks("big", 4, 4, 2, False, 12, b"SSND")
_SVX = _Chunks("big", 4, 4, 2, False, 12, b"BODY")
_W64 = _Chunks("little", 16, 8, 8, True, 40, b"data")
_CAF = _Chunks("big", 4, 8, 1, False, 8, b"data")


def _chunked(layout: _Chunks) -> Callable[[BinaryIO, int, int, str], tuple[bytes | Span, ...]]:
    def examine(file: BinaryIO, start: int, size: int, name: str) -> tuple[bytes | Span, ...]:
        at, begin, wide = start + layout.first, start, None
        pieces: list[bytes | Span] = []
        while (chunk := layout.read(file, at, size)) is not None:
            identifier, length = chunk
            if identifier == b"ds64":
                wide = at + layout.header + 8
            if identifier.startswith(layout.sound):
                place, width = at + layout.identifier, layout.length
                if wide is not None and length == 0xFFFFFFFF:
                    place, width, length = wide, 8, _number(_read(file, wide, 8), "little")
                if _to_the_end(file, layout, at, length, width, size, name):
                    rest = size - at - layout.header + (layout.header if layout.whole else 0)
                    patch = min(rest, (1 << 8 * width) - 1).to_bytes(
                        width, "big" if layout.order == "big" else "little"
                    )
                    return (*pieces, (begin, place), patch, (place + width, size))
                break
            if length < 0:  # less than its own header: the next would be this one again
                break
            following = layout.end(at, length)
            odd = layout.align == 2 and length & 1
            if odd and not layout.read(file, following, size) and layout.read(file, following - 1, size):
                # Some writers leave out the byte that makes a length even.
                pieces += [(begin, following - 1), b"\0"]
                begin = following = following - 1
            at = following
        return (*pieces, (begin, size))

    return examine


def _to_the_end(file: BinaryIO, layout: _Chunks, at: int, length: int, width: int, size: int, name: str) -> bool:
    """Whether the sound of the chunk at `at` is to be read to the file's end, whatever its length says."""
    present = size - at - layout.header
    if length <= present and _well_formed(file, layout, layout.end(at, length), size):
        return False
    if length <= 0 or _unknown(length, width) or present - length >= 1 << 32:
        return True
    _compare(present, length, name)
    return False


def _unknown(length: int, width: int) -> bool:
    if width == 8:
        return length >= _STREAMED_64
    return any(first <= length <= last for first, last in _STREAMED)


def _well_formed(file: BinaryIO, layout: _Chunks, at: int, size: int) -> bool:
    """Whether nothing but whole chunks lies from `at` on."""
    while size - at >= layout.header:
        chunk = layout.read(file, at, size)
        if chunk is None or not 0 <= chunk[1] <= size - at - layout.header:
            return False
        at = layout.end(at, chunk[1])
    return True


def _compare(present: int, promised: int, name: str) -> None:
    if present < promised:
        raise AudioFileError(
            f"{name}: {present} bytes of sound where the header promises {promised}",
            "a complete file",
            "Copy or record the file again, or repair the header with `ffmpeg -i INPUT OUTPUT.wav`.",
        )
    if present - promised > _STRAY:
        raise AudioFileError(
            f"{name}: {present} bytes where the header counts {promised} bytes of sound; the rest is no chunk",
            "a header that counts all of the sound",
            "If it was written to a pipe or never closed: `ffmpeg -ignore_length 1 -i INPUT OUTPUT.wav`.",
        )


def _au(order: str) -> Callable[[BinaryIO, int, int, str], tuple[bytes | Span, ...]]:
    def examine(file: BinaryIO, start: int, size: int, name: str) -> tuple[bytes | Span, ...]:
        head = _read(file, start, 12)
        offset, length = _number(head[4:8], order), _number(head[8:12], order)
        present = size - start - offset
        if length != present and (length == 0 or _unknown(length, 4) or present - length >= 1 << 32):
            return ((start, start + 8), b"\xff" * 4, (start + 12, size))
        _compare(present, length, name)
        return ((start, size),)

    return examine


def _nist(file: BinaryIO, start: int, size: int, name: str) -> tuple[bytes | Span, ...]:
    fields: dict[str, str] = {}
    text = _read(file, start, 1024).decode("latin-1")
    for line in text.split("end_head")[0].splitlines()[2:]:
        words = line.split(None, 2)
        if len(words) == 3:
            fields[words[0]] = words[2]
    try:
        header = int(text.splitlines()[1])
        promised = int(fields["sample_count"]) * int(fields["sample_n_bytes"]) * int(fields.get("channel_count", "1"))
    except (KeyError, ValueError, IndexError):
        raise AudioFileError(
            f"{name}: a NIST header without sample_count or sample_n_bytes", "a whole header", "Record it again."
        ) from None
    _compare(size - start - header, promised, name)
    return ((start, size),)


_CONTAINERS: tuple[tuple[bytes, bytes, Callable[[BinaryIO, int, int, str], tuple[bytes | Span, ...]]], ...] = (
    (b"RIFF", b"WAVE", _chunked(_RIFF)),
    (b"RIFX", b"WAVE", _chunked(_RIFX)),
    (b"RF64", b"WAVE", _chunked(_RIFF)),
    (b"FORM", b"AIF", _chunked(_AIFF)),
    (b"FORM", b"8SVX", _chunked(_SVX)),
    (b"FORM", b"16SV", _chunked(_SVX)),
    (b"riff", b"\xa5\xd6\x28\xdb", _chunked(_W64)),
    (b"caff", b"", _chunked(_CAF)),
    (b".snd", b"", _au("big")),
    (b"dns.", b"", _au("little")),
    (b"NIST_1A", b"", _nist),
    (b"fLaC", b"", lambda file, start, size, name: ((start, size),)),
)


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == "big" else "little")
