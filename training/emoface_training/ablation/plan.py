"""What `emoface ablate` reads: one budget that all rows share, and one file per row that says what it changes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emoface_training import options
from emoface_training.errors import OptionsError
from emoface_training.options import TrainingOptions

BUDGET_FILE = "budget.yaml"


@dataclass(frozen=True)
class Budget:
    """What every row shares.

    training: the configuration that rows change. face_vertices: about that many vertices of the decimated face (null:
    the whole face); face_roughness_mm: see `face.decimate`. splits: measured, `clips` evenly spread clips of each;
    emotion: "auto" (not given) or "given".
    """

    training: dict[str, Any]
    face_vertices: int | None = None
    face_roughness_mm: dict[str, float] = field(default_factory=dict)
    splits: tuple[str, ...] = ("test_words", "test_voice")
    clips: int = 80
    emotion: str = "auto"

    def __post_init__(self) -> None:
        if self.emotion not in ("auto", "given"):
            raise OptionsError(f"emotion {self.emotion!r}", "auto or given", f"Correct {BUDGET_FILE}.")
        if not self.splits or self.clips < 1:
            raise OptionsError(
                f"splits {list(self.splits)} and clips {self.clips}", "at least one of each", f"Correct {BUDGET_FILE}."
            )


@dataclass(frozen=True)
class Row:
    """One ablation. name: its file's stem. tables: table -> label in it. paper: LVE and EVE in 1e-5 m^2, if printed.

    change: merged into the budget's training section, see `merged`.
    """

    name: str
    order: int
    tables: dict[str, str]
    change: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1
    paper: dict[str, float] | None = None

    def options(self, budget: Budget, seed: int) -> TrainingOptions:
        """The resolved configuration of one run. Raises OptionsError for a change that makes no configuration."""
        data = merged(budget.training, self.change) | {"seed": seed}
        chosen = options.parse(data)
        if chosen.stage_b is None:
            raise OptionsError(f"row {self.name} without stage_b", "one", "Rows train the decoders.")
        if chosen.stage_b.freeze_encoders_for < 1.0:
            raise OptionsError(
                f"row {self.name} with freeze_encoders_for {chosen.stage_b.freeze_encoders_for}",
                "1.0",
                "All rows share features that are computed once.",
            )
        return chosen


@dataclass(frozen=True)
class Plan:
    budget: Budget
    rows: tuple[Row, ...]

    def runs(self, seeds: int | None = None) -> list[tuple[Row, int]]:
        """(row, seed): every row's first seed before any row's second. seeds: that many for every row."""
        counts = {row.name: row.seeds if seeds is None else seeds for row in self.rows}
        most = max(counts.values(), default=0)
        return [(row, seed) for seed in range(1, most + 1) for row in self.rows if seed <= counts[row.name]]


def load(place: Path, names: list[str] | None = None) -> Plan:
    """The plan of a folder (`budget.yaml` and a file per row), or of one row's file beside the budget.

    names: only these rows. Raises OptionsError for what is missing, unknown or no mapping.
    """
    place = Path(place)
    folder = place if place.is_dir() else place.parent
    if not place.exists() or not (folder / BUDGET_FILE).is_file():
        raise OptionsError(
            f"{place}",
            f"a folder with {BUDGET_FILE} and a file per row, or one of these files",
            "Give configs/ablations.",
        )
    if place.is_dir():
        files = sorted(path for path in folder.glob("*.yaml") if path.name != BUDGET_FILE)
    else:
        files = [place] if place.name != BUDGET_FILE else []
    rows = tuple(sorted((_row(path) for path in files), key=lambda row: (row.order, row.name)))
    if not rows:
        raise OptionsError(f"{place}, which has no rows", "a YAML file per row", "See configs/ablations.")
    if names is not None:
        known = [row.name for row in rows]
        for name in names:
            if name not in known:
                raise OptionsError(f"row {name!r}", f"one of {', '.join(known)}", "Correct --rows.")
        rows = tuple(row for row in rows if row.name in names)
    data = mapping(folder / BUDGET_FILE)
    if "splits" in data:
        data["splits"] = tuple(data["splits"])
    budget = _build(Budget, data, folder / BUDGET_FILE)
    plan = Plan(budget, rows)
    for row in rows:
        row.options(budget, seed=1)  # a row that cannot be built fails before the first one trains
    return plan


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with the changes: mappings are merged, null takes a key away, other values replace. Neither is touched."""
    out = dict(base)
    for key, value in change.items():
        if value is None:
            out.pop(key, None)
            continue
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def _row(path: Path) -> Row:
    return _build(Row, {"name": path.stem} | mapping(path), path)


def mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises OptionsError for another."""
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise OptionsError(
            f"{path}, which is no YAML ({error})", "a mapping of option to value", "Correct it."
        ) from None
    if not isinstance(data, dict):
        raise OptionsError(f"{type(data).__name__} at the top of {path}", "a mapping", "See configs/ablations.")
    return data


def _build(cls: type, data: dict[str, Any], path: Path) -> Any:
    required = {
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    for name in sorted(required - data.keys()):
        raise OptionsError(f"{path} without {name}", "it", "Add that field.")
    return options.build(cls, data, str(path))
