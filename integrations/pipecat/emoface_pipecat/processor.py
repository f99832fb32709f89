"""The processor that stands behind text to speech."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame

from emoface import Package
from emoface.live.codes import LiveError
from emoface.live.host import HostedVoice, LiveHost
from emoface.live.speech import LiveSpeech, Mark, Spoken
from emoface.render.portrait import portrait_of
from emoface_pipecat.messages import frames_message, interrupted_message, voice_message


class EmoFaceProcessor(FrameProcessor):
    """Speech in; out the same speech with the face that goes with it.

    Put it behind text to speech and ahead of the transport's output. Sound leaves on the clock, `lead_s` ahead of when
    it is heard, each frame's share together with its frame; all other frames keep their place between the sounds. An
    interruption drops what was not shown and lets the face return to rest within 200 ms.

    A voice that is refused or lost is told upstream as an error, and the agent goes on without a face.

    Args:
        host: an entered `LiveHost`, which many pipelines of one event loop may share.
        messages: send `RTVIServerMessageFrame`s for a client that draws the face itself.
        picture: (width, height) of pictures drawn here, `OutputImageRawFrame`s in step with the sound; None for none.
            Where drawing does not keep up, pictures are left out, and `skipped` counts them.
        lead_s: how far sound and frames leave ahead of the clock: what the transport may stutter without a gap.
        **options: of the voice: emotion, style, level and so on, see `emoface.options.AnimatorOptions`.
    """

    def __init__(
        self,
        host: LiveHost,
        *,
        messages: bool = True,
        picture: tuple[int, int] | None = None,
        lead_s: float = 0.1,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name=name)
        self._host, self._messages, self._picture, self._lead = host, messages, picture, lead_s
        self._options = {"blendshapes": messages, **options}
        self._renderer: Any = None
        self._speech: LiveSpeech | None = None
        self._open = contextlib.AsyncExitStack()
        self._format = (0, 0)
        self._context: str | None = None
        self._refused: LiveError | None = None
        self._task: asyncio.Task[None] | None = None
        self._base: tuple[int, float] | None = None  # a frame's number, and when it is shown
        self._shown_end = 0
        self.skipped = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.push_frame(frame, direction)
            await self._start()
        elif isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
        elif isinstance(frame, CancelFrame):
            await self._end()
            await self.push_frame(frame, direction)
        elif isinstance(frame, SystemFrame) or direction == FrameDirection.UPSTREAM or self._speech is None:
            await self.push_frame(frame, direction)
        elif isinstance(frame, TTSAudioRawFrame):
            await self._say(frame)
        else:
            if isinstance(frame, (TTSStoppedFrame, EndFrame)):
                self._speech.end()
            self._speech.mark(frame)

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Open the voice, ahead of the pipeline's start."""
        await super().setup(setup)
        await self._begin(setup.audio_out_sample_rate, 1)

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._end()

    async def _begin(self, rate: int, channels: int) -> None:
        """A voice for sound of this kind; numbers of frames begin anew."""
        await self._end()
        self._format = (rate, channels)
        try:
            if self._picture and self._renderer is None:
                face = (await asyncio.to_thread(Package.load, self._host.package)).face
                self._renderer = await asyncio.to_thread(portrait_of, face, self._picture)
            voice = await self._open.enter_async_context(
                self._host.open(sample_rate=rate, channels=channels, **self._options)
            )
        except LiveError as error:
            self._refused = error
            return
        self._speech, self._base, self._shown_end = LiveSpeech(voice), None, 0

    async def _start(self) -> None:
        """Let frames out, or say why there are none."""
        if self._refused is not None:
            error, self._refused = self._refused, None
            await self._fail(error)
        elif self._speech is not None:
            self._task = self.create_task(self._play(self._speech, self._speech.voice))

    async def _end(self) -> None:
        self._speech = None
        if self._task is not None:
            await self.cancel_task(self._task)
            self._task = None
        await self._open.aclose()

    async def _fail(self, error: LiveError) -> None:
        self._speech = None
        await self.push_error(f"the face is gone ({error.code}): {error}", exception=error)

    async def _say(self, frame: TTSAudioRawFrame) -> None:
        self._context = frame.context_id
        speech = self._speech
        if speech is not None and (frame.sample_rate, frame.num_channels) != self._format:
            await self._drained(speech)
            await self._begin(frame.sample_rate, frame.num_channels)
            await self._start()
            speech = self._speech
        if speech is None:
            await self.push_frame(frame)
        else:
            speech.say(np.frombuffer(frame.audio, np.int16).reshape(-1, frame.num_channels))

    async def _drained(self, speech: LiveSpeech) -> None:
        """Until all that was said has left."""
        done = asyncio.Event()
        speech.end()
        speech.mark(done)
        while self._speech is speech and not done.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.1)

    async def _interrupt(self, frame: Frame, direction: FrameDirection) -> None:
        speech = self._speech
        if speech is None:
            await self.push_frame(frame, direction)
            return
        at = self._first_not_shown()
        kept = [mark for mark in speech.drop() if isinstance(mark, asyncio.Event) or not mark.interruptible]
        await self.push_frame(frame, direction)
        await self._message(interrupted_message, at)
        self._shown_end, self._base = at, (at, self._now)
        try:
            await speech.rest(at)
        except LiveError as error:
            await self._fail(error)
        for mark in kept:
            speech.mark(mark)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _first_not_shown(self) -> int:
        if self._base is None:
            return self._shown_end
        number, shown_at = self._base
        past = int((self._now - shown_at) * self._fps) + 1 if self._now >= shown_at else 0
        return min(self._shown_end, number + past)

    @property
    def _fps(self) -> int:
        assert self._speech is not None
        return self._speech.voice.facts.fps

    async def _play(self, speech: LiveSpeech, voice: HostedVoice) -> None:
        """Frames and marks, each at its time."""
        try:
            await self._message(voice_message, voice)
            while True:
                item = await speech.next()
                if isinstance(item, Mark):
                    await self._pass(item.value)
                else:
                    await self._show(item, speech)
        except LiveError as error:
            while left := speech.left():  # the agent speaks on
                for part in left:
                    if isinstance(part, Mark):
                        await self._pass(part.value)
                    else:
                        await self._sound(part)
            await self._fail(error)

    async def _pass(self, value: Any) -> None:
        if isinstance(value, asyncio.Event):
            value.set()
        else:
            await self.push_frame(value)

    async def _show(self, item: Spoken, speech: LiveSpeech) -> None:
        number, fps = item.frames.first, speech.voice.facts.fps
        if self._base is None or (due := self._base[1] + (number - self._base[0]) / fps) < self._now:
            due = self._now  # the first, or speech came too late: the clock waits for it
            self._base = (number, due)
        picture = None
        if self._renderer is not None and (item.last or self._now < due - self._lead / 2):
            picture = await asyncio.to_thread(self._renderer.frame, item.frames.batch.posed_vertices[0])
        elif self._renderer is not None:
            self.skipped += 1
        if (wait := due - self._lead - self._now) > 0:
            await asyncio.sleep(wait)
        if item.turn != speech.turn:
            return  # interrupted meanwhile
        self._shown_end = number + 1
        await self._message(frames_message, item.frames)
        if picture is not None:
            image = OutputImageRawFrame(picture.tobytes(), (picture.shape[1], picture.shape[0]), "RGB")
            image.sync_with_audio = True
            await self.push_frame(image)
        if item.speech or picture is not None:
            await self._sound(item.sound)

    async def _sound(self, sound: np.ndarray) -> None:
        rate, channels = self._format
        await self.push_frame(TTSAudioRawFrame(sound.tobytes(), rate, channels, context_id=self._context))

    async def _message(self, make: Callable[[Any], dict[str, Any]], of: Any) -> None:
        if self._messages:
            await self.push_frame(RTVIServerMessageFrame(data=make(of)))
