"""Where sound files come from: a path, standard input, a pipe. What cannot seek is gathered first."""

from __future__ import annotations

import bisect
import io
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from emoface.errors import AudioFileError

STANDARD_INPUT = "-"
_IN_MEMORY = 32 << 20
_LONGEST_PIPE = 16 << 30
_PIECE = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_source(path: str | Path) -> tuple[BinaryIO, str]:
    """A file that can seek, and its name for messages; "-" is standard input.

    Pipes of any length up to 16 GiB are gathered in memory, beyond 32 MiB in an unnamed temporary file.

    Raises:
        AudioFileError: nothing there, a folder, a device, a socket, not readable; no room for what a pipe brings.
    """
    name = "standard input" if str(path) == STANDARD_INPUT else str(path)
    try:
        if str(path) == STANDARD_INPUT:
            mode = os.fstat(0).st_mode
            if stat.S_ISDIR(mode) or stat.S_ISCHR(mode):
                _refuse_kind(name, mode)
            return _gathered(open(0, "rb", buffering=0, closefd=False), name), name
        mode = Path(path).stat().st_mode
        _refuse_kind(name, mode)
        file = open(path, "rb", buffering=0)  # noqa: SIM115  the reader closes it
        return (cast(BinaryIO, file) if stat.S_ISREG(mode) else _gathered(file, name)), name
    except FileNotFoundError:
        raise AudioFileError(f"{name}: no such file", "a readable sound file", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioFileError(f"{name!r}: {reason}", "a readable sound file", "Check the path.") from None


def _refuse_kind(name: str, mode: int) -> None:
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise AudioFileError(
                f"{name}: {kind}", "a readable sound file", "Pass a file, a pipe, or - for standard input."
            )


def _gathered(pipe: io.RawIOBase, name: str) -> BinaryIO:
    spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  the reader closes it
    with pipe:
        while data := pipe.read(_PIECE):
            if spool.tell() + len(data) > _LONGEST_PIPE:
                spool.close()
                raise AudioFileError(
                    f"{name}: more than {_LONGEST_PIPE >> 30} GiB", "a sound of that size at most", "Save it as a file."
                )
            spool.write(data)
    spool.seek(0)
    return cast(BinaryIO, spool)


Span = tuple[int, int]


class View(io.RawIOBase):
    """A file as libsndfile is to see it: stretches of it, [start, stop), and bytes put between or in their place.

    An error or an interruption within a read is kept in `error`: it cannot cross libsndfile.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[bytes | Span]) -> None:
        self._file = file
        self._pieces = pieces
        self._position = 0
        self.error: BaseException | None = None
        self._starts = [0]
        for piece in pieces:
            length = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
            self._starts.append(self._starts[-1] + length)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        done, room = 0, memoryview(buffer).cast("B")
        try:
            while done < len(room) and (data := self._next(len(room) - done)):
                room[done : done + len(data)] = data
                done += len(data)
                self._position += len(data)
        except BaseException as error:
            self.error = error
        return done

    def _next(self, most: int) -> bytes:
        """Bytes at the position, no more than `most` and of one piece."""
        index = self._index()
        if index is None:
            return b""
        piece, offset = self._pieces[index], self._position - self._starts[index]
        if isinstance(piece, bytes):
            return piece[offset : offset + most]
        self._file.seek(piece[0] + offset)
        return self._file.read(min(most, piece[1] - piece[0] - offset))

    def _index(self) -> int | None:
        index = bisect.bisect_right(self._starts, self._position) - 1
        return index if index < len(self._pieces) else None
