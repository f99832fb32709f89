"""Run by the tests in an environment with Pipecat: what leaves the processor, as one line of JSON.

python speak_pipecat.py plain|interrupted|rates|refused|lost|pictures SPEECH.wav
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np
import soundfile
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame
from pipecat.tests.utils import SleepFrame, run_test

from emoface.live.host import LiveHost
from emoface_pipecat import EmoFaceProcessor

RATE = 24000


class Log(BaseObserver):
    """What the processor pushes, with the time."""

    def __init__(self, source: EmoFaceProcessor) -> None:
        super().__init__()
        self.source, self.rows = source, []

    async def on_push_frame(self, data: FramePushed) -> None:
        if data.source is self.source:
            self.rows.append((time.monotonic(), data.frame))


def speech(path: str) -> np.ndarray:
    sound, rate = soundfile.read(path, dtype="float32")
    at = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    return (np.interp(at, np.arange(len(sound)), sound) * 32767).astype(np.int16)


def told(frame: Frame) -> Any:
    if isinstance(frame, RTVIServerMessageFrame):
        return frame.data
    if isinstance(frame, TTSAudioRawFrame):
        return {"type": "sound", "bytes": frame.audio.hex(), "rate": frame.sample_rate, "context": frame.context_id}
    if isinstance(frame, OutputImageRawFrame):
        rgb = np.frombuffer(frame.image, np.uint8).reshape(*reversed(frame.size), 3)
        return {"type": "picture", "mean": float(rgb.mean()), "sync": frame.sync_with_audio, "size": frame.size,
                "hash": hash(frame.image)}  # fmt: skip
    return {"type": type(frame).__name__}


async def main(case: str, wav: str) -> None:
    sound = speech(wav)[: RATE * 3]
    async with LiveHost("default", most_voices=1) as host:
        picture = (96, 96) if case == "pictures" else None
        processor = EmoFaceProcessor(host, picture=picture, messages=case != "pictures", emotion="happy")
        log = Log(processor)
        parts = [TTSAudioRawFrame(part.tobytes(), RATE, 1, context_id="c") for part in np.array_split(sound, 7)]
        text = TTSTextFrame("word", aggregated_by="word")
        frames: list[Frame] = [TTSStartedFrame(), *parts[:3], text, *parts[3:], TTSStoppedFrame()]
        if case == "interrupted":
            frames += [SleepFrame(sleep=1.2), InterruptionFrame(), SleepFrame(sleep=1.0)]
            frames += [TTSStartedFrame(), parts[0], TTSStoppedFrame()]
        elif case == "rates":
            other = np.repeat(sound[: RATE // 2 : 3], 2)  # 8 kHz, two channels
            frames = [TTSStartedFrame(), parts[0], TTSAudioRawFrame(other.tobytes(), 8000, 2), TTSStoppedFrame()]
        elif case == "lost":
            frames = [*frames[:3], SleepFrame(sleep=0.5), *frames[3:]]
            asyncio.get_running_loop().call_later(0.4, os.kill, host._workers[0].process.pid, signal.SIGKILL)
        if case == "refused":
            async with host.open():
                _, up = await run_test(processor, frames_to_send=frames, observers=[log], start_timeout=60)
        else:
            _, up = await run_test(processor, frames_to_send=frames, observers=[log], start_timeout=60)
    begin = log.rows[0][0]
    rows = [{"at": at - begin, **told(frame)} for at, frame in log.rows if not isinstance(frame, EndFrame)]
    ended = any(isinstance(frame, EndFrame) for _, frame in log.rows)
    print(json.dumps({"rows": rows, "said": sound.tobytes().hex(), "up": [type(f).__name__ for f in up],
                      "ended": ended, "skipped": processor.skipped}))  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
