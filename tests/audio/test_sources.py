"""Where sound may come from: pipes, standard input, odd paths."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from emoface.audio.files import open_sound, read_sound
from emoface.errors import AudioFileError

CHILD = "import sys; from emoface.audio.files import read_sound; print(len(read_sound(sys.argv[1]).samples))"


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
@pytest.mark.parametrize("piped", [True, False])
def test_standard_input(encoded, tmp_path, path, piped):
    (tmp_path / "a.wav").write_bytes(encoded("WAV", "PCM_16"))
    command = [sys.executable, "-c", CHILD, path]
    if piped:
        done = subprocess.run(command, input=encoded("WAV", "PCM_16"), capture_output=True, check=True)
    else:
        with (tmp_path / "a.wav").open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert int(done.stdout) == 16000


def test_process_substitution(encoded, tmp_path):
    (tmp_path / "a.ogg").write_bytes(encoded("OGG", "VORBIS"))
    script = f"{sys.executable} -c '{CHILD}' <(cat {tmp_path}/a.ogg)"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert int(done.stdout) == 16000


def test_closed_standard_input():
    script = f"{sys.executable} -c '{CHILD}' - <&-"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "AudioFileError" in done.stderr


def test_fifo_longer_than_its_buffer(encoded, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(encoded("WAV", "PCM_16", 30.0)))
    writer.start()
    try:
        assert read_sound(fifo).seconds == 30
    finally:
        writer.join()


def test_what_is_no_file(tmp_path, encoded):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        for path, word in {"/dev/null": "a device", tmp_path / "s": "a socket", tmp_path: "a folder"}.items():
            with pytest.raises(AudioFileError, match=word):
                open_sound(path)
    for path in (tmp_path / "none.wav", "a\0b", tmp_path / ("n" * 300)):
        with pytest.raises(AudioFileError):
            open_sound(path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioFileError, match="no bytes"):
        open_sound(tmp_path / "empty.wav")


@pytest.mark.parametrize("name", ["sound.raw", "sound.pcm", "sound.gsm", "sound.vox", "sound.wav"])
def test_without_a_header(tmp_path, tone, name):
    (tmp_path / name).write_bytes((tone() * 32767).astype("<i2").tobytes())
    with pytest.raises(AudioFileError, match=r"-f s16le.*int16"):
        open_sound(tmp_path / name)


def test_name_does_not_decide(tmp_path, encoded):
    (tmp_path / "sound.raw").write_bytes(encoded("WAV", "PCM_16"))
    assert read_sound(tmp_path / "sound.raw").seconds == 1


def test_disk_that_fails(tmp_path, encoded, monkeypatch):
    (tmp_path / "a.wav").write_bytes(encoded("WAV", "PCM_16", 10.0))
    with open_sound(tmp_path / "a.wav") as reader:
        blocks = reader.blocks(100)
        next(blocks)

        def fail(count=-1):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(reader._first._view, "_next", fail)
        with pytest.raises(AudioFileError, match=r"Input/output error after \d+ of 160000"):
            list(blocks)


def test_interruption_within_libsndfile_is_passed_on(tmp_path, encoded, monkeypatch):
    (tmp_path / "a.wav").write_bytes(encoded("WAV", "PCM_16", 10.0))
    with open_sound(tmp_path / "a.wav") as reader:
        blocks = reader.blocks(100)
        next(blocks)

        def interrupt(count=-1):
            raise KeyboardInterrupt

        monkeypatch.setattr(reader._first._view, "_next", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(blocks)
