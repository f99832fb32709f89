"""Ogg pages: the logical streams of a chain, and whether each is whole."""

from __future__ import annotations

import struct
from typing import BinaryIO

from emoface.audio.source import Span
from emoface.errors import AudioFileError

_HEAD = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4
_REMEDY = "Copy or record the file again, or keep what is there with `ffmpeg -i INPUT OUTPUT.wav`."


def ogg_parts(file: BinaryIO, start: int, size: int, name: str) -> list[Span]:
    """The links of a chain of logical streams, [start, stop) each; a plain file is a chain of one.

    Raises:
        AudioFileError: a stream without its last page (Ogg says no length: that page is the promise), a page that is
            missing, or bytes that are no page.
    """
    links: list[Span] = []
    begin = at = start
    following: dict[int, int] = {}  # number of the next page, by stream
    seconds = _Clock()
    while at < size:
        file.seek(at)
        data = file.read(_HEAD.size + 255)
        if len(data) < _HEAD.size or not data.startswith(b"OggS"):
            _refuse(f"{name}: bytes at {at} that are no Ogg page, after {seconds}", "whole pages")
        _, _, flags, granule, serial, number, _, count = _HEAD.unpack_from(data)
        table = data[_HEAD.size : _HEAD.size + count]
        end = at + _HEAD.size + count + sum(table)
        if len(table) < count or end > size:
            _refuse(f"{name}: an end within a page, after {seconds}", "a complete file")
        if flags & _FIRST:
            if following and at != begin and not seconds.starting:
                _refuse(f"{name}: {seconds} without a last page, then another stream", "complete streams")
            seconds.begin(file, at + _HEAD.size + count)
        elif following.get(serial) != number:
            _refuse(f"{name}: a page missing after {seconds}", "all pages")
        else:
            seconds.move(granule)
        following[serial] = number + 1
        if flags & _LAST:
            del following[serial]
        at = end
        if not following:
            links.append((begin, at))
            begin = at
    if following:
        _refuse(f"{name}: {seconds} without the page that ends the stream", "a complete file")
    return links


class _Clock:
    """How far the pages have come, for messages."""

    def __init__(self) -> None:
        self._rate, self._granule, self.starting = 0, 0, True

    def begin(self, file: BinaryIO, at: int) -> None:
        file.seek(at)
        head = file.read(16)
        self._rate = 48000 if head.startswith(b"OpusHead") else 0
        if head.startswith(b"\x01vorbis"):
            self._rate = int.from_bytes(head[12:16], "little")
        self._granule, self.starting = 0, True

    def move(self, granule: int) -> None:
        self._granule, self.starting = max(self._granule, granule), False

    def __str__(self) -> str:
        return f"{self._granule / self._rate:.3f} s" if self._rate else "some pages"


def _refuse(got: str, expected: str) -> None:
    raise AudioFileError(got, expected, _REMEDY)
