"""The C interface: its step beside Python's, `emoface_push` under load, allocations; and the long run.

    python benchmarks/c_abi.py [--package default] [--json] [--also COMMAND ...]
    python benchmarks/c_abi.py --soak 30

`c_vs_python` is the CPU time of one step of 100 ms of 48 kHz audio through the C interface over that through
`emoface.Animator` with the same backend (below 1: C is faster); `push_p99_us` and `push_worst_us` are wall times of
`emoface_push` (10 ms of stereo) while the worker computes and a display samples; `allocs_per_frame` counts EmoFace's
heap allocations per frame after warm-up, `allocs_onnxruntime` those of ONNX Runtime. `--also` runs another benchmark
that prints a line of JSON with figures last, such as those of the C# binding and of the blendshape solver, and takes
its figures over.

`--soak MINUTES` feeds that much audio to two streams with different cuts and checks the count of frames, their bits,
memory and time per step.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import emoface
import measure
from stream import RATE, bundled_speech

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "runtime"))

import c_interface as c_abi  # noqa: E402  (the C interface through ctypes)

CHUNK = RATE // 10


def compare(package_path: str, speech: np.ndarray, seconds: float) -> float:
    """CPU time of C's steps over Python's, interleaved; ctypes' own cost is C's."""
    api = c_abi.Api(c_abi.load())
    api.call("onnxruntime_load", c_abi.onnxruntime_library().encode())
    package = api.open(package_path)
    voice = package.animator(sample_rate=RATE)
    arrays = voice.arrays(16)
    out, written = voice.frames(arrays), ctypes.c_int64()
    animator = emoface.Animator.load(package_path, sample_rate=RATE, backend="ort-cpu")
    chunks = [np.ascontiguousarray(speech[i : i + CHUNK]) for i in range(0, len(speech) - CHUNK, CHUNK)]
    turns = {"c": iter(range(10**9)), "python": iter(range(10**9))}
    function, pointer = api.library.emoface_step, ctypes.byref(out)

    def step_c() -> None:
        chunk = chunks[next(turns["c"]) % len(chunks)]
        status = function(voice.handle, chunk.ctypes.data, CHUNK, pointer, 16, ctypes.byref(written))
        assert status == 0, api.last_error()

    def step_python() -> None:
        animator.step(chunks[next(turns["python"]) % len(chunks)])

    timings = measure.interleave({"c": step_c, "python": step_python}, int(10 * seconds), warm_up=20)
    return timings["c"].median_ms / timings["python"].median_ms


def build(folder: str, source: Path, *flags: str) -> Path:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise SystemExit("no C++ compiler: apt install g++")
    program = Path(folder, source.stem)
    library = [str(c_abi.LIBRARY), f"-Wl,-rpath,{c_abi.LIBRARY.parent}", "-pthread", "-ldl"]
    command = [compiler, "-std=c++17", "-O2", f"-I{ROOT / 'csrc' / 'include'}", str(source), *flags, *library]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


def run(program: Path, *arguments: object, may_fail: bool = False) -> dict[str, float]:
    environment = {**os.environ, "EMOFACE_ONNXRUNTIME": c_abi.onnxruntime_library()}
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=environment)
    if done.returncode and not may_fail:
        raise SystemExit(f"{program.name} failed:\n{done.stdout}{done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "exit_code": done.returncode}


def figures_of(command: str) -> dict[str, float]:
    """Figures that another benchmark prints in its last line."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return last.get("figures", last)


def soak(package: str, minutes: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = run(build(folder, ROOT / "benchmarks" / "c_abi_soak.cpp"), package, minutes, may_fail=True)
    print(json.dumps(found))
    flat = found["rss_growth_mb"] < 8 and found["drift"] < 1.2
    return 0 if found["exit_code"] == 0 and flat else 1


def main() -> int:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--seconds", type=float, default=30.0, help="audio of the comparison and of the load")
    arguments.add_argument("--soak", type=float, metavar="MINUTES", help="the long run alone")
    arguments.add_argument("--also", action="append", default=[], metavar="COMMAND", help="take over its figures")
    choices = arguments.parse_args()
    if not c_abi.LIBRARY.is_file():
        raise SystemExit(f"no {c_abi.LIBRARY}: build with ONNXRUNTIME_ROOT set, zlib and nlohmann-json")
    built_in = Path(emoface.__file__).parent / "packages" / "default.emoface"
    package = str(built_in) if choices.package == "default" else choices.package
    if choices.soak is not None:
        return soak(package, choices.soak)
    figures = {"c_vs_python": compare(package, bundled_speech(), choices.seconds)}
    with tempfile.TemporaryDirectory() as folder:
        load = run(build(folder, ROOT / "benchmarks" / "c_abi_push.cpp"), package, choices.seconds)
        counter = build(folder, ROOT / "tests" / "runtime" / "test_allocations.cpp", "-rdynamic")
        counted = run(counter, package, c_abi.onnxruntime_library(), 5)
    figures |= {name: load[name] for name in ("push_p50_us", "push_p99_us", "push_worst_us")}
    figures |= {"allocs_per_frame": counted["emoface"] + counted["push"], "allocs_onnxruntime": counted["onnxruntime"]}
    for command in choices.also:
        figures |= figures_of(command)
    measure.finish("c_abi", figures, choices.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
