"""The ablation programme: rows and seeds on one budget, each run finished, resumed or refused by what its folder holds.

OUT holds `budget.json` (what all rows share, with hashes), `face.npz` (the decimation), `features/`, `rows/NAME/seedN/`
(a run folder as `emoface train` writes it, and `result.json` once measured), `results.json` and `table.md`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emoface_training.ablation import face as faces
from emoface_training.ablation import measures, results
from emoface_training.ablation.features import audio_hash, encoder_hash, split_features
from emoface_training.ablation.plan import BUDGET_FILE, Plan, Row
from emoface_training.ablation.task import RowTask, Split
from emoface_training.clips.store import ClipStore
from emoface_training.errors import OptionsError
from emoface_training.loop import stage_loop
from emoface_training.loop.processes import Processes, use_threads
from emoface_training.models.checkpoint import differences
from emoface_training.motion.targets import Face
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.runs import training_run
from emoface_training.runs.run_folder import claim
from emoface_training.runs.run_folder import write as write_text

BUDGET, FACE, RESULT = "budget.json", "face.npz", "result.json"
FORMAT = 1


@dataclass
class Programme:
    """Everything that rows share, in memory. encoders: the checkpoint folder that every row starts from."""

    plan: Plan
    out: Path
    face: Face
    styles: tuple[str, ...]
    encoders: Path
    splits: dict[str, Split]
    threads: int
    processes: Processes

    @property
    def train(self) -> Split:
        return self.splits["train"]

    def folder(self, row: Row, seed: int) -> Path:
        return self.out / "rows" / row.name / f"seed{seed}"

    def run(self, row: Row, seed: int) -> dict[str, Any]:
        """Train and measure one row with one seed; what its folder already holds is not done again."""
        folder = self.folder(row, seed)
        chosen = row.options(self.plan.budget, seed)
        resolved = json.loads(json.dumps(chosen.to_dict()))
        if (folder / RESULT).is_file():
            done = json.loads((folder / RESULT).read_text())
            _same_row(folder, done["options"], resolved)
            return done
        claim(folder, chosen, "b", resume=True)
        model = training_run.new_model(chosen, self.styles, self.face, self.train.store)
        training_run.load_encoders(model, self.encoders)
        model.to(self.processes.device)
        validation = self.splits["validation"]
        task = RowTask(model, self.train.features, validation, self.face, chosen.stage_b, seed)
        totals = stage_loop.run(task, folder, self.threads, resume=True, processes=self.processes)
        model.eval()
        emotion = self.plan.budget.emotion
        result = {
            "row": row.name,
            "seed": seed,
            "options": resolved,
            "steps": totals["steps"],
            "training_seconds": totals["seconds"],
            "training": _last_training_figures(folder),
            "splits": {
                name: measures.split_figures(model, self.splits[name], self.face, emotion)
                for name in self.plan.budget.splits
            },
            "validation": measures.explanations(model, validation, self.face, emotion),
        }
        write_text(folder / RESULT, json.dumps(result, indent=1) + "\n")
        return result


def ablate(
    plan: Plan,
    dataset: Any,
    face: Face,
    encoders: Path,
    out: Path,
    seeds: int | None = None,
    threads: int = 1,
    progress: Callable[[str], Callable[[Iterable], Iterable]] = lambda label: lambda items: items,
    processes: Processes | None = None,
) -> dict[str, Any]:
    """Run what is missing of a plan and return what `results.json` holds.

    dataset: as `Corpus` and every dataset class offer it; face: its rig or face. encoders: a checkpoint folder. seeds:
    how many for every row, in place of the rows' own numbers. progress: a bar by label. processes: where to compute
    (default: the CPU).
    Raises OptionsError for a folder of another budget and for several processes, CheckpointError for encoders that do
    not fit, TrainingInterrupted after saving.
    """
    use_threads(threads)
    processes = processes or Processes()
    if processes.count > 1:
        raise OptionsError(
            f"{processes.count} processes", "one", "Run rows apart (--rows NAME) in processes of their own."
        )
    programme = prepare(plan, dataset, face, Path(encoders), Path(out), threads, progress, processes)
    runs = plan.runs(seeds)
    for number, (row, seed) in enumerate(runs, start=1):
        done = (programme.folder(row, seed) / RESULT).is_file()
        print(
            f"row {number} of {len(runs)}: {row.name}, seed {seed}{' (done before)' if done else ''}", file=sys.stderr
        )
        programme.run(row, seed)
        summary = results.write(programme.out, plan)
    return summary


def prepare(
    plan: Plan,
    dataset: Any,
    face: Face,
    encoders: Path,
    out: Path,
    threads: int,
    progress: Callable[[str], Callable[[Iterable], Iterable]],
    processes: Processes,
) -> Programme:
    """Read the splits, decimate the face, encode what is not encoded yet, and claim the folder for this budget."""
    budget = plan.budget
    first = plan.rows[0].options(budget, seed=1)
    named = {"train": first.train_split, "validation": first.validation_split} | {name: name for name in budget.splits}
    decimation = _decimation(plan, face, out)
    if decimation is not None:
        face = faces.decimated(face, decimation)
    styles = tuple(dataset.actors)
    stores = {}
    for name, split in named.items():
        references = progress(f"reading {split}")(dataset.clips(split))
        store = ClipStore.load(references, training_run.corpus_fps(dataset), len(styles))
        stores[name] = store if decimation is None else faces.decimated_store(store, decimation)

    def encoded(row: Row) -> TalkingModel:
        model = training_run.new_model(row.options(budget, 1), styles, face, stores["train"])
        training_run.load_encoders(model, encoders)
        return model

    # A row that cannot be built, or of another width than the encoders, fails before anything trains
    models = {row.name: encoded(row) for row in plan.rows}
    shared = encoded(Row(BUDGET_FILE, 0, {}))
    _check_encoders(models, shared)
    shared.to(processes.device)
    facts = {
        "format": FORMAT,
        "budget": json.loads(json.dumps(asdict(budget))),
        "face": {"vertices": len(face.template), "sha256": faces.face_hash(face), "masks": measures.masks_of(face)},
        "encoders": encoder_hash(shared),
        "data": {name: _facts(store) for name, store in stores.items()},
    }
    _claim_budget(out, facts)
    if decimation is not None and not (out / FACE).is_file():
        decimation.save(out / FACE)
    splits = {}
    for name, store in stores.items():
        features = split_features(shared, store, out / "features", name, progress(f"encoding {named[name]}"))
        chosen = range(len(store.clips)) if name == "train" else _spread(len(store.clips), budget.clips)
        splits[name] = Split(features, list(chosen))
    _write_mean_face(out, budget.splits, splits, face)
    return Programme(plan, out, face, styles, encoders, splits, threads, processes)


def _check_encoders(models: dict[str, TalkingModel], shared: TalkingModel) -> None:
    """Raises OptionsError for a row whose encoders are not the budget's own."""
    for name, model in models.items():
        for stage, encoder in model.encoders.items():
            if stage not in shared.encoders or shared.encoders[stage].config != encoder.config:
                raise OptionsError(
                    f"row {name} with another {stage} than the budget's",
                    "the same",
                    "All rows share features that are computed once.",
                )


