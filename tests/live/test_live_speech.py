"""`LiveSpeech`: each frame with its sound, marks at their places, pauses, interruptions; on a voice of this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import Package
from emoface.live import speech as live_speech
from emoface.live.speech import LiveSpeech, Mark, Spoken
from emoface.live.voice import REST_S, LiveVoice
from emoface.live.worker import opened

RATE, FPS = 16000, 30
REST = round(REST_S * FPS)


class Voice:
    """A hosted voice's calls on a voice of this process."""

    def __init__(self, package: Package) -> None:
        self.voice = LiveVoice(package)
        self.facts = opened(self.voice)
        self.fed: list[int] = []

    async def feed(self, chunk: Any) -> Any:
        self.fed.append(len(chunk))
        frames = self.voice.feed(chunk)  # requests are worked off in their order, answers come later
        await asyncio.sleep(0)
        return frames

    async def finish(self, tail_s: float) -> Any:
        frames = self.voice.finish(tail_s)
        await asyncio.sleep(0)
        return frames

    async def interrupt(self, at: int | None = None, rest_s: float = REST_S) -> Any:
        frames = self.voice.interrupt(at, rest_s)
        await asyncio.sleep(0)
        return frames


@pytest.fixture(scope="module")
def package(tiny_rank_package: Path) -> Package:
    return Package.load(tiny_rank_package)


def pcm(samples: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3000, (samples, channels)).astype(np.int16)


async def until(speech: LiveSpeech, mark: Any) -> list[Spoken | Mark]:
    """What comes out up to and with a mark."""
    items: list[Spoken | Mark] = []
    while not items or items[-1] != Mark(mark):
        items.append(await asyncio.wait_for(speech.next(), 20))
    return items


def spoken(items: list[Spoken | Mark]) -> list[Spoken]:
    return [item for item in items if isinstance(item, Spoken)]


def sound(items: list[Spoken | Mark]) -> np.ndarray:
    return np.concatenate([item.sound for item in spoken(items)])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 2 * RATE), max_size=5), st.integers(1, 2 * RATE), st.sampled_from([1, 2]))
