"""Files that appear whole or not at all: where they may, what they keep, what is left of a killed process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from emoface.errors import OutputError, UsageError
from emoface.writers import check, check_all
from emoface.writers.atomic import check_target, replacing

NOBODY = 65534
LEFT_BEHIND = ".emoface-0123456789abcdef.part"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def replace_with(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def test_only_the_name_changes_when_the_content_is_complete(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_text("old")
    with replacing(tmp_path / "x.npz") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "x.npz").read_text() == "old"
        assert temporary.parent == tmp_path
    assert (tmp_path / "x.npz").read_text() == "new" and names(tmp_path) == ["x.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(error), replacing(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise error
    assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (OSError(28, "No space left on device"), "No space left on device while writing .*x; .*No partial file"),
        (MemoryError(), "out of memory while writing"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "surrogates not allowed"),
    ],
)
def test_failures_are_output_errors(tmp_path: Path, error: Exception, match: str) -> None:
    with pytest.raises(OutputError, match=match), replacing(tmp_path / "x"):
        raise error
    assert not names(tmp_path)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755])
def test_permissions_of_the_old_file_are_kept(tmp_path: Path, mode: int) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(mode)
    replace_with(tmp_path / "x", "new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    replace_with(tmp_path / "x", "new")
    (tmp_path / "y").write_text("")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_kept_and_its_file_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    if exists:
        (tmp_path / "elsewhere" / "x").write_text("old")
    (tmp_path / "link").symlink_to(Path("elsewhere") / "x")
    replace_with(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere" / "x").read_text() == "new"
    assert names(tmp_path / "elsewhere") == ["x"]


def test_a_temporary_file_left_behind_goes_with_the_next_run(tmp_path: Path) -> None:
    (tmp_path / LEFT_BEHIND).write_text("half")
    theirs = (
        ".emoface-notes.part",
        ".emoface-0123456789ABCDEF.part",
        "emoface-0123456789abcdef.part",
        f"{LEFT_BEHIND}.x",
    )
    for name in theirs:
        (tmp_path / name).write_text("of somebody else")
    replace_with(tmp_path / "x", "new")
    assert names(tmp_path) == sorted([*theirs, "x"])


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / LEFT_BEHIND).symlink_to("precious")
    replace_with(tmp_path / "x", "new")
    assert (tmp_path / "precious").read_text() == "kept" and (tmp_path / LEFT_BEHIND).is_symlink()


WRITER = """
import sys, time
from emoface.writers.atomic import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process in the middle of writing, and its temporary file."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "theirs.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_living_process_keeps_its_file_and_a_killed_one_does_not(
    tmp_path: Path, writing: tuple[subprocess.Popen[str], str]
) -> None:
    process, temporary = writing
    replace_with(tmp_path / "x", "new")
    assert names(tmp_path) == [temporary, "x"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    replace_with(tmp_path / "x", "newer")
    assert names(tmp_path) == ["x"]


def test_two_of_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "b") as second:
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a").read_text() == "1" and (tmp_path / "b").read_text() == "2"


def special(folder: Path) -> dict[str, tuple[str, str]]:
    """Targets that cannot be files, and what is said."""
    os.mkfifo(folder / "pipe.npz")
    (folder / "file").write_text("")
    (folder / "folder.npz").mkdir()
    (folder / "loop.npz").symlink_to("loop.npz")
    (folder / "lost.npz").symlink_to(Path("none") / "x.npz")
    return {
        "pipe": (str(folder / "pipe.npz"), "a pipe"),
        "device": ("/dev/null", "a device"),
        "folder": (str(folder / "folder.npz"), "Add a file name"),
        "no folder": (str(folder / "none" / "x.npz"), "mkdir -p"),
        "a file for a folder": (str(folder / "file" / "x.npz"), "a path that can be written"),
        "loop of links": (str(folder / "loop.npz"), "symbolic links"),
        "link to nowhere": (str(folder / "lost.npz"), "does not exist"),
        "name of 256 bytes": (str(folder / ("x" * 252 + ".npz")), "name too long"),
        "name of 300 bytes in letters": (str(folder / ("ä" * 148 + ".npz")), "name too long"),
        "path of 5000 bytes": (str(folder / Path(*["d" * 200] * 25) / "x.npz"), "name too long"),
        "NUL": ("x\0y.npz", "null"),
    }


def test_targets_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    for name, (path, match) in special(tmp_path).items():
        for call in (check_target, lambda path: replace_with(Path(path), "")):
            with pytest.raises(OutputError, match="(?i)" + match) as caught:
                call(path)
            assert caught.value.remedy, name
    check_target(tmp_path / ("x" * 251 + ".npz"))


def test_rights(tmp_path: Path) -> None:
    """Root may write anywhere: it runs the check as nobody, in a child."""
    if os.getuid():
        return check_rights(tmp_path)
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        child = os.fork()
        if not child:
            status = 1
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                check_rights(Path(name))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    return None


def check_rights(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o500)
    (folder / "hidden").mkdir()
    (folder / "hidden" / "inner").mkdir()
    (folder / "x.npz").write_text("protected")
    (folder / "x.npz").chmod(0o400)
    (folder / "hidden").chmod(0o000)
    for path in ("closed/x.npz", "x.npz", "hidden/x.npz", "hidden/inner/x.npz"):
        with pytest.raises(OutputError, match=r"cannot be written|Permission denied"):
            check_target(folder / path)
    (folder / "hidden").chmod(0o700)
    assert (folder / "x.npz").read_text() == "protected"


def test_outputs_of_one_run_differ_from_each_other_and_from_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.wav").write_text("sound")
    (tmp_path / "old.npz").write_text("")
    (tmp_path / "same.npz").hardlink_to(tmp_path / "old.npz")
    (tmp_path / "sound.npz").symlink_to("in.wav")
    (tmp_path / "new.npz").symlink_to("fresh.npz")
    pairs: list[tuple[list[str], dict[str, str | None]]] = [
        (["a.npz", "a.npz"], {}),
        (["a.npz", "./a.npz"], {}),
        (["a.npz", str(tmp_path / "a.npz")], {}),
        (["old.npz", "same.npz"], {}),
        (["new.npz", "fresh.npz"], {}),
        (["sound.npz"], {"input": "in.wav"}),
        (["a.npz", "b.npz"], {"template": "b.npz"}),
    ]
    for paths, inputs in pairs:
        with pytest.raises(UsageError, match=r"which is also the (output|input|template)"):
            check_all(paths, inputs)
    check_all(["a.npz", "b.npz"], {"input": "in.wav", "template": None, "package": "default"})


def test_check_says_what_write_would(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.docx"):
        check(tmp_path / "x.docx")
    assert not names(tmp_path)
