"""The one sample type of every dataset, and the face it moves.

A dataset class offers `fps`, `actors` (the training subjects, one style each), `splits` and `clips(split)`, a list of
references whose `load()` gives a `Clip`. Motion is either rig parameters (the synthetic corpus, kept small in memory)
or vertices (every recorded dataset, left in their memory-mapped file until a window of them is needed).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from emoface_training.errors import DatasetError

from .synthetic.phonemes import Segment


@functools.lru_cache(maxsize=64)  # bounded: every entry holds a file open
def open_rows(path: Path) -> np.ndarray:
    """A .npy file as memory-mapped rows [N, 3V]. Raises DatasetError when it is no such array."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}, which cannot be read ({error})", "a .npy array", "Copy it again.") from None
    if rows.ndim == 3 and rows.shape[2] == 3:
        rows = rows.reshape(len(rows), -1)
    if rows.ndim != 2 or rows.shape[1] % 3 or rows.dtype.kind != "f":
        raise DatasetError(
            f"{path} with {rows.dtype} {rows.shape}",
            "float vertices [frames, 3 V] or [frames, V, 3]",
            "Export the vertices of one sequence again.",
        )
    return rows


@dataclass(frozen=True)
class VertexMotion:
    """Vertices of one clip: rows of a memory-mapped .npy file, and the subject's neutral face.

    rows: int64 [T], the file's rows at the dataset's frame rate. template: float32 [V, 3], in the dataset's unit.
    """

    path: Path
    rows: np.ndarray
    template: np.ndarray

    @property
    def frames(self) -> int:
        return len(self.rows)

    def offsets(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Offsets from the template, float32 [n, V, 3] in the dataset's unit.

        Raises DatasetError naming the file for another vertex count and for NaN or infinite vertices.
        """
        file = open_rows(self.path)
        if file.shape[1] != self.template.size:
            raise DatasetError(
                f"{self.path} with {file.shape[1] // 3} vertices",
                f"the template's {len(self.template)}",
                "All sequences of a dataset share one topology.",
            )
        chosen = self.rows[start:stop]
        vertices = np.asarray(file[chosen], np.float32).reshape(-1, *self.template.shape)
        if not np.isfinite(vertices).all():
            bad = chosen[~np.isfinite(vertices).all((1, 2))]
            raise DatasetError(
                f"{self.path} with NaN or infinite vertices in row {bad[0]}",
                "finite ones",
                "Repair or remove that sequence (`emoface data check` lists all of them).",
            )
        return vertices - self.template


class Clip(NamedTuple):
    """One utterance.

    audio: float32 [N] at 16 kHz. parameters: rig parameters float32 [T, P], T = floor(fps N / 16000), or [T, 0] where
    the motion is `vertices`. emotion: 0..7 in the corpus' order or 8 (unknown); level: 0 normal, 1 strong.
    `actor_index` is the style of a training actor and -1 otherwise; `statement` numbers what is said (-1: unknown), so
    that takes of one statement with different emotions pair up. `speaker` names the voice ("" where unknown).
    """

    audio: np.ndarray
    parameters: np.ndarray
    phonemes: list[Segment]
    emotion: int
    level: int
    actor: str
    actor_index: int
    statement: int
    text: str
    vertices: VertexMotion | None = None
    speaker: str = ""


class ClipReference(Protocol):
    """A clip that is not yet in memory."""

    def load(self) -> Clip: ...


@dataclass(frozen=True)
class DatasetFace:
    """The face of a recorded dataset.

    template float32 [V, 3] in the dataset's unit, faces int32 [F, 3] in the order of the topology's file (the spirals
    depend on it), masks as vertex indices by region, unit_in_metres the length of the unit, colours float32 [V, 3].
    """

    template: np.ndarray
    faces: np.ndarray
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    unit_in_metres: float = 1.0
    colours: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """What a package's `face.npz` is made of."""
        colours = {} if self.colours is None else {"colours": self.colours}
        return (
            {"template": self.template, "faces": self.faces}
            | colours
            | {f"mask_{name}": np.asarray(indices, np.int32) for name, indices in self.masks.items()}
        )