def _decimation(plan: Plan, face: Face, out: Path) -> faces.Decimation | None:
    """The folder's own where there is one, so that another version of the library cannot change a begun programme."""
    if plan.budget.face_vertices is None:
        return None
    if (out / FACE).is_file():
        return faces.Decimation.load(out / FACE)
    return faces.decimate(face, plan.budget.face_vertices, plan.budget.face_roughness_mm)


def _spread(count: int, wanted: int) -> list[int]:
    if wanted >= count:
        return list(range(count))
    return [round(i * (count - 1) / max(1, wanted - 1)) for i in range(wanted)]


def _facts(store: ClipStore) -> dict[str, Any]:
    return {"clips": len(store.clips), "seconds": round(store.seconds, 2), "audio_sha256": audio_hash(store)}


def _claim_budget(out: Path, facts: dict[str, Any]) -> None:
    """Write the budget, or refuse a folder that was begun under another one: its rows could not be compared."""
    path = out / BUDGET
    if path.is_file():
        before = json.loads(path.read_text())
        for where, (expected, got) in differences(before, facts).items():
            raise OptionsError(
                f"{where} = {got}",
                f"{expected}, with which the rows in {out} were made",
                "One table has one budget; restore it, or give another --out.",
            )
        return
    if out.exists() and any(out.iterdir()):
        raise OptionsError(f"{out}, which is no ablation's folder", "a new or empty one", "Give another --out.")
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(facts, indent=1) + "\n")


def _same_row(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    for where, (expected, got) in differences(before, now).items():
        raise OptionsError(
            f"{where} = {got}",
            f"{expected}, with which {folder} was trained and measured",
            "Restore the row's file, or move that folder away.",
        )


def _last_training_figures(folder: Path) -> dict[str, float]:
    """The losses of the last logged training steps."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    last = [row for row in rows if row["kind"] == "train"][-1:]
    return {key: value for row in last for key, value in row.items() if isinstance(value, float)}


def _write_mean_face(out: Path, names: tuple[str, ...], splits: dict[str, Split], face: Face) -> None:
    path = out / results.MEAN_FACE
    if path.is_file():
        return
    clips = splits["train"].store.clips
    figures = {name: measures.mean_face_figures(clips, splits[name], face) for name in (*names, "validation")}
    write_text(path, json.dumps(figures, indent=1) + "\n")
