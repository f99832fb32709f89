"""An avatar that the agent draws in its own process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice.avatar import AvatarOptions, AvatarRunner, AvatarSession, QueueAudioOutput

from emoface import Package
from emoface.live.host import LiveHost
from emoface_livekit.video import FaceVideo


class EmoFaceAvatar(AvatarSession):
    """The face of an agent: its speech is published by the agent's own participant, with video in step.

    Args:
        host: an entered `LiveHost`, which many agents of one event loop may share.
        size: (width, height) of the video.
        sample_rate: of the speech, in Hz; the session resamples to it.
        **options: of the voice: emotion, style, level and so on, see `emoface.options.AnimatorOptions`.
    """

    def __init__(
        self, host: LiveHost, *, size: tuple[int, int] = (512, 512), sample_rate: int = 24000, **options: Any
    ) -> None:
        super().__init__()
        self._host, self._size, self._rate, self._options = host, size, sample_rate, options
        self._open = contextlib.AsyncExitStack()
        self._runner: AvatarRunner | None = None
        self._identity = ""
        self.video: FaceVideo | None = None

    @property
    def avatar_identity(self) -> str:
        """The participant that publishes the face: the agent's own."""
        return self._identity

    @property
    def provider(self) -> str:
        return "emoface"

    async def start(self, agent_session: AgentSession, room: rtc.Room) -> None:
        """Give the session's speech a face in the room; to be called ahead of `agent_session.start`.

        Raises:
            LiveError: the voice is refused; the session is as it was.
        """
        voice = await self._open.enter_async_context(
            self._host.open(sample_rate=self._rate, channels=1, **self._options)
        )
        face = (await asyncio.to_thread(Package.load, self._host.package)).face
        self.video = await asyncio.to_thread(FaceVideo, voice, face, self._size)
        self._identity = room.local_participant.identity
        await super().start(agent_session, room)
        speech = QueueAudioOutput(sample_rate=self._rate, wait_playback_start=True)
        width, height = self._size
        self._runner = AvatarRunner(
            room,
            audio_recv=speech,
            video_gen=self.video,
            options=AvatarOptions(width, height, float(voice.facts.fps), self._rate, 1),
        )
        await self._runner.start()
        agent_session.output.audio = speech

    async def aclose(self) -> None:
        if self._runner is not None:
            await self._runner.aclose()
            self._runner = None
        # The base class would remove the avatar's participant from the room, which is the agent itself.
        room, self._room = self._room, None
        if room is not None:
            room.off("connection_state_changed", self._on_connection_state_changed)
        await super().aclose()
        await self._open.aclose()
