"""Which figures a table shows, in which order, and how each is written."""

from __future__ import annotations

from typing import Any, NamedTuple


class Column(NamedTuple):
    """key in a row of figures, title, format of the number, and whether less is better (None: neither)."""

    key: str
    title: str
    form: str
    less_is_better: bool | None = None

    def cell(self, row: dict[str, Any]) -> str:
        """The figure as text; a dash where the row lacks it."""
        return self.form.format(row[self.key]) if self.key in row else "-"


KNOWN = (
    Column("lve_m2", "LVE m2", "{:.3e}", True),
    Column("lve_rms_mm", "LVE rms mm", "{:.2f}", True),
    Column("eve_m2", "EVE m2", "{:.3e}", True),
    Column("eve_rms_mm", "EVE rms mm", "{:.2f}", True),
    Column("fdd_m2", "FDD m2", "{:+.2e}"),
    Column("face_rms_mm", "face mm", "{:.2f}", True),
    Column("jaw_correlation", "jaw r", "{:.3f}", False),
    Column("gap_correlation", "lip gap r", "{:.3f}", False),
    Column("closures", "p b m closed", "{:.3f}", False),
    Column("closure_precision", "precision", "{:.3f}", False),
    Column("free_closed", "free closed", "{:.3f}", True),
    Column("false_closures_per_10_s", "false / 10 s", "{:.2f}", True),
    Column("tucks", "f v tucked", "{:.3f}", False),
    Column("false_tucks", "free tucked", "{:.3f}", True),
    Column("pauses_closed", "pauses shut", "{:.3f}", False),
    Column("aperture", "aperture", "{:.3f}"),
    Column("rounding", "rounding", "{:.3f}"),
    Column("flutter", "flutter", "{:.4f}", True),
    Column("lag_ms", "lag ms", "{:+.0f}"),
)


NO_FIGURES = frozenset({"speech_s"})  # how much was measured


def published_scale(report: dict[str, Any]) -> str | None:
    """How published squared errors of this data compare, where its unit is no metre; older reports do not say."""
    square = report["dataset"].get("square_unit_in_m2", 1.0)
    if square == 1.0:
        return None
    return f"figures published in squares of this data's unit, times {square:.5f}, are the m2 here"


def columns(row: dict[str, Any]) -> list[Column]:
    """The known figures that a row has, then every other measured (float) one under its own name."""
    known = [column for column in KNOWN if column.key in row]
    names = {column.key for column in KNOWN} | NO_FIGURES
    others = [key for key, value in row.items() if isinstance(value, float) and key not in names]
    return known + [Column(key, key.replace("_", " "), "{:.3f}") for key in others]
