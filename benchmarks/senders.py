"""Jitter of the times at which frames are sent, and the cost of their bytes.

    python benchmarks/senders.py [--seconds 30] [--json]

The bundled speech is animated by the default package and sent to a socket of this machine, as `emoface send` does, once
with every sink. Figures, of each: `SINK_late_p50_ms`, `SINK_late_p99_ms`, `SINK_late_max_ms` (from when a frame was due
to when its last byte was handed over), `SINK_gap_p99_ms` (99th percentile of the distance of a gap between frames, as
the receiver sees it, from 1 / fps), `SINK_bytes_us` (making the bytes of a frame).
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

import emoface
import measure
from emoface.live.voice import LiveVoice
from emoface.senders.frame import split
from emoface.senders.paced import Paced
from emoface.senders.sinks import SINKS, make_sink

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
BLOCK_S = 0.1


class Receiver(threading.Thread):
    """Times at which the first datagrams of frames come."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.times: list[float] = []
        self.start()

    def run(self) -> None:
        """Receive until a datagram is empty."""
        while self.socket.recv(65536):
            self.times.append(time.perf_counter())


def frames_of(seconds: float) -> tuple[list, int]:
    """The frames of so much speech, in blocks as a live voice gives them."""
    audio, rate = soundfile.read(SPEECH, dtype="float32")
    audio = np.resize(audio, int(seconds * rate))
    package = emoface.Package.load("default")
    voice, size, blocks = LiveVoice(package, blendshapes=True, sample_rate=rate), int(BLOCK_S * rate), []
    for start in range(0, len(audio), size):
        made = voice.feed(audio[start : start + size])
        blocks.append(list(split(made, voice.blendshape_names, package.manifest.emotions)))
    return blocks, voice.fps


def main() -> None:
    """Measure, print."""
    parser = measure.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    blocks, fps = frames_of(args.seconds)
    figures = dict[str, float]()
    for name in SINKS:
        sink, receiver = make_sink(name, fps), Receiver()
        one = next(block[0] for block in blocks if block)
        per_frame = len(sink.packets(one))
        begin = time.perf_counter()
        for _ in range(200):
            sink.packets(one)
        cost = (time.perf_counter() - begin) / 200
        with Paced(sink, port=receiver.port) as paced:
            started = time.perf_counter()
            for index, block in enumerate(blocks):
                time.sleep(max(0.0, started + index * BLOCK_S - time.perf_counter()))
                paced.send(block)
        sent = paced.sent
        receiver.socket.sendto(b"", ("127.0.0.1", receiver.port))
        receiver.join()
        gaps = np.abs(np.diff(receiver.times[::per_frame]) - 1 / fps)
        figures |= {f"{name}_{key}": getattr(sent, key) for key in ("late_p50_ms", "late_p99_ms", "late_max_ms")}
        figures[f"{name}_gap_p99_ms"] = 1000 * float(np.percentile(gaps, 99))
        figures[f"{name}_bytes_us"] = 1e6 * cost
    measure.finish("senders", figures, args.json)


if __name__ == "__main__":
    main()
