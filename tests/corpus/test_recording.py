"""What a microphone hears: timing, determinism, levels, silence, bad inputs."""

from itertools import pairwise, product

import numpy as np
import pytest

from emoface_training.data.synthetic import recording, recording_codecs
from emoface_training.data.synthetic.phonemes import SIL, Segment
from emoface_training.data.synthetic.recording import Situation, drawn, nearly_clean, record
from emoface_training.data.synthetic.recording_bands import BANDS
from emoface_training.data.synthetic.recording_levels import LOUDNESS
from emoface_training.data.synthetic.recording_music import music
from emoface_training.data.synthetic.recording_noises import NOISES
from emoface_training.data.synthetic.recording_rest import REST_SOUNDS, rest_sounds
from emoface_training.data.synthetic.recording_rooms import drawn_room, response
from emoface_training.data.synthetic.speech import Speech
from emoface_training.errors import CorpusError

RATE = 16000
PAUSES = ((0.0, 0.5), (1.3, 1.9), (2.6, 3.0))
PHRASES = ((0.5, 1.3), (1.9, 2.6))


def speech(seed: int = 0) -> Speech:
    """Three seconds: two phrases of syllables (buzzes of 60 to 140 ms with the spectrum of a vowel), silence around."""
    rng = np.random.default_rng(seed)
    audio = np.zeros(3 * RATE)
    for start, end in PHRASES:
        at = start
        while at < end - 0.14:
            time = np.arange(int(rng.uniform(0.06, 0.14) * RATE)) / RATE
            pitch = rng.uniform(90, 200)
            buzz = sum(np.sin(2 * np.pi * pitch * k * time) / (1 + (k * pitch / 900) ** 2) for k in range(1, 30))
            place = int(at * RATE)
            audio[place : place + len(time)] += buzz * np.hanning(len(time)) * rng.uniform(0.1, 0.5)
            at += rng.uniform(0.12, 0.25)
    spans = sorted([(*pause, SIL) for pause in PAUSES] + [(*phrase, "AA") for phrase in PHRASES])
    return Speech(audio, [Segment(name, start, end) for start, end, name in spans])


def silent(seconds: float = 2.0) -> Speech:
    return Speech(np.zeros(int(seconds * RATE)), [Segment(SIL, 0.0, seconds)])


def lag(changed: np.ndarray, audio: np.ndarray) -> float:
    """Milliseconds by which the course of loudness comes late."""
    window = np.hanning(321)
    courses = [np.convolve(np.abs(x - x.mean()), window, "same") ** 0.5 for x in (changed.astype(float), audio)]
    first, second = (np.fft.rfft(course - course.mean(), 2 * len(course)) for course in courses)
    likeness = np.fft.irfft(first * np.conj(second))
    place = int(np.argmax(likeness))
    return 1000 * (place if place < len(audio) else place - 2 * len(audio)) / RATE


@pytest.mark.parametrize("codec", recording_codecs.MP3 + recording_codecs.OPUS, ids=lambda c: f"{c.name}-{c[1]}-{c[2]}")
def test_codecs_come_back_in_time(codec: recording_codecs.Codec) -> None:
    audio = 0.5 * speech().audio
    came = recording_codecs.coded(audio, codec)
    assert len(came) == len(audio)
    likeness = np.fft.irfft(np.fft.rfft(came, 2 * len(audio)) * np.conj(np.fft.rfft(audio, 2 * len(audio))))
    place = int(np.argmax(likeness))
    assert min(place, 2 * len(audio) - place) <= 0.001 * RATE
    assert abs(lag(came, audio)) <= 2
    assert likeness.max() > 0.85 * np.sqrt((came @ came) * (audio @ audio)) and not np.allclose(came, audio, atol=1e-4)


def test_a_late_codec_is_measured_as_late() -> None:
    """The delay is not an assumption: at low rates LAME's MP3 is far from 0."""
    late = [recording_codecs.delay(codec) / codec.rate for codec in recording_codecs.MP3]
    assert max(late) > 0.06


@pytest.mark.parametrize(
    "situation",
    [
        Situation(level=-45.0, floor=-95.0),
        Situation(over=15.0),
        Situation(offset=0.05),
        Situation(microphone="equalised"),
        Situation(microphone="old"),
        *(Situation(band=band) for band in BANDS),
    ],
    ids=lambda s: s.band or f"{s.microphone} {s.level} {s.over} {s.offset}",
)
def test_devices_move_nothing_in_time(situation: Situation) -> None:
    for seed in range(3):
        spoken = speech(seed)
        heard = record(spoken, np.random.default_rng(seed), nearby=None, gain_db=0, situation=situation)
        assert heard.dtype == np.int16 and heard.shape == spoken.audio.shape
        assert abs(lag(heard, spoken.audio)) <= 2


