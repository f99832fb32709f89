"""The report's page: one HTML file with everything inside it and no outside host."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emoface_training.evaluation.columns import Column, columns, published_scale
from emoface_training.report.style import MEAN_FACE, Picture

TEMPLATE = "page.html"
BRIEF = ("lve_rms_mm", "eve_rms_mm", "fdd_m2", "face_rms_mm")
ROWS = {"mean": MEAN_FACE, "energy": "energy of the sound", "ground_truth": "ground truth"}


@dataclass(frozen=True)
class Section:
    """One part of the page. jitter: rows (model, what, mm or None); video: the bytes of an mp4."""

    key: str
    title: str
    words: list[str]
    pictures: list[Picture] = field(default_factory=list)
    jitter: list[tuple[str, str, float | None]] = field(default_factory=list)
    video: bytes | None = None

    @property
    def video_uri(self) -> str:
        return "data:video/mp4;base64," + base64.b64encode(self.video or b"").decode()


@dataclass(frozen=True)
class Table:
    """heads and rows as text; best: (row, column) of the best model's cells."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    best: set[tuple[int, int]] = field(default_factory=set)


def page(report: dict[str, Any], sections: list[Section], bars: Picture | None = None) -> str:
    """The page as HTML. bars: the figures by emotion as a picture."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8"))
    model = report["rows"]["model"]
    seen = report["styles"]["model"]
    return template.render(
        report=report,
        labels=[facts["label"] for facts in report["models"].values()],
        frames=model["frames"],
        seconds=model["frames"] / report["dataset"]["fps"],
        unseen=seen["unseen_clips"],
        overall=overall(report),
        groups={kind: by_group(report, kind) for kind in ("emotions", "levels")},
        styles=over_styles(report),
        models=model_facts(report),
        sections=sections,
        bars=bars,
        synthetic=report["dataset"]["kind"] == "synthetic",
        published_scale=published_scale(report),
    )


def label(report: dict[str, Any], row: str) -> str:
    """How the page names a row."""
    return report["models"][row]["label"] if row in report["models"] else ROWS.get(row, row)


def overall(report: dict[str, Any]) -> Table:
    """All figures, one per line, of every predictor, one per column; the best model of a line is marked."""
    shown = columns(report["rows"]["model"])
    names = list(report["rows"])
    rows = [[column.title, *(column.cell(report["rows"][name]) for name in names)] for column in shown]
    best = set()
    for line, column in enumerate(shown):
        winners = _best(report["rows"], list(report["models"]), column)
        best |= {(line, 1 + names.index(name)) for name in winners}
    return Table("", ["", *(label(report, name) for name in names)], rows, best)


def by_group(report: dict[str, Any], kind: str) -> list[Table]:
    """Per emotion or level: one table per measure, one row per group, one column per model and the mean face."""
    groups = report[kind]
    names = [*report["models"], "mean"]
    tables = []
    for column in columns(report["rows"]["model"]):
        if column.key not in BRIEF:
            continue
        rows, best = [], set()
        for line, (group, each) in enumerate(groups.items()):
            rows.append([group, str(each["clips"]), *(column.cell(each["rows"][name]) for name in names)])
            winners = _best(each["rows"], list(report["models"]), column)
            best |= {(line, 2 + names.index(name)) for name in winners}
        tables.append(Table(column.title, [kind[:-1], "clips", *(label(report, name) for name in names)], rows, best))
    return tables


def over_styles(report: dict[str, Any]) -> list[Table]:
    """Unseen subjects under every training style: per model mean, deviation, least and largest of each figure."""
    tables = []
    for name, styles in report["styles"].items():
        if "spread" not in styles:
            continue
        shown = [column for column in columns(report["rows"][name]) if column.key in styles["spread"]]
        rows = [
            [kind, *(column.cell({column.key: styles["spread"][column.key][kind]}) for column in shown)]
            for kind in ("mean", "std", "min", "max")
        ]
        title = f"{label(report, name)}: {styles['unseen_clips']} clips under each of {len(styles['by_style'])} styles"
        tables.append(Table(title, ["", *(column.title for column in shown)], rows))
    return tables


def model_facts(report: dict[str, Any]) -> Table:
    """What was measured, by digest."""
    rows = []
    for facts in report["models"].values():
        digest = facts.get("weights_sha256") or facts.get("package_sha256") or "-"
        latency = f"{facts['latency_ms']:.0f}" if "latency_ms" in facts else "-"
        cells = [facts[key] for key in ("label", "kind", "family", "precision")]
        rows.append([*cells, str(facts["styles"]), latency, digest[:12]])
    return Table("", ["model", "kind", "family", "precision", "styles", "latency ms", "sha256"], rows)


def _best(rows: dict[str, dict[str, Any]], models: list[str], column: Column) -> list[str]:
    """The models with the best figure as it is printed; none where there is one model or no better."""
    if column.less_is_better is None or len(models) < 2 or any(column.key not in rows[name] for name in models):
        return []
    pick = min if column.less_is_better else max
    best = column.form.format(pick(rows[name][column.key] for name in models))
    return [name for name in models if column.cell(rows[name]) == best]
