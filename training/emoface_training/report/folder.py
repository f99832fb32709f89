"""Report folders appear whole or not at all, and replace nothing that is not a report."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emoface.errors import OutputError

PAGE, FIGURES, PICTURES = "index.html", "evaluation.json", "figures"


def check_folder(path: str | os.PathLike[str], overwrite: bool) -> None:
    """OutputError unless a report can be put at `path`: nothing there, or a report that may be overwritten."""
    folder = Path(path)
    if not folder.absolute().parent.is_dir():
        raise OutputError(
            f"{folder}, whose folder {folder.parent} does not exist",
            "an existing folder to put the report into",
            f"Create it first: mkdir -p {folder.parent}",
        )
    if not (folder.exists() or folder.is_symlink()):
        return
    if not all((folder / name).is_file() for name in (PAGE, FIGURES)):
        raise OutputError(
            f"{folder}, which exists and is no report of `emoface eval`",
            "a new folder, or an older report with --overwrite",
            "Choose another folder: nothing else is ever replaced.",
        )
    if not overwrite:
        raise OutputError(
            f"{folder}, which holds a report", "a new folder", "Choose another one, or replace it with --overwrite."
        )


@contextmanager
def appearing(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it when the block ends well.

    When the block raises, nothing of it is left and an older report stays as it was. Errors of the operating system
    become OutputError; see `check_folder` for what is refused.
    """
    check_folder(path, overwrite)
    folder = Path(path).absolute()
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    fresh, old = folder.with_name(f".{folder.name}.{mark}"), folder.with_name(f".{folder.name}.{mark}.old")
    try:
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        raise OutputError(
            f"{error.strerror or error} while writing the report {folder}",
            "a folder that can be written, with enough free space",
            "Free space, or choose another folder. No partial report was left.",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
