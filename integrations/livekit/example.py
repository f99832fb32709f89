"""A LiveKit agent with a face. With espeak-ng as its voice it needs no service but a LiveKit server.

LIVEKIT_URL=ws://localhost:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret python example.py dev

python example.py --offline [--wav speech.wav]    # no server: the pictures and sound are counted, not sent
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import soundfile
from livekit import rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.agents.voice.avatar import AudioSegmentEnd

from emoface import Package
from emoface.live.host import LiveHost
from emoface_livekit import EmoFaceAvatar, FaceVideo

TEXT = "Hello there. I can talk, and you can interrupt me."
server = AgentServer()


def speech(wav: Path | None) -> tuple[np.ndarray, int]:
    """Sound (n,) int16 and its rate: a file's first channel, or text by espeak-ng."""
    with tempfile.TemporaryDirectory() as folder:
        path = wav or Path(folder, "speech.wav")
        if wav is None:
            subprocess.run(["espeak-ng", "-w", str(path), TEXT], check=True)
        sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return np.ascontiguousarray(sound[:, 0]), rate


async def spoken(wav: Path | None = None) -> AsyncIterator[rtc.AudioFrame]:
    sound, rate = speech(wav)
    for begin in range(0, len(sound), rate // 5):
        part = sound[begin : begin + rate // 5]
        yield rtc.AudioFrame(part.tobytes(), rate, 1, len(part))


@server.rtc_session()
async def entrypoint(job: JobContext) -> None:
    await job.connect()
    async with LiveHost("default") as host:
        session, avatar = AgentSession(), EmoFaceAvatar(host)
        await avatar.start(session, job.room)
        await session.start(Agent(instructions="Say what you are told."), room=job.room)
        await session.say(TEXT, audio=spoken())
        left = asyncio.Event()
        job.room.on("disconnected", lambda *_: left.set())
        await left.wait()


async def offline(wav: Path | None) -> None:
    sound, rate = speech(wav)
    pictures = heard = 0
    async with LiveHost("default") as host, host.open(sample_rate=rate, channels=1) as voice:
        video = FaceVideo(voice, Package.load("default").face, (256, 256))
        async for frame in spoken(wav):
            await video.push_audio(frame)
        await video.push_audio(AudioSegmentEnd())
        async for item in video:
            if isinstance(item, AudioSegmentEnd):
                break
            pictures += isinstance(item, rtc.VideoFrame)
            heard += item.samples_per_channel if isinstance(item, rtc.AudioFrame) else 0
    print(
        f"{pictures} pictures, {video.skipped} left out, with {heard / rate:.2f} of {len(sound) / rate:.2f} s of sound"
    )


if __name__ == "__main__":
    if "--offline" in sys.argv:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--offline", action="store_true")
        parser.add_argument("--wav", type=Path)
        asyncio.run(offline(parser.parse_args().wav))
    else:
        cli.run_app(server)
