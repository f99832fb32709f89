"""The bundled speech and what the demo makes of it."""

from __future__ import annotations

from pathlib import Path

import handmade
import numpy as np
import pytest

from emoface.animation import animate_file
from emoface.audio.files import read_sound
from emoface.cli import demo
from emoface.cli.main import main


def test_bundled_speech() -> None:
    sound = read_sound(demo.SPEECH)
    assert sound.rate == 16000 and sound.samples.shape[1] == 1
    assert 6 < sound.seconds < 12
    assert 0.5 < np.abs(sound.samples).max() < 0.9


@pytest.mark.parametrize("at", [start for start, _ in demo.SCHEDULE])
def test_emotions_change_in_pauses(at: float) -> None:
    sound = read_sound(demo.SPEECH)
    start = int(at * sound.rate)
    level = np.sqrt(np.mean(sound.samples[start : start + 800] ** 2))
    assert level < 0.1 * np.sqrt(np.mean(sound.samples**2))


def test_emotions_of_the_schedule_reach_the_face(tmp_path: Path) -> None:
    """A package that knows two of the four emotions: those are set, the frames are all there, the level is strong."""
    package = handmade.write_zip(tmp_path / "handmade.emoface", handmade.package_files())
    animation = demo.perform(package)
    seconds = read_sound(demo.SPEECH).seconds
    assert len(animation) == int(seconds * 30) + 12
    assert [name for _, name in animation.metadata["emotion_schedule"]] == ["neutral", "happy", "sad"]
    plain = animate_file(demo.SPEECH, package, emotion="neutral", level="strong", tail_s=0.4)
    first_change = int(demo.SCHEDULE[1][0] * 30)
    assert np.array_equal(animation.vertices[:first_change], plain.vertices[:first_change])
    assert not np.array_equal(animation.vertices[first_change:], plain.vertices[first_change:])


def test_demo_refuses_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("a file")
    assert main(["demo", "--out", str(tmp_path / "out")]) == 5
    assert "Choose another --out" in capsys.readouterr().err


def test_demo_without_the_extra_writes_what_the_base_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from emoface.writers import dispatch

    monkeypatch.setattr(dispatch, "find_spec", lambda name: None)
    package = handmade.write_zip(tmp_path / "handmade.emoface", handmade.package_files())
    assert main(["demo", "--package", str(package), "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["demo.npz"], "this package has no blendshapes"
    assert 'pip install "emoface[view]"' in capsys.readouterr().err
