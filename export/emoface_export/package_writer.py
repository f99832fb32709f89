"""Writing packages: a folder or a zip, the same bytes for the same content, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from emoface.errors import OutputError
from emoface.manifest import MANIFEST_NAME, FileEntry, Manifest
from emoface.package import Package
from emoface_export.face_file import write_entry


def file_entries(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """SHA-256 and size of every file, in the order of names."""
    return {
        name: FileEntry(hashlib.sha256(content).hexdigest(), len(content)) for name, content in sorted(files.items())
    }


def refuse_existing(path: Path, force: bool) -> None:
    """Raise `OutputError` where something lies at `path` and `force` is off, or the folder above is missing."""
    if path.exists() and not force:
        raise OutputError(f"{path}: it exists already", "a new path", "Choose another name, or add --force.")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: no folder {path.absolute().parent}", "an existing folder", "Create it first.")


def write_folder(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write manifest and files into an existing folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")


@contextmanager
def loaded(manifest: Manifest, files: Mapping[str, bytes]) -> Iterator[Package]:
    """The package loaded from a temporary folder, as a user would load it."""
    with tempfile.TemporaryDirectory(prefix="emoface-export-") as name:
        write_folder(Path(name), manifest, files)
        yield Package.load(Path(name))


def write_zip(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write a deflated zip: manifest first, then files by name, with fixed times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        write_entry(archive, MANIFEST_NAME, manifest.to_text().encode())
        for name in sorted(files):
            write_entry(archive, name, files[name])


def write_package(
    path: Path, manifest: Manifest, files: Mapping[str, bytes], *, folder: bool = False, force: bool = False
) -> int:
    """Write a package under a temporary name beside `path`, then rename it; returns its size in bytes.

    Raises `OutputError`; then nothing is left behind and what was at `path` is unchanged.
    """
    refuse_existing(path, force)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.absolute().parent))
    fresh = workspace / path.name
    try:
        if folder:
            fresh.mkdir()
            write_folder(fresh, manifest, files)
            size = sum(file.stat().st_size for file in fresh.iterdir())
        else:
            write_zip(fresh, manifest, files)
            size = fresh.stat().st_size
        _put_in_place(fresh, path, workspace / "old")
    except OSError as error:
        raise OutputError(
            f"{path}: {error.strerror or error}", "a place to write to", "Check rights and space."
        ) from None
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return size


def _put_in_place(fresh: Path, path: Path, aside: Path) -> None:
    """Rename `fresh` to `path`; a folder there is moved aside first, and back if the rename fails."""
    if not path.exists() or (path.is_file() and fresh.is_file()):
        os.replace(fresh, path)
        return
    path.rename(aside)
    try:
        os.replace(fresh, path)
    except OSError:
        aside.rename(path)
        raise
