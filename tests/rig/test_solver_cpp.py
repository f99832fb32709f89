"""The C++ solver gives the Python solver's weights, allocates nothing per frame, and refuses the same input."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from emoface.package import Face
from emoface.rig import BlendshapeSolver

CSRC = Path(__file__).parents[2] / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
FLAGS = {
    "plain": ["-O2", "-Wall", "-Wextra", "-Werror"],
    "sanitizers": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")


@pytest.fixture(scope="module", params=list(FLAGS))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("solver") / "run_blendshape_solver"
    sources = [CSRC / "tests" / "run_blendshape_solver.cpp", CSRC / "runtime" / "blendshape_solver.cpp"]
    command = [COMPILER, "-std=c++17", *FLAGS[request.param], f"-I{CSRC / 'runtime'}", *sources, "-o", path]
    subprocess.run(command, check=True, timeout=300)
    return path


def run(
    program: Path, folder: Path, shapes: np.ndarray, offsets: np.ndarray, sparsity: float = 0.002, smooth: float = 0.05
) -> subprocess.CompletedProcess[str]:
    sizes = np.array([len(shapes), shapes.shape[1], len(offsets)], np.int64)
    numbers = np.array([sparsity, smooth], np.float32)
    arrays = (sizes, numbers, shapes.astype(np.float32), offsets.astype(np.float32))
    (folder / "in").write_bytes(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return subprocess.run(
        [program, folder / "in", folder / "out"], capture_output=True, text=True, timeout=120, check=False
    )


def test_same_weights_as_python(program: Path, tmp_path: Path, face: Face, motion: np.ndarray) -> None:
    assert face.blendshapes is not None
    done = run(program, tmp_path, face.blendshapes.shapes, motion)
    assert done.returncode == 0, done.stdout + done.stderr
    first, again = np.fromfile(tmp_path / "out", np.float32).reshape(2, len(motion), 52)
    assert np.abs(first - BlendshapeSolver(face.blendshapes).solve(motion)).max() <= 1e-5
    assert np.array_equal(first, again)  # after reset, and continued in another solver
    assert float(done.stdout.split()[2]) == 0  # allocations per frame


def test_faults_have_a_status(program: Path, tmp_path: Path) -> None:
    shapes = np.random.default_rng(0).normal(size=(3, 6, 3))
    frames = np.zeros((2, 6, 3))
    broken = shapes.copy()
    broken[1, 2, 0] = np.nan
    dependent = np.concatenate([shapes, shapes[:1] + shapes[2:]])
    cases = [
        (shapes, {"sparsity": -1.0}, "sparsity or smoothness"),
        (shapes, {"smooth": np.inf}, "sparsity or smoothness"),
        (broken, {}, "NaN or infinite values 1"),
        (0 * shapes, {}, "without any offset"),
        (dependent, {}, "rank-deficient basis) 3"),
        (np.zeros((0, 6, 3)), {}, "no shapes"),
    ]
    for given, options, message in cases:
        done = run(program, tmp_path, given, frames, **options)
        assert done.returncode > 10 and message in done.stdout
    opposite = np.concatenate([shapes, -shapes[:1]])
    assert run(program, tmp_path, opposite, frames).returncode == 0
    frames[1, 3, 1] = np.inf
    assert run(program, tmp_path, shapes, frames).returncode == 3  # refused by solve()
