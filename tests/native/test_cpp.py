"""The C++ tests of csrc/tests, compiled here with plain flags and with sanitizers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
FLAGS = {
    "plain": ["-O2"],
    "sanitizers": ["-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
@pytest.mark.parametrize("flags", FLAGS)
def test_kernels(flags, tmp_path):
    """All kernels are compiled once and linked to each program."""
    sources = sorted((CSRC / "kernels").glob("*.cpp"))
    command = [COMPILER, "-std=c++17", "-w", *FLAGS[flags], f"-I{CSRC / 'kernels'}"]
    subprocess.run([*command, "-c", *sources], check=True, timeout=1800, cwd=tmp_path)
    for name in ("test_kernels", "test_step_kernels"):
        program = tmp_path / name
        objects = [tmp_path / f"{source.stem}.o" for source in sources]
        subprocess.run([*command, CSRC / "tests" / f"{name}.cpp", *objects, "-o", program], check=True, timeout=600)
        done = subprocess.run([program], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        assert done.stdout.startswith("passed: scalar")


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
def test_headers_stand_alone_and_name_no_framework(tmp_path):
    for header in ("spiral_conv3d.h", "vertex_frames.h", "step_kernels.h"):
        (tmp_path / "alone.cpp").write_text(f'#include "{header}"\n')
        command = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{CSRC / 'kernels'}"]
        subprocess.run([*command, tmp_path / "alone.cpp"], check=True)
    for source in (CSRC / "kernels").iterdir():
        included = [line for line in source.read_text().splitlines() if line.startswith("#include <")]
        assert not [
            line for line in included if any(name in line for name in ("onnx", "torch", "pybind", "Nv", "Python"))
        ]
