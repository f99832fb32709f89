"""The aligner against speech whose phoneme times are known, and what it says of texts and sounds that do not fit."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

import emoface
from emoface.audio.files import read_sound
from emoface_training.data.synthetic import speech_flite
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL
from emoface_training.errors import AlignmentError, SpeechEngineError
from emoface_training.evaluation import speech_alignment
from emoface_training.evaluation.speech_alignment import align, to_aligner, words_of

BUNDLED = Path(emoface.__file__).parent / "assets" / "speech.wav"
BUNDLED_TEXT = (
    "Hello! I am a face made of numbers. Give me your voice, and my mouth will move. Wow! You may pick my mood, too! "
    "Even a very blue one."
)
SENTENCES = {"give": 3.26, "wow": 6.18, "even": 8.70}  # seconds, of the clip's README


@pytest.fixture(scope="module")
def pocketsphinx():
    return pytest.importorskip("pocketsphinx", reason="needs PocketSphinx: pip install 'emoface[speech]'")


def covers(segments, seconds: float) -> bool:
    """Whether the segments follow each other from 0 to the end."""
    edges = [segments[0].start, *(segment.end for segment in segments)]
    touching = all(abs(a.end - b.start) < 1e-9 for a, b in pairwise(segments))
    return touching and edges[0] == 0.0 and abs(edges[-1] - seconds) < 1e-6 and np.all(np.diff(edges) > 0)


def test_bundled_speech_starts_its_sentences_where_it_was_joined(pocketsphinx) -> None:
    sound = read_sound(BUNDLED)
    alignment = align(sound.samples, sound.rate, BUNDLED_TEXT)
    assert not alignment.recognised
    assert covers(alignment.segments, sound.seconds)
    assert {segment.phoneme for segment in alignment.segments} <= set(PHONEME_INDEX)
    pauses = [segment.end for segment in alignment.segments if segment.phoneme == SIL]
    for word, start in SENTENCES.items():
        assert min(abs(end - start) for end in pauses) < 0.08, word


def test_phoneme_starts_are_within_15_ms_of_the_synthesiser_s(pocketsphinx) -> None:
    text = "People may bring many big boxes to the river, and five of them will float."
    try:
        spoken = speech_flite.speak("slt", [text], [1.0])[0]
    except SpeechEngineError as error:
        pytest.skip(str(error))
    found = align(spoken.audio, 16000, text).segments
    errors = []
    for segment in spoken.segments:
        same = [abs(other.start - segment.start) for other in found if other.phoneme == segment.phoneme]
        if segment.phoneme != SIL and same:
            errors.append(min(same))
    assert len(errors) > 0.9 * sum(segment.phoneme != SIL for segment in spoken.segments)
    assert np.median(errors) <= 0.015  # 9 ms when this was written
    # a pause of half a second in the middle is found although the text does not tell of it
    cut = round(spoken.segments[len(spoken.segments) // 2].start * 16000)
    paused = np.concatenate([spoken.audio[:cut], np.zeros(8000), spoken.audio[cut:]])
    pauses = [s for s in align(paused, 16000, text).segments if s.phoneme == SIL and s.end - s.start > 0.35]
    assert any(s.start < (cut + 4000) / 16000 < s.end for s in pauses)


def test_what_is_said_is_recognised_without_a_text(pocketsphinx) -> None:
    sound = read_sound(BUNDLED)
    part = sound.samples[: int(2.0 * sound.rate)]
    alignment = align(part, sound.rate)
    assert alignment.recognised
    assert {"face", "made"} & set(alignment.text.split())


def test_unknown_words_are_pronounced_or_asked_of_espeak(pocketsphinx, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = read_sound(BUNDLED)
    part = sound.samples[: int(0.9 * sound.rate)]
    spelt = align(part, sound.rate, "hullowumba", {"hullowumba": "HH AH L OW"}).segments
    assert [s.phoneme for s in spelt if s.phoneme != SIL] == ["HH", "AH", "L", "OW"]
    monkeypatch.setattr(speech_alignment, "_pronounced", lambda word: {"hullowumba": "HH AH L OW"}[word])
    assert align(part, sound.rate, "hullowumba").segments == spelt


def test_a_pronunciation_of_a_known_word_is_one_more_way_of_saying_it(pocketsphinx) -> None:
    """The sound says "hello": it decides for the sounds that were given, and against others."""
    sound = read_sound(BUNDLED)
    part = sound.samples[: int(0.9 * sound.rate)]

    def phonemes(word: str, given: str) -> list[str]:
        return [s.phoneme for s in align(part, sound.rate, word, {word: given}).segments if s.phoneme != SIL]

    assert phonemes("one", "HH AH L OW") == ["HH", "AH", "L", "OW"]
    assert phonemes("hello", "S IY K S T IY") in (["HH", "AH", "L", "OW"], ["HH", "EH", "L", "OW"])


def test_espeak_says_a_word_that_no_dictionary_has() -> None:
    try:
        sounds = speech_alignment._pronounced("zuvembo").split()
    except AlignmentError as error:
        pytest.skip(str(error))
    assert set(sounds) <= set(PHONEME_INDEX) - {SIL}
    assert {"Z", "V", "M", "B"} <= set(sounds)


def test_a_text_that_is_not_what_is_said_is_refused(pocketsphinx) -> None:
    half_a_second = 0.1 * np.sin(2 * np.pi * 200 * np.arange(8000) / 16000)
    with pytest.raises(AlignmentError, match=r"severe myopia.*onto 0\.5 s.*word for word"):
        align(half_a_second, 16000, "severe myopia contributed to ron's inferiority complex")


@pytest.mark.parametrize(
    ("text", "message"), [("I am 24.", "the figure '24.'.*as spoken"), ("?!", "at least one word"), ("", "one word")]
)
def test_texts_that_cannot_be_read_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        words_of(text)


def test_words_are_lower_case_without_marks() -> None:
    assert words_of("Ron\N{RIGHT SINGLE QUOTATION MARK}s 'boat' - it isn't re-done!") == [
        "ron's", "boat", "it", "isn't", "re", "done",
    ]  # fmt: skip


def test_sound_becomes_16_khz_mono_at_one_level() -> None:
    time = np.arange(44100) / 44100
    tone = 0.01 * np.sin(2 * np.pi * 440 * time)
    heard = to_aligner(np.stack([tone, np.zeros_like(tone)], 1), 44100)
    assert heard.dtype == np.int16 and len(heard) == 16000
    expected = resample_poly(tone, 160, 441)
    expected = expected / np.abs(expected).max() * 20000
    assert np.abs(heard - expected).max() < 12  # the noise floor
    with pytest.raises(AlignmentError, match="digital silence"):
        to_aligner(np.zeros(100), 16000)
    for wrong in (np.nan, np.inf):
        with pytest.raises(AlignmentError, match="NaN or infinite"):
            to_aligner(np.array([0.1, wrong, 0.2]), 48000)


def test_without_pocketsphinx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(AlignmentError, match=r"pip install 'emoface\[speech\]'"):
        align(np.ones(16000), 16000, "hello")
