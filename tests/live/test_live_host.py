"""`LiveHost`: voices in worker processes, admitted while they keep up."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emoface import Package
from emoface.errors import UsageError
from emoface.frames import FRAME_ARRAYS
from emoface.live.codes import LiveError
from emoface.live.host import LiveHost
from emoface.live.voice import LiveFrames

RATE = 16000


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_voices_in_workers_have_the_bits_of_an_animator(tiny_rank_package: Path) -> None:
    async def speak(host: LiveHost, number: int) -> LiveFrames:
        async with host.open(emotion="happy" if number % 2 else "auto") as voice:
            assert voice.facts.fps == 30 and voice.facts.sample_rate == RATE
            audio, step = sound(2, number), 700 + 300 * number
            parts = [await voice.feed(audio[i : i + step]) for i in range(0, len(audio), step)]
            assert voice.position == 2.0
            return LiveFrames.joined([*parts, await voice.finish(0.1)])

    async def work() -> None:
        async with LiveHost(str(tiny_rank_package), workers=2) as host:
            found = await asyncio.gather(*(speak(host, number) for number in range(4)))
            assert host.voices == 0 and all(0 < worker.cost < 1 for worker in host._workers)
        package = Package.load(tiny_rank_package)
        for number, frames in enumerate(found):
            with package.animator(emotion="happy" if number % 2 else "auto") as animator:
                alone = animator.whole(sound(2, number), 0.1)
            for name in FRAME_ARRAYS:
                np.testing.assert_array_equal(getattr(frames.batch, name), getattr(alone, name), err_msg=name)

    run(work())


def test_errors_come_back_with_their_code_and_hurt_nobody(tiny_rank_package: Path) -> None:
    async def refused(code: str, call: Coroutine[Any, Any, Any]) -> None:
        with pytest.raises(LiveError) as caught:
            await call
        assert caught.value.code == code and caught.value.remedy

    async def work() -> None:
        async with LiveHost(str(tiny_rank_package)) as host, host.open() as other, host.open() as voice:
            first = await other.feed(sound(1))
            await refused("bad_audio", voice.feed(np.full(9, np.nan, np.float32)))
            await refused("bad_condition", voice.set("emotion", "bored"))
            await refused("not_kept", _old(voice))
            await refused("out_of_order", voice.frames_from(10_000))
            await voice.finish()
            await refused("out_of_order", voice.feed(sound(1)))
            for options, code in (({"emotion": "bored"}, "bad_condition"), ({"sample_rate": 1}, "bad_audio")):
                with pytest.raises(LiveError) as caught:
                    async with host.open(**options):
                        pass
                assert caught.value.code == code
            again = LiveFrames.joined([first, await other.feed(sound(1, 1)), await other.finish()])
            assert host.voices == 2
        alone = Package.load(tiny_rank_package).animator().whole(np.concatenate([sound(1), sound(1, 1)]))
        np.testing.assert_array_equal(again.batch.vertices, alone.vertices)

    async def _old(voice: Any) -> None:
        for _ in range(15):
            await voice.feed(sound(1))
        await voice.frames_from(0)

    run(work())


def test_a_voice_too_many_is_refused_and_draining_admits_none(tiny_rank_package: Path) -> None:
    async def work() -> None:
        async with LiveHost(str(tiny_rank_package), most_voices=1) as host:
            async with host.open():
                with pytest.raises(LiveError, match="voice 2") as caught:
                    async with host.open():
                        pass
                assert caught.value.code == "too_many" and host.room == 0
            assert host.room == 1
            host._workers[0].cost = 0.5  # a second of audio takes half a second
            async with host.open():
                assert host.room == 0
            host.drain()
            with pytest.raises(LiveError) as caught:
                async with host.open():
                    pass
            assert caught.value.code == "going_away"

    run(work())


def test_a_worker_that_ends_is_told_to_its_voices_and_a_snapshot_goes_on_elsewhere(tiny_rank_package: Path) -> None:
    async def work() -> None:
        async with LiveHost(str(tiny_rank_package), workers=2) as host:
            async with host.open() as voice, host.open() as other:
                await voice.feed(sound(1))
                kept = await voice.snapshot()
                os.kill(host._workers[0].process.pid or 0, signal.SIGKILL)
                with pytest.raises(LiveError) as caught:
                    await voice.feed(sound(1, 1))
                assert caught.value.code == "lost"
                assert len(await other.feed(sound(1))) > 0
            lost = host._workers[0]
            async with host.open() as voice:
                assert host._workers[0] is not lost
                await voice.restore(kept)
                frames = LiveFrames.joined([await voice.feed(sound(1, 1)), await voice.finish()])
        with Package.load(tiny_rank_package).animator() as animator:
            first = len(animator.step(sound(1)))
            rest = [animator.step(sound(1, 1)), animator.flush()]
        assert frames.first == first
        np.testing.assert_array_equal(frames.batch.vertices, np.concatenate([batch.vertices for batch in rest]))

    run(work())


def test_what_cannot_be_served_is_said_before_anything_runs(tmp_path: Path) -> None:
    for wrong in ({"workers": 0}, {"most_voices": 0}, {"full": 1.5}, {"volume": 3}):
        with pytest.raises(UsageError):
            LiveHost("default", **wrong)

    async def work() -> None:
        with pytest.raises(LiveError, match=r"nothing\.emoface"):
            async with LiveHost(str(tmp_path / "nothing.emoface")):
                pass

    run(work())