def test_rooms_begin_with_the_direct_sound() -> None:
    longest = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        room = drawn_room(rng)
        near, far = response(room, 0.3, rng), response(room, 4.0, rng)
        assert near[0] == far[0] == 1.0 and np.isfinite(near).all() and np.abs(near[1:]).max() < 1
        assert np.sum(far[1:] ** 2) > 4 * np.sum(near[1:] ** 2)
        low, _, high = room.decays
        assert high < low
        longest.append(low)
    assert min(longest) < 0.4 and max(longest) > 0.7


def test_everything_comes_from_the_generator() -> None:
    others = [speech(1).audio, speech(2).audio]
    first, again = (
        [record(speech(), np.random.default_rng(seed), nearby=others, gain_db=2.0) for seed in range(8)]
        for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in pairwise(first))


def test_any_situation_stays_in_time_and_loud_where_speech_is() -> None:
    spoken = speech()
    inside = np.concatenate([np.arange(int(a * RATE), int(b * RATE)) for a, b in PHRASES])
    for seed in range(16):
        heard = record(spoken, np.random.default_rng(seed), nearby=None, gain_db=0)
        assert heard.shape == spoken.audio.shape
        assert heard[inside].std() > 3, seed


def test_situations_are_as_wide_as_promised() -> None:
    rng = np.random.default_rng(0)
    many = [drawn(rng, True) for _ in range(3000)]
    clean = [s for s in many if not (s.room or s.behind or s.band or s.codec or s.gain_control or s.over)]
    assert 0.38 < len(clean) / len(many) < 0.45
    assert min(s.level for s in many) < -44 and any(s.over > 14 for s in many)
    assert max(abs(s.offset) for s in many) > 0.045
    kinds = {name for s in many for name, _ in s.behind}
    assert kinds == {*NOISES, "voice", "babble", "music"}
    assert {s.band for s in many} == {"", *BANDS} and {s.microphone for s in many} == {"flat", "equalised", "old"}
    assert {s.codec for s in many} == {None, *recording_codecs.MP3, *recording_codecs.OPUS}
    behind = [below for s in many for name, below in s.behind if name in ("voice", "music")]
    assert 0 <= min(behind) < 1 and 19 < max(behind) <= 20
    assert not any(name in ("voice", "babble") for _ in range(300) for name, _ in drawn(rng, False).behind)


@pytest.mark.parametrize(("gain_db", "level"), [(0.0, 0.0), (-6.0, 0.0), (6.0, -20.0), (0.0, -45.0)])
def test_levels_are_those_of_speech_without_its_pauses(gain_db: float, level: float) -> None:
    spoken = speech()
    heard = record(spoken, np.random.default_rng(0), nearby=None, gain_db=gain_db, situation=Situation(level=level))
    inside = np.concatenate([heard[int(a * RATE) : int(b * RATE)] for a, b in PHRASES]) / 32767
    reached = 20 * np.log10(np.sqrt(np.mean(inside**2)) / LOUDNESS)
    assert reached == pytest.approx(gain_db + level, abs=0.1)


def test_overload_clips_and_offsets_offset() -> None:
    heard = record(speech(), np.random.default_rng(3), nearby=None, gain_db=0, situation=Situation(over=12.0))
    assert np.mean(np.abs(heard) >= 32700) > 0.005
    heard = record(silent(), np.random.default_rng(0), nearby=None, gain_db=0, situation=Situation(offset=-0.05))
    assert np.unique(heard).tolist() == [round(-0.05 * 32767)]


@pytest.mark.parametrize("kind", ["voice", "babble", "music", *NOISES])
def test_what_is_behind_is_as_far_below_as_asked_and_leaves_speech_in_place(kind: str) -> None:
    others = [speech(1).audio, speech(2).audio]
    plain = record(speech(), np.random.default_rng(5), nearby=others, gain_db=0, situation=Situation())
    mixed = record(
        speech(), np.random.default_rng(5), nearby=others, gain_db=0, situation=Situation(behind=((kind, 9.0),))
    )
    added = (mixed.astype(float) - plain) / 32767
    assert 20 * np.log10(added.std() / LOUDNESS) == pytest.approx(-9, abs=0.3)


def test_clips_without_speech_keep_silence_silent() -> None:
    assert not record(silent(), np.random.default_rng(0), nearby=None, gain_db=5.0, situation=Situation()).any()
    for how in (Situation(codec=recording_codecs.MP3[0]), Situation(band="telephone"), Situation(gain_control=True)):
        assert np.abs(record(silent(), np.random.default_rng(0), nearby=None, gain_db=0, situation=how)).max() <= 1
    for seed in range(10):
        how = nearly_clean(np.random.default_rng(seed))
        heard = record(silent(), np.random.default_rng(seed), nearby=None, gain_db=0, situation=how)
        assert heard.std() / 32767 < 10 ** (-55 / 20)
    loud = Situation(behind=(("voice", 0.0),), over=15.0)
    heard = record(silent(), np.random.default_rng(0), nearby=speech().audio, gain_db=0, situation=loud)
    assert heard.std() / 32767 < LOUDNESS / 3


