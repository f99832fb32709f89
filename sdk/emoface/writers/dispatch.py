"""The format of a file by its suffix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from emoface.errors import UsageError
from emoface.frames import Clip
from emoface.writers.atomic import check_target
from emoface.writers.csv import CsvWriter
from emoface.writers.extras import check_installed
from emoface.writers.frame_writer import Opener, write_files
from emoface.writers.glb import GlbWriter
from emoface.writers.mp4 import Mp4Writer
from emoface.writers.npz import NpzWriter
from emoface.writers.png import PngWriter
from emoface.writers.progress import Progress

FilePath = str | os.PathLike[str]
"""Where a file lies."""
_FORMATS: dict[str, tuple[Opener, tuple[str, ...]]] = {
    ".csv": (CsvWriter, ()),
    ".glb": (GlbWriter, ("pygltflib",)),
    ".mp4": (Mp4Writer, ("av",)),
    ".npz": (NpzWriter, ()),
    ".png": (PngWriter, ("PIL",)),
}

SUFFIXES = tuple(_FORMATS)
"""The supported suffixes."""


def missing_modules(suffixes: Sequence[str]) -> list[str]:
    """What of the extra [view] would have to be installed to write files of these suffixes."""
    wanted = dict.fromkeys(module for suffix in suffixes for module in _FORMATS[suffix][1])
    return [module for module in wanted if find_spec(module) is None]


def check(path: FilePath) -> None:
    """Raises now what `write` would raise after the animation is made.

    UsageError for an unknown suffix; OutputError for a missing extra, and for a place that cannot be written: no such
    folder, no right, a read-only file system, a folder, device or pipe of that name, a name that is too long.
    """
    suffix = _suffix(path)
    for module in _FORMATS[suffix][1]:
        check_installed(module, suffix)
    check_target(path)


def check_all(paths: Iterable[FilePath], inputs: Mapping[str, FilePath | None]) -> None:
    """`check` for several files of one run, which must differ as `check_apart` says."""
    paths = list(paths)
    for path in paths:
        check(path)
    check_apart(paths, inputs)


def check_apart(paths: Iterable[FilePath], inputs: Mapping[str, FilePath | None]) -> None:
    """UsageError where an output of a run is named twice, by whatever path, or is what the run reads.

    inputs: files by what they are, for the message; None and what is no file are passed over.
    """
    read = {_identity(path): f"{what} {os.fspath(path)}" for what, path in inputs.items() if path is not None}
    written: dict[tuple[int, int] | str, str] = {}
    for path in paths:
        place = _identity(path)
        if place in read or place in written:
            other = read.get(place) or f"output {written[place]}"
            raise UsageError(
                f"the output {os.fspath(path)}, which is also the {other}",
                "outputs that differ from each other and from what is read",
                "Give every output a name of its own.",
            )
        written[place] = os.fspath(path)


def write(path: FilePath, clip: Clip, *, progress: Progress | None = None) -> None:
    """Writes an animation to `path` as .csv (blendshape weights), .glb, .mp4, .npz or .png (a contact sheet).

    The file appears when it is complete: after an error there is no new file, and an older one is unchanged.
    UsageError for an unknown suffix; OutputError for a missing extra, a place that cannot be written, a full disk, for
    .mp4 and .png of an animation without frames, for .csv of one without blendshape weights, and for .glb of one of
    more than a million frames.
    """
    write_all([path], clip, progress=progress)


def write_all(paths: Iterable[FilePath], clip: Clip, *, progress: Progress | None = None) -> None:
    """`write` to several files in one pass over the frames; all appear at the end, after an error none does.

    The frames of an `AnimationStream` are written as they are made, in memory that does not grow with the clip.
    """
    write_files([(path, _FORMATS[_suffix(path)][0]) for path in paths], clip, progress)


def _suffix(path: FilePath) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(
            f"the output file {os.fspath(path)!r} with suffix {suffix!r}",
            f"one of {', '.join(SUFFIXES)}",
            "Give the output file one of these suffixes.",
        )
    return suffix


def _identity(path: FilePath) -> tuple[int, int] | str:
    """The same for two paths to one file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path) if "\0" not in os.fspath(path) else os.fspath(path)
    return found.st_dev, found.st_ino
