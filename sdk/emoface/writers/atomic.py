"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emoface.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffix, renamed to `path` when the block ends well.

    When the block raises, the temporary file is removed and an older file at `path` stays as it was. Errors of the
    operating system become OutputError.
    """
    target = Path(path)
    check_folder(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"{error.strerror or error} while writing {target}",
            "a folder that can be written, with enough free space",
            "Free space, or choose another folder. No partial file was left.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_folder(target: Path) -> None:
    """OutputError unless `target` can be a file in an existing folder."""
    if target.is_dir():
        raise OutputError(f"the folder {target}", "the name of a file", "Add a file name.")
    if not target.parent.is_dir():
        raise OutputError(
            f"{target}, whose folder {target.parent} does not exist",
            "an existing folder",
            f"Create it first: mkdir -p {target.parent}",
        )
