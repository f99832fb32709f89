"""The resampler's kernel table: built by this module, stored as `kernel.npz`, read by every runtime.

Stored data instead of a formula, because sin and the Bessel function differ in the last bit between languages and
machines; linear interpolation of a table does not.

    python -m emoface.audio.kernel      writes kernel.npz again, the same bytes
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

ZERO_CROSSINGS = 16
POINTS_PER_CROSSING = 512
KAISER_BETA = 8.0
ROLLOFF = 0.92


@dataclass(frozen=True)
class Kernel:
    """Right half of a windowed sinc.

    Attributes:
        table: float64 (zero_crossings * points_per_crossing + 2,), one guard value at the end.
        zero_crossings: half-length in zero crossings.
        points_per_crossing: table points between zero crossings.
        rolloff: cut-off as a fraction of the lower Nyquist frequency.
    """

    table: npt.NDArray[np.float64]
    zero_crossings: int
    points_per_crossing: int
    rolloff: float


def build_kernel() -> Kernel:
    """Kaiser-windowed sinc: about -80 dB aliases, pass band to 0.77 of the lower Nyquist frequency."""
    points = ZERO_CROSSINGS * POINTS_PER_CROSSING
    x = np.arange(points + 2) / POINTS_PER_CROSSING
    inside = np.clip(1.0 - (x / ZERO_CROSSINGS) ** 2, 0.0, None)
    window = np.i0(KAISER_BETA * np.sqrt(inside)) / np.i0(KAISER_BETA)
    table = np.sinc(x) * window
    table[points:] = 0.0
    return Kernel(table, ZERO_CROSSINGS, POINTS_PER_CROSSING, ROLLOFF)


@cache
def load_kernel() -> Kernel:
    """The stored kernel."""
    with np.load(io.BytesIO((files("emoface.audio") / "kernel.npz").read_bytes()), allow_pickle=False) as data:
        table = data["table"]
        table.setflags(write=False)
        return Kernel(table, int(data["zero_crossings"]), int(data["points_per_crossing"]), float(data["rolloff"]))


def write_kernel(path: Path) -> None:
    """Write the built kernel to `path`; the same bytes every time."""
    kernel = build_kernel()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("table", "zero_crossings", "points_per_crossing", "rolloff"):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(getattr(kernel, name)), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())


if __name__ == "__main__":
    write_kernel(Path(__file__).with_name("kernel.npz"))
