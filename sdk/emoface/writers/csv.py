"""Blendshape weights as a table, in the form of Apple's Live Link Face recordings."""

from __future__ import annotations

import csv
import io
import os

from emoface.errors import OutputError
from emoface.frames import Animation
from emoface.rig.names import ARKIT_52
from emoface.writers.atomic import replacing

_ROTATIONS = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))


def write_csv(path: str | os.PathLike[str], animation: Animation) -> None:
    """Writes one row per frame: `Timecode`, `BlendShapeCount` and a column per shape, six decimals.

    Where the shapes include Apple's 52, these come in the order and with the capital letters of Live Link Face
    (`EyeBlinkLeft`, ...), followed by its nine rotations of head and eyes, all 0; other shapes follow under their own
    names. Without all 52, every shape keeps its own name and place. `Timecode` is HH:MM:SS:FF.fff from 0 at `fps`, and
    `BlendShapeCount` is the number of columns after it. OutputError for an animation without blendshape weights.
    """
    if animation.blendshapes is None:
        raise OutputError(
            "an animation without blendshape weights for a .csv file",
            "weights of named shapes",
            "Animate with blendshapes=True (command line: --blendshapes) and a package that has them.",
        )
    names = animation.blendshapes.names
    arkit = set(ARKIT_52) <= set(names)
    order = [*ARKIT_52, *(name for name in names if name not in ARKIT_52)] if arkit else list(names)
    columns = [names.index(name) for name in order]
    titles = [name[0].upper() + name[1:] if arkit and name in ARKIT_52 else name for name in order]
    zeros = ["0.000000"] * len(_ROTATIONS) if arkit else []
    if arkit:
        titles[len(ARKIT_52) : len(ARKIT_52)] = _ROTATIONS
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["Timecode", "BlendShapeCount", *titles])
    for index, weights in enumerate(animation.blendshape_weights):
        cells = [f"{weights[column]:.6f}" for column in columns]
        cells[len(ARKIT_52) : len(ARKIT_52)] = zeros
        table.writerow([_timecode(index, animation.fps), len(titles), *cells])
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")


def _timecode(frame: int, fps: int) -> str:
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"
