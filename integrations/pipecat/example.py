"""A Pipecat pipeline without network: espeak-ng or a file speaks, the face's messages are written to a file.

    python example.py out.jsonl --text "Hello there."
    python example.py out.jsonl --wav speech.wav [--interrupt 1.5]

With a transport, put `EmoFaceProcessor` between text to speech and `transport.output()`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TextIO

import soundfile
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner

from emoface.live.host import LiveHost
from emoface_pipecat import EmoFaceProcessor


class Client(FrameProcessor):
    """Stands where a transport would: writes what a browser would be told."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self.file = file

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, RTVIServerMessageFrame):
            print(json.dumps(frame.data), file=self.file)
        await self.push_frame(frame, direction)


def speak(text: str, folder: str) -> Path:
    """Text as sound, by espeak-ng."""
    path = Path(folder, "speech.wav")
    subprocess.run(["espeak-ng", "-w", str(path), text], check=True)
    return path


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sound, rate = soundfile.read(options.wav or speak(options.text, folder), dtype="int16", always_2d=True)
    with options.out.open("w", encoding="utf-8") as file:
        async with LiveHost("default") as host:
            worker = PipelineWorker(Pipeline([EmoFaceProcessor(host), Client(file)]))
            runner = WorkerRunner()
            await runner.add_workers(worker)

            async def talk() -> None:
                await worker.queue_frame(TTSStartedFrame())
                for begin in range(0, len(sound), rate // 5):
                    part = sound[begin : begin + rate // 5]
                    await worker.queue_frame(TTSAudioRawFrame(part.tobytes(), rate, sound.shape[1]))
                await worker.queue_frame(TTSStoppedFrame())
                if options.interrupt is not None:
                    await asyncio.sleep(options.interrupt)
                    await worker.queue_frame(InterruptionFrame())
                    await asyncio.sleep(0.5)
                await worker.queue_frame(EndFrame())

            started = asyncio.Event()

            @worker.event_handler("on_pipeline_started")
            async def _(worker: PipelineWorker, frame: Frame) -> None:
                started.set()

            async def after_start() -> None:
                await started.wait()
                await talk()

            await asyncio.gather(runner.run(), after_start())
    print(f"{options.out}: {sum(1 for _ in options.out.open(encoding='utf-8'))} messages")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", default="Hello there. I can talk, and you can interrupt me.")
    parser.add_argument("--wav", type=Path)
    parser.add_argument("--interrupt", type=float, metavar="SECONDS")
    asyncio.run(main(parser.parse_args()))
