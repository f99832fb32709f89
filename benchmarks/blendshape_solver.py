"""Blendshape weights per frame: time of the Python and the C++ solver, and what the weights leave over.

    python benchmarks/blendshape_solver.py [--package default] [--repeats 5] [--json]

The bundled speech is animated once; its frames are solved again and again. Figures: `solver_ms`, `solver_p99_ms`
(Python, one core: median of CPU time and 99th percentile of wall time per frame), `solver_cpp_ms` (C++, -O3 without
-march, one core; left out without a compiler), `solver_start_ms` (making a Python solver), `solver_rms_mm` and
`solver_worst_mm` (root mean square over all vertices and frames, and the largest, of the distance between the frames
and their weights' face), `motion_rms_mm` (of the frames themselves, for comparison), `rig_rms_mm` (the error for random
motion of the corpus's own rig, all parameters at once), `active_weights` (weights above 0.001 per frame),
`cpp_difference` (largest difference of a weight between the two).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import emoface
import measure
from emoface.rig import Blendshapes, BlendshapeSolver
from emoface.rig.solver import DEFAULT_SMOOTHNESS, DEFAULT_SPARSITY

ROOT = Path(__file__).parents[1]
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def cpp(shapes: np.ndarray, offsets: np.ndarray, compiler: str) -> tuple[float, np.ndarray]:
    """Milliseconds per frame (median) and weights of the C++ solver."""
    with tempfile.TemporaryDirectory() as folder:
        program, given, result = (Path(folder, name) for name in ("run", "in", "out"))
        sources = [ROOT / "csrc/tests/run_blendshape_solver.cpp", ROOT / "csrc/runtime/blendshape_solver.cpp"]
        texts = [path.read_text() for path in sorted((ROOT / "csrc/flags").glob("*.txt"))]
        flags = [line for text in texts for line in text.split("\n") if line.startswith("-")]
        command = [compiler, "-std=c++17", "-O3", *flags, f"-I{ROOT / 'csrc/runtime'}", *sources]
        subprocess.run([*command, "-o", program], check=True)
        sizes = np.array([len(shapes), shapes.shape[1], len(offsets)], np.int64)
        numbers = np.array([DEFAULT_SPARSITY, DEFAULT_SMOOTHNESS], np.float32)
        given.write_bytes(b"".join(array.tobytes() for array in (sizes, numbers, shapes, offsets)))
        done = subprocess.run([program, given, result], check=True, capture_output=True, text=True)
        weights = np.fromfile(result, np.float32).reshape(2, len(offsets), len(shapes))
        return float(done.stdout.split()[0]), weights[0]


def rig_motion(frames: int = 300) -> np.ndarray:
    """Offsets (frames, V, 3) of the corpus's rig under random parameters that change within seconds."""
    from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
    from emoface_training.data.synthetic.rig import Rig

    generator = np.random.default_rng(0)
    time = np.arange(frames)[:, None] / 30
    pace, phase = generator.uniform(0.3, 3.0, len(RIG_PARAMETERS)), generator.uniform(0, 6.28, len(RIG_PARAMETERS))
    return Rig.load().offsets(0.6 * np.clip(np.sin(6.28 * pace * time + phase), 0, 1))


def rms_mm(solver: BlendshapeSolver, offsets: np.ndarray, weights: np.ndarray) -> float:
    return 1e3 * float(np.sqrt(np.mean(solver.error(offsets, weights).astype(np.float64) ** 2)))


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--repeats", type=int, default=5)
    choices = arguments.parse_args()
    animation = emoface.animate_file(SPEECH, choices.package)
    shapes = animation.face.blendshapes
    if shapes is None:
        raise SystemExit(f"the package {choices.package!r} has no blendshapes: export it again")
    offsets = (animation.vertices - animation.face.template) * np.float32(animation.face.unit_in_metres)
    basis = Blendshapes(shapes.names, shapes.shapes * np.float32(animation.face.unit_in_metres))

    start, timing = measure.Timing(), measure.Timing()
    solver = BlendshapeSolver(basis)
    for _ in range(choices.repeats):
        start.add(lambda: BlendshapeSolver(basis))
        solver.reset()
        solved: list[np.ndarray] = []
        for frame in offsets:
            timing.add(lambda frame=frame, solved=solved: solved.append(solver.solve(frame)))
    weights = np.stack(solved)
    left = np.linalg.norm(offsets - basis.offsets(weights), axis=2)
    figures = {
        "solver_ms": timing.median_ms,
        "solver_p99_ms": timing.percentile_ms(99),
        "solver_start_ms": start.median_ms,
        "solver_rms_mm": rms_mm(solver, offsets, weights),
        "solver_worst_mm": 1e3 * float(left.max()),
        "motion_rms_mm": 1e3 * float(np.sqrt(np.mean(np.sum(offsets.astype(np.float64) ** 2, axis=2)))),
        "active_weights": float((weights > 1e-3).sum(axis=1).mean()),
    }
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler:
        figures["solver_cpp_ms"], theirs = cpp(basis.shapes, offsets, compiler)
        figures["cpp_difference"] = float(np.abs(theirs - weights).max())
    if basis.vertices == 5023:
        motion = rig_motion()
        solver.reset()
        figures["rig_rms_mm"] = rms_mm(solver, motion, solver.solve(motion))
    measure.finish("blendshape_solver", figures, choices.json)


if __name__ == "__main__":
    main()
