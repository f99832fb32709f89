"""The files of a package: a folder or a zip, never more than its bytes can hold, every one compared with its hash."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from emoface.archive import MOST_MEMBERS, Archive
from emoface.errors import ManifestError, PackageError, PackageIntegrityError, PackageNotFoundError
from emoface.manifest import MANIFEST_NAME, FileEntry
from emoface.manifest_schema import is_file_name, shown

FETCH = "Fetch or export the package again."
FREE_BYTES = 64 << 20
MOST_RATIO = 100
"""What comes out of a package, arrays included, is at most `FREE_BYTES` and `MOST_RATIO` times its bytes on disk."""

_PIECE = 1 << 20
_MOST_EXTENTS = 1024
# What people, systems and Hugging Face put beside a package's files; never opened.
_IGNORED = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9_.\-]*|(?:README|LICENSE|LICENCE|NOTICE)(?:\.md|\.txt)?")
_IGNORED_IN_ZIP = re.compile(r"__MACOSX/(?:\._[A-Za-z0-9_.\-]*)?")
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class Allowance:
    """The bytes that may still come out of a package of `stored` bytes."""

    def __init__(self, stored: int = 0) -> None:
        self._left = FREE_BYTES + MOST_RATIO * stored

    def spend(self, wanted: int, stored: int = 0) -> bool:
        """Whether `wanted` bytes more are allowed, now that `stored` bytes more were found on disk."""
        self._left += MOST_RATIO * stored - wanted
        return self._left >= 0


def integrity_fault(got: str, expected: str = "the package as it was exported") -> PackageIntegrityError:
    """The error for files that are not what the manifest says."""
    return PackageIntegrityError(got, expected, FETCH)


def bomb(name: str, inflated: int) -> PackageIntegrityError:
    """The error for bytes that no honest package has."""
    expected = f"at most {FREE_BYTES} bytes and {MOST_RATIO} times the package's own size"
    return integrity_fault(f"{name}: {inflated} bytes once inflated", expected)


class Files:
    """Where a package's files come from; closed at the end of a `with` block."""

    def __init__(self, what: str, allowance: Allowance) -> None:
        self.what = what
        self.allowance = allowance

    def __enter__(self) -> Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open."""

    def names(self) -> list[str]:
        """Every file there is but those that are never opened."""
        raise NotImplementedError

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file, PackageIntegrityError where they are more than `most`."""
        raise NotImplementedError

    def verified(self, entries: Mapping[str, FileEntry]) -> dict[str, bytes]:
        """All listed files by name, sorted; refuses files that are missing, not listed, or not what they should be."""
        for name in sorted(self.names()):
            if name not in entries and name != MANIFEST_NAME:
                raise integrity_fault(f"{self.what}: {shown(name)}: not in the manifest", "only files that it lists")
        return {name: self._verified(name, entries[name]) for name in sorted(entries)}

    def _verified(self, name: str, entry: FileEntry) -> bytes:
        data = self.read(name, entry.bytes)
        if len(data) != entry.bytes:
            raise integrity_fault(f"{name}: {len(data)} bytes", f"{entry.bytes} bytes (files.{name}.bytes)")
        digest = hashlib.sha256(data).hexdigest()
        if digest != entry.sha256:
            raise integrity_fault(f"{name}: SHA-256 {digest}", f"{entry.sha256} (files.{name}.sha256)")
        return data


def open_files(path: Path) -> Files:
    """A folder or a zip; PackageNotFoundError where there is nothing, PackageIntegrityError for anything else."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError) or (isinstance(error, FileNotFoundError) and path.is_symlink()):
            raise integrity_fault(f"{path}: {_reason(error)}", "a package folder or .emoface file") from None
        raise _not_found(str(path)) from None
    return _Folder(path) if stat.S_ISDIR(mode) else _Zip(path)


def _not_found(path: str) -> PackageError:
    return PackageNotFoundError(
        f"{path}: no such file or folder",
        'a package folder, an .emoface file, or "default"',
        "Check the path, or write a package with `emoface export`.",
    )


def _open_regular(path: Path, name: str) -> BinaryIO:
    """A regular file, links followed; what is none is not even opened, since a FIFO would wait for its writer."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            # Should it become a FIFO in between, opening it does not wait.
            file = os.fdopen(os.open(path, os.O_RDONLY | _NO_WAIT), "rb")
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode):
                return file
            file.close()
    except (OSError, ValueError) as error:
        raise integrity_fault(f"{name}: {_reason(error, path)}", "a regular file") from None
    raise integrity_fault(f"{name}: {_KINDS.get(stat.S_IFMT(mode), 'no regular file')}", "a regular file")


