"""Blendshape weights as a table, in the form of Apple's Live Link Face recordings."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emoface.errors import OutputError
from emoface.frames import Clip, Piece
from emoface.rig.names import ARKIT_52
from emoface.writers.frame_writer import FrameWriter, write_files

_ROTATIONS = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
_HEAD = 3  # of them


def write_csv(path: str | os.PathLike[str], clip: Clip) -> None:
    """Writes one row per frame: `Timecode`, `BlendShapeCount` and a column per shape, six decimals.

    Where the shapes include Apple's 52, these come in the order and with the capital letters of Live Link Face
    (`EyeBlinkLeft`, ...), followed by its nine rotations of head and eyes in radians: the head's as of
    `Animation.head_euler`, 0 where there is no pose, and 0 for the eyes; other shapes follow under their own names.
    Without all 52, every shape keeps its own name and place, and `HeadYaw`, `HeadPitch`, `HeadRoll` come last where the
    head moves. Its translation has no column. `Timecode` is HH:MM:SS:FF.fff from 0 at `fps`, and
    `BlendShapeCount` is the number of columns after it. OutputError for an animation without blendshape weights.
    Memory does not grow with the clip.
    """
    write_files([(path, CsvWriter)], clip, None)


class CsvWriter(FrameWriter):
    """Row by row."""

    def __init__(self, path: Path, clip: Clip) -> None:
        if clip.blendshapes is None:
            raise OutputError(
                "an animation without blendshape weights for a .csv file",
                "weights of named shapes",
                "Animate with blendshapes=True (command line: --blendshapes) and a package that has them.",
            )
        names = clip.blendshapes.names
        arkit = set(ARKIT_52) <= set(names)
        order = [*ARKIT_52, *(name for name in names if name not in ARKIT_52)] if arkit else list(names)
        titles = [name[0].upper() + name[1:] if arkit and name in ARKIT_52 else name for name in order]
        self._columns = [names.index(name) for name in order]
        self._place = len(ARKIT_52) if arkit else len(titles)
        self._rotations = _ROTATIONS if arkit else ()
        self._titles, self._begun = titles, False
        self._fps, self._frame = clip.fps, 0
        self._file = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115 -- closed by `close`
        self._table = csv.writer(self._file, lineterminator="\n")

    def add(self, piece: Piece) -> None:
        """Write a row per frame."""
        frames = piece.frames
        if not self._begun:
            self._begun = True
            if frames.has_head_pose and not self._rotations:
                self._rotations = _ROTATIONS[:_HEAD]
            self._titles[self._place : self._place] = self._rotations
            self._table.writerow(["Timecode", "BlendShapeCount", *self._titles])
        angles = np.zeros((len(frames), len(self._rotations)), np.float32)
        if frames.has_head_pose:
            angles[:, :_HEAD] = frames.head_euler
        for weights, turned in zip(frames.blendshape_weights, angles, strict=True):
            cells = [f"{weights[column]:.6f}" for column in self._columns]
            cells[self._place : self._place] = [f"{angle:.6f}" for angle in turned]
            self._table.writerow([_timecode(self._frame, self._fps), len(self._titles), *cells])
            self._frame += 1

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write what is still buffered."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _timecode(frame: int, fps: int) -> str:
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"
