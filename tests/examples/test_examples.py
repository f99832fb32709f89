"""Every example runs as a user runs it, in a process of its own, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import emoface

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FRAMES = 60  # two seconds at 30 fps


def run(name: str, *arguments: object, code: int = 0) -> str:
    """stdout of an example; fails with its stderr when the exit code is another one."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, check=False)
    assert done.returncode == code, f"{name} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_animate_file_writes_every_frame(workplace: Path, tiny_package: Path) -> None:
    out = run("animate_file.py", "speech.wav", "face.npz", "--package", tiny_package, "--emotion", "happy")
    assert f"{FRAMES} frames at 30 fps" in out
    package = emoface.Package.load(tiny_package)
    expected = emoface.animate_file("speech.wav", package, emotion="happy")
    with np.load("face.npz") as arrays:
        assert np.array_equal(arrays["vertices"], expected.vertices)


def test_animate_file_refuses_an_unknown_suffix_before_working(workplace: Path, tiny_package: Path) -> None:
    run("animate_file.py", "speech.wav", "face.xyz", "--package", tiny_package, code=1)
    assert not Path("face.xyz").exists()


def test_live_microphone_from_a_file_shows_each_frame_once(workplace: Path, tiny_package: Path) -> None:
    out = run("live_microphone.py", "--from-file", "speech.wav", "--package", tiny_package)
    times = [float(row.split()[0]) for row in out.splitlines() if " mm" in row]
    assert times == pytest.approx([m / 30 for m in range(FRAMES)], abs=6e-4)
    moved = [float(row.split()[2]) for row in out.splitlines() if " mm" in row]
    assert max(moved) > 0
    assert out.splitlines()[-1] == f"{FRAMES} frames"


def test_live_microphone_in_real_time_takes_as_long_as_the_sound(workplace: Path, tiny_package: Path) -> None:
    begin = time.monotonic()
    out = run("live_microphone.py", "--from-file", "speech.wav", "--real-time", "--package", tiny_package)
    assert time.monotonic() - begin >= 2.0
    assert out.splitlines()[-1] == f"{FRAMES} frames"


def test_many_voices_give_each_voice_all_frames(workplace: Path, tiny_package: Path) -> None:
    out = run("many_voices.py", "--audio", "speech.wav", "--voices", 4, "--workers", 2, "--package", tiny_package)
    styles = emoface.Package.load(tiny_package).manifest.styles
    for voice in range(4):
        assert f"voice {voice}: style {styles[voice % len(styles)]}, {FRAMES} frames" in out


def test_snapshot_resume_gives_the_same_bits(workplace: Path, tiny_package: Path) -> None:
    out = run("snapshot_resume.py", "--audio", "speech.wav", "--package", tiny_package)
    assert "the same bits" in out
    assert Path("stream.snapshot").read_bytes().startswith(b"EMOFACES")


def test_change_emotion_starts_at_its_time_and_ignores_cuts(workplace: Path, tiny_package: Path) -> None:
    out = run("change_emotion.py", "--audio", "speech.wav", "--package", tiny_package, "--output", "out.npz")
    assert "chunks of 100 ms and of 37 ms give the same bits" in out
    auto, one, mixed = (float(value) for value in re.findall(r"at most ([\d.]+) mm", out))
    assert auto == 0.0
    assert one > 0
    assert mixed > 0
    with np.load("out.npz") as arrays:
        assert len(arrays["time"]) == FRAMES


def test_own_template_animates_another_face(workplace: Path, tiny_package: Path) -> None:
    out = run("own_template.py", "--audio", "speech.wav", "--package", tiny_package)
    assert f"{FRAMES} frames of own_template.obj" in out
    package = emoface.Package.load(tiny_package)
    with np.load("own_template.npz") as arrays:
        wider = package.face.template * np.float32([1.1, 1.0, 1.0])
        assert np.allclose(arrays["template"], wider, rtol=1e-6, atol=1e-9)


def test_own_template_says_what_to_do_with_another_topology(workplace: Path, tiny_package: Path) -> None:
    Path("triangle.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    out = run(
        "own_template.py", "--audio", "speech.wav", "--package", tiny_package, "--template", "triangle.obj", code=2
    )
    assert "cannot be used" in out
    assert "3 vertices" in out
    assert not Path("own_template.npz").exists()


def test_train_export_own_checkpoint_ends_with_a_verified_package(workplace: Path) -> None:
    """The longest test here: three quarters of a minute of one core, most of it the exporter's tracing."""
    out = run("train_export_own_checkpoint/run.py", "--out", "own")
    assert "\nverified\n" in out
    assert "45 frames of 5023 vertices" in out.splitlines()[-1]
    package = emoface.Package.load("own/own.emoface")
    assert package.manifest.styles == ("anna", "ben")
    assert package.manifest.precisions() == ("fp32", "int8")
    animation = emoface.animate_file("speech.wav", package)
    assert len(animation) == FRAMES
    assert np.abs(animation.vertices - package.face.template).max() > 1e-4
