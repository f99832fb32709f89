"""Nothing is written but what was asked for, and ONNX Runtime's telemetry is off unless the user wants it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import emoface

ANIMATOR = """
import numpy, emoface
with emoface.Package.load(PACKAGE).animator(sample_rate=16000) as animator:
    assert len(animator.step(numpy.zeros(16000, numpy.float32)).time) > 0
"""
ANIMATE = """
from emoface.cli.main import main
assert main(['animate', SPEECH, '--package', PACKAGE, '-o', 'out/x.npz']) == 0
"""
# The whole demo but for its pictures and its film, which take long to draw.
DEMO = """
from emoface.cli import demo
from emoface.cli.main import main
demo.DRAWN = ('.npz',)
assert main(['demo', '--package', PACKAGE, '--out', 'out']) == 0
"""


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "code, written",
    [(ANIMATOR, []), (ANIMATE, ["out/x.npz"]), (DEMO, ["out/demo.npz"])],
    ids=["animator", "animate", "demo"],
)
def test_no_file_but_what_was_asked_for(code: str, written: list[str], package_path: Path, tmp_path: Path) -> None:
    """Home, current and temporary folder of a process of its own hold nothing new."""
    for name in ("home", "here", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "out").mkdir()
    inherited = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    inherited = {name: value for name, value in inherited.items() if not name.startswith(("XDG_", "EMOFACE_"))}
    speech = Path(emoface.__file__).parent / "assets" / "speech.wav"
    text = code.replace("PACKAGE", repr(str(package_path))).replace("SPEECH", repr(str(speech)))
    paths = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "temporary", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", text],
        cwd=tmp_path / "here",
        env={**inherited, **{name: str(path) for name, path in paths.items()}},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "home") == files(tmp_path / "temporary") == []
    assert files(tmp_path / "here") == sorted(["out", *written])


@pytest.mark.parametrize("wanted, found", [(None, "1"), ("0", "0"), ("1", "1")])
def test_the_users_word_on_telemetry_counts(wanted: str | None, found: str) -> None:
    code = "import emoface, os, subprocess, sys\n"
    code += "subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"ORT_DISABLE_TELEMETRY\"])'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if wanted is not None:
        environment["ORT_DISABLE_TELEMETRY"] = wanted
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, found), done.stderr
