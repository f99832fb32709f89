"""The commands `emoface train` and `emoface eval`: parsing, exit codes, messages."""

import json
from pathlib import Path

import pytest
import yaml
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface.cli.main import main
from emoface.errors import EmoFaceError
from emoface_training.data import corpus as corpus_module
from emoface_training.data.synthetic import rig as rig_module
from emoface_training.errors import TrainingInterrupted


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A config file; corpus and rig are the tests' own."""
    monkeypatch.setattr(corpus_module.Corpus, "open", lambda _: ToneCorpus(3))
    monkeypatch.setattr(rig_module.Rig, "load", lambda: TinyRig())
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(tiny_options(2).to_dict()))))
    return path


def test_train_then_eval(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    arguments = ["train", str(tiny), "--data", "corpus", "--out", str(run), "--max-steps", "1"]
    assert main(arguments) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["stage_a"]["steps"] == summary["stage_b"]["steps"] == 1
    assert main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["eval", str(run / "stage_b"), "corpus", "--clips", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["split"] == "test_voice" and report["rows"]["model"]["frames"] == 45


def test_fusion_and_scheme_reach_the_run(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", str(tiny), "--data", "corpus", "--out", str(run), "--stage", "b", "--max-steps", "1"]
    assert main([*arguments, "--fusion", "add", "--scheme", "teacher-forcing"]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["stage_b"]["scheme"] == "teacher-forcing"
    arguments[5] = str(tmp_path / "second")
    assert main([*arguments, "--encoders", str(run / "stage_b")]) == 0
    assert json.loads((tmp_path / "second" / "summary.json").read_text())["encoders_from"] == "stage_b"
    arguments[5] = str(tmp_path / "third")
    assert main([*arguments, "--fusion", "add", "--model", str(run / "stage_b")]) == 0
    assert json.loads((tmp_path / "third" / "summary.json").read_text())["model_from"] == "stage_b"
    arguments[5] = str(tmp_path / "fourth")
    assert main([*arguments, "--model", str(run / "stage_b")]) == 2
    assert json.loads((run / "stage_b" / "config.json").read_text())["mesh_attention"]["fusion"] == "add"


def changed(path: Path, stage_b: dict) -> str:
    data = yaml.safe_load(path.read_text())
    data["stage_b"] |= stage_b
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_mistakes_are_named_with_exit_code_2(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rest = ["--data", "corpus", "--out", str(tmp_path / "run")]
    assert main(["train", str(tmp_path / "none.yaml"), *rest]) == 2
    assert "none.yaml" in capsys.readouterr().err
    assert main(["train", changed(tiny, {"learning_rat": 1.0}), *rest]) == 2
    assert "stage_b.learning_rat" in capsys.readouterr().err
    assert main(["eval", str(tmp_path / "none"), "corpus"]) == 2
    assert "config.json" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_held_out_split_is_refused_on_the_command_line(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = yaml.safe_load(tiny.read_text()) | {"train_split": "test_voice"}
    tiny.write_text(yaml.safe_dump(data))
    assert main(["train", str(tiny), "--data", "corpus", "--out", str(tmp_path / "run")]) == 2
    assert "held out" in capsys.readouterr().err


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    from emoface_training import errors

    text = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text()
    table = text.split("| exception of training")[1].split("## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")
    ]
    found = {k: v for k, v in vars(errors).items() if getattr(v, "__module__", "") == errors.__name__}
    assert all(issubclass(error, EmoFaceError) for error in found.values())
    listed = {}
    for names, _, _, code in rows:
        listed |= dict.fromkeys(names.replace("`", "").split(", "), code)
    assert listed.pop("TrainingInterrupted") == "130, 143"
    assert [TrainingInterrupted(number, "after step 1", "run").exit_code for number in (2, 15)] == [130, 143]
    assert listed == {name: str(found[name].exit_code) for name in found if name != "TrainingInterrupted"}
