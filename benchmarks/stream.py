"""The whole runtime as a caller sees it: 48 kHz chunk in, FrameBatch out, resampling included, one core.

    python benchmarks/stream.py [--package default] [--precision int8] [--minutes 10] [--json]

Plain ONNX Runtime and, where this build has it, ONNX Runtime with EmoFace's kernels take turns: `rtf_100ms`,
`rtf_40ms` are CPU seconds per second of audio at that block size with the former, `rtf_100ms_native`,
`rtf_40ms_native` with the latter. The other figures are of one backend (--backend; by default what "auto" takes):
`step_p50_ms`, `step_p99_ms` (wall time of one call with 100 ms of audio), `first_frame_ms` (audio that had to arrive,
at 40 ms blocks, plus computing), `drift` (median CPU time per call of the last tenth of the long run over the first
tenth), `rss_growth_mb` (memory at the end less memory after the first tenth). `cpu_per_wall` is of everything: above
1.05 more than one core was used.
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
from emoface.backends import available_backends

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


BLOCKS_MS = (100, 40)
# backend -> what its figures' names end in
COMPARED = {"ort-cpu": "", "ort-cpu-native": "_native"}


def compare(package: emoface.Package, speech: np.ndarray, options: dict) -> tuple[dict, list[measure.Timing]]:
    """Real-time factors {(backend, block): rtf} of every backend that is here, and all timings."""
    backends = [name for name in COMPARED if name in available_backends()]
    animators = {
        (backend, ms): package.animator(block_ms=ms, backend=backend, **options)
        for backend in backends
        for ms in BLOCKS_MS
    }
    for (_, ms), animator in animators.items():
        run(animator, speech, ms, 3.0)  # warm up: allocations, kernel selection
    timings: dict[tuple[str, int], list[measure.Timing]] = {key: [] for key in animators}
    for _ in range(6):  # in turns, so that a busy machine hits all alike
        for key, animator in animators.items():
            timings[key].append(run(animator, speech, key[1], 10.0))
    factors = {key: float(np.median([sum(t.cpu) for t in runs])) / 10.0 for key, runs in timings.items()}
    return factors, [timing for runs in timings.values() for timing in runs]


def print_table(factors: dict) -> None:
    print(f"{'CPU seconds per second of audio':34s}" + "".join(f"{ms:>6d} ms" for ms in BLOCKS_MS))
    for backend in dict.fromkeys(backend for backend, _ in factors):
        print(f"{backend:34s}" + "".join(f"{factors[backend, ms]:9.4f}" for ms in BLOCKS_MS))


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--precision", default=None, help="int8, fp32 or fp16 (default: the package's)")
    arguments.add_argument("--backend", default="auto", help="of the long run and the first frame")
    arguments.add_argument("--minutes", type=float, default=10.0, help="length of the long run at 100 ms blocks")
    choices = arguments.parse_args()
    package = emoface.Package.load(choices.package)
    speech = bundled_speech()
    options = {"sample_rate": RATE, "precision": choices.precision}
    factors, short = compare(package, speech, options)

    options["backend"] = choices.backend
    animator = package.animator(block_ms=100, **options)
    tenths, memory = [], []
    for _ in range(10):
        tenths.append(run(animator, speech, 100, choices.minutes * 6))
        memory.append(measure.resident_mb())
    calls = [1e3 * wall for tenth in tenths for wall in tenth.wall]
    figures = {f"rtf_{ms}ms{COMPARED[backend]}": factor for (backend, ms), factor in factors.items()}
    figures |= {
        "step_p50_ms": float(np.percentile(calls, 50)),
        "step_p99_ms": float(np.percentile(calls, 99)),
        "first_frame_ms": float(np.median([first_frame(package, speech, options) for _ in range(5)])),
        "drift": float(np.median(tenths[-1].cpu) / np.median(tenths[0].cpu)),
        "rss_growth_mb": memory[-1] - memory[0],
        "cpu_per_wall": measure.cpu_per_wall(short + tenths),
    }
    precision = choices.precision or package.manifest.default_precision
    print(f"{package.manifest.name}, {precision}, one core; long run with {animator.backend}")
    print_table(factors)
    measure.finish("stream", figures, choices.json)


if __name__ == "__main__":
    main()
