"""The experiments of the EmoFace paper on one dataset: rows trained and measured, tables, Figure 4, packages.

OUT holds `data.json` (what everything in it was made with), `rows/NAME/` (`row.yaml`, a run as `emoface train` writes
it, and `evaluation.json` once measured), `report/` (EmoFace beside FaceFormer), `figure4.png`, `packages/` and
`tables.md`. What is finished is not done again.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoface_training.errors import CheckpointError, DatasetError, OptionsError
from emoface_training.evaluation import on_dataset
from emoface_training.evaluation.measured_models import CheckpointModel
from emoface_training.loop.processes import Processes, use_threads
from emoface_training.measures.vertices import mask_hash
from emoface_training.models import checkpoint
from emoface_training.models.checkpoint import differences
from emoface_training.paper import tables
from emoface_training.paper.plan import EMOFACE, FACEFORMER, PaperRow
from emoface_training.report.folder import FIGURES, PICTURES
from emoface_training.report.write import ReportWriter
from emoface_training.runs import training_run
from emoface_training.runs.run_folder import write as write_text

FACTS, CONFIGURATION, EVALUATION, REPORT, FIGURE = "data.json", "row.yaml", "evaluation.json", "report", "figure4.png"
CLIPS_SHOWN = 3
REGIONS = ("lips", "eyes_forehead")

Bar = Callable[[str], Callable[[Iterable], Iterable]]
Export = Callable[[Path, Path], int]
"""A checkpoint folder and the package to write -> exit code."""


@dataclass
class Paper:
    """Everything that rows share. export: writes a package; video: whether the report has one."""

    rows: list[PaperRow]
    dataset: Any
    face: Any
    out: Path
    export: Export
    threads: int = 1
    clips: int | None = None
    video: bool = True
    processes: Processes | None = None
    bar: Bar = lambda label: lambda items: items
    progress: on_dataset.Progress = lambda label, items, total: items

    def run(self) -> int:
        """Do what is missing; returns an exit code.

        Raises OptionsError for a folder that was begun with other data, rows or limits, and what training and
        evaluation raise; TrainingInterrupted after saving.
        """
        use_threads(self.threads)
        self.processes = self.processes or Processes()
        self._claim()
        self._writer()  # what it needs and is not installed is named before days of training
        for number, row in enumerate(self.rows, start=1):
            _say(f"row {number} of {len(self.rows)}: {row.name}", (self._folder(row) / EVALUATION).is_file())
            self._train(row)
            self._measure(row)
            tables.write(self.out, self.dataset, self.rows)
        names = [row.name for row in self.rows if row.name in (EMOFACE, FACEFORMER)]
        if EMOFACE in names:
            _say("report and Figure 4", (self.out / FIGURE).is_file())
            self._report(names)
        for name in names:
            package = self.out / "packages" / f"{name}.emoface"
            _say(f"package {package.name}", package.is_file())
            if not package.is_file():
                package.parent.mkdir(exist_ok=True)
                if code := self.export(self._checkpoint(name), package):
                    return code
        tables.write(self.out, self.dataset, self.rows)
        return 0

    def _folder(self, row: PaperRow) -> Path:
        return self.out / "rows" / row.name

    def _checkpoint(self, name: str) -> Path:
        return self.out / "rows" / name / "stage_b"

    def _claim(self) -> None:
        """Write what everything here is made with, or refuse a folder that was begun with something else."""
        missing = [name for name in REGIONS if name not in self.face.masks]
        if missing:
            raise DatasetError(
                f"{self.dataset.root} without masks of {' and '.join(missing)}",
                "both regions: LVE and EVE are measured there",
                "Give MASKS=FILE (--masks): see docs/datasets.md.",
            )
        facts = {
            "dataset": self.dataset.kind,
            "clips": {split: len(self.dataset.clips(split)) for split in self.dataset.splits},
            "subjects": list(self.dataset.actors),
            "vertices": len(self.face.template),
            "masks": {name: mask_hash(self.face.masks[name]) for name in REGIONS},
            "clips_measured": self.clips,
        }
        _same(self.out / FACTS, facts, self.out)
        for row in self.rows:
            _same(self._folder(row) / CONFIGURATION, row.configuration, self.out, row.text)

    def _train(self, row: PaperRow) -> None:
        """Train the row, or go on; a measured row has been trained."""
        if (self._folder(row) / EVALUATION).is_file():
            return
        training_run.train(
            row.options,
            self.dataset,
            self.face,
            self._folder(row),
            "b",
            resume=True,
            threads=self.threads,
            progress=self.bar("reading clips"),
            processes=self.processes,
        )

    def _measure(self, row: PaperRow) -> None:
        """Every test split; the models of Table 2 under every training style besides."""
        path = self._folder(row) / EVALUATION
        if path.is_file():
            return
        styles: on_dataset.Styles = "every" if row.name in (EMOFACE, FACEFORMER) else "mean"
        found = {}
        for split in tables.test_splits(self.dataset):
            request = on_dataset.Request(split, "auto", self.clips, styles)
            found[split] = on_dataset.evaluate(
                [self._model(row.name)], self.dataset, self.face, request, progress=self.progress
            )
        write_text(path, json.dumps(found, indent=1) + "\n")

    def _model(self, name: str) -> CheckpointModel:
        folder = self._checkpoint(name)
        return CheckpointModel(checkpoint.load(folder)[0], name, folder)

    def _writer(self) -> ReportWriter:
        return ReportWriter(CLIPS_SHOWN, folder=self.out / REPORT, emotion="auto")

    def _report(self, names: list[str]) -> None:
        """EmoFace beside FaceFormer; Figure 4 is the report's map of Mesh Attention's weights."""
        if (self.out / FIGURE).is_file():
            return
        folder = self.out / REPORT
        if not (folder / FIGURES).is_file():
            watcher = self._writer()
            request = on_dataset.Request(tables.test_splits(self.dataset)[-1], "auto", self.clips, "mean")
            models = [self._model(name) for name in names]
            report = on_dataset.evaluate(models, self.dataset, self.face, request, watcher, self.progress)
            watcher.write(report, self.face, self.video, self.progress)
        drawn = folder / PICTURES / "weight_map.png"
        if not drawn.is_file():
            raise CheckpointError(f"{folder} without {drawn.name}", "a whole report", f"Remove {folder} and go on.")
        fresh = self.out / (FIGURE + ".tmp")
        shutil.copyfile(drawn, fresh)
        fresh.replace(self.out / FIGURE)


def _same(path: Path, now: dict[str, Any], out: Path, text: str | None = None) -> None:
    """Write a mapping, or refuse another one than is there. text: how it is written, where not as JSON."""
    now = json.loads(json.dumps(now))
    if not path.is_file():
        write_text(path, json.dumps(now, indent=1) + "\n" if text is None else text)
        return
    import yaml  # of which JSON is a part

    for where, (before, got) in differences(yaml.safe_load(path.read_text()), now).items():
        raise OptionsError(
            f"{where} = {got!r}",
            f"{before!r}, with which {path} was made",
            f"Go on with that, or give another folder than {out} (OUT=, --out).",
        )


def _say(what: str, done: bool) -> None:
    print(f"{what}{' (done before)' if done else ''}", file=sys.stderr, flush=True)
