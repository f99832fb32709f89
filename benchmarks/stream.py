"""The whole runtime as a caller sees it: 48 kHz chunk in, FrameBatch out, resampling included, one core.

    python benchmarks/stream.py [--package default] [--precision int8] [--minutes 10] [--json]

Figures: `rtf_100ms`, `rtf_40ms` (CPU seconds per second of audio at that block size), `step_p50_ms`, `step_p99_ms`
(wall time of one call with 100 ms of audio), `first_frame_ms` (audio that had to arrive, at 40 ms blocks, plus
computing), `drift` (median CPU time per call of the last tenth of the long run over the first tenth), `rss_growth_mb`
(memory at the end less memory after the first tenth), `cpu_per_wall`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import emoface
import measure

RATE = 48000
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def bundled_speech() -> np.ndarray:
    """The bundled speech at 48 kHz, float32 (linear interpolation: only its cost as input matters here)."""
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    count = len(samples) * RATE // rate
    return np.interp(np.arange(count) * rate / RATE, np.arange(len(samples)), samples).astype(np.float32)


def chunks(speech: np.ndarray, size: int, seconds: float) -> Iterator[np.ndarray]:
    """Endless repetition of the speech, cut into `size` samples, for `seconds`."""
    looped = np.concatenate([speech, speech[:size]])
    for index in range(int(seconds * RATE / size)):
        start = index * size % len(speech)
        yield looped[start : start + size]


def run(animator: emoface.Animator, speech: np.ndarray, block_ms: int, seconds: float) -> measure.Timing:
    timing = measure.Timing()
    for chunk in chunks(speech, RATE * block_ms // 1000, seconds):
        timing.add(lambda chunk=chunk: animator.step(chunk))
    return timing


def first_frame(package: emoface.Package, speech: np.ndarray, options: dict) -> float:
    """Milliseconds of 10 ms chunks until a frame comes, at 40 ms blocks: audio received plus time spent computing."""
    animator = package.animator(block_ms=40, **options)
    size = RATE // 100
    spent = 0.0
    for index in itertools.count():
        begin = time.perf_counter()
        frames = animator.step(speech[index * size : (index + 1) * size])
        spent += time.perf_counter() - begin
        if len(frames):
            return (index + 1) * 10.0 + 1e3 * spent
    raise AssertionError("the stream ended without a frame")


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--precision", default=None, help="int8, fp32 or fp16 (default: the package's)")
    arguments.add_argument("--backend", default="ort-cpu")
    arguments.add_argument("--minutes", type=float, default=10.0, help="length of the long run at 100 ms blocks")
    choices = arguments.parse_args()
    package = emoface.Package.load(choices.package)
    speech = bundled_speech()
    options = {"sample_rate": RATE, "backend": choices.backend, "precision": choices.precision}
    animators = {ms: package.animator(block_ms=ms, **options) for ms in (100, 40)}
    for ms, animator in animators.items():
        run(animator, speech, ms, 3.0)  # warm up: allocations, kernel selection

    short: dict[int, list[measure.Timing]] = {ms: [] for ms in animators}
    for _ in range(6):  # both block sizes in turns
        for ms, animator in animators.items():
            short[ms].append(run(animator, speech, ms, 10.0))
    rtf = {ms: float(np.median([sum(t.cpu) for t in timings])) / 10.0 for ms, timings in short.items()}

    animator = package.animator(block_ms=100, **options)
    tenths, memory = [], []
    for _ in range(10):
        tenths.append(run(animator, speech, 100, choices.minutes * 6))
        memory.append(measure.resident_mb())
    calls = [1e3 * wall for tenth in tenths for wall in tenth.wall]
    figures = {
        "rtf_100ms": rtf[100],
        "rtf_40ms": rtf[40],
        "step_p50_ms": float(np.percentile(calls, 50)),
        "step_p99_ms": float(np.percentile(calls, 99)),
        "first_frame_ms": float(np.median([first_frame(package, speech, options) for _ in range(5)])),
        "drift": float(np.median(tenths[-1].cpu) / np.median(tenths[0].cpu)),
        "rss_growth_mb": memory[-1] - memory[0],
        "cpu_per_wall": measure.cpu_per_wall([t for timings in short.values() for t in timings] + tenths),
    }
    print(
        f"{package.manifest.name}, {choices.precision or package.manifest.default_precision}, backend {choices.backend}"
    )
    measure.finish("stream", figures, choices.json)


if __name__ == "__main__":
    main()
