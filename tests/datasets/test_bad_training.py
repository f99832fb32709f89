"""`emoface train` on damaged data: one clear error that names the file, and no run."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import layouts
import numpy as np
import pytest
import soundfile
from test_train import configuration

from emoface.cli.main import main
from emoface_training.data import corpus

SUBJECT = "FaceTalk_170725_00137_TA"
TAKE = f"{SUBJECT}_sentence03"


def take(root: Path) -> Path:
    return root / "vertices_npy" / f"{TAKE}.npy"


def missing_subject(root: Path) -> None:
    for file in root.glob(f"*/{SUBJECT}*"):
        file.unlink()


def extra_subject(root: Path) -> None:
    for folder, suffix in (("vertices_npy", "npy"), ("wav", "wav")):
        shutil.copy(root / folder / f"{TAKE}.{suffix}", root / folder / f"FaceTalk_1_2_TA_sentence03.{suffix}")


def longer_sound(root: Path) -> None:
    soundfile.write(root / "wav" / f"{TAKE}.wav", layouts.speech(0, 22000, 1.3), 22000)


def half_the_rate(root: Path) -> None:
    np.save(take(root), np.load(take(root))[::2])


def nan_vertices(root: Path) -> None:
    for file in (root / "vertices_npy").glob("*_sentence03.npy"):
        rows = np.load(file)
        rows[:, 5] = np.nan
        np.save(file, rows)


def fewer_vertices(root: Path) -> None:
    np.save(take(root), np.load(take(root))[:, :120])


def empty_split(root: Path) -> None:
    for file in root.glob("*/*_sentence21.*"):
        if "03275" in file.name or "03277" in file.name:
            file.unlink()


def malicious_pickle(root: Path) -> None:
    (root / "templates.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")


# What is done to the dataset, words of the message, options of the command
CASES: list[tuple] = [
    (missing_subject, (f"subject {SUBJECT} is missing",)),
    (extra_subject, ("FaceTalk_1_2_TA",)),
    (longer_sound, (f"{TAKE}.npy", f"{TAKE}.wav")),
    (half_the_rate, (f"{TAKE}.npy", "0.40 s of motion")),
    (nan_vertices, ("_sentence03.npy", "NaN or infinite vertices in row")),
    (fewer_vertices, (f"{TAKE}.npy", "with 40 vertices")),
    (empty_split, ("split 'validation' without takes",), "--partial"),
    (malicious_pickle, ("templates.pkl", "not loaded")),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0].__name__ for case in CASES])
def test_damage_is_named_and_no_run_is_made(
    tmp_path: Path, case: tuple[Callable[[Path], None], tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    damage, words, *options = case
    root, run = layouts.write_vocaset(tmp_path / "data"), tmp_path / "run"
    damage(root)
    config = configuration(tmp_path / "config.yaml", False, steps=1, batch_size=8)
    assert main(["train", str(config), "--data", str(root), "--out", str(run), *options]) == 3
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert "Traceback" not in error and not (run / "stage_b").exists()


def test_an_empty_split_of_a_corpus_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Empty:
        fps, actors = 30, ("a",)

        def clips(self, split: str) -> list:
            return []

    monkeypatch.setattr(corpus.Corpus, "open", lambda _: Empty())
    config = configuration(tmp_path / "config.yaml", False, steps=1)
    assert main(["train", str(config), "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--stage", "b"]) == 3
    assert "got no clips" in capsys.readouterr().err


def test_a_training_state_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (tmp_path / "trace").touch, ()

    root, run = layouts.write_vocaset(tmp_path / "data"), tmp_path / "run"
    config = configuration(tmp_path / "config.yaml", False, steps=1)
    arguments = ["train", str(config), "--data", str(root), "--out", str(run)]
    assert main(arguments) == 0
    (run / "stage_b" / "training_state.pt").write_bytes(pickle.dumps(Evil(), 2))
    assert main([*arguments, "--resume"]) == 2
    assert "training_state.pt" in capsys.readouterr().err and not (tmp_path / "trace").exists()
