"""A report as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emoface_training.evaluation import disturbances, explicit_classes
from emoface_training.evaluation.columns import Column, columns, published_scale

WIDTH = 13
BRIEF = ("lve_rms_mm", "eve_rms_mm", "face_rms_mm")


def table(report: dict[str, Any]) -> str:
    """The report as text: one column per predictor, then models by class of phoneme, by emotion, by level and over the
    training styles."""
    model = report["rows"]["model"]
    lines = [
        f"{report['split']}: {report['clips']} clips, {model['frames']} frames, emotion {report['emotion']}"
        + (
            f"; {model['bilabials']} p b m, {model['free']} free consonants, {model['labiodentals']} f v, "
            f"{model['pauses']} pauses, {model['speech_s']:.0f} s of speech"
            if "bilabials" in model
            else ""
        ),
        "; ".join(
            [
                f"{name} mask {model[f'{name}_mask_sha256'][:12]}"
                for name in ("lips", "eyes_forehead")
                if f"{name}_mask_sha256" in model
            ]
            + ([f"closed below {report['closed_below_mm']:.2f} mm"] if "closed_below_mm" in report else [])
        )
        or "no masks: LVE and EVE need them (--masks)",
        *([scale] if (scale := published_scale(report)) else []),
        *([f"model: {report['models']['model']['label']}"] if len(report["models"]) > 1 else []),
        *_figures(columns(model), report["rows"]),
    ]
    lines += [_heard(name, heard) for name, heard in report.get("emotion_recognition", {}).items() if heard["clips"]]
    for name, classes in report.get("classes", {}).items():
        if name in report["models"]:
            lines += ["", *class_lines(name, classes)]
    for name, found in report.get("disturbed", {}).items():
        lines += ["", f"{name} under disturbances:", *disturbances.lines(found)]
    for name, found in report.get("told", {}).items():
        lines += ["", *explicit_classes.lines(name, found)]
    brief = [column for column in columns(model) if column.key in BRIEF]
    for kind in ("emotions", "levels"):
        groups = report.get(kind, {})
        if len(groups) > 1:
            named = [(f"{group} {row}", each["rows"][row]) for group, each in groups.items() for row in each["rows"]]
            named = [(name, row) for name, row in named if not name.endswith(("energy", "ground_truth"))]
            lines += ["", *_rows(f"by {kind[:-1]}", brief, named)]
    for name, styles in report.get("styles", {}).items():
        if "spread" in styles:
            lines += ["", *_spread(name, styles, columns(model))]
    return "\n".join(lines)


def _figures(shown: list[Column], rows: dict[str, dict[str, Any]]) -> list[str]:
    """One line per figure, one column per predictor."""
    first = max(len(column.title) for column in shown)
    widths = [max(WIDTH, len(name)) for name in rows]
    cells = [("", list(rows)), *((column.title, [column.cell(row) for row in rows.values()]) for column in shown)]
    return [
        " ".join([f"{title:>{first}}", *(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))])
        for title, line in cells
    ]


def _rows(corner: str, shown: list[Column], rows: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    cells = [[corner, *(column.title for column in shown)]]
    cells += [[name, *(column.cell(row) for column in shown)] for name, row in rows]
    first = max(WIDTH, *(len(line[0]) for line in cells))
    return [" ".join([f"{line[0]:>{first}}", *(f"{cell:>{WIDTH}}" for cell in line[1:])]) for line in cells]


def class_lines(name: str, classes: dict[str, dict[str, Any]]) -> list[str]:
    """Smallest gaps and closures by class of phoneme, the rules' own beside."""
    lines = [f"{name} by class of phoneme: share with closed lips (rules), median of the smallest gaps, mm (rules)"]
    for title, row in classes.items():
        lines.append(
            f"{title:>18}: {100 * row['closed']:5.1f} % ({100 * row['closed_rules']:.1f}) of {row['count']}, "
            f"{row['gap_mm']:.1f} ({row['gap_rules_mm']:.1f})"
        )
    return lines


def _heard(name: str, heard: dict[str, Any]) -> str:
    """How often a model hears the right emotion, without and with calibration."""
    text = f"{name} hears the emotion of {100 * heard['emotion_accuracy']:.1f} % of {heard['clips']} clips"
    if "calibrated_clips" in heard:
        text += (
            f"; calibrated {100 * heard['emotion_accuracy_calibrated']:.1f} % of {heard['calibrated_clips']} "
            f"(before {100 * heard['emotion_accuracy_before']:.1f} %)"
        )
    return text


def _spread(name: str, styles: dict[str, Any], shown: list[Column]) -> list[str]:
    """Rows mean, std, min and max of the unseen subjects' figures over the training styles."""
    found = styles["spread"]
    shown = [column for column in shown if column.key in found]
    rows = [(kind, {key: each[kind] for key, each in found.items()}) for kind in ("mean", "std", "min", "max")]
    title = f"{name}: {styles['unseen_clips']} clips of unseen subjects under each of {len(styles['by_style'])} styles"
    return [title, *_rows("", shown, rows)]
