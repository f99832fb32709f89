"""`emoface eval-speech` on recordings whose alignment is given: figures, lags, events, and wrong arguments."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from synthetic_corpus import TinyRig, ToneCorpus

from emoface.cli.main import main
from emoface.errors import AudioFileError
from emoface_training.clips.store import ClipStore
from emoface_training.data.synthetic import rig as rig_module
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.errors import AlignmentError, OptionsError
from emoface_training.evaluation import disturbances, measured_models, on_recordings, speech_alignment
from emoface_training.evaluation.given_alignment import GivenAlignment
from emoface_training.evaluation.speech_alignment import Alignment
from emoface_training.motion.targets import clip_offsets

RIG = TinyRig()
RIG.template[RIG.masks["teeth_upper"], 2] = -0.01  # behind the lips, where the tuck takes the lower one
# Lips that close whatever the jaw does meanwhile
RIG.directions[RIG_PARAMETERS.index("lips_close"), RIG.masks["lower_lip_inner"], 1] = 0.015
SEGMENTS = [
    Segment("SIL", 0.0, 0.5), Segment("M", 0.5, 0.6), Segment("AA", 0.6, 0.9), Segment("F", 0.9, 1.0),
    Segment("AE", 1.0, 1.2), Segment("P", 1.2, 1.3), Segment("IY", 1.3, 1.5), Segment("SIL", 1.5, 2.0),
]  # fmt: skip


class RulesModel:
    """Shows the rules' own motion `late` frames late, or a mouth that stays open."""

    label, fps, styles = "rules", 30, ("a",)

    def __init__(self, late: int = 0, still: bool = False) -> None:
        self.late, self.still = late, still
        self.told: list[tuple[str, int]] = []

    def facts(self) -> dict:
        return {"label": self.label}

    def check(self, face: object, fps: int) -> None:
        assert fps == 30

    def animate(self, clips: list, emotion: str) -> Iterator[tuple[int, np.ndarray]]:
        for index, clip in enumerate(clips):
            self.told.append((emotion, clip.emotion))
            offsets = clip_offsets(RIG, clip)
            shown = np.arange(clip.frames) - self.late
            yield index, 0 * offsets if self.still else offsets[np.clip(shown, 0, clip.frames - 1)]


def test_disturbances_are_measured_against_the_undisturbed_motion(sound) -> None:
    recording = on_recordings.read_recording(sound)
    report = on_recordings.evaluate(RulesModel(), RIG, [recording], disturbed=True)
    assert list(report["disturbed"]) == list(disturbances.DISTURBANCES)
    for row in report["disturbed"].values():  # rules do not listen
        assert row["gap_correlation"] == pytest.approx(1.0) and row["worst_mm"] == 0.0
        assert (row["pauses_closed"], row["pauses"]) == (1.0, 2)
    assert on_recordings.table(report).count("lips touch in 2 of 2 pauses (100 % of their frames)") == 4


