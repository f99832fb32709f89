"""`emoface data check`: counts as the papers' tables, and every mistake by name; training refuses what it lists."""

import json
import shutil
from pathlib import Path

import layouts
import numpy as np
import pytest
import soundfile

from emoface.cli.main import main
from emoface_training.data.check import check
from emoface_training.data.masks import read_masks
from emoface_training.data.vocaset import Vocaset, VocasetRaw
from emoface_training.errors import DatasetError

SUBJECT = "FaceTalk_170725_00137_TA"
TAKE = f"{SUBJECT}_sentence03"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return layouts.write_vocaset(tmp_path / "data")


def problems(root: Path, **options: object) -> list[str]:
    return check(root, **options).problems


def test_ravdess_counts_are_those_of_table_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(layouts.write_ravdess(tmp_path / "data"))]) == 0
    text = capsys.readouterr().out
    for line in (
        "subjects               24",
        "gender ratio           12:12",
        "texts                  1",
        "emotions               neutral, angry",
        "sequences              48",
        "fps                    30",
        "split ratio            40:4:4",
        "vertices               42",
        "no problem found",
    ):
        assert line in text, line


@pytest.mark.parametrize("kind", layouts.WRITERS)
def test_json_holds_counts_shapes_units_rates_and_splits(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(layouts.WRITERS[kind](tmp_path / "data")), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    counts = report["counts"]
    assert report["ok"] and report["kind"] == kind
    assert counts["template_shape"] == [42, 3] and counts["triangles"] == 80
    assert counts["source_fps"] == {"biwi": 25, "ravdess": 30}.get(kind, 60)
    assert counts["unit_in_metres"] == (0.1875 if kind == "biwi" else 1.0)
    assert counts["masks"]["lips"] > 0 and counts["masks"]["eyes_forehead"] > 0
    assert counts["measured_source_fps"] == pytest.approx([counts["source_fps"]] * 2, rel=0.05)
    assert sum(split["clips"] for split in report["splits"].values()) == counts["sequences"]
    assert 1.0 < counts["largest_offset_mm"] < 20.0


def test_the_synthetic_corpus_is_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from emoface_training.data import corpus
    from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
    from emoface_training.vocabulary import EMOTIONS

    description = {
        "format": corpus.FORMAT,
        "fps": 30,
        "sample_rate": 16000,
        "parameters": list(RIG_PARAMETERS),
        "emotions": list(EMOTIONS),
        "actors": [{"name": "a", "split": "train"}, {"name": "b", "split": "train"}],
        "splits": {"train": {}, "validation": {}},
    }
    (tmp_path / "corpus.json").write_text(json.dumps(description))
    good = np.zeros((30, len(RIG_PARAMETERS)), np.float16)
    clips = [corpus.RawClip(np.zeros(16000, np.int16), rows, [], 0, 0, -1, "x") for rows in (good, good * np.nan)]
    corpus.write_shard(tmp_path / "train" / "a" / "0000.npz", clips)
    assert main(["data", "check", str(tmp_path)]) == 3
    text = capsys.readouterr().out
    assert "NaN" in text and "0000.npz" in text and "training actor b" in text and "'validation' without clips" in text


def test_a_missing_and_an_extra_subject(root: Path) -> None:
    for file in root.glob(f"*/{SUBJECT}*"):
        file.unlink()
    stranger = TAKE.replace(SUBJECT, "FaceTalk_1_2_TA")
    other = next(iter((root / "vertices_npy").glob("*.npy")))
    shutil.copy(other, root / "vertices_npy" / f"{stranger}.npy")
    shutil.copy(root / "wav" / f"{other.stem}.wav", root / "wav" / f"{stranger}.wav")
    found = problems(root)
    assert any(f"subject {SUBJECT} is missing" in text for text in found)
    assert any("FaceTalk_1_2_TA" in text and "template" in text for text in found)
    with pytest.raises(DatasetError, match=r"emoface data check"):
        Vocaset.open(root)
    assert len(Vocaset.open(root, partial=True).clips("train")) == 7


def test_unequal_lengths_name_both_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(root / "wav" / f"{TAKE}.wav", layouts.speech(0, 22000, 1.3), 22000)
    (text,) = problems(root)
    assert f"{TAKE}.npy" in text and f"{TAKE}.wav" in text and "0.80 s of motion and 1.30 s of sound" in text
    config = root.parent / "config.yaml"
    config.write_text("stage_b: {max_steps: 1, pairs: false, classification: false}\n")
    run = root.parent / "run"
    assert main(["train", str(config), "--data", str(root), "--out", str(run)]) == 3
    assert f"{TAKE}.npy" in capsys.readouterr().err and not run.exists()


def test_a_wrong_rate_is_recognised(root: Path) -> None:
    for file in (root / "vertices_npy").glob("*.npy"):
        np.save(file, np.load(file)[::2])  # already at 30 fps
    found = problems(root)
    assert len(found) == 12 and all("seems to have 30 fps where this layout has 60" in text for text in found)


def test_nan_vertices_are_named_with_their_row(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = root / "vertices_npy" / f"{TAKE}.npy"
    rows = np.load(file)
    rows[6, 11] = np.nan
    np.save(file, rows)
    (text,) = problems(root)
    assert f"{TAKE}.npy" in text and "row 6" in text
    # a memory-mapped file is read when a window is drawn: training stops there, and says which file
    with pytest.raises(DatasetError, match="row 6"):
        next(c for c in Vocaset.open(root).clips("train") if c.take.name == TAKE).load().vertices.offsets()


def test_a_wrong_vertex_count_is_named(root: Path) -> None:
    file = root / "vertices_npy" / f"{TAKE}.npy"
    np.save(file, np.load(file)[:, :120])
    found = problems(root)
    assert any(f"{TAKE}.npy with 40 vertices; expected the 42" in text for text in found)


def test_an_empty_split_is_named(root: Path) -> None:
    for file in root.glob("*/*_sentence21.*"):
        if "03275" in file.name or "03277" in file.name:
            file.unlink()
    assert any("split 'validation' without takes" in text for text in problems(root))
    with pytest.raises(DatasetError, match="split 'validation' without takes"):
        Vocaset.open(root, partial=True)


def test_other_damage_is_named(root: Path) -> None:
    (root / "templates" / "FLAME_sample.ply").unlink()
    (root / "vertices_npy" / f"{TAKE}.npy").write_bytes(b"no array")
    (root / "wav" / "stray.wav").write_bytes(b"")
    report = check(root)
    assert any("no mesh with the triangles" in text for text in report.problems)
    assert any(f"{TAKE}.npy, which cannot be read" in text for text in report.problems)
    assert any("stray.wav: left out, it has no motion" in note for note in report.notes)


def test_a_wrong_unit_is_recognised(root: Path) -> None:
    for file in (root / "vertices_npy").glob("*.npy"):
        np.save(file, np.load(file) * 1000)
    with (root / "templates.pkl").open("rb") as stream:
        import pickle

        templates = pickle.load(stream)
    layouts.write_pickle(root / "templates.pkl", {name: 1000 * value for name, value in templates.items()})
    assert any("not in this layout's unit" in text for text in problems(root))


def test_raw_rows_outside_the_file_are_named(tmp_path: Path) -> None:
    root = layouts.write_vocaset_raw(tmp_path / "raw")
    np.save(root / "data_verts.npy", np.load(root / "data_verts.npy")[:-5])
    found = VocasetRaw.survey(root).problems
    assert len([problem for problem in found if "rows outside" in str(problem.error)]) == 1


def test_no_dataset_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path)]) == 3
    text = capsys.readouterr().err
    assert "data_verts.npy" in text and "vertices_npy" in text and "corpus.json" in text


