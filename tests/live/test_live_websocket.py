"""The WebSocket door: an Animator's bits under any cut, and a code with a reason for what is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

websockets = pytest.importorskip("websockets")

from websockets.asyncio.client import connect  # noqa: E402
from websockets.exceptions import ConnectionClosedError, InvalidStatus  # noqa: E402

from emoface import Package  # noqa: E402
from emoface.errors import UsageError  # noqa: E402
from emoface.live.codes import CODES  # noqa: E402
from emoface.live.host import LiveHost  # noqa: E402
from emoface.live.server.websocket import WebSocketDoor, unpacked  # noqa: E402

HEADER = json.dumps({"type": "header", "sample_rate": 16000})


async def spoken(port: int, audio: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    times, weights, following = [], [], 0
    async with connect(f"ws://127.0.0.1:{port}") as wire:
        await wire.send(HEADER)
        assert json.loads(await wire.recv())["type"] == "ready"
        for at in range(0, len(audio), step):
            await wire.send(audio[at : at + step].tobytes())
        await wire.send('{"type": "end", "tail": 0.1}')
        async for message in wire:
            if isinstance(message, str):
                assert json.loads(message) == {"type": "done", "frames": following}
                continue
            first, time, found = unpacked(message)
            assert first == following
            following += len(time)
            times.append(time)
            weights.append(found)
    return np.concatenate(times), np.concatenate(weights)


WRONG: list[tuple[str, list[Any]]] = [
    ("out_of_order", [b"\0\0"]),
    ("bad_message", ["{"]),
    ("bad_message", ["[" * 100000]),
    ("bad_message", ['{"type": "x"}']),
    ("out_of_order", [HEADER, HEADER]),
    ("bad_header", ['{"type": "header", "format": "pcm8"}']),
    ("bad_header", ['{"type": "header", "format": []}']),
    ("bad_header", ['{"type": "header", "sample_rate": "x"}']),
    ("bad_condition", ['{"type": "header", "emotion": "bored"}']),
    ("bad_audio", [HEADER, b"\0\0\0"]),
    ("bad_condition", [HEADER, '{"type": "set", "name": "emotion", "value": "bored"}']),
    ("bad_message", [HEADER, '{"type": "end", "tail": -1}']),
]


async def refused(port: int, code: str, messages: list[Any]) -> None:
    async with connect(f"ws://127.0.0.1:{port}") as wire:
        for message in messages:
            await wire.send(message)
        told = []
        with pytest.raises(ConnectionClosedError):
            while True:
                told.append(json.loads(await wire.recv()))
        assert told[-1]["code"] == code and told[-1]["remedy"], (messages, told)
        assert wire.close_code == CODES[code].websocket


async def all_refused(port: int) -> None:
    for code, messages in WRONG:
        await refused(port, code, messages)


def test_frames_are_the_animators_while_others_err(tiny_rank_package: Path) -> None:
    audio = np.random.default_rng(3).integers(-3000, 3000, 24000).astype("<i2")

    async def work() -> Any:
        async with (
            LiveHost(str(tiny_rank_package), blendshapes=True) as host,
            WebSocketDoor(host, port=0) as door,
        ):
            good = [spoken(door.port, audio, step) for step in (700, 1601, 24000)]
            found = await asyncio.gather(*good, all_refused(door.port))
            for _ in range(100):
                if not host.voices:
                    break
                await asyncio.sleep(0.02)
            assert host.voices == 0
            return found[:3]

    found = asyncio.run(asyncio.wait_for(work(), 60))
    with Package.load(tiny_rank_package).animator(blendshapes=True) as animator:
        alone = animator.whole(audio, 0.1)
    for time, weights in found:
        np.testing.assert_array_equal(time, alone.time)
        np.testing.assert_array_equal(weights, alone.blendshape_weights)


def test_a_token_and_an_origin_are_asked_for(tiny_rank_package: Path) -> None:
    async def status(port: int, **options: Any) -> int:
        try:
            async with connect(f"ws://127.0.0.1:{port}", **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    async def work() -> None:
        async with (
            LiveHost(str(tiny_rank_package)) as host,
            WebSocketDoor(host, port=0, token="right", origins=["https://a.b"]) as door,
        ):
            right = {"additional_headers": {"Authorization": "Bearer right"}}
            assert await status(door.port) == 101  # a page cannot send it, so its header message has to
            for token, first in ((None, "error"), ("wrong", "error"), ("right", "ready")):
                async with connect(f"ws://127.0.0.1:{door.port}") as wire:
                    await wire.send(json.dumps({"type": "header", "token": token}))
                    told = json.loads(await wire.recv())
                    assert told["type"] == first and told.get("code", "unauthorised") == "unauthorised"
            assert await status(door.port, additional_headers={"Authorization": "Bearer wrong"}) == 401
            assert await status(door.port, origin="https://c.d", **right) == 403
            assert await status(door.port, origin="https://a.b", **right) == 101

    asyncio.run(asyncio.wait_for(work(), 60))
    with pytest.raises(UsageError, match="token"):
        WebSocketDoor(LiveHost(), "0.0.0.0")
