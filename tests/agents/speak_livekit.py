"""Run by the tests in an environment with LiveKit Agents: what reaches the tracks' sources, as one line of JSON.

The session, the runner, the synchronizer and the sources are LiveKit's; only the room stands in, for it needs a server.

python speak_livekit.py plain|interrupted SPEECH.wav
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import soundfile
from livekit import rtc
from livekit.agents import Agent, AgentSession

from emoface.live.codes import LiveError
from emoface.live.host import LiveHost
from emoface_livekit import EmoFaceAvatar

RATE = 24000


class Publication:
    async def wait_for_subscription(self) -> None:
        return


class Participant:
    identity = "agent"

    def __init__(self) -> None:
        self.tracks: list[str] = []

    async def publish_track(self, track: rtc.Track, options: Any) -> Publication:
        self.tracks.append(f"{rtc.TrackKind.Name(track.kind)} {rtc.TrackSource.Name(options.source)}")
        return Publication()


class Room(rtc.EventEmitter[str]):
    name = "room"

    def __init__(self) -> None:
        super().__init__()
        self.local_participant = Participant()

    def isconnected(self) -> bool:
        return True

    @property
    def remote_participants(self) -> dict[str, Any]:
        return {}


async def frames(sound: np.ndarray) -> AsyncIterator[rtc.AudioFrame]:
    for part in np.array_split(sound, 9):
        yield rtc.AudioFrame(part.tobytes(), RATE, 1, len(part))


async def main(case: str, wav: str) -> None:
    sound, rate = soundfile.read(wav, dtype="float32")
    at = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    sound = (np.interp(at, np.arange(len(sound)), sound) * 32767).astype(np.int16)[: RATE * 2]
    rows: list[dict[str, Any]] = []
    begin = time.monotonic()

    def note(kind: str, **more: Any) -> None:
        rows.append({"at": time.monotonic() - begin, "type": kind, **more})

    async with LiveHost("default", most_voices=1) as host:
        room, session = Room(), AgentSession()
        avatar = EmoFaceAvatar(host, size=(96, 96), sample_rate=RATE, emotion="happy")
        await avatar.start(session, room)  # type: ignore[arg-type]
        runner = avatar._runner
        assert runner is not None
        picture, hear = runner._video_source.capture_frame, runner._audio_source.capture_frame

        def seen(frame: rtc.VideoFrame, **options: Any) -> None:
            note("picture", hash=hash(bytes(frame.data)), size=[frame.width, frame.height])
            picture(frame, **options)

        async def heard(frame: rtc.AudioFrame) -> None:
            note("sound", bytes=bytes(frame.data).hex())
            await hear(frame)

        runner._video_source.capture_frame, runner._audio_source.capture_frame = seen, heard  # type: ignore
        session.output.audio.on(
            "playback_finished", lambda ev: note("finished", interrupted=ev.interrupted, position=ev.playback_position)
        )
        await session.start(Agent(instructions="Say what you are told."))
        try:
            async with host.open():
                note("admitted")
        except LiveError as error:
            note("refused", code=error.code)
        handle = session.say("words", audio=frames(sound), add_to_chat_ctx=False)
        if case == "interrupted":
            await asyncio.sleep(1.5)
            note("interrupt")
            await session.interrupt()
            await asyncio.sleep(1.5)
        else:
            await handle
            await asyncio.sleep(0.8)
        await session.aclose()
        skipped = avatar.video.skipped
        await avatar.aclose()
        voices = host.voices
    print(json.dumps({"rows": rows, "said": sound.tobytes().hex(), "tracks": room.local_participant.tracks,
                      "voices": voices, "skipped": skipped}))  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
