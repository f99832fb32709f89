"""`make paper`: a folder of recorded data to checkpoints, tables, Figure 4 and packages; again, and it goes on."""

import json
import shutil
from pathlib import Path

import layouts
import pytest

import tiny
from emoface_training.errors import TrainingInterrupted
from emoface_training.models import checkpoint
from emoface_training.paper import __main__ as command
from emoface_training.paper import run as paper_run
from emoface_training.paper.plan import paper_rows

CONFIGS = tiny.ROOT / "configs"
SIZES = {
    name: getattr(tiny.ENCODER, name)
    for name in ("hidden_size", "num_attention_heads", "intermediate_size", "conv_dim", "conv_kernel", "conv_stride")
} | {"num_conv_pos_embeddings": 8, "num_feat_extract_layers": 5, "num_hidden_layers": 1}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A folder of wav2vec2-base's form, tiny."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("encoder")
    Wav2Vec2Model(Wav2Vec2Config(**tiny.TINY_WAV2VEC2 | SIZES)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vocaset(tmp_path_factory):
    return layouts.write_vocaset(tmp_path_factory.mktemp("data") / "vocaset")


def arguments(data: Path, out: Path, encoder: Path, *more: str) -> list[str]:
    given = [str(data), "--out", str(out), "--content", str(encoder), "--configs", str(CONFIGS), "--cpu"]
    return [*given, "--max-steps", "1", "--clips", "1", "--no-video", *more]


@pytest.fixture
def exported(monkeypatch) -> list[str]:
    """Names of the packages that would be written: exporting takes a minute, and has tests of its own."""
    names = []

    def export(line):
        assert line[0] == "export" and checkpoint.load(Path(line[1]))[1].hears_whole_clips
        names.append(Path(line[3]).name)
        Path(line[3]).write_bytes(b"")
        return 0

    monkeypatch.setattr(command, "emoface", export)
    return names


def test_the_whole_flow_goes_on_where_it_was_stopped(vocaset, encoder, tmp_path, monkeypatch, capsys, exported):
    out = tmp_path / "out"
    rows = ("--rows", "emoface", "faceformer", "mesh_d1_k5_t3")
    train = paper_run.training_run.train

    def stopped(options, *others, **named):
        if options.model.get("family") == "faceformer":
            raise TrainingInterrupted(15, "after step 1", str(out))
        return train(options, *others, **named)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(paper_run.training_run, "train", stopped)
        assert command.main(arguments(vocaset, out, encoder, *rows)) == 128 + 15
    first = out / "rows" / "emoface" / "evaluation.json"
    written = first.stat().st_mtime_ns
    assert "| EmoFace | 2.8669 / 0.4664 | 4.8863 / 0.9509 |" in (out / "tables.md").read_text()
    capsys.readouterr()
    assert command.main(arguments(vocaset, out, encoder, *rows)) == 0
    printed = capsys.readouterr()
    assert "row 1 of 3: emoface (done before)" in printed.err and "row 2 of 3: faceformer\n" in printed.err
    assert first.stat().st_mtime_ns == written and exported == ["emoface.emoface", "faceformer.emoface"]
    assert (out / "figure4.png").read_bytes() == (out / "report" / "figures" / "weight_map.png").read_bytes()
    for name in ("emoface", "faceformer", "mesh_d1_k5_t3"):
        report = json.loads((out / "rows" / name / "evaluation.json").read_text())["test_unseen"]
        assert report["clips"] == 1 and ("spread" in report["styles"]["model"]) is (name != "mesh_d1_k5_t3")
        lve = f"{1e5 * report['rows']['model']['lve_m2']:.4g} / "
        assert lve in printed.out and lve in (out / "tables.md").read_text()
    config = checkpoint.load_weights(out / "rows" / "mesh_d1_k5_t3" / "stage_b")[1]
    assert (config.mesh_attention.dilation, config.mesh_attention.kernel, config.mesh_attention.delta) == (1, 5, 3)
    # Another limit would make another table
    assert command.main([*arguments(vocaset, out, encoder, *rows), "--max-steps", "2"]) == 2
    assert "stage_b.max_steps = 2" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["ravdess", "biwi"])
