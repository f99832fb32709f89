"""The programme: rows finish once, go on after an interruption to the same figures, and never mix two budgets."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_plan import FACEFORMER, ROWS, Sphere, ablate, write_encoders, write_plan

from emoface.cli.main import main
from emoface_training.ablation import results, run
from emoface_training.ablation.task import RowTask
from emoface_training.errors import CheckpointError, OptionsError, TrainingInterrupted
from emoface_training.loop.processes import Processes


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A plan, its encoders, and the folder of the whole programme, FaceFormer included."""
    root = tmp_path_factory.mktemp("ablation")
    place, encoders = write_plan(root / "plan", ROWS | {"faceformer": FACEFORMER}), write_encoders(root / "encoders")
    ablate(place, encoders, root / "out")
    return place, encoders, root / "out"


def _figures(out: Path, name: str, seed: int) -> tuple:
    result = json.loads((out / "rows" / name / f"seed{seed}" / "result.json").read_text())
    return result["splits"], result["validation"]


def test_every_run_is_measured(finished: tuple[Path, Path, Path]) -> None:
    out = finished[2]
    summary = json.loads((out / "results.json").read_text())
    assert [(row["row"], row["seeds"]) for row in summary["rows"]] == [
        ("whole", [1, 2]),
        ("add", [1]),
        ("faceformer", [1]),
    ]
    whole = summary["rows"][0]["splits"]["test_words"]["lve_m2"]
    values = [_figures(out, "whole", seed)[0]["test_words"]["lve_m2"] for seed in (1, 2)]
    assert values[0] != values[1]
    assert whole["mean"] == pytest.approx(np.mean(values)) and whole["sd"] == pytest.approx(np.std(values, ddof=1))
    assert "content_branch_lve" in summary["rows"][0]["validation"]
    assert "content_branch_lve" not in summary["rows"][2]["validation"]  # one branch, which is the output
    assert ["resting_lve" in row["validation"] for row in summary["rows"]] == [True, False, False]
    assert summary["mean_face"]["test_words"]["lve_m2"] > 0
    table = (out / "table.md").read_text()
    assert "| whole | 2 |" in table and "4.8863 / 0.9509" in table and "mean face" in table


