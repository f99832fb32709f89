"""The plan of configs/ablations is the paper's two tables; wrong plans are refused by name."""

from pathlib import Path

import pytest
from tiny_plan import ROWS, write_plan

from emoface_training.ablation import plan
from emoface_training.errors import OptionsError

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "ablations"
TABLE_4 = {
    (1, 5, 3): (5.3472, 1.1495),
    (1, 9, 3): (5.2177, 1.1089),
    (1, 18, 3): (4.7527, 1.0244),
    (2, 18, 3): (4.8863, 0.9509),
    (4, 18, 3): (5.1323, 1.1390),
    (2, 18, 1): (5.3476, 1.1715),
    (2, 18, 2): (5.5372, 1.2144),
}
TABLE_3 = {
    "emoface": (4.8863, 0.9509),
    "teacher_forcing": (5.3898, 1.6794),
    "add": (10.742, 1.0965),
    "faceformer": (5.8462, 1.4149),
    "own_schedule": None,
}


def test_rows_are_the_papers_tables() -> None:
    rows = {row.name: row for row in plan.load(CONFIGS).rows if not row.name.startswith("explain_")}
    assert len(rows) == len(TABLE_3) + len(TABLE_4) - 1  # EmoFace is a row of both
    for name, printed in TABLE_3.items():
        assert rows[name].seeds == 3
        assert rows[name].paper == (printed and dict(zip(("lve", "eve"), printed, strict=True)))
    budget = plan.load(CONFIGS).budget
    found = {}
    for row in rows.values():
        if any(table.startswith("Table 4") for table in row.tables):
            mesh = row.options(budget, 1).model["mesh_attention"]
            found[mesh["dilation"], mesh["kernel"], mesh["delta"]] = (row.paper["lve"], row.paper["eve"])
            assert row.seeds == (3 if row.name == "emoface" else 1)
    assert found == TABLE_4


def test_rows_change_what_they_say_and_nothing_else() -> None:
    loaded = plan.load(CONFIGS)
    rows = {row.name: row.options(loaded.budget, 2) for row in loaded.rows}
    whole = rows["emoface"]
    for name, chosen in rows.items():
        assert chosen.seed == 2 and chosen.stage_b.max_steps == whole.stage_b.max_steps
        stage = chosen.stage_b
        if name not in ("own_schedule", "explain_rollouts", "explain_late_fusion"):  # the paper's schemes to the letter
            assert (stage.rollout_from, stage.fusion_from) == (1.0, 0.0)
        assert not stage.loss_regions and not stage.frame_gains and stage.loss_vertices == 0
        assert (stage.loss_self, stage.loss_cross, stage.loss_velocity) == (1e3, 1e3, 500)
        assert chosen.model["decoder"] == whole.model["decoder"]
        assert chosen.model["content_encoder"] == whole.model["content_encoder"]
    schemes = {name: chosen.stage_b.scheme for name, chosen in rows.items()}
    assert schemes.pop("teacher_forcing") == "teacher-forcing"
    assert schemes.pop("faceformer") == schemes.pop("explain_autoregressive") == "autoregressive"
    assert set(schemes.values()) == {"self-growing"}
    fusions = [name for name, chosen in rows.items() if chosen.model.get("mesh_attention", {}).get("fusion") == "add"]
    assert fusions == ["add"]
    assert "mesh_attention" not in rows["faceformer"].model


def test_first_seeds_come_first(tmp_path: Path) -> None:
    loaded = plan.load(write_plan(tmp_path))
    assert [(row.name, seed) for row, seed in loaded.runs()] == [("whole", 1), ("add", 1), ("whole", 2)]
    assert [(row.name, seed) for row, seed in loaded.runs(2)] == [("whole", 1), ("add", 1), ("whole", 2), ("add", 2)]


def test_one_file_is_one_row(tmp_path: Path) -> None:
    write_plan(tmp_path)
    assert [row.name for row in plan.load(tmp_path / "add.yaml").rows] == ["add"]
    assert [row.name for row in plan.load(tmp_path, ["whole"]).rows] == ["whole"]


def test_merged() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert plan.merged(base, {"a": {"b": 5, "e": 6}, "d": None}) == {"a": {"b": 5, "c": 2, "e": 6}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


@pytest.mark.parametrize(
    ("rows", "budget", "names", "message"),
    [
        (None, {}, ["whole", "nobody"], "'nobody'.*whole, add"),
        ({}, {}, None, "no rows"),
        ({"x": {"order": 1}}, {}, None, r"x\.yaml without tables"),
        ({"x": ROWS["add"] | {"colour": 1}}, {}, None, "colour"),
        ({"x": ROWS["add"] | {"change": {"stage_b": {"stepps": 1}}}}, {}, None, "stepps"),
        ({"x": ROWS["add"] | {"change": {"stage_b": {"scheme": "hope"}}}}, {}, None, "hope"),
        ({"x": ROWS["add"] | {"change": {"stage_b": {"freeze_encoders_for": 0.5}}}}, {}, None, "freeze_encoders_for"),
        ({"x": ROWS["add"] | {"change": {"stage_b": None}}}, {}, None, "without stage_b"),
        (None, {"emotion": "guessed"}, None, "guessed"),
        (None, {"splits": []}, None, "splits"),
        (None, {"clips": 0}, None, "clips 0"),
        (None, {"minutes": 3}, None, "minutes"),
    ],
)
def test_wrong_plans(tmp_path: Path, rows: dict | None, budget: dict, names: list | None, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        plan.load(write_plan(tmp_path, rows, **budget), names)


def test_places_that_are_no_plan(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OptionsError, match=r"budget\.yaml"):
            plan.load(place)
    write_plan(tmp_path)
    (tmp_path / "add.yaml").write_text("[1, 2]")
    with pytest.raises(OptionsError, match="list at the top"):
        plan.load(tmp_path)
    (tmp_path / "add.yaml").write_text("a: [")
    with pytest.raises(OptionsError, match="no YAML"):
        plan.load(tmp_path)
