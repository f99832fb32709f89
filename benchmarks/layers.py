"""What blinks, gaze and head sway cost: time per frame of a stream with them and without.

    python benchmarks/layers.py [--package default] [--seconds 20] [--json]

The bundled speech in steps of 100 ms at 48 kHz, alternatives in turns, one core, with ONNX Runtime alone. Figures:
`<language>_us`, the CPU time per frame that the layers add (the difference of the medians), and `<language>_ratio`, a
step with them over one without; `cpu_per_wall`: above 1.05 more than one core was used. Which layers there are is the
face's matter: `emoface inspect`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

import emoface
import measure
from emoface.options import BARE
from stream import RATE, bundled_speech

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "runtime"))

import c_interface as c_abi  # noqa: E402  (the C interface through ctypes)

CHUNK, MOST_FRAMES = RATE // 10, 64
NONE = {"blinks": -1, "gaze": -1, "head_sway": -1}


def step_of_python(package: emoface.Package, chunks: list[np.ndarray], options: dict) -> Callable[[], None]:
    animator, turns = package.animator(sample_rate=RATE, backend="ort-cpu", **options), count()

    def step() -> None:
        animator.step(chunks[next(turns) % len(chunks)])

    return step


def step_of_c(package: c_abi.Package, chunks: list[np.ndarray], options: dict) -> Callable[[], None]:
    voice, turns = package.animator(sample_rate=RATE, **options), count()
    arrays, written = voice.arrays(MOST_FRAMES), ctypes.c_int64()
    out = voice.frames(arrays)

    def step() -> None:
        chunk = chunks[next(turns) % len(chunks)]
        room = ctypes.byref(out), MOST_FRAMES, ctypes.byref(written)
        voice.api.call("step", voice.handle, chunk.ctypes.data, CHUNK, *room)
        assert written.value <= len(arrays["time"])  # held here: the library writes into them

    return step


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--seconds", type=float, default=20.0, help="of audio per alternative")
    choices = arguments.parse_args()
    package = emoface.Package.load(choices.package)
    api = c_abi.Api(c_abi.load())
    api.call("onnxruntime_load", c_abi.onnxruntime_library().encode())
    path = choices.package
    if path == "default":
        path = ROOT / "sdk" / "emoface" / "packages" / "default.emoface"
    opened, speech = api.open(path), bundled_speech()
    chunks = [np.ascontiguousarray(speech[i : i + CHUNK]) for i in range(0, len(speech) - CHUNK, CHUNK)]
    steps = {
        "python": step_of_python(package, chunks, {}),
        "python bare": step_of_python(package, chunks, dict(BARE)),
        "c": step_of_c(opened, chunks, {}),
        "c bare": step_of_c(opened, chunks, NONE),
    }
    # Language by language: what follows another's step finds the caches cold.
    timings: dict[str, measure.Timing] = {}
    for language in ("python", "c"):
        pair = {name: step for name, step in steps.items() if name.split()[0] == language}
        timings |= measure.interleave(pair, int(10 * choices.seconds), warm_up=10)
    frames, figures = package.manifest.fps / 10, dict[str, float]()
    for language in ("python", "c"):
        whole, bare = timings[language].median_ms, timings[f"{language} bare"].median_ms
        figures |= {f"{language}_us": 1e3 * (whole - bare) / frames, f"{language}_ratio": whole / bare}
        print(f"{language:<8} {bare:.3f} ms per step, {whole:.3f} ms with layers")
    figures["cpu_per_wall"] = measure.cpu_per_wall(list(timings.values()))
    measure.finish("layers", figures, choices.json)


if __name__ == "__main__":
    main()