@pytest.fixture
def sound(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Two seconds of noise in a .wav with its .txt, aligned as SEGMENTS."""

    def aligned(samples, rate, text=None, pronunciations=None) -> Alignment:
        return Alignment(SEGMENTS, text or "heard", text is None)

    monkeypatch.setattr(speech_alignment, "align", aligned)
    path = tmp_path / "mama.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((16000, 2)), 8000)
    path.with_suffix(".txt").write_text("Ma fap", encoding="utf-8")
    return path


def test_the_rules_themselves_are_perfect_and_a_still_face_is_not(sound) -> None:
    recording = on_recordings.read_recording(sound)
    assert (recording.text, recording.recognised) == ("Ma fap", False)
    assert len(recording.clip.audio) == 32000 and recording.clip.frames == 60
    report = on_recordings.evaluate(RulesModel(), RIG, [recording, recording])
    figures = report["rows"]["model"]
    assert figures["jaw_correlation"] == pytest.approx(1.0)
    assert (figures["bilabials"], figures["closures"]) == (4, 1.0)
    assert (figures["closures_in_speech"], figures["closure_precision"]) == (2, 1.0)  # M is the pause's before it
    assert (figures["labiodentals"], figures["tucks"]) == (2, 1.0)
    assert (figures["silent_frames"], figures["silence_closed"]) == (28, 1.0)  # .2 to .42 and 1.7 to 1.92 s, twice
    assert (figures["pauses"], figures["pauses_closed"], figures["aperture"]) == (4, 1.0, 1.0)
    assert figures["lag_ms"] == pytest.approx(0.0, abs=1e-9)
    assert report["classes"]["p b m"]["closed"] == report["classes"]["p b m"]["closed_rules"] == 1.0
    assert report["disturbed"] == {}
    still = on_recordings.evaluate(RulesModel(still=True), RIG, [recording])["rows"]["model"]
    assert (still["jaw_correlation"], still["closures"], still["silence_closed"]) == (0.0, 0.0, 0.0)


def test_a_model_that_is_late_is_found_out(sound) -> None:
    recording = on_recordings.read_recording(sound)
    report = on_recordings.evaluate(RulesModel(late=2), RIG, [recording])
    assert report["rows"]["model"]["lag_ms"] == pytest.approx(1000 * 2 / 30, abs=4.0)
    assert report["rows"]["model"]["jaw_correlation"] < 0.9 < report["rows"]["rules"]["jaw_correlation"]


def test_every_judged_phoneme_is_listed_and_misses_are_marked(sound) -> None:
    recording = on_recordings.read_recording(sound)
    report = on_recordings.evaluate(RulesModel(still=True), RIG, [recording], "happy", "strong")
    events = report["recordings"][0]["events"]
    assert [event["phoneme"] for event in events] == ["M", "F", "P"]
    # the tiny face's lip lies near its teeth without any tuck, as long as the jaw is shut
    assert [event["hit"] for event in events] == [False, True, False]
    assert events[0]["measured"] == pytest.approx(0.01)  # the template's gap of the tiny rig
    text = on_recordings.table(report, events=True)
    assert text.count("MISS") == 2 and "p b m closed 0 of 2" in text
    assert "emotion happy, level strong" in text
    assert json.loads(json.dumps(report)) == report


def test_the_emotion_is_told_or_left_to_the_voice(sound) -> None:
    recording, model = on_recordings.read_recording(sound), RulesModel()
    on_recordings.evaluate(model, RIG, [recording])
    on_recordings.evaluate(model, RIG, [recording], "sad")
    assert model.told == [("auto", 8), ("given", 3)]


def test_the_energy_baseline_stands_beside_where_a_corpus_is_given(sound) -> None:
    train = ClipStore.load(ToneCorpus(4).clips("train"), 30, 2).clips
    recording = on_recordings.read_recording(sound, "other words")
    assert recording.text == "other words"
    report = on_recordings.evaluate(RulesModel(), RIG, [recording], train=train)
    assert list(report["rows"]) == ["model", "rules", "energy"]
    assert abs(report["rows"]["energy"]["jaw_correlation"]) < 0.9
    assert -1.0 <= report["energy_correlation"] <= 1.0


def test_what_the_upper_face_shows_stands_beside_where_a_corpus_is_given(sound) -> None:
    train = ClipStore.load(ToneCorpus(6).clips("train"), 30, 2).clips
    given = {"mama": GivenAlignment("ma", None, SEGMENTS, "neutral")}
    recording = on_recordings.read_recording(sound, given=given)
    report = on_recordings.evaluate(RulesModel(), RIG, [recording, recording], train=train)
    # the rules move no upper face: it is the neutral one at the level that has neutral clips
    upper = report["upper_face"]
    assert (upper["shown_clips"], upper["shown_emotion"], upper["switches_per_10_s"]) == (2, 1.0, 0.0)
    assert upper["shown_share"]["neutral"] == 1.0 and upper["neutral_frames"] == 120
    assert [part["acted"] for part in report["recordings"]] == ["neutral", "neutral"]
    text = on_recordings.table(report)
    assert "upper face, acted neutral: neutral 100 % of the time" in text and "right in 2 of 2" in text
    assert on_recordings.evaluate(RulesModel(), RIG, [recording])["upper_face"] == {}


def test_a_package_of_another_face_is_refused(tiny_package, sound) -> None:
    recording = on_recordings.read_recording(sound)
    model = measured_models.open_model(str(tiny_package))
    with pytest.raises(OptionsError, match="expected equal counts"):
        on_recordings.evaluate(model, RIG, [recording])

    class Moved:
        template, faces = model.package.face.template + np.float32(0.001), model.package.face.faces
        masks, fields = {}, None

    with pytest.raises(OptionsError, match=r"up to 1\.00 mm off this version's rig"):
        on_recordings.evaluate(model, Moved, [recording])


def test_the_command_prints_text_or_json(sound, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(measured_models, "open_model", lambda source: RulesModel())
    monkeypatch.setattr(rig_module.Rig, "load", classmethod(lambda cls: RIG))
    assert main(["eval-speech", "any", str(sound), "--events"]) == 0
    assert "p b m closed 2 of 2" in capsys.readouterr().out
    assert main(["eval-speech", "any", str(sound), "--json", "--text", "Said so"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["recordings"][0]["text"] == "Said so"
    given = sound.with_name("align.json")
    given.write_text(json.dumps({"mama": {"text": "By hand", "phones": [["M", 0.5, 0.6], ["AA1", 0.6, 1.2]]}}))
    assert main(["eval-speech", "any", str(sound), "--json", "--alignment", str(given), "--disturbed"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["recordings"][0]["text"] == "By hand" and len(report["disturbed"]) == 4
    assert report["rows"]["model"]["bilabials"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b.wav", "--text", "x"], "--text with 2 sounds; expected one"),
        (["--alignment", "a.json", "--text", "x"], "--alignment with --text or --pronounce; expected one of them"),
        (["--emotion", "glad"], "--emotion 'glad'; expected auto or one of neutral"),
        (["--pronounce", "hue=HH Q"], "--pronounce 'hue=HH Q'; expected WORD=SOUNDS"),
        (["--pronounce", "hue"], "--pronounce 'hue'; expected WORD=SOUNDS"),
    ],
)
def test_wrong_arguments_are_named(arguments, message: str, sound, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(measured_models, "open_model", lambda source: RulesModel())
    assert main(["eval-speech", "any", str(sound), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_alignment_that_is_missing_is_named(sound, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(measured_models, "open_model", lambda source: RulesModel())
    assert main(["eval-speech", "any", str(sound), "--alignment", "nothing.json"]) == AlignmentError.exit_code
    assert "nothing.json: which cannot be read as JSON" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "-2", "5000"])
def test_threads_are_counted_from_one(threads: str, sound, capsys) -> None:
    assert main(["eval-speech", "any", str(sound), "--threads", threads]) == 2
    assert f"got threads={threads}; expected an integer from 1" in capsys.readouterr().err


def test_files_that_are_no_sound_are_named(tmp_path) -> None:
    with pytest.raises(AudioFileError, match=r"nothing\.wav: no such file"):
        on_recordings.read_recording(tmp_path / "nothing.wav")


def test_transcripts_are_utf_8(sound) -> None:
    sound.with_suffix(".txt").write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}Ma fap".encode())
    assert on_recordings.read_recording(sound).text == "Ma fap"
    sound.with_suffix(".txt").write_bytes("Caf\xe9".encode("latin-1"))
    with pytest.raises(AlignmentError, match=r"mama\.txt, which cannot be read .*expected UTF-8"):
        on_recordings.read_recording(sound)


def test_an_alignment_that_fails_names_the_file(sound, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Alignment:
        raise AlignmentError("the text", "one that fits", "Correct it.")

    monkeypatch.setattr(speech_alignment, "align", refused)
    with pytest.raises(AlignmentError, match=r"mama\.wav: the text; expected one that fits"):
        on_recordings.read_recording(sound)
