"""An agent's speech and the frames that go with it, side by side: sound in as it is made, out with its pictures.

Text to speech runs ahead of the clock, a face hears a little of the future (`latency_ms`), and people interrupt.
`LiveSpeech` takes sound as it comes and gives, whenever it is asked for the next frame, the frame and the sound that
belongs to it: it hears no more than that takes, so little is withdrawn by an interruption, and a silent voice costs
nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emoface.live.host import HostedVoice
from emoface.live.voice import REST_S, LiveFrames

STALL_S = 0.3
"""Seconds without sound after which an utterance is taken to have ended: what was heard is shown."""
_PART_S = 0.1
Sound = npt.NDArray[np.int16]


class Spoken(NamedTuple):
    """One frame with its sound.

    Attributes:
        frames: one frame.
        sound: (n, channels) int16, what sounds while it is shown.
        speech: False where the sound is silence, in which the face returns to rest.
        turn: `LiveSpeech.turn` when it was made; an older one is not to be shown.
        last: whether it is the face at rest, which stays until something is said.
    """

    frames: LiveFrames
    sound: Sound
    speech: bool
    turn: int
    last: bool = False


class Mark(NamedTuple):
    """What was put between the sounds, at its place."""

    value: Any


class LiveSpeech:
    """Utterances of one voice; used within one event loop, asked for the next by one task.

    Args:
        voice: an open voice of a `LiveHost`, of the sound's rate.

    Attributes:
        turn: counts interruptions.
    """

    def __init__(self, voice: HostedVoice) -> None:
        self.voice = voice
        self._rate, self._fps = voice.facts.sample_rate, voice.facts.fps
        self.turn = 0
        self._in: deque[Sound | Mark | None] = deque()  # None ends an utterance
        self._out: deque[Spoken | Mark] = deque()
        self._marks: deque[tuple[int, Mark]] = deque()  # by samples of the utterance
        self._said: Sound = np.zeros((0, 1), np.int16)  # heard by the voice, not handed out
        self._heard = 0  # samples of the utterance
        self._start = 0  # number of the utterance's first frame
        self._speaking = False
        self._hears = True  # the voice is where an utterance can begin
        self._held = False  # between `drop` and the end of `rest`
        self._more = asyncio.Event()

    def say(self, sound: Sound) -> None:
        """The next sound, (n, channels) int16."""
        self._in.append(sound)
        self._more.set()

    def mark(self, value: Any) -> None:
        """Something that comes out behind the sound before it and ahead of the sound after it."""
        self._in.append(Mark(value))
        self._more.set()

    def end(self) -> None:
        """The utterance ends: all of its frames come out, then those in which the face returns to rest."""
        self._in.append(None)
        self._more.set()

    async def next(self) -> Spoken | Mark:
        """The next frame or mark, as soon as it is there.

        Raises:
            LiveError: of the voice; see `left` for what was not handed out.
        """
        while not self._out:
            if not self._in or self._held:
                self._more.clear()
                try:
                    await asyncio.wait_for(self._more.wait(), STALL_S if self._speaking else None)
                except TimeoutError:
                    self._in.append(None)
            else:
                await self._advance()
        return self._out.popleft()

    def drop(self) -> list[Any]:
        """An interruption: nothing that was said before comes out any more; the values of the marks among it.

        To be followed by `rest`: what is said from now on waits for it.
        """
        self.turn += 1
        self._held = True
        marks = [item for item in self._out if isinstance(item, Mark)]
        marks += [mark for _, mark in self._marks] + [item for item in self._in if isinstance(item, Mark)]
        self._in.clear()
        self._out.clear()
        self._forget()
        return [mark.value for mark in marks]

    async def rest(self, at: int | None = None) -> None:
        """After `drop`: let the face return to rest. at: number of the first frame that was not shown."""
        turn, channels = self.turn, self._said.shape[1]
        try:
            frames = await self.voice.interrupt(at)
        finally:
            if turn == self.turn:
                self._held = False
                self._more.set()
        if turn == self.turn:
            self._hears = True
            start = frames.first
            resting = [self._silent(frames, number, start, channels) for number in range(start, frames.end)]
            self._out.extendleft(reversed(resting))

    def left(self) -> list[Sound | Mark]:
        """All sound and marks that were not handed out, for those who go on without a face."""
        items: list[Sound | Mark] = [item if isinstance(item, Mark) else item.sound for item in self._out]
        items += [self._said] if len(self._said) else []
        items += [*(mark for _, mark in self._marks), *(item for item in self._in if item is not None)]
        self._in.clear()
        self._out.clear()
        self._forget()
        return items

    def _forget(self) -> None:
        self._marks.clear()
        self._said = self._said[:0]
        self._heard, self._speaking = 0, False

    async def _advance(self) -> None:
        """Take one thing that was put in."""
        turn, item = self.turn, self._in[0]
        if isinstance(item, Mark):
            self._in.popleft()
            if self._speaking:
                self._marks.append((self._heard, item))
            else:
                self._out.append(item)
        elif item is None:
            self._in.popleft()
            if self._speaking:
                self._hears = False
                frames = await self.voice.finish(REST_S)
                if turn == self.turn:
                    self._ended(frames)
        elif not len(item):
            self._in.popleft()
        else:
            if not self._speaking:
                if not self._hears:
                    await self.voice.interrupt(None, 0.0)  # it is at rest already
                    if turn != self.turn:
                        return
                self._hears = self._speaking = True
                self._said = np.zeros((0, item.shape[1]), np.int16)
            part = item[: max(1, int(_PART_S * self._rate))]
            if len(part) < len(item):
                self._in[0] = item[len(part) :]
            else:
                self._in.popleft()
            first = not self._heard
            self._said = np.concatenate([self._said, part])
            self._heard += len(part)
            frames = await self.voice.feed(part)
            if turn == self.turn:
                self._start = frames.first if first else self._start
                self._sounding(frames, frames.end)

    def _edge(self, number: int, start: int | None = None) -> int:
        """Samples before frame `number`, from the utterance's first frame on, or from `start`."""
        return (number - (self._start if start is None else start)) * self._rate // self._fps

    def _sounding(self, frames: LiveFrames, end: int) -> None:
        for number in range(frames.first, end):
            begin = self._edge(number)
            while self._marks and self._marks[0][0] <= begin:
                self._out.append(self._marks.popleft()[1])
            count = self._edge(number + 1) - begin
            sound, self._said = self._said[:count], self._said[count:]
            self._out.append(Spoken(frames.part(number, number + 1), sound, True, self.turn))

    def _ended(self, frames: LiveFrames) -> None:
        """The last frames of an utterance: with sound while there is a whole frame of it, then to rest."""
        last = self._start + self._heard * self._fps // self._rate
        self._sounding(frames, last)
        channels = self._said.shape[1]
        rest = [self._silent(frames, number, self._start, channels) for number in range(last, frames.end)]
        if len(self._said) and rest:  # less than a frame
            rest[0].sound[: len(self._said)] = self._said
            rest[0] = rest[0]._replace(speech=True)
        self._out.extend(rest[:1])
        self._out.extend(mark for _, mark in self._marks)
        self._out.extend(rest[1:])
        self._forget()

    def _silent(self, frames: LiveFrames, number: int, start: int, channels: int) -> Spoken:
        count = self._edge(number + 1, start) - self._edge(number, start)
        sound, last = np.zeros((count, channels), np.int16), number + 1 == frames.end
        return Spoken(frames.part(number, number + 1), sound, False, self.turn, last)
