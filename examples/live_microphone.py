"""A live stream: microphone chunks in, frames out as soon as they are complete.

    python examples/live_microphone.py [--seconds 10]
    python examples/live_microphone.py --from-file speech.wav [--real-time]

The microphone needs the extra [microphone] (`pip install 'emoface[microphone]'`). With --from-file a sound file stands
in for the device; --real-time makes it as slow as one. Every line shows one frame: its audio time and how far the lips
are from rest.
"""

from __future__ import annotations

import argparse
import queue
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import emoface
from emoface.audio.files import read_sound

CHUNK_S = 0.02


def file_chunks(path: Path, real_time: bool) -> tuple[int, Iterator[np.ndarray]]:
    """Sample rate and chunks (n, channels) of a file, as a device would deliver them."""
    sound = read_sound(path)
    size = max(1, round(CHUNK_S * sound.rate))

    def chunks() -> Iterator[np.ndarray]:
        begin = time.monotonic()
        for start in range(0, len(sound.samples), size):
            if real_time:
                time.sleep(max(0.0, begin + (start + size) / sound.rate - time.monotonic()))
            yield sound.samples[start : start + size]

    return sound.rate, chunks()


def microphone_chunks(seconds: float) -> tuple[int, Iterator[np.ndarray]]:
    """Sample rate and chunks (n, 1) of the default microphone for `seconds`."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library itself is missing
        message = f"no microphone ({error}): pip install 'emoface[microphone]', or use --from-file FILE"
        raise SystemExit(message) from None
    rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
    # The device's thread only copies; the animator runs in this one.
    waiting: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()

    def chunks() -> Iterator[np.ndarray]:
        received = 0
        with sounddevice.InputStream(rate, channels=1, callback=lambda data, *_: waiting.put(data.copy())):
            while received < seconds * rate:
                chunk = waiting.get()
                received += len(chunk)
                yield chunk

    return rate, chunks()


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--emotion", default="auto")
    arguments.add_argument("--seconds", type=float, default=10.0, help="how long to listen to the microphone")
    arguments.add_argument("--from-file", type=Path, help="a sound file in place of the microphone")
    arguments.add_argument("--real-time", action="store_true", help="feed the file at the speed of a device")
    choices = arguments.parse_args(argv)
    if choices.from_file:
        rate, chunks = file_chunks(choices.from_file, choices.real_time)
    else:
        rate, chunks = microphone_chunks(choices.seconds)

    package = emoface.Package.load(choices.package)
    lips = package.face.masks["lips"]
    rest = package.face.template[lips]
    # A live stream must go on: a broken sample becomes silence instead of an error.
    with package.animator(sample_rate=rate, emotion=choices.emotion, on_bad_audio="silence") as animator:
        print(f"{rate} Hz, declared latency {animator.latency.ms:.0f} ms, backend {animator.backend}", file=sys.stderr)
        count = 0

        def show(frames: emoface.FrameBatch) -> None:
            nonlocal count
            for moment, vertices in zip(frames.time, frames.vertices, strict=True):
                moved = np.linalg.norm(vertices[lips] - rest, axis=1).max() * package.face.unit_in_metres * 1000
                print(f"{moment:7.3f} s {moved:6.2f} mm {'#' * round(2 * float(moved))}")
                count += 1

        try:
            for chunk in chunks:
                show(animator.step(chunk))
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
        show(animator.flush())
    print(f"{count} frames")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
