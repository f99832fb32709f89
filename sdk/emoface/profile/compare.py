"""Two profiles side by side, for a deployer's continuous integration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoface.errors import UsageError
from emoface.profile.report import figures

# What must be equal for a difference to mean something. Libraries and the package are what one wants to compare.
_SAME_SETTINGS = ("backend", "precision", "threads", "voices", "block_ms", "sample_rate", "audio")
_SAME_MACHINE = ("cpu", "cores", "usable_cores", "gpus")
# Shown but not judged: single events, and what depends on the disk and on what ran before.
_NOT_JUDGED = ("step max, ms", "load, ms", "build, ms", "memory at the peak, MB", "memory growth, MB")
# Smaller differences are noise whatever their share: half a frame of a display is a hundred times as much.
_NEGLIGIBLE = {"ms": 0.05, "MB": 2.0, "": 0.0005}


@dataclass(frozen=True)
class Row:
    """One figure of two runs; smaller is better.

    Attributes:
        change: after / before - 1; None where either is missing or `before` is 0.
        regression: judged, worse by more than the limit and by more than noise.
    """

    name: str
    before: float | None
    after: float | None
    change: float | None
    regression: bool


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What makes two reports incomparable: machine and settings, as "what: before, after"."""
    found = []
    for part, keys in (("settings", _SAME_SETTINGS), ("machine", _SAME_MACHINE)):
        for key in keys:
            if a[part][key] != b[part][key]:
                found.append(f"{part}.{key}: {a[part][key]!r} and {b[part][key]!r}")
    return found


def compare(
    a: Mapping[str, Any], b: Mapping[str, Any], limit: float | None = None, allow_different: bool = False
) -> list[Row]:
    """Figures of the reports `a` (before) and `b` (after).

    Args:
        a, b: reports as `read_report` gives them.
        limit: share by which a judged figure may grow; None judges nothing.
        allow_different: compare runs of different machines or settings nevertheless.

    Raises:
        UsageError: different machines or settings.
    """
    different = differences(a, b)
    if different and not allow_different:
        raise UsageError(
            "; ".join(different),
            "two runs on the same machine with the same settings",
            "Profile both alike, or add --allow-different.",
        )
    before, after = figures(a), figures(b)
    rows = [_row(name, before.get(name), after.get(name), limit) for name in dict.fromkeys((*before, *after))]
    if a["accuracy"] is not None and b["accuracy"] is not None:
        broken = [float(not report["accuracy"]["passed"]) for report in (a, b)]
        worse = limit is not None and broken[1] > broken[0]
        rows.append(Row("golden vectors not reproduced", broken[0], broken[1], None, worse))
    return rows


def _row(name: str, before: float | None, after: float | None, limit: float | None) -> Row:
    if before is None or after is None:
        return Row(name, before, after, None, False)
    change = after / before - 1 if before > 0 else None
    unit = name.rpartition(", ")[2] if ", " in name else ""
    judged = limit is not None and name not in _NOT_JUDGED
    noise = after - before <= _NEGLIGIBLE[unit]
    worse = judged and not noise and (change is None or change > (limit or 0.0))
    return Row(name, before, after, change, worse)


def describe_rows(rows: list[Row]) -> list[str]:
    """The comparison as lines of text."""
    lines = [f"{'':<34} {'before':>10} {'after':>10} {'change':>8}"]
    for row in rows:
        numbers = " ".join("         -" if value is None else f"{value:10.4g}" for value in (row.before, row.after))
        change = "        " if row.change is None else f"{row.change:+8.1%}"
        lines.append(f"{row.name:<34} {numbers} {change}{'  REGRESSION' if row.regression else ''}".rstrip())
    return lines


def notes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What differs without making the comparison void: package, libraries, length."""
    found = []
    if a["package"]["sha256"] != b["package"]["sha256"]:
        names = [f"{report['package']['name']} ({report['package']['sha256'][:12]})" for report in (a, b)]
        found.append(f"different packages: {names[0]} and {names[1]}")
    before, after = a["machine"]["libraries"], b["machine"]["libraries"]
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            found.append(f"{name}: {before.get(name, 'none')} and {after.get(name, 'none')}")
    if a["settings"]["seconds"] != b["settings"]["seconds"]:
        found.append(f"{a['settings']['seconds']:g} s and {b['settings']['seconds']:g} s of audio")
    return found


def parse_limit(text: str) -> float:
    """ "10%" or "10" -> 0.1; UsageError for anything else."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise UsageError(f"--fail-above {text!r}", "a percentage, for example 10%", "Write --fail-above 10%.")
    return value / 100