def test_other_layouts_come_to_tables_and_packages(kind, encoder, tmp_path, exported):
    data, out = layouts.WRITERS[kind](tmp_path / "data"), tmp_path / "out"
    assert command.main(arguments(data, out, encoder, "--rows", "emoface")) == 0
    report = json.loads((out / "rows" / "emoface" / "evaluation.json").read_text())
    assert set(report) >= ({"test_seen", "test_unseen"} if kind == "biwi" else {"test_unseen"})
    for split, measured in report.items():
        row = measured["rows"]["model"]
        assert row["lve_m2"] > 0 and row["eve_m2"] > 0, split
        assert f"{1e5 * row['lve_m2']:.4g} / {1e5 * row['eve_m2']:.4g}" in (out / "tables.md").read_text()
    assert exported == ["emoface.emoface"]


@pytest.mark.parametrize("kind", ["ravdess", "biwi"])
def test_rows_are_the_papers(kind, encoder):
    rows = {row.name: row for row in paper_rows(CONFIGS, kind, encoder, encoder, {})}
    assert list(rows)[:2] == ["emoface", "faceformer"] and len(rows) == 10
    assert all(row.options.stage_b.max_epochs == 100 for row in rows.values())
    emoface, faceformer = rows["emoface"].options, rows["faceformer"].options
    assert emoface.model["whole_clips"] and emoface.model["mesh_attention"] == {"kernel": 18, "dilation": 2, "delta": 3}
    assert rows["add"].options.model["mesh_attention"]["fusion"] == "add"
    assert rows["teacher_forcing"].options.stage_b.scheme == "teacher-forcing"
    assert emoface.stage_b.pairs is emoface.stage_b.classification is (kind == "ravdess")
    assert faceformer.model["resampling"] == ("none" if kind == "biwi" else "before-transformer")
    assert emoface.model["decoder"]["width"] == faceformer.model["decoder"]["width"] == (128 if kind == "biwi" else 64)
    assert {row.name for row in rows.values() if "Table 3" in row.tables} == {
        *("emoface", "faceformer", "teacher_forcing", "add")
    }


def test_encoders_with_a_band_make_models_that_stream(encoder, tmp_path):
    banded = shutil.copytree(encoder, tmp_path / "banded")
    data = json.loads((banded / "config.json").read_text())
    data |= {"emoface": {"left": 10, "right": [2], "position_right": 0, "group_norm_statistics": "fixed"}}
    (banded / "config.json").write_text(json.dumps(data))
    rows = {row.name: row.options.model for row in paper_rows(CONFIGS, "vocaset", banded, banded, {})}
    assert rows["emoface"]["whole_clips"] is False
    assert rows["faceformer"]["resampling"] == "after-transformer"


def test_bad_input(vocaset, encoder, tmp_path, capsys):
    def refused(code: int, words: str, data: Path = vocaset, *more: str, content: Path = encoder) -> None:
        assert command.main(arguments(data, tmp_path / "out", content, *more)) == code
        assert words in capsys.readouterr().err

    (tmp_path / "empty").mkdir()
    refused(3, "no known dataset", tmp_path / "empty")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.json").write_text("{}")
    refused(3, "emoface ablate", tmp_path / "corpus")
    fewer = shutil.copytree(vocaset, tmp_path / "fewer")
    for path in (fewer / "vertices_npy").glob("FaceTalk_170728_03272_TA*"):
        path.unlink()
    refused(3, "FaceTalk_170728_03272_TA", fewer)
    blank = shutil.copytree(vocaset, tmp_path / "blank")
    (blank / "FLAME_masks.pkl").unlink()
    refused(3, "MASKS=FILE", blank, "--rows", "emoface")
    refused(2, "row 'emofaces'", vocaset, "--rows", "emofaces")
    refused(2, "config.json", content=tmp_path / "empty")
    assert not (tmp_path / "out").exists()