def test_gain_control_lifts_the_quiet_and_tames_the_loud() -> None:
    for level, compare in ((-25.0, 1), (12.0, -1)):
        quiet = Speech(speech().audio, speech().segments)
        plain, kept = (
            record(quiet, np.random.default_rng(1), nearby=None, gain_db=level, situation=Situation(gain_control=on))
            for on in (False, True)
        )
        assert compare * (kept.std() - plain.std()) > 0.1 * plain.std()


def test_music_is_loud_enough_everywhere_and_never_twice_the_same() -> None:
    made = [music(3 * RATE, np.random.default_rng(seed)) for seed in range(4)]
    for one in made:
        assert len(one) == 3 * RATE and one.std() == pytest.approx(1, abs=0.02) and np.isfinite(one).all()
        assert np.abs(one.reshape(3, -1)).max(1).min() > 0.05
    assert all(abs(np.corrcoef(a, b)[0, 1]) < 0.5 for i, a in enumerate(made) for b in made[:i])


def test_rest_sounds_lie_in_pauses_and_leave_speech_alone() -> None:
    changed = 0
    for seed in range(30):
        spoken = speech(seed)
        with_sounds = rest_sounds(spoken, np.random.default_rng(seed))
        again = rest_sounds(spoken, np.random.default_rng(seed))
        assert with_sounds.segments == spoken.segments and np.array_equal(with_sounds.audio, again.audio)
        touched = np.flatnonzero(with_sounds.audio != spoken.audio) / RATE
        changed += len(touched) > 0
        for start, end in PHRASES:
            assert not np.any((touched > start - 0.055) & (touched < end + 0.055))
    assert 15 <= changed < 30


def test_rest_sounds_fill_clips_without_speech_and_differ_in_level() -> None:
    peaks = [np.abs(rest_sounds(silent(3.0), np.random.default_rng(seed)).audio).max() for seed in range(30)]
    assert sum(peak == 0 for peak in peaks) < 12
    heard = [peak for peak in peaks if peak > 0]
    assert max(heard) > 8 * min(heard) and min(heard) > 1e-3


@pytest.mark.parametrize("name", REST_SOUNDS)
def test_each_rest_sound_is_finite_at_its_shortest_and_longest(name: str) -> None:
    from emoface_training.data.synthetic.recording_rest import Body

    sound = REST_SOUNDS[name]
    for seconds, seed in product(sound.seconds, range(3)):
        made = sound.make(seconds, Body(95.0 + 80 * seed, 0.9 + 0.14 * seed), np.random.default_rng(seed))
        assert np.isfinite(made).all() and made.any() and len(made) <= seconds * RATE + 1


@pytest.mark.parametrize(
    ("audio", "gain"),
    [
        (np.full(100, np.nan), 0.0),
        (np.zeros((100, 2)), 0.0),
        (np.zeros(100, np.int16), 0.0),
        (np.zeros(100), np.inf),
        (np.zeros(100), np.nan),
    ],
    ids=["not a number", "stereo", "integers", "infinite gain", "gain not a number"],
)
def test_what_cannot_be_recorded_is_named(audio: np.ndarray, gain: float) -> None:
    with pytest.raises(CorpusError, match=r"expected (a )?finite"):
        record(Speech(audio, []), np.random.default_rng(0), nearby=None, gain_db=gain)
    with pytest.raises(CorpusError, match="nearby speech"):
        record(silent(), np.random.default_rng(0), nearby=np.zeros((3, 3)), gain_db=0)


def test_no_samples_and_voices_that_are_silent_are_no_fault() -> None:
    assert record(Speech(np.zeros(0), []), np.random.default_rng(0), nearby=None, gain_db=0).shape == (0,)
    for others in ([], np.zeros(0), np.zeros(500), [np.zeros(10), speech().audio[RATE : RATE + 40]]):
        for seed in range(12):
            record(silent(0.05), np.random.default_rng(seed), nearby=others, gain_db=0)


def test_an_old_libsndfile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_codecs.soundfile, "check_format", lambda container, kind: kind != "OPUS")
    with pytest.raises(CorpusError, match=r"without opus.*libsndfile 1\.1"):
        recording_codecs.check()
    situation = recording.Situation(codec=recording_codecs.OPUS[0])
    with pytest.raises(CorpusError, match="without opus"):
        record(speech(), np.random.default_rng(0), nearby=None, gain_db=0, situation=situation)
