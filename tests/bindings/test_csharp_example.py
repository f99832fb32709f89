"""examples/csharp/Console, built by its own script and run as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emoface

ROOT = Path(__file__).resolve().parents[2]
RATE = 22050
SECONDS = 2.0


@pytest.fixture(scope="session")
def program(mono: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console")
    subprocess.run(["bash", str(ROOT / "examples/csharp/Console/build.sh"), str(folder)], check=True)
    return folder / "Console.exe"


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    time = np.arange(int(SECONDS * RATE)) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 180 * time) * np.sin(2 * np.pi * 2 * time) ** 2
    soundfile.write(path, np.stack([tone, 0.5 * tone], 1), RATE, "PCM_16")
    return path


def run(program: Path, environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["mono", str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def test_frames_and_lips(
    program: Path, speech: Path, tiny_package: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "vertices.f32"
    done = run(program, environment, tiny_package, speech, "--emotion", "happy", "--out", out, "--verify")
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(speech, dtype="float32")
    package = emoface.Package.load(tiny_package)
    with package.animator(sample_rate=rate, emotion="happy") as animator:
        expected = emoface.FrameBatch.concat([animator.step(samples), animator.flush()]).vertices
    got = np.fromfile(out, np.float32).reshape(expected.shape)
    motion = np.abs(expected - package.face.template).max()
    # int8 quantises activations: the last bit of a float may become a step
    limit = 1e-4 if package.manifest.default_precision == "fp32" else 2e-2
    assert np.abs(got - expected).max() <= limit * motion
    lips = package.face.masks["lips"]
    moved = 1000 * np.linalg.norm(got[:, lips] - package.face.template[lips], axis=2).max()
    lines = done.stdout.splitlines()
    assert lines[1] == "golden vectors: passed"
    assert f"{int(SECONDS * 30)} frames" in lines
    assert lines[-1] == f"lips: up to {moved:.2f} mm"


def test_real_time(program: Path, speech: Path, tiny_package: Path, environment: dict[str, str]) -> None:
    done = run(program, environment, tiny_package, speech, "--realtime")
    assert done.returncode == 0, done.stderr
    assert f"{int(SECONDS * 30)} frames, pictures: shown" in done.stdout
    assert float(done.stdout.split("up to ")[1].split()[0]) > 0


def test_errors_name_cause_and_remedy(
    program: Path, speech: Path, tiny_package: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound")
    for arguments, code, said in (
        ((tmp_path / "none.emoface", speech), 3, "none.emoface"),
        ((tiny_package, tmp_path / "noise.wav"), 4, "WAV"),
        ((tiny_package, tmp_path / "none.wav"), 4, "none.wav"),
        ((tiny_package, speech, "--emotion", "bored"), 2, "bored"),
        ((tiny_package,), 2, "Console.exe PACKAGE"),
    ):
        done = run(program, environment, *arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler: apt install gcc")
def test_overhead_is_measured(mono: str, library: Path, environment: dict[str, str], tiny_package: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "pinvoke.py"), "--package", str(tiny_package)]
    command += ["--rounds", "1", "--calls", "2000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert figures["garbage_bytes"] == 0
    assert 0 < figures["csharp_step_us"] < 1000 and 0 < figures["c_step_us"] < 1000
