"""Which dataset lies in a folder, and how to open it for the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emoface_training.errors import DatasetError

from .biwi import Biwi
from .corpus import DESCRIPTION, Corpus
from .ravdess import Ravdess3D
from .vertex_dataset import VertexDataset
from .vocaset import Vocaset, VocasetRaw

RECORDED: dict[str, type[VertexDataset]] = {dataset.kind: dataset for dataset in (VocasetRaw, Vocaset, Biwi, Ravdess3D)}
KINDS = (*RECORDED, "synthetic")


def detect_kind(root: str | Path) -> str:
    """The kind of dataset in a folder, by the files it has. Raises DatasetError, naming the layouts, when none fits."""
    root = Path(root)
    if (root / DESCRIPTION).is_file():
        return "synthetic"
    if (root / "data_verts.npy").is_file():
        return VocasetRaw.kind
    for path in sorted((root / "vertices_npy").glob("*.npy")):
        for dataset in (Ravdess3D, Biwi, Vocaset):
            try:
                dataset.parse(path.stem)
            except DatasetError:
                continue
            return dataset.kind
    layouts = "; ".join(f"{dataset.kind}: {dataset.layout}" for dataset in RECORDED.values())
    raise DatasetError(
        f"{root}, which is no known dataset",
        f"one of: {layouts}; synthetic: {DESCRIPTION}",
        "See docs/datasets.md, or name the layout with --kind.",
    )


def open_for_training(
    root: str | Path, kind: str | None = None, masks: str | Path | None = None, partial: bool = False
) -> tuple[Any, Any]:
    """A dataset and the face it moves: (`Corpus`, its rig) or (`VertexDataset`, its `DatasetFace`).

    kind: None to find it out. Raises DatasetError or CorpusError for what cannot be used.
    """
    if kind is None:
        recorded = (Path(root) / "vertices_npy").is_dir() or (Path(root) / "data_verts.npy").is_file()
        kind = detect_kind(root) if recorded else "synthetic"
    if kind == "synthetic":
        if masks is not None:
            raise DatasetError("--masks with the synthetic corpus", "none", "Its face has its own masks.")
        from .synthetic.rig import Rig

        return Corpus.open(root), Rig.load()
    dataset = RECORDED[kind].open(root, masks, partial)
    return dataset, dataset.face