def test_frames_and_sound_are_those_of_the_whole(package: Package, cuts: list[int], length: int, channels: int) -> None:
    said = pcm(length, channels=channels)

    async def run() -> list[Spoken | Mark]:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        for part in np.split(said, sorted(cuts)):
            speech.say(part)
        speech.end()
        speech.mark("end")
        return await until(speech, "end")

    items = asyncio.run(run())
    frames = spoken(items)
    assert [item.frames.first for item in frames] == list(range(length * FPS // RATE + REST))
    out = sound(items)
    np.testing.assert_array_equal(out[:length], said)
    assert not out[length:].any() and len(out) == len(frames) * RATE // FPS
    assert [item.last for item in frames] == [False] * (len(frames) - 1) + [True]
    with package.animator() as animator:
        whole = animator.whole(said, REST_S)
    np.testing.assert_array_equal(np.concatenate([item.frames.batch.vertices for item in frames]), whole.vertices)


def test_marks_keep_their_places_and_utterances_follow(package: Package) -> None:
    async def run() -> list[Spoken | Mark]:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        speech.mark("begin")
        speech.say(pcm(RATE // 2))
        speech.mark("half")
        speech.say(pcm(RATE // 2))
        speech.end()
        speech.mark("end")
        speech.end()  # of nothing
        speech.say(pcm(RATE // 3, 1))
        speech.end()
        speech.mark("second")
        return await until(speech, "second")

    items = asyncio.run(run())
    at = {item.value: len(spoken(items[:place])) for place, item in enumerate(items) if isinstance(item, Mark)}
    assert at == {
        "begin": 0,
        "half": FPS // 2,
        "end": FPS + REST,
        "second": FPS + REST + RATE // 3 * FPS // RATE + REST,
    }
    assert [item.frames.first for item in spoken(items)] == list(range(at["second"]))
    np.testing.assert_array_equal(sound(items)[(FPS + REST) * RATE // FPS :][: RATE // 3], pcm(RATE // 3, 1))


@pytest.mark.parametrize("length", [1, 533, 534, 1066, 1067, 1599])
def test_every_sample_leaves_whatever_is_left_of_a_frame(package: Package, length: int) -> None:
    """The utterance begins at a frame whose first sample is no whole number."""

    async def run() -> list[Spoken | Mark]:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        for number, part in enumerate((pcm(600), pcm(length, 1))):
            speech.say(part)
            speech.end()
            speech.mark(number)
        await until(speech, 0)
        return await until(speech, 1)

    out = sound(asyncio.run(run()))
    np.testing.assert_array_equal(out[:length], pcm(length, 1))
    assert not out[length:].any()


def test_it_hears_no_more_than_is_asked_for(package: Package) -> None:
    async def run() -> None:
        voice = Voice(package)
        speech = LiveSpeech(voice)  # type: ignore[arg-type]
        speech.say(pcm(60 * RATE))
        await speech.next()
        latency = voice.facts.latency_ms / 1000
        assert sum(voice.fed) <= (latency + 0.2) * RATE

    asyncio.run(run())


def test_a_pause_ends_an_utterance_so_that_all_of_it_is_shown(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_speech, "STALL_S", 0.02)

    async def run() -> None:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        speech.say(pcm(RATE // 2))
        shown = [await asyncio.wait_for(speech.next(), 20) for _ in range(FPS // 2 + REST)]
        np.testing.assert_array_equal(sound(shown)[: RATE // 2], pcm(RATE // 2))
        waiting = asyncio.ensure_future(speech.next())
        await asyncio.sleep(0.05)
        assert not waiting.done(), "silence costs nothing"
        speech.say(pcm(RATE // 2, 1))
        item = await asyncio.wait_for(waiting, 20)
        assert isinstance(item, Spoken) and item.frames.first == FPS // 2 + REST

    asyncio.run(run())


@pytest.mark.parametrize("shown", [0, 1, 5, 20])
@pytest.mark.parametrize("busy", [False, True])
def test_after_an_interruption_nothing_old_comes_out(package: Package, shown: int, busy: bool) -> None:
    async def run() -> None:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        speech.mark("kept")
        speech.say(pcm(2 * RATE))
        speech.mark("later")
        seen = [await speech.next() for _ in range(shown + 1)]
        waiting = asyncio.ensure_future(speech.next()) if busy else None
        await asyncio.sleep(0)
        marks = speech.drop()
        speech.say(pcm(RATE, 1))  # while the voice is being interrupted
        speech.end()
        speech.mark("end")
        await speech.rest(shown)
        assert marks == ["later"] and len(spoken(seen)) == shown
        items = await until(speech, "end") if waiting is None else [await waiting, *await until(speech, "end")]
        frames = [item for item in spoken(items) if item.turn == speech.turn]
        rest = REST if shown else 0
        assert [item.frames.first for item in frames] == list(range(shown, shown + rest + FPS + REST))
        assert not sound(frames[:rest]).any() if rest else True
        np.testing.assert_array_equal(sound(frames[rest:])[:RATE], pcm(RATE, 1))
        old = [item for item in spoken(items) if item.turn != speech.turn]
        assert len(old) <= int(busy), "and what was on its way says of which turn it is"

    asyncio.run(run())


def test_what_was_not_handed_out_is_left_to_those_without_a_face(package: Package) -> None:
    async def run() -> None:
        speech = LiveSpeech(Voice(package))  # type: ignore[arg-type]
        said = pcm(RATE)
        speech.say(said[:9000])
        speech.mark("middle")
        speech.say(said[9000:])
        shown = [await speech.next() for _ in range(3)]
        left = speech.left()
        heard = np.concatenate([sound(shown), *(part for part in left if not isinstance(part, Mark))])
        np.testing.assert_array_equal(heard, said)
        assert [part for part in left if isinstance(part, Mark)] == [Mark("middle")]
        assert not speech.left()

    asyncio.run(run())
