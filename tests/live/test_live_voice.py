"""`LiveVoice`: an animator's frames, numbered; barge-in; frames again; snapshots."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import Package
from emoface.errors import AudioError, ConditionError, SnapshotError, StreamEndedError
from emoface.frames import FRAME_ARRAYS
from emoface.live.codes import CODES, LiveError, code_of
from emoface.live.voice import REST_S, LiveFrames, LiveVoice

RATE = 16000


@pytest.fixture(scope="module")
def package(tiny_rank_package: Path) -> Package:
    return Package.load(tiny_rank_package)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def fed(voice: LiveVoice, audio: np.ndarray, cuts: list[int]) -> list[LiveFrames]:
    edges = [0, *sorted(cuts), len(audio)]
    return [voice.feed(audio[a:b]) for a, b in pairwise(edges)]


def same(one: LiveFrames, other: LiveFrames) -> None:
    assert one.first == other.first and len(one) == len(other)
    for name in FRAME_ARRAYS:
        np.testing.assert_array_equal(getattr(one.batch, name), getattr(other.batch, name), err_msg=name)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2 * RATE), max_size=6), st.sampled_from([0.0, 0.3]))
def test_an_uninterrupted_voice_is_an_animator(package: Package, cuts: list[int], tail: float) -> None:
    audio = sound(2)
    voice = LiveVoice(package, emotion="happy")
    frames = LiveFrames.joined([*fed(voice, audio, cuts), voice.finish(tail)])
    with package.animator(emotion="happy") as animator:
        whole = animator.whole(audio, tail)
    same(frames, LiveFrames(0, whole))
    assert voice.position == 2.0 and voice.next_frame == len(whole)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, RATE), max_size=4), st.lists(st.integers(0, RATE), max_size=4))
def test_an_interruption_leads_to_rest_and_counts_on(package: Package, cuts: list[int], later: list[int]) -> None:
    voice = LiveVoice(package)
    fed(voice, sound(1), cuts)
    voice.set("emotion", "angry")
    shown = voice.next_frame
    last = voice.frames_from(shown - 1).batch.vertices[0]
    rest = voice.interrupt()
    assert rest.first == shown and len(rest) == round(REST_S * voice.fps)
    np.testing.assert_array_equal(rest.batch.vertices[-1], voice.animator.face.template)
    away = np.abs(rest.batch.vertices - voice.animator.face.template).max(axis=(1, 2))
    assert np.all(np.diff([np.abs(last - voice.animator.face.template).max(), *away]) <= 1e-7)
    assert voice.position == rest.end / voice.fps
    after = LiveFrames.joined([*fed(voice, sound(1, 1), later), voice.finish()])
    assert after.first == rest.end and len(after) == voice.fps
    np.testing.assert_allclose(after.batch.time, np.arange(after.first, after.end) / voice.fps, rtol=0, atol=1e-12)
    with package.animator(emotion="angry") as animator:
        anew = animator.whole(sound(1, 1))
    count = len(rest)
    np.testing.assert_array_equal(after.batch.vertices[count - 1 :], anew.vertices[count - 1 :])
    small = np.abs(after.batch.vertices - voice.animator.face.template)[: count - 1]
    assert np.all(small <= np.abs(anew.vertices - voice.animator.face.template)[: count - 1] + 1e-7)


def test_an_interruption_before_anything_was_shown_shows_nothing(package: Package) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(0.01))
    assert len(voice.interrupt()) == 0 and voice.position == 0.0
    same(LiveFrames.joined([voice.feed(sound(1)), voice.finish()]), LiveFrames(0, package.animator().whole(sound(1))))


@pytest.mark.parametrize("shown", [0, 1, 7, 24])
def test_frames_handed_out_ahead_are_withdrawn_by_an_interruption(package: Package, shown: int) -> None:
    ahead = LiveVoice(package)
    ahead.feed(sound(2))
    ahead.set("emotion", "sad")  # from what is heard next on, and what was heard is forgotten
    whole = ahead.frames_from(0)
    rest = ahead.interrupt(at=shown)
    assert rest.first == shown and ahead.next_frame == rest.end
    if shown:
        assert len(rest) == 6
        np.testing.assert_array_equal(rest.batch.vertices[-1], ahead.animator.face.template)
        last = whole.batch.vertices[shown - 1] - ahead.animator.face.template
        assert np.abs(rest.batch.vertices[0] - ahead.animator.face.template - last).max() < np.abs(last).max() * 0.2
        same(ahead.frames_from(0).part(0, shown), whole.part(0, shown))
    else:
        assert len(rest) == 0
    after = LiveFrames.joined([ahead.feed(sound(1, 1)), ahead.finish()])
    anew = package.animator(emotion="sad").whole(sound(1, 1))
    np.testing.assert_array_equal(after.batch.vertices[len(rest) :], anew.vertices[len(rest) :])
    for wrong, code in ((ahead.next_frame + 1, "out_of_order"), (-1, "out_of_order")):
        with pytest.raises(LiveError) as caught:
            ahead.interrupt(at=wrong)
        assert caught.value.code == code


def test_a_voice_at_rest_goes_on_without_frames_between(package: Package) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(1))
    end = voice.finish(0.3).end
    assert len(voice.interrupt(rest_s=0.0)) == 0 and voice.position == end / voice.fps
    after = LiveFrames.joined([voice.feed(sound(1, 1)), voice.finish()])
    assert after.first == end
    np.testing.assert_array_equal(after.batch.vertices, package.animator().whole(sound(1, 1)).vertices)


def test_an_ended_voice_hears_again_after_an_interruption(package: Package) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(1))
    voice.finish()
    with pytest.raises(StreamEndedError):
        voice.feed(sound(1))
    voice.interrupt()
    assert len(voice.feed(sound(1))) > 0 and not voice.ended


def test_conditions_in_the_future_outlast_interruptions(package: Package) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(0.5))
    voice.set("emotion", "sad", at=2.0)
    voice.interrupt()
    start = voice.position
    after = LiveFrames.joined([voice.feed(sound(3)), voice.finish()])
    with package.animator() as animator:
        animator.set_emotion("sad", at=2.0 - start)
        anew = animator.whole(sound(3))
    np.testing.assert_array_equal(after.batch.vertices[6:], anew.vertices[6:])
    voice.reset()
    assert voice.position == 0.0 and voice.next_frame == 0
    same(voice.feed(sound(2)), LiveFrames(0, package.animator().step(sound(2))))


def test_frames_are_repeated_with_the_same_bits_until_they_are_old(package: Package) -> None:
    voice = LiveVoice(package, kept_s=1.0)
    all_frames = LiveFrames.joined(fed(voice, sound(4), list(range(1600, 4 * RATE, 1600))))
    for frame in (voice.next_frame, voice.next_frame - 1, voice.next_frame - voice.fps):
        same(voice.frames_from(frame), all_frames.part(frame, all_frames.end))
    for frame, code in ((0, "not_kept"), (voice.next_frame + 1, "out_of_order"), (-1, "out_of_order")):
        with pytest.raises(LiveError) as caught:
            voice.frames_from(frame)
        assert caught.value.code == code and code in CODES


def test_snapshots_go_on_bit_for_bit_after_interruptions_too(package: Package) -> None:
    voice, other = LiveVoice(package), LiveVoice(package)
    voice.feed(sound(1))
    voice.set("emotion", {"happy": 0.5, "sad": 0.5})
    voice.interrupt()
    voice.feed(sound(0.3, 1))
    kept = voice.snapshot()
    other.restore(kept)
    assert other.position == voice.position
    for one in (sound(1, 2), sound(0.5, 3)):
        same(other.feed(one), voice.feed(one))
    same(other.interrupt(), voice.interrupt())
    same(other.feed(sound(1, 4)), voice.feed(sound(1, 4)))


@pytest.mark.parametrize("cut", [0, 3, 12, 40, -1])
def test_damaged_snapshots_change_nothing(package: Package, cut: int) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(0.5))
    kept = voice.snapshot()
    before = voice.position
    for data in (None, kept[:cut], b"x" + kept[1:], kept[:9] + b"\xff\xff\xff\x7f" + kept[13:]):
        with pytest.raises(SnapshotError):
            voice.restore(data)
    assert voice.position == before and voice.snapshot() == kept


def test_refused_audio_and_conditions_change_nothing(package: Package) -> None:
    voice = LiveVoice(package)
    voice.feed(sound(0.5))
    kept = voice.snapshot()
    with pytest.raises(AudioError):
        voice.feed(np.full(100, np.nan, np.float32))
    with pytest.raises(ConditionError):
        voice.set("emotion", "bored")
    with pytest.raises(ConditionError):
        voice.set("emotion", "happy", at=0.0)
    assert voice.snapshot() == kept


def test_every_error_has_a_code() -> None:
    errors = {"bad_condition": ConditionError, "bad_audio": AudioError, "out_of_order": StreamEndedError}
    for code, kind in errors.items():
        assert code_of(kind("a", "b", "c")) == code
    assert code_of(ValueError()) == "failed"
    closes = [code.websocket for code in CODES.values()]
    assert len(set(closes)) == len(closes)
