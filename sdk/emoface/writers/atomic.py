"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emoface.errors import OutputError

if sys.platform != "win32":
    import fcntl

_PART = re.compile(r"\.emoface-[0-9a-f]{16}\.part")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path`, renamed to it when the block ends well.

    When the block raises, or the process is told to end, the temporary file is removed and an older file stays as it
    was. What a killed process left in the folder is removed by the next call: a temporary file is locked for as long as
    its process lives. An older file's permissions are kept, and a link at `path` still leads to the file.

    OutputError where `check_target` refuses, and for what goes wrong in the block: errors of the operating system, no
    memory, text that is no Unicode.
    """
    target = check_target(path)
    with failures(target):
        _remove_left_behind(target.parent)
        temporary, lock = _locked_file(target)
        try:
            yield temporary
            # Without this a power cut after the renaming could leave an empty file under the name.
            os.fsync(lock)
            if sys.platform == "win32":
                os.close(lock)
                lock = -1
            os.replace(temporary, target)
        finally:
            if lock >= 0:
                with suppress(OSError):
                    os.close(lock)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def failures(target: str | os.PathLike[str]) -> Iterator[None]:
    """OutputError, naming `target`, for what fails in the block for want of space, rights, memory or Unicode."""
    nothing_left = "No partial file was left."
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.strerror or error} while writing {os.fspath(target)}",
            "a folder that can be written, with enough free space",
            f"Free space, or choose another folder. {nothing_left}",
        ) from error
    except MemoryError as error:
        raise OutputError(
            f"out of memory while writing {os.fspath(target)}", "free memory", f"Animate shorter sound. {nothing_left}"
        ) from error
    except UnicodeError as error:
        raise OutputError(
            f"text for {os.fspath(target)} that is no Unicode ({error.reason if hasattr(error, 'reason') else error})",
            "text that UTF-8 can hold",
            f"Rename what the text names. {nothing_left}",
        ) from error


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file that writing to `path` would replace: `path` itself, or what a link there leads to.

    OutputError unless that can be a regular file: no folder to hold it, a folder, device or pipe of that name, no right
    to write, a read-only file system, a name that is too long.
    """
    given = os.fspath(path)
    try:
        target = Path(os.path.realpath(given)) if os.path.islink(given) else Path(given)
        if not os.path.isdir(target.parent):
            os.stat(target.parent / target.name)  # says more than "missing" where it can: too long, no right to look
            raise FileNotFoundError(given)
        try:
            mode = os.stat(target).st_mode
        except FileNotFoundError:
            mode = None
    except FileNotFoundError:
        parent = Path(given).parent
        raise OutputError(
            f"{given}, whose folder {parent} does not exist",
            "an existing folder",
            f"Create it first: mkdir -p {parent}",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(
            f"the output file {given!r}: {reason}", "a path that can be written", "Choose another."
        ) from None
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"the folder {given}", "the name of a file", "Add a file name.")
    if mode is not None and not stat.S_ISREG(mode):
        raise OutputError(
            f"{given}, which is a device, a pipe or a socket",
            "a regular file, since a file must be able to appear at once",
            "Write to a file, then copy it.",
        )
    for place, right in ((target.parent, os.W_OK | os.X_OK), (target, os.W_OK)):
        if (place is not target or mode is not None) and not os.access(place, right):
            raise OutputError(
                f"{place}, which cannot be written", "write permission", "Change its permissions, or choose another."
            )
    return target


def _locked_file(target: Path) -> tuple[Path, int]:
    """A new file beside `target`, with the permissions that it has, and the descriptor that locks it."""
    while True:
        temporary = target.with_name(f".emoface-{secrets.token_hex(8)}.part")
        lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        # Another process may have looked at the file before it was locked, and taken it for one left behind.
        if not _lock(lock) and os.fstat(lock).st_nlink:
            break
        os.close(lock)
    if hasattr(os, "fchmod"):
        with suppress(OSError):
            old = os.stat(target)
            # The owner first: a change of owner clears bits of the mode. Only root may give files away.
            with suppress(OSError):
                os.fchown(lock, old.st_uid, old.st_gid)
            os.fchmod(lock, stat.S_IMODE(old.st_mode))
    return temporary, lock


def _remove_left_behind(folder: Path) -> None:
    """Removes temporary files in `folder` whose processes are gone."""
    if sys.platform == "win32":
        return  # no lock there could be told from a file between two writes
    try:
        with os.scandir(folder) as entries:
            found = [entry.path for entry in entries if _PART.fullmatch(entry.name)]
    except OSError:
        return  # a folder that can be written but not listed
    for path in found:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if _lock(descriptor) is None:
                    os.unlink(path)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> OSError | None:
    """Locks a file against other processes; the error where one of them has the lock, or there are no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error
    return None
