"""Files made of animations: `write(path, animation)` chooses the format by the suffix."""

from __future__ import annotations

from emoface.writers.csv import write_csv
from emoface.writers.dispatch import SUFFIXES, check, check_all, write, write_all
from emoface.writers.glb import write_glb
from emoface.writers.mp4 import write_mp4
from emoface.writers.npz import write_npz
from emoface.writers.png import write_png
from emoface.writers.progress import Progress, progress_line

__all__ = [
    "SUFFIXES",
    "Progress",
    "check",
    "check_all",
    "progress_line",
    "write",
    "write_all",
    "write_csv",
    "write_glb",
    "write_mp4",
    "write_npz",
    "write_png",
]
