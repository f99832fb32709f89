"""`emoface serve` as a process: both doors, a wrong start, the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

websockets = pytest.importorskip("websockets", reason="needs websockets (pip install 'emoface[serve]')")
grpc = pytest.importorskip("grpc", reason="needs grpcio (pip install 'emoface[serve]')")

COMMAND = [sys.executable, "-m", "emoface", "serve"]
HEADER = json.dumps({"type": "header", "sample_rate": 16000})


def test_it_serves_both_doors_and_ends_when_told(tiny_package: Path) -> None:
    from emoface.live.a2f import messages

    server = subprocess.Popen(
        [*COMMAND, "--package", str(tiny_package), "--port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        web, rpc = (server.stdout.readline().strip() for _ in range(2))

        async def work() -> None:
            async with grpc.aio.insecure_channel(rpc.removeprefix("grpc://")) as channel:
                method = channel.stream_stream(
                    f"/{messages.SERVICE}/{messages.METHOD}",
                    request_serializer=messages.AudioStream.SerializeToString,
                    response_deserializer=messages.AnimationDataStream.FromString,
                )
                answers = [answer async for answer in method(iter([messages.AudioStream()]))]
                assert answers[-1].status.message.startswith("out_of_order")
            async with websockets.connect(web) as wire:
                await wire.send(HEADER)
                assert json.loads(await wire.recv())["type"] == "ready"
                server.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.3)  # draining: this voice goes on, another is refused
                async with websockets.connect(web) as late:
                    await late.send(HEADER)
                    assert json.loads(await late.recv())["code"] == "going_away"
                await wire.send(np.zeros(16000, np.int16).tobytes())
                await wire.send('{"type": "end"}')
                while isinstance(message := await wire.recv(), bytes):
                    pass
                assert json.loads(message) == {"type": "done", "frames": 30}

        asyncio.run(asyncio.wait_for(work(), 60))
        assert server.wait(20) == 0
        assert server.stdout.read() == "draining 1 voices\n"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_what_was_sent_ahead_is_forgotten_by_an_interruption(tiny_package: Path) -> None:
    from emoface.live.host import LiveHost
    from emoface.live.server.websocket import WebSocketDoor

    async def work() -> None:
        async with (
            LiveHost(str(tiny_package), blendshapes=True) as host,
            WebSocketDoor(host, port=0) as door,
            websockets.connect(f"ws://127.0.0.1:{door.port}") as wire,
        ):
            await wire.send(HEADER)
            await wire.recv()
            for _ in range(400):  # forty seconds of speech
                await wire.send(np.ones(1600, np.int16).tobytes())
            await wire.send(np.ones(160_000, np.int16).tobytes())
            await wire.send('{"type": "end"}')
            await wire.send('{"type": "interrupt"}')
            while isinstance(message := await wire.recv(), bytes):
                pass
            told = json.loads(message)
            assert told["type"] == "interrupted" and told["next"] < 600
            await wire.send(np.ones(16000, np.int16).tobytes())
            await wire.send('{"type": "end"}')  # and the voice goes on
            while isinstance(message := await wire.recv(), bytes):
                pass
            assert json.loads(message) == {"type": "done", "frames": told["next"] + 30}

    asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "without a token"),
        (["--token-file", "nowhere"], "--token-file nowhere"),
        (["--tls-key", "nowhere"], "--tls-certificate"),
        (["--client-authority", "nowhere"], "--tls-certificate"),
        (["--tls-key", "nowhere", "--tls-certificate", "nowhere"], "TLS files"),
        (["--workers", "0"], "0 workers"),
        (["--package", "nowhere.emoface"], "nowhere.emoface"),
    ],
)
def test_a_wrong_start_says_what_is_wrong(options: list[str], words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "EMOFACE_TOKEN"}
    done = subprocess.run([*COMMAND, "--port", "0", *options], capture_output=True, text=True, env=environment)
    assert done.returncode in (2, 3, 5) and words in done.stderr and "expected" in done.stderr
    assert "Traceback" not in done.stderr
