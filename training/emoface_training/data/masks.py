"""Vertex masks for the papers' metrics, from the files researchers have (`--masks FILE`).

What the metrics need is `lips` (LVE) and `eyes_forehead` (EVE, FDD); every mask of the file ends up in the package.

- `.json`: {"lips": [vertex, ...], "eyes_forehead": [...]}.
- `.npz`: one array per mask, integer vertex indices, or booleans [V].
- `.pkl`: FLAME's published `FLAME_masks.pkl`, by region name; `eyes_forehead` is then its `forehead` and `eye_region`.
- a folder with `lve.txt` and `fdd.txt`, the comma-separated indices published for BIWI (`lips`, `eyes_forehead`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emoface_training.errors import DatasetError

from .restricted_pickle import read_pickle

FLAME_UPPER_FACE = ("forehead", "eye_region")
TEXT_FILES = {"lips": "lve.txt", "eyes_forehead": "fdd.txt"}
# Looked for in a dataset's folder when no --masks is given
USUAL_NAMES = ("masks.json", "masks.npz", "FLAME_masks.pkl", "regions")


def read_masks(path: Path, vertices: int) -> dict[str, np.ndarray]:
    """Vertex indices int32, sorted, by mask name.

    Raises DatasetError for a file of another form, without `lips`, or with indices outside 0..vertices - 1.
    """
    path = Path(path)
    raw = _read(path)
    if "eyes_forehead" not in raw and all(name in raw for name in FLAME_UPPER_FACE):
        raw = dict(raw) | {"eyes_forehead": np.concatenate([np.ravel(raw[name]) for name in FLAME_UPPER_FACE])}
    masks = {str(name): _indices(path, str(name), value, vertices) for name, value in raw.items()}
    if "lips" not in masks:
        raise DatasetError(
            f"{path} with masks {sorted(masks)}",
            "`lips` (and `eyes_forehead`) among them",
            "See docs/datasets.md, masks.",
        )
    return masks


def find_masks(root: Path) -> Path | None:
    """A file of masks that lies in the dataset's folder under a usual name."""
    return next((root / name for name in USUAL_NAMES if (root / name).exists()), None)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.is_dir():
            files = {name: path / file for name, file in TEXT_FILES.items() if (path / file).is_file()}
            return {
                name: [int(part) for part in file.read_text().replace(",", " ").split()] for name, file in files.items()
            }
        if path.suffix == ".json":
            data = json.loads(path.read_text())
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                data = {name: stored[name] for name in stored.files}
        elif path.suffix == ".pkl":
            data = read_pickle(path)
        else:
            raise ValueError("its name ends in none of .json, .npz, .pkl and it is no folder")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path}, which cannot be read ({error})", "a file of masks", "See docs/datasets.md, masks."
        ) from None
    if not isinstance(data, Mapping):
        raise DatasetError(f"{path} with a {type(data).__name__}", "masks by name", "See docs/datasets.md.")
    return data


def _indices(path: Path, name: str, value: Any, vertices: int) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype == bool and array.shape == (vertices,):
        array = np.flatnonzero(array)
    array = np.unique(array.ravel()) if array.dtype.kind in "iu" else array
    if array.dtype.kind not in "iu" or not len(array) or array[0] < 0 or array[-1] >= vertices:
        numbers = array.dtype.kind in "iu" and len(array)
        found = f"indices {array[0]}..{array[-1]}" if numbers else f"{len(array)} {array.dtype} values"
        raise DatasetError(
            f"{path}, mask {name!r} with {found}",
            f"vertex indices 0..{vertices - 1}",
            "Use the masks of this dataset's own topology.",
        )
    return array.astype(np.int32)
