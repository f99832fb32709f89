"""Rows that are finished, as one table: mean and spread over seeds, beside the paper's figures."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from emoface_training.ablation.plan import Plan, Row
from emoface_training.runs.run_folder import write as write_text

RESULTS, TABLE, MEAN_FACE = "results.json", "table.md", "mean_face.json"
FIGURES = ("lve_m2", "eve_m2", "lve_rms_mm", "eve_rms_mm", "fdd_m2")
SCALE = 1e5  # the papers print 1e-5 m^2


def write(out: Path, plan: Plan) -> dict[str, Any]:
    """Collect what the folder's runs measured into `results.json` and `table.md`; returns the former."""
    rows = [summary for row in plan.rows if (summary := collect(out, row)) is not None]
    summary = {
        "budget": json.loads((out / "budget.json").read_text()),
        "mean_face": json.loads((out / MEAN_FACE).read_text()),
        "rows": rows,
    }
    write_text(out / RESULTS, json.dumps(summary, indent=1) + "\n")
    write_text(out / TABLE, markdown(summary))
    return summary


def collect(out: Path, row: Row) -> dict[str, Any] | None:
    """One row over its finished seeds; None before the first."""
    paths = sorted((out / "rows" / row.name).glob("seed*/result.json"))
    runs = sorted((json.loads(path.read_text()) for path in paths), key=lambda run: run["seed"])
    if not runs:
        return None
    splits = {
        split: {
            name: spread([run["splits"][split][name] for run in runs])
            for name in FIGURES
            if name in runs[0]["splits"][split]
        }
        for split in runs[0]["splits"]
    }
    validation = {name: spread([run["validation"][name] for run in runs]) for name in runs[0]["validation"]}
    loss = spread([run["training"].get("loss", float("nan")) for run in runs])
    return {
        "row": row.name,
        "tables": row.tables,
        "paper": row.paper,
        "seeds": [run["seed"] for run in runs],
        "steps": runs[0]["steps"],
        "training_seconds": spread([run["training_seconds"] for run in runs]),
        "training_loss": loss,
        "splits": splits,
        "validation": validation,
    }


def spread(values: list[float]) -> dict[str, float]:
    """mean, sd (of the sample; 0 for one value), least and most of the values."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": deviation, "least": min(values), "most": max(values)}


def markdown(summary: dict[str, Any]) -> str:
    """The table of every group of rows, and one of what explains them."""
    parts = []
    for table in sorted({name for row in summary["rows"] for name in row["tables"]}):
        parts.append(_table(table, [row for row in summary["rows"] if table in row["tables"]], summary))
    return "\n".join([*parts, _explanations(summary["rows"])])


def _table(name: str, rows: list[dict[str, Any]], summary: dict[str, Any]) -> str:
    splits = list(rows[0]["splits"])
    head = ["", "seeds", *(f"{split}: LVE / EVE, 1e-5 m^2" for split in splits)]
    head += [*(f"{split}: RMS mm" for split in splits), "paper: LVE / EVE"]
    lines = [f"**{name}**", "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [row["tables"][name], str(len(row["seeds"]))]
        cells += [_pair(row["splits"][split], "m2", SCALE) for split in splits]
        cells += [_pair(row["splits"][split], "rms_mm", 1.0) for split in splits]
        paper = row["paper"]
        lines.append(_line([*cells, f"{paper['lve']:.4f} / {paper['eve']:.4f}" if paper else ""]))
    mean = {split: {k: {"mean": v, "sd": 0.0} for k, v in summary["mean_face"][split].items()} for split in splits}
    cells = [_pair(mean[split], unit, scale) for unit, scale in (("m2", SCALE), ("rms_mm", 1.0)) for split in splits]
    lines.append(_line(["(the mean face, always)", "", *cells, ""]))
    return "\n".join(lines) + "\n"


def _explanations(rows: list[dict[str, Any]]) -> str:
    head = ["validation", "LVE free / one step ahead", "EVE free / one step ahead", "LVE content / emotion branch"]
    head += ["LVE / EVE, halves for Mesh Attention", "w_e lips / upper face / spread"]
    head += ["lips: L1 mm", "gain", "jitter", "eyes, forehead: L1 mm", "gain", "standing", "training s"]
    lines = ["**What explains them** (validation clips; LVE and EVE in 1e-5 m^2)", "", _line(head)]
    lines.append(_line(["---"] * len(head)))
    for row in rows:
        v = row["validation"]

        def pair(*names: str, v: dict[str, Any] = v) -> str:
            return " / ".join(_cell(v.get(name), SCALE) for name in names)

        cells = [row["row"], pair("free_lve", "one_step_lve"), pair("free_eve", "one_step_eve")]
        cells.append(pair("content_branch_lve", "emotion_branch_lve"))
        cells.append(pair("resting_lve", "resting_eve"))
        cells.append(" / ".join(_cell(v.get(f"weight_{name}"), 1.0) for name in ("lips", "eyes_forehead", "spread")))
        cells += [_cell(v.get(f"lips_{key}"), 1.0) for key in ("l1_mm", "gain", "jitter")]
        cells += [_cell(v.get(f"eyes_forehead_{key}"), 1.0) for key in ("l1_mm", "gain", "standing")]
        lines.append(_line([*cells, f"{row['training_seconds']['mean']:.0f}"]))
    return "\n".join(lines) + "\n"


def _pair(figures: dict[str, Any], unit: str, scale: float) -> str:
    return " / ".join(_cell(figures.get(f"{name}_{unit}"), scale) for name in ("lve", "eve"))


def _cell(figure: dict[str, float] | None, scale: float) -> str:
    if figure is None:
        return "-"
    text = f"{figure['mean'] * scale:.3f}"
    return f"{text} ± {figure['sd'] * scale:.3f}" if figure["sd"] else text


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
