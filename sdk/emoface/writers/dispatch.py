"""The format of a file by its suffix."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from emoface.errors import UsageError
from emoface.frames import Animation
from emoface.writers.atomic import check_folder
from emoface.writers.csv import write_csv
from emoface.writers.extras import check_installed
from emoface.writers.glb import write_glb
from emoface.writers.mp4 import write_mp4
from emoface.writers.npz import write_npz
from emoface.writers.png import write_png
from emoface.writers.progress import Progress

_NEEDS: dict[str, tuple[str, ...]] = {
    ".csv": (),
    ".glb": ("pygltflib",),
    ".mp4": ("av",),
    ".npz": (),
    ".png": ("PIL",),
}

SUFFIXES = tuple(_NEEDS)
"""The supported suffixes."""


def missing_modules(suffixes: Sequence[str]) -> list[str]:
    """What of the extra [view] would have to be installed to write files of these suffixes."""
    wanted = dict.fromkeys(module for suffix in suffixes for module in _NEEDS[suffix])
    return [module for module in wanted if find_spec(module) is None]


def check(path: str | os.PathLike[str]) -> None:
    """Raises now what `write` would raise after the animation is made.

    UsageError for an unknown suffix; OutputError for a missing extra or folder.
    """
    suffix = _suffix(path)
    for module in _NEEDS[suffix]:
        check_installed(module, suffix)
    check_folder(Path(path))


def write(path: str | os.PathLike[str], animation: Animation, *, progress: Progress | None = None) -> None:
    """Writes `animation` to `path` as .csv (blendshape weights), .glb, .mp4, .npz or .png (a contact sheet).

    The file appears when it is complete: after an error there is no new file, and an older one is unchanged.
    UsageError for an unknown suffix; OutputError for a missing extra, a missing folder, a full disk, for .mp4 and .png
    of an animation without frames, and for .csv of one without blendshape weights. `progress` is called by the writers
    that draw frames.
    """
    suffix = _suffix(path)
    if suffix == ".npz":
        write_npz(path, animation)
    elif suffix == ".csv":
        write_csv(path, animation)
    elif suffix == ".glb":
        write_glb(path, animation)
    elif suffix == ".mp4":
        write_mp4(path, animation, progress=progress)
    else:
        write_png(path, animation, progress=progress)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _NEEDS:
        raise UsageError(
            f"the output file {os.fspath(path)!r} with suffix {suffix!r}",
            f"one of {', '.join(SUFFIXES)}",
            "Give the output file one of these suffixes.",
        )
    return suffix