def test_finished_rows_are_not_done_again(
    finished: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place, encoders, out = finished
    monkeypatch.setattr(run.stage_loop, "run", None)
    monkeypatch.setattr(run.measures, "split_figures", None)
    ablate(place, encoders, out)
    assert capsys.readouterr().err.count("(done before)") == 4
    ablate(place, encoders, out, names=["add"])
    assert [row["row"] for row in json.loads((out / "results.json").read_text())["rows"]] == ["add"]


def test_an_interrupted_row_ends_with_the_same_figures(
    finished: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, encoders, whole = finished
    out, loss = tmp_path / "out", RowTask.loss

    def interrupted(self, step, *arguments):  # type: ignore[no-untyped-def]
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, step, *arguments)

    monkeypatch.setattr(RowTask, "loss", interrupted)
    with pytest.raises(TrainingInterrupted):
        ablate(place, encoders, out, names=["whole"], seeds=1)
    monkeypatch.setattr(RowTask, "loss", loss)
    assert not (out / "rows" / "whole" / "seed1" / "result.json").exists()
    ablate(place, encoders, out, names=["whole"], seeds=1)
    assert _figures(out, "whole", 1) == _figures(whole, "whole", 1)


def test_another_budget_is_refused(finished: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, encoders, out = finished
    before = (out / "results.json").read_text()
    cases = [({"clips": 2}, r"budget\.clips = 2; expected 3"), ({"splits": ["validation"]}, r"budget\.splits")]
    for number, (change, message) in enumerate(cases):
        with pytest.raises(OptionsError, match=message):
            ablate(write_plan(tmp_path / str(number), **change), encoders, out)
    other = write_encoders(tmp_path / "other", seed=6)
    with pytest.raises(OptionsError, match="encoders = "):
        ablate(finished[0], other, out)
    with pytest.raises(OptionsError, match=r"got face\."):
        ablate(finished[0], encoders, out, face=Sphere())
    assert (out / "results.json").read_text() == before


def test_a_row_that_changed_is_refused(finished: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, encoders, out = finished
    change = ROWS["add"]["change"] | {"stage_b": {"max_frames": 12}}
    changed = {"add": ROWS["add"] | {"change": change}}
    with pytest.raises(OptionsError, match="max_frames = 12; expected 24"):
        ablate(write_plan(tmp_path / "plan", changed), encoders, out)


def test_folders_that_are_something_else(tmp_path: Path) -> None:
    place, encoders = write_plan(tmp_path / "plan"), write_encoders(tmp_path / "encoders")
    with pytest.raises(OptionsError, match="no ablation's folder"):
        ablate(place, encoders, encoders)
    assert sorted(path.name for path in encoders.iterdir()) == ["config.json", "model.safetensors"]


def test_encoders_that_do_not_fit(tmp_path: Path) -> None:
    place = write_plan(tmp_path / "plan")
    with pytest.raises(CheckpointError, match="do not fit"):
        ablate(place, write_encoders(tmp_path / "wide", hidden_size=48), tmp_path / "out")
    with pytest.raises(CheckpointError, match="expected a checkpoint folder"):
        ablate(place, tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_share_the_budgets_encoders(tmp_path: Path) -> None:
    row = {"order": 1, "tables": {"T": "x"}, "change": {"model": {"content_encoder": {"left": 5}}}}
    with pytest.raises(OptionsError, match="row x with another content_encoder"):
        ablate(write_plan(tmp_path / "plan", {"x": row}), write_encoders(tmp_path / "encoders"), tmp_path / "out")


def test_one_process_alone(finished: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="2 processes"):
        ablate(*finished[:2], tmp_path / "out", processes=Processes(count=2))


def test_a_decimated_programme_keeps_its_face(tmp_path: Path) -> None:
    place = write_plan(tmp_path / "plan", {"add": ROWS["add"]}, face_vertices=30, face_roughness_mm={"lips": 1.0})
    encoders, out = write_encoders(tmp_path / "encoders"), tmp_path / "out"
    summary = ablate(place, encoders, out, face=Sphere())
    facts = summary["budget"]["face"]
    assert facts["vertices"] == len(np.load(out / "face.npz")["kept"]) < 40
    assert facts["masks"]["lips"]["vertices"] > 0
    shutil.rmtree(out / "rows")
    again = ablate(place, encoders, out, face=Sphere())
    assert again["rows"][0]["splits"] == summary["rows"][0]["splits"]


def test_table_of_hand_computed_rows() -> None:
    def row(name: str, values: list[float], paper: dict | None) -> dict:
        figure = results.spread(values)
        split = {key: figure for key in ("lve_m2", "eve_m2", "lve_rms_mm", "eve_rms_mm")}
        return {
            "row": name,
            "tables": {"Table 3": name},
            "paper": paper,
            "seeds": list(range(len(values))),
            "training_seconds": figure,
            "training_loss": figure,
            "splits": {"test_words": split},
            "validation": {"free_lve": figure, "one_step_lve": figure, "lips_gain": figure},
        }

    assert results.spread([1e-5, 3e-5]) == pytest.approx(
        {"mean": 2e-5, "sd": 2**0.5 * 1e-5, "least": 1e-5, "most": 3e-5}
    )
    mean = {"lve_m2": 1e-5, "eve_m2": 2e-5, "lve_rms_mm": 3.0, "eve_rms_mm": 4.0}
    rows = [row("a", [1e-5, 3e-5], {"lve": 4.0, "eve": 1.0}), row("b", [2e-5], None)]
    lines = results.markdown({"rows": rows, "mean_face": {"test_words": mean}}).splitlines()
    assert any(line.startswith("| a | 2 | 2.000 ± 1.414 / 2.000 ± 1.414 |") for line in lines)
    assert any(line.startswith("| b | 1 | 2.000 / 2.000 |") and line.endswith("|  |") for line in lines)
    assert "| (the mean face, always) |  | 1.000 / 2.000 | 3.000 / 4.000 |  |" in lines


def test_command_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, encoders = write_plan(tmp_path / "plan"), write_encoders(tmp_path / "encoders")
    common = ["ablate", str(place), "--data", str(tmp_path), "--encoders", str(encoders), "--out", str(tmp_path / "o")]
    for more, code, message in (
        (["--rows", "nobody"], 2, "'nobody'"),
        (["--seeds", "0"], 2, "--seeds 0"),
        ([], 3, "without corpus.json"),
    ):
        assert main([*common, *more]) == code
        assert message in capsys.readouterr().err
    assert yaml.safe_load((place / "add.yaml").read_text()) == ROWS["add"]
