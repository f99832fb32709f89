"""What C# adds to a call of the C interface: the same calls from C and from C#, in turns, with Mono.

    python benchmarks/pinvoke.py [--package default] [--rounds 7] [--json]

Figures: `pinvoke_us` (microseconds that one `Step` in C# takes longer than one `emoface_step` in C; 1 sample is fed,
which does not complete a block, so that little but the call is measured), `csharp_step_us`, `c_step_us` (both calls),
`csharp_sample_us` (one `Sample` of a whole face in real time from C#), `garbage_bytes` (allocated by all timed calls
from C#). Needs Mono and a C compiler: apt install mono-mcs mono-runtime gcc.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import emoface
import measure

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks" / "pinvoke"
LIBRARY = Path(emoface.__file__).parent / "_lib" / "libemoface.so"


def onnxruntime_library() -> Path:
    import onnxruntime

    return sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))[0]


def build(folder: Path) -> dict[str, list[str]]:
    """The two programs as commands."""
    core = sorted(str(path) for path in (ROOT / "bindings" / "unity" / "Runtime" / "Core").glob("*.cs"))
    managed, native = folder / "Calls.exe", folder / "calls"
    subprocess.run(
        ["mcs", "-langversion:7.2", "-unsafe", "-optimize", f"-out:{managed}", HERE / "Calls.cs", *core], check=True
    )
    command = ["gcc", "-O2", f"-I{ROOT / 'csrc' / 'include'}", HERE / "calls.c", "-o", native]
    subprocess.run([*command, f"-L{LIBRARY.parent}", "-lemoface", f"-Wl,-rpath,{LIBRARY.parent}"], check=True)
    return {"csharp": ["mono", "-O=all", str(managed)], "c": [str(native)]}


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--rounds", type=int, default=7, help="runs of each program, in turns")
    arguments.add_argument("--calls", type=int, default=20000, help="timed calls per run")
    choices = arguments.parse_args()
    path = choices.package
    if path == "default":
        path = str(Path(emoface.__file__).parent / "packages" / "default.emoface")
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(LIBRARY.parent),
        "EMOFACE_ONNXRUNTIME": str(onnxruntime_library()),
    }
    found: dict[str, list[dict[str, float]]] = {"csharp": [], "c": []}
    with tempfile.TemporaryDirectory() as folder:
        programs = build(Path(folder))
        for _ in range(choices.rounds):
            for name, command in programs.items():
                done = subprocess.run(
                    [*command, path, str(choices.calls)], capture_output=True, text=True, env=environment, check=True
                )
                found[name].append(json.loads(done.stdout))

    def median(program: str, figure: str) -> float:
        return float(np.median([run[figure] for run in found[program]]))

    figures = {
        "pinvoke_us": median("csharp", "step_us") - median("c", "step_us"),
        "csharp_step_us": median("csharp", "step_us"),
        "c_step_us": median("c", "step_us"),
        "csharp_sample_us": median("csharp", "sample_us"),
        "garbage_bytes": max(run["garbage_bytes"] for run in found["csharp"]),
    }
    measure.finish("pinvoke", figures, choices.json)


if __name__ == "__main__":
    main()
