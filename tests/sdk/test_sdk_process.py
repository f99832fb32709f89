"""Commands as processes: closed and full streams, any encoding, signals, full disks. A word, never a traceback.

The processes of the table run at the same time, since most of each is Python's start.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface.cli.main import main

EMOFACE = [sys.executable, "-m", "emoface"]
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@dataclass
class Case:
    """One command line: words after `emoface`, redirections of a shell, environment, and what is expected."""

    words: list[str | bytes]
    code: int
    said: str = ""
    shell: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    made: bytes | None = None


IN, OUT = "in.wav", ["-o", "out.npz", "--package", "handmade.emoface"]
CASES = {
    "stdout is full": Case(["inspect", "handmade.emoface"], 5, "No space left on device", ">/dev/full"),
    "stdout is full, JSON": Case(["inspect", "handmade.emoface", "--json"], 5, "No space left", ">/dev/full"),
    "stdout is closed": Case(["inspect", "handmade.emoface"], 5, "Bad file descriptor", ">&-"),
    "stdout of help is full": Case(["--help"], 5, "No space left on device", ">/dev/full"),
    "stderr is closed": Case(["inspect", "handmade.emoface"], 0, "", "2>&-"),
    "stderr is closed, an error": Case(["animate", "none.wav", *OUT], 4, "", "2>&-"),
    "stderr is full, an error": Case(["animate", "none.wav", *OUT], 4, "", "2>/dev/full"),
    "stderr is full, wrong usage": Case(["animate"], 2, "", "2>/dev/full"),
    "all are closed": Case(["animate", IN, "-o", "closed.npz", *OUT[2:]], 5, "", "<&- >&- 2>&-", made=b"closed.npz"),
    "the reader went away": Case(["inspect", "handmade.emoface"], 141, "", "| true"),
    "cp1252": Case(
        ["animate", "größe-日本.wav", "-o", "日本.npz", *OUT[2:]],
        0,
        r"wrote             \u65e5\u672c.npz",
        environment={"PYTHONIOENCODING": "cp1252"},
        made="日本.npz".encode(),
    ),
    "C locale, undecodable name": Case(
        ["animate", b"a\xff.wav", "-o", b"a\xff.npz", *OUT[2:]], 0, "wrote", environment=PLAIN_C, made=b"a\xff.npz"
    ),
    "C locale, undecodable name that is not there": Case(
        ["animate", b"b\xff.wav", *OUT], 4, "no such file", environment=PLAIN_C
    ),
    "undecodable option": Case(["animate", IN, "--emotion", b"\xff", *OUT], 2, "neutral, happy, sad"),
    "sound for an output": Case(["animate", IN, "-o", "link.npz", *OUT[2:]], 2, "also the input in.wav"),
    "no standard input": Case(["animate", "-", *OUT], 4, "a device", "<&-"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, package_path, sound) -> Path:
    path = tmp_path_factory.mktemp("process")
    soundfile.write(path / IN, sound(0.3), 16000)
    for name in (b"a\xff.wav", "größe-日本.wav".encode()):
        Path(os.fsdecode(bytes(path) + b"/" + name)).write_bytes((path / IN).read_bytes())
    (path / "handmade.emoface").write_bytes(package_path.read_bytes())
    (path / "link.npz").symlink_to(IN)
    soundfile.write(path / "long.wav", sound(600), 16000)
    return path


@pytest.fixture(scope="module")
def ended(folder) -> dict[str, tuple[int, str]]:
    """Exit code and all that was said, of every case."""
    started = {}
    for name, case in CASES.items():
        # The shell gets the words as arguments, so that nothing of them is read as its language.
        script = f'"$@" {case.shell}' if "|" not in case.shell else f'"$@" {case.shell}; exit ${{PIPESTATUS[0]}}'
        started[name] = subprocess.Popen(
            ["bash", "-c", script, "bash", *EMOFACE, *case.words],
            cwd=folder,
            env={**os.environ, **case.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    return {
        name: (process.returncode, said.decode(errors="replace"))
        for name, process in started.items()
        for said in [process.communicate(timeout=300)[0]]
    }


@pytest.mark.parametrize("name", CASES)
def test_streams_and_names(ended, folder, name):
    case, (code, said) = CASES[name], ended[name]
    assert code == case.code, said
    assert case.said in said
    for word in ("Traceback", "Exception ignored", "report the lines above"):
        assert word not in said
    if case.made is not None:
        with np.load(os.fsdecode(bytes(folder) + b"/" + case.made)) as data:
            assert len(data["vertices"]) == 9


@pytest.mark.parametrize("value", ["nan", "inf", "1e39", "1e400", "9" * 400, "0x10", ""])
@pytest.mark.parametrize(
    "option",
    ["--tail", "--block-ms", "--blink-seed", "--upper-strength", "--lower-smoothing", "--sync-offset", "--emotion"],
)
def test_numbers_out_of_range(folder, monkeypatch, capsys, option, value):
    monkeypatch.chdir(folder)
    given = f"happy={value}" if option == "--emotion" else value
    try:
        code = main(["animate", IN, *OUT, f"{option}={given}"])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert code == 2, said
    assert "report the lines above" not in said


@pytest.mark.parametrize("option", ["--seconds", "--voices", "--threads", "--block-ms", "--sample-rate"])
@pytest.mark.parametrize("value", ["nan", "-1", "1e39", "9" * 40])
def test_numbers_of_a_profile_out_of_range(folder, monkeypatch, capsys, option, value):
    monkeypatch.chdir(folder)
    try:
        code = main(["profile", "handmade.emoface", "--no-accuracy", f"{option}={value}"])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert code in (2, 4), said
    assert "report the lines above" not in said


def test_nothing_else_was_written(ended, folder):
    made = {os.fsdecode(case.made) for case in CASES.values() if case.made}
    inputs = {IN, "long.wav", "handmade.emoface", "link.npz", os.fsdecode(b"a\xff.wav"), "größe-日本.wav"}
    assert {entry.name for entry in folder.iterdir() if entry.is_file()} == made | inputs


def animating(folder, out, **options) -> subprocess.Popen:
    """A process in the middle of writing two files."""
    out.mkdir()
    outputs = ["-o", str(out / "a.npz"), "-o", str(out / "b.npz")]
    command = [*EMOFACE, "animate", "long.wav", *outputs, "--package", "handmade.emoface"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, **options)


def wait_for_frames(out: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 20000 for path in out.iterdir()):
        assert time.monotonic() < deadline, list(out.iterdir())
        time.sleep(0.02)


SIGNALLED = """
import io, os, signal, sys
import soundfile
from emoface.cli.process import raise_lost, run_process