def test_masks_in_every_documented_form(tmp_path: Path) -> None:
    lips, upper = [3, 1, 2], [8, 9]
    (tmp_path / "m.json").write_text(json.dumps({"lips": lips, "eyes_forehead": upper}))
    chosen = np.zeros(42, bool)
    chosen[lips] = True
    np.savez(tmp_path / "m.npz", lips=chosen, eyes_forehead=np.array(upper))
    layouts.write_pickle(
        tmp_path / "FLAME_masks.pkl",
        {"lips": np.array(lips), "forehead": np.array([9]), "eye_region": np.array([8, 9])},
    )
    (tmp_path / "regions").mkdir()
    (tmp_path / "regions" / "lve.txt").write_text("3, 1, 2")
    (tmp_path / "regions" / "fdd.txt").write_text("8, 9")
    for name in ("m.json", "m.npz", "FLAME_masks.pkl", "regions"):
        masks = read_masks(tmp_path / name, 42)
        assert masks["lips"].tolist() == [1, 2, 3] and masks["eyes_forehead"].tolist() == [8, 9], name


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"lips": [42]}, "0..41"),
        ({"lips": [-1]}, "0..41"),
        ({"mouth": [1]}, "lips"),
        ({"lips": [0.5]}, "float"),
        ([1], "list"),
    ],
)
def test_masks_of_another_topology_or_form_are_refused(tmp_path: Path, content: object, word: str) -> None:
    path = tmp_path / "masks.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=rf"masks\.json.*{word}"):
        read_masks(path, 42)
