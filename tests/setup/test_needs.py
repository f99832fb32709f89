"""What `make` sets up: listed, asked for once, installed where that is allowed; otherwise one line and on."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import needs
import pytest

SCRIPT = Path(needs.__file__)
APT = """#!/bin/sh
case "$*" in
*--assume-no*) echo "After this operation, 12.3 MB of additional disk space will be used." ;;
*) echo "$*" >>"$LOG" ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of the script in a project of its own, and programs of which none is a compiler."""
    for name in (".ci", "programs"):
        (tmp_path / name).mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci" / "needs.py")
    (tmp_path / ".ci" / "fetch_onnxruntime_headers.sh").write_text("#!/bin/sh\necho headers >>$LOG\n")
    (tmp_path / ".ci" / "fetch_onnxruntime_headers.sh").chmod(0o755)
    (tmp_path / "programs" / "apt-get").write_text(APT)
    (tmp_path / "programs" / "apt-get").chmod(0o755)
    (tmp_path / "programs" / "sh").symlink_to("/bin/sh")
    (tmp_path / "log").touch()
    return tmp_path


def command(place: Path, goal: str, user: int) -> list[str]:
    """The script as root (0) or somebody else would run it."""
    code = f"import os, runpy, sys; os.geteuid = lambda: {user}; sys.argv = ['needs.py', {goal!r}]; "
    return [
        sys.executable,
        "-I",
        "-c",
        code + f"runpy.run_path({str(place / '.ci' / 'needs.py')!r}, run_name='__main__')",
    ]


def run(place: Path, goal: str = "demo", *, user: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(place / "programs"), "LOG": str(place / "log"), **variables}
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, "check": False}
    return subprocess.run(command(place, goal, user), env=environment, **options)


def test_root_without_a_terminal_installs_without_asking(place: Path) -> None:
    done = run(place)
    assert done.returncode == 0
    assert "compiler             12.3 MB" in done.stdout and "native speed" in done.stdout
    assert "install -y -qq --no-install-recommends g++" in (place / "log").read_text()
    assert "Going on without compiler" in done.stdout, "the stand-in brings no compiler"


def test_nothing_is_installed_where_the_user_forbids_it(place: Path) -> None:
    done = run(place, EMOFACE_SETUP="0")
    assert done.returncode == 0
    assert (place / "log").read_text() == ""
    assert "\n  apt-get install -y --no-install-recommends g++\n" in done.stdout


def test_without_rights_the_one_line_is_said_and_the_rest_goes_on(place: Path) -> None:
    done = run(place, user=1000)
    assert done.returncode == 0, done.stderr
    assert (place / "log").read_text() == ""
    assert "\n  sudo apt-get install -y --no-install-recommends g++\n" in done.stdout


def test_sudo_is_taken_where_it_asks_for_no_password(place: Path) -> None:
    sudo = place / "programs" / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] && [ "$2" = true ] && exit 0\necho "sudo $*" >>"$LOG"\n')
    sudo.chmod(0o755)
    run(place, user=1000)
    assert "sudo -n apt-get install -y -qq" in (place / "log").read_text()
    (place / "log").write_text("")
    sudo.write_text("#!/bin/sh\nexit 1\n")
    assert "\n  sudo apt-get install" in run(place, user=1000).stdout
    assert (place / "log").read_text() == ""


def test_a_wrong_word_is_refused(place: Path) -> None:
    done = run(place, EMOFACE_SETUP="yes")
    assert done.returncode == 1 and "EMOFACE_SETUP=yes; expected 0" in done.stderr
    assert run(place, "dance").returncode == 2


def test_a_terminal_is_asked_once(place: Path) -> None:
    def at_terminal(answer: bytes) -> str:
        main, end = pty.openpty()
        environment = {"PATH": str(place / "programs"), "LOG": str(place / "log")}
        with subprocess.Popen(command(place, "demo", 0), env=environment, stdin=end, stdout=end, stderr=end) as process:
            os.close(end)
            os.write(main, answer)
            said = b""
            try:
                while part := os.read(main, 4096):
                    said += part
            except OSError:  # the other end is closed
                pass
        os.close(main)
        assert process.returncode == 0
        return said.decode()

    assert "[Y/n]" in at_terminal(b"n\n")
    assert (place / "log").read_text() == ""
    again = at_terminal(b"")
    assert "[Y/n]" not in again and "apt-get install -y" in again
    shutil.rmtree(place / "build")
    at_terminal(b"y\n")
    assert "install -y -qq" in (place / "log").read_text()


def test_what_the_build_can_count_on_is_written_only_when_it_changed(place: Path) -> None:
    for name in ("g++", "python3"):
        (place / "programs" / name).symlink_to("/bin/sh")
    headers = place / "build" / "onnxruntime" / "include"
    headers.mkdir(parents=True)
    (headers / "onnxruntime_cxx_api.h").touch()
    assert run(place).stdout == ""
    present = place / "build" / "needs-present"
    assert {"compiler", "onnxruntime-headers"} <= set(present.read_text().split())
    os.utime(present, (1, 1))
    run(place)
    assert present.stat().st_mtime == 1
    (headers / "onnxruntime_cxx_api.h").unlink()
    run(place, EMOFACE_SETUP="0")
    assert present.stat().st_mtime > 1


def test_a_skip_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs.shutil, "which", lambda name: None)
    assert needs.lacking("mono") == "needs mono-mcs, mono-runtime, which `make test` installs"
    assert "g++-mingw-w64-x86-64-posix" in needs.lacking("windows") and "test-engines" in needs.lacking("windows")