class File(io.BytesIO):
    def readinto(self, buffer):
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
        return super().readinto(buffer)

def command():
    try:
        with open(sys.argv[1], "rb") as file:
            soundfile.SoundFile(File(file.read()))
    except soundfile.SoundFileError:
        raise_lost()
    return 0

sys.exit(run_process(command))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_libsndfile_reads(folder, name, code):
    """C swallows what Python raises when it calls back."""
    command = [sys.executable, "-c", SIGNALLED, "long.wav", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr in ("emoface: interrupted\n", f"emoface: ended by {name}\n")


def test_signals_leave_nothing(folder, tmp_path):
    """Ctrl-C, SIGTERM and SIGHUP while several outputs are written; under nohup SIGHUP stays ignored."""
    expected = {"SIGINT": (130, "interrupted"), "SIGTERM": (143, "SIGTERM"), "SIGHUP": (129, "SIGHUP")}
    running = {name: animating(folder, tmp_path / name) for name in expected}
    ignoring = animating(folder, tmp_path / "nohup", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    for name, process in running.items():
        wait_for_frames(tmp_path / name)
        process.send_signal(getattr(signal, name))
    wait_for_frames(tmp_path / "nohup")
    ignoring.send_signal(signal.SIGHUP)
    for name, process in running.items():
        said = process.communicate(timeout=120)[1]
        code, word = expected[name]
        assert process.returncode == code, said
        assert word in said
        assert "Traceback" not in said
        assert not list((tmp_path / name).iterdir())
    assert ignoring.poll() is None
    ignoring.send_signal(signal.SIGTERM)
    ignoring.communicate(timeout=120)
    assert ignoring.returncode == 143
    assert not list((tmp_path / "nohup").iterdir())


def test_a_disk_that_becomes_full_leaves_the_old_files(folder, tmp_path):
    """A limit on the size of files, as a full disk or a quota, is met in the middle of the work."""
    limit = 100_000
    process = animating(
        folder, tmp_path / "out", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 5, said
    assert "File too large while writing" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").iterdir())
