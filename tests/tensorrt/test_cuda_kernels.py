"""The CUDA kernels: their bodies on the host over the full grid, and on a GPU, where one is, against float64."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emoface.backends.tensorrt_library import plugin_path

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FLAGS = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", *SANITIZERS)


def cuda_include() -> list[str]:
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda", "/usr/local/cuda-13.0"]
    found = next((h for h in homes if h and Path(h, "include", "cuda_fp16.h").is_file()), None)
    return ["-DEMOFACE_HALF", "-isystem", str(Path(found, "include"))] if found else []


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
def test_bodies_on_the_host(tmp_path):
    program = tmp_path / "bodies"
    half = cuda_include()
    sources = [f"-I{CSRC / 'kernels'}", CSRC / "tests" / "test_device_bodies.cpp"]
    subprocess.run([COMPILER, *FLAGS, *half, *sources, "-o", program], check=True, timeout=600)
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == ("passed: float half" if half else "passed: float")


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
@pytest.mark.parametrize("header", ["spiral_conv3d_cuda.h", "vertex_frames_cuda.h", "vertex_frames_device.h"])
def test_headers_need_no_cuda(header, tmp_path):
    (tmp_path / "alone.cpp").write_text(f'#include "{header}"\n')
    command = [COMPILER, *FLAGS[:1], *FLAGS[2:5], "-fsyntax-only", f"-I{CSRC / 'kernels'}", tmp_path / "alone.cpp"]
    subprocess.run(command, check=True)


@pytest.fixture
def library():
    path = plugin_path().with_name("libemoface_cuda.so")
    if not path.is_file():
        pytest.skip("no libemoface_cuda.so: install from source with nvcc (CUDA_HOME)")
    return ctypes.CDLL(str(path))


def pointers(count: int, change: dict[int, int | None]) -> list[ctypes.c_void_p]:
    base = ctypes.addressof(pointers.room)
    return [ctypes.c_void_p(change.get(at, base + 1024 * at)) for at in range(count)]


pointers.room = (ctypes.c_double * 4096)()
NULL_POINTER, BAD_SIZE, MISALIGNED = 1, 2, 3


def blend(library, sizes=(7, 3, 4, 1, 3), batch=1, frames=2, change=None):
    addresses = pointers(10, change or {})
    numbers = (ctypes.c_int64(batch), ctypes.c_int64(frames), ctypes.c_int(0))
    return library.emoface_spiral_blend_cuda((ctypes.c_int64 * 5)(*sizes), *numbers, *addresses, None, None)


def layer(library, sizes=(2, 7, 4, 3), change=None):
    numbers = (*map(ctypes.c_int64, sizes), ctypes.c_int(1), ctypes.c_int(0))
    return library.emoface_vertex_layer_cuda(*numbers, *pointers(4, change or {}), None, None)


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 5, 6, 7, 9])
def test_the_fused_layer_refuses_null_and_misaligned_pointers(library, at):
    odd = ctypes.addressof(pointers.room) + 2
    assert blend(library, change={at: None}) == NULL_POINTER
    assert blend(library, change={at: odd}) == MISALIGNED


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_the_vertex_layer_refuses_null_and_misaligned_pointers(library, at):
    odd = ctypes.addressof(pointers.room) + 2
    assert layer(library, change={at: None}) == NULL_POINTER
    assert layer(library, change={at: odd}) == MISALIGNED


def test_sizes_out_of_range_are_refused(library):
    for sizes in ((0, 3, 4, 1, 3), (7, 0, 4, 1, 3), (7, 3, 4, 2, 3), (7, 3, 4, 1, 65), (1 << 40, 3, 4, 1, 3)):
        assert blend(library, sizes=sizes) == BAD_SIZE
    assert blend(library, frames=0) == BAD_SIZE
    for sizes in ((0, 7, 4, 3), (2, 0, 4, 3), (2, 7, -1, 3), (2, 7, 4, 0), (2, 7, 4, 65), (1 << 30, 1 << 30, 2, 1)):
        assert layer(library, sizes=sizes) == BAD_SIZE


def test_the_benchmark_says_when_there_is_no_gpu(no_driver):
    command = [sys.executable, str(ROOT / "benchmarks" / "spiral_conv3d_cuda.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 5
    assert "expected an NVIDIA GPU" in done.stderr
    assert done.stdout == ""


def test_kernels_on_a_gpu_against_float64(gpu, library):
    """Every shape of the benchmark and a few odd ones, fp32 and fp16, cut and whole."""
    spec = importlib.util.spec_from_file_location("spiral_conv3d_cuda", ROOT / "benchmarks" / "spiral_conv3d_cuda.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    torch = pytest.importorskip("torch", reason="needs an NVIDIA GPU and PyTorch with CUDA")
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU and PyTorch with CUDA")
    for sizes in (*benchmark.SHAPES.values(), (19, 18, 12, 1, 3), (7, 3, 5, 3, 1), (33, 5, 1, 7, 4)):
        for half in (False, True):
            for frames in (1, 3):
                case = benchmark.Case(sizes, batch=2, frames=frames, half=half, seed=1)
                assert case.error(case.kernel(library)) <= (2e-3 if half else 2e-6) * np.sqrt(sizes[1] * sizes[2])