def _bytes_on_disk(file: int, size: int) -> int:
    """Bytes of a large file that are no holes, as far as the system knows: holes are zeros that take no room."""
    if size <= FREE_BYTES or not hasattr(os, "SEEK_DATA"):
        return size
    total = at = 0
    try:
        for _ in range(_MOST_EXTENTS):
            begin = os.lseek(file, at, os.SEEK_DATA)
            at = os.lseek(file, begin, os.SEEK_HOLE)
            total += at - begin
            if at >= size:
                return total
    except OSError as error:
        return total if error.errno == errno.ENXIO else size  # nothing but a hole follows, or no such question here
    finally:
        os.lseek(file, 0, os.SEEK_SET)
    return total + size - at


def _reason(error: Exception, path: Path | None = None) -> str:
    if isinstance(error, FileNotFoundError):
        return "a link to nothing" if path is None or path.is_symlink() else "no such file"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Folder(Files):
    """A package as a folder of flat files."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Allowance())
        self._path = path

    def names(self) -> list[str]:
        names: list[str] = []
        with os.scandir(self._path) as entries:
            for entry in entries:
                if not _IGNORED.fullmatch(entry.name) and entry.name != "__MACOSX":
                    names.append(entry.name)
                if len(names) > MOST_MEMBERS:
                    raise integrity_fault(f"{self.what}: more than {MOST_MEMBERS} files")
        return names

    def read(self, name: str, most: int) -> bytes:
        with _open_regular(self._path / name, name) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise integrity_fault(f"{name}: {size} bytes", f"{most} bytes at most")
            if not self.allowance.spend(size, stored=_bytes_on_disk(file.fileno(), size)):
                raise bomb(name, size)
            out = io.BytesIO()
            while out.tell() <= most and (piece := file.read(min(_PIECE, most + 1 - out.tell()))):
                out.write(piece)
            return out.getvalue()


class _Zip(Files):
    """A package as a zip of flat files."""

    def __init__(self, path: Path) -> None:
        self._file = _open_regular(path, str(path))
        size = os.fstat(self._file.fileno()).st_size
        super().__init__(str(path), Allowance(_bytes_on_disk(self._file.fileno(), size)))
        try:
            self._archive = Archive(
                self._file, lambda why: integrity_fault(f"{path}: {why}", "an undamaged package"), self._check_name
            )
            if not self.allowance.spend(self._archive.inflated):
                raise bomb(str(path), self._archive.inflated)
        except BaseException:
            self._file.close()
            raise

    def _check_name(self, name: str) -> None:
        if not (is_file_name(name) or _IGNORED.fullmatch(name) or _IGNORED_IN_ZIP.fullmatch(name)):
            expected = "plain file names: no path outside the package, no folders"
            raise ManifestError(self.what, "file name", repr(shown(name)), expected, FETCH)

    def close(self) -> None:
        self._file.close()

    def names(self) -> list[str]:
        ignored = (_IGNORED, _IGNORED_IN_ZIP)
        return [name for name in self._archive.members if not any(each.fullmatch(name) for each in ignored)]

    def read(self, name: str, most: int) -> bytes:
        member = self._archive.members.get(name)
        if member is None:
            raise integrity_fault(f"{name}: no such file", "every file that the manifest lists")
        if member.size > most:
            raise integrity_fault(f"{name}: {member.size} bytes", f"{most} bytes at most")
        return self._archive.read(name)
