"""Tables 2 to 4 of the paper: what was measured here beside what is printed there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emoface_training.paper.plan import EMOFACE, FACEFORMER, PaperRow
from emoface_training.runs.run_folder import write as write_text

TABLES = "tables.md"
SCALE = 1e5  # the paper prints 1e-5 m^2 (and calls it mm)
# Table 2: LVE, EVE on VOCASET and on 3D-RAVDESS
PUBLISHED = {
    "VOCA": (4.9245, None, None, None),
    "MeshTalk": (4.5441, None, None, None),
    "FaceFormer": (4.1090, 0.4858, 5.8462, 1.4149),
    "CodeTalker": (3.9445, 0.5074, 15.6160, 3.4675),
    "EmoTalk": (3.7798, 0.4862, 6.6076, 1.5994),
    "SelfTalk": (3.2238, 0.4562, 6.2560, 1.5685),
    "TalkingStyle": (3.5245, 0.4686, 5.9737, 1.4471),
    "EmoFace": (2.8669, 0.4664, 4.8863, 0.9509),
}
_OURS = {"FaceFormer": FACEFORMER, "EmoFace": EMOFACE}
_NOTE = (
    "LVE / EVE in 1e-5 m^2 (what the paper prints as 1e-5 mm), smaller is better; RMS: their roots in mm. Models hear "
    "the emotion from the voice alone. Subjects that were not trained on are driven with the mean of the training "
    'styles; "every style": mean ± deviation over the training styles one by one. One run a row: how far two seeds lie '
    "apart is not in it."
)


def test_splits(dataset: Any) -> list[str]:
    """The splits that are measured, the unseen subjects last."""
    return [split for split in dataset.splits if split.startswith("test_")]


def write(out: Path, dataset: Any, rows: list[PaperRow]) -> str:
    """Write `tables.md` of the rows that are measured; returns it."""
    measured = {}
    for row in rows:
        path = out / "rows" / row.name / "evaluation.json"
        if path.is_file():
            measured[row.name] = json.loads(path.read_text())
    splits = test_splits(dataset)
    parts = [f"# The paper's tables on {dataset.title}", _NOTE, _table_2(measured, splits, dataset.title)]
    names = sorted({table for row in rows for table in row.tables})
    for table in names:
        own = [row for row in rows if table in row.tables and row.name != FACEFORMER]
        if any(row.name in measured for row in own):
            parts.append(_ablations(table, own, measured, splits))
    text = "\n\n".join(parts) + "\n"
    write_text(out / TABLES, text)
    return text


def _table_2(measured: dict[str, Any], splits: list[str], title: str) -> str:
    head = ["", "paper: VOCASET", "paper: 3D-RAVDESS"]
    for split in splits:
        head += [f"here: {title}, {split}", "RMS mm", "every style"]
    lines = ["**Table 2**", "", *_head(head)]
    for method, (voca_lve, voca_eve, ravdess_lve, ravdess_eve) in PUBLISHED.items():
        cells = [method, _printed(voca_lve, voca_eve), _printed(ravdess_lve, ravdess_eve)]
        lines.append(_line(cells + _cells(measured.get(_OURS.get(method, "")), splits)))
    mean = measured.get(EMOFACE) or measured.get(FACEFORMER)
    lines.append(_line(["(the mean face, always)", "", "", *_cells(mean, splits, "mean")]))
    return "\n".join(lines)


def _ablations(table: str, rows: list[PaperRow], measured: dict[str, Any], splits: list[str]) -> str:
    head = ["", "paper: 3D-RAVDESS", *(cell for split in splits for cell in (f"here: {split}", "RMS mm"))]
    lines = [f"**{table}**", "", *_head(head)]
    for row in rows:
        cells = [row.tables[table], _printed(row.paper["lve"], row.paper["eve"]) if row.paper else ""]
        for split in splits:
            cells += _cells(measured.get(row.name), [split])[:2]
        lines.append(_line(cells))
    return "\n".join(lines)


def _cells(found: dict[str, Any] | None, splits: list[str], row: str = "model") -> list[str]:
    """LVE / EVE, their roots, and over the styles, for every split."""
    cells = []
    for split in splits:
        if found is None:
            cells += ["", "", ""]
            continue
        report = found[split]
        figures = report["rows"][row]
        cells.append(_pair(figures, "m2", SCALE))
        cells.append(_pair(figures, "rms_mm", 1.0))
        spread = report["styles"]["model"].get("spread") if row == "model" else None
        cells.append("" if spread is None else " / ".join(_spread(spread[f"{name}_m2"]) for name in ("lve", "eve")))
    return cells


def _pair(figures: dict[str, Any], unit: str, scale: float) -> str:
    return " / ".join(f"{scale * figures[f'{name}_{unit}']:.4g}" for name in ("lve", "eve"))


def _spread(figure: dict[str, float]) -> str:
    return f"{SCALE * figure['mean']:.4g} ± {SCALE * figure['std']:.2g}"


def _printed(lve: float | None, eve: float | None) -> str:
    return "" if lve is None else " / ".join(f"{value:.4f}" if value is not None else "-" for value in (lve, eve))


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), _line(["---"] * len(cells))]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
