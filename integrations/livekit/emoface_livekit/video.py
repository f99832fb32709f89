"""Speech in, pictures of the face and the same speech out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
from livekit import rtc
from livekit.agents.voice.avatar import AudioSegmentEnd, VideoGenerator

from emoface.live.host import HostedVoice
from emoface.live.speech import STALL_S, LiveSpeech, Mark, Spoken
from emoface.package import Face
from emoface.render.portrait import portrait_of

IDLE_S = 0.2
"""Between pictures of the face at rest: seldom, so that none waits in a queue ahead of speech."""


class FaceVideo(VideoGenerator):
    """Draws the face of one voice for an `AvatarRunner`, which gives pictures and sound their time.

    Args:
        voice: an open voice, of the rate and channels of the audio that is pushed.
        face: of the voice's package.
        size: (width, height) of the pictures. Where drawing does not keep up with the clock, pictures are left out,
            never sound.

    Attributes:
        skipped: pictures left out.
        shown_end: number of the frame after the last that was handed out.
    """

    def __init__(self, voice: HostedVoice, face: Face, size: tuple[int, int]) -> None:
        self._voice, self._speech = voice, LiveSpeech(voice)
        self._renderer = portrait_of(face, size)
        self._still = self._picture(self._renderer.frame(face.template))
        self.shown_end = self.skipped = 0
        self._base = (0, -np.inf)  # a frame's number, and when it was handed out

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        if isinstance(frame, AudioSegmentEnd):
            self._speech.end()
            self._speech.mark(frame)
            return
        self._speech.say(np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels).copy())

    async def clear_buffer(self) -> None:
        self._speech.drop()
        await self._speech.rest(self.shown_end)

    def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        return self._stream()

    async def _stream(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        speech = self._speech
        yield self._still
        following = asyncio.ensure_future(speech.next())
        try:
            while True:
                done, _ = await asyncio.wait([following], timeout=IDLE_S)
                if not done:
                    yield self._still
                    continue
                item = following.result()
                if isinstance(item, Mark):
                    yield item.value
                elif item.turn == speech.turn:
                    drawn = await self._draw(item)
                    if item.turn == speech.turn:
                        self.shown_end = item.frames.end
                        if drawn:
                            yield self._still
                        if item.speech and item.turn == speech.turn:
                            count, channels = item.sound.shape
                            rate = self._voice.facts.sample_rate
                            yield rtc.AudioFrame(item.sound.tobytes(), rate, channels, count)
                following = asyncio.ensure_future(speech.next())
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _draw(self, item: Spoken) -> bool:
        """Draw a frame where that keeps up; the last one of an utterance always, for it stays."""
        now, (number, at) = asyncio.get_running_loop().time(), self._base
        behind = now - at - (item.frames.first - number) / self._voice.facts.fps
        if behind > STALL_S or item.frames.first < number:  # an utterance begins
            self._base, behind = (item.frames.first, now), 0.0
        if behind > 0 and not item.last:
            self.skipped += 1
            return False
        self._still = self._picture(await asyncio.to_thread(self._renderer.frame, item.frames.batch.posed_vertices[0]))
        return True

    @staticmethod
    def _picture(rgb: np.ndarray) -> rtc.VideoFrame:
        height, width, _ = rgb.shape
        rgba = np.full((height, width, 4), 255, np.uint8)
        rgba[:, :, :3] = rgb
        return rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, rgba.tobytes())
