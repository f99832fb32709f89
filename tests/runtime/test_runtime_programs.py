"""C and C++ programs against the built library: tests with threads, allocations, examples; and what it exports."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import wave
from pathlib import Path

import c_interface as abi
import numpy as np
import pytest

ROOT = abi.ROOT
COMPILERS = {".c": shutil.which("gcc") or shutil.which("cc"), ".cpp": shutil.which("g++") or shutil.which("c++")}


@pytest.fixture(scope="session")
def build(api, tmp_path_factory):
    """Compile one source file against the library and its header."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(source: Path, *flags: str) -> Path:
        compiler = COMPILERS[source.suffix]
        if compiler is None:
            pytest.skip("no C++ compiler: apt install g++")
        standard = ["-std=c99", "-pedantic"] if source.suffix == ".c" else ["-std=c++17"]
        target = folder / source.stem
        command = [compiler, *standard, "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'csrc' / 'include'}", source]
        link = [str(abi.LIBRARY), f"-Wl,-rpath,{abi.LIBRARY.parent}", "-lm", "-pthread", "-ldl"]
        subprocess.run([*command, *flags, *link, "-o", target], check=True)
        return target

    return compile_program


def run(program: Path, *arguments: object) -> str:
    environment = {**os.environ, "EMOFACE_ONNXRUNTIME": abi.onnxruntime_library()}
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_threads_cuts_and_snapshots(build, package_path):
    said = run(build(ROOT / "tests/runtime/test_runtime.cpp"), package_path, abi.onnxruntime_library())
    assert said == "passed\n"


def test_no_allocations_after_warm_up(build, package_path):
    program = build(ROOT / "tests/runtime/test_allocations.cpp", "-rdynamic")
    counted = json.loads(run(program, package_path, abi.onnxruntime_library(), 2))
    assert counted["emoface"] == 0
    assert counted["push"] == 0
    # The hook works: making an animator allocates, and ONNX Runtime does in every run, which is not counted as ours.
    assert counted["creation"] > 100
    assert counted["onnxruntime"] > 0


def test_minimal(build, package_path, tmp_path):
    sound = tmp_path / "speech.wav"
    samples = (6000 * np.random.default_rng(0).standard_normal(24000)).clip(-32768, 32767).astype(np.int16)
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(samples.tobytes())
    said = run(build(ROOT / "examples/c/minimal.c"), package_path, sound)
    found = re.fullmatch(r"30 frames of 12 vertices at 30 fps; the farthest moved ([\d.]+) mm\n", said)
    assert found, said
    assert float(found[1]) > 0.5


def test_realtime(build, package_path):
    said = run(build(ROOT / "examples/cpp/realtime.cpp"), package_path, 1)
    found = re.fullmatch(r"(\d+) pictures drawn, \d+ of them .*; (\d+) frames computed; a block took [\d.]+ ms\n", said)
    assert found, said
    assert int(found[1]) > 5
    assert int(found[2]) == 30 + 8  # a second, and a tail of 0.25 s


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm: apt install binutils")
def test_only_the_interface_is_visible(api):
    listed = subprocess.run(["nm", "-D", "--defined-only", abi.LIBRARY], capture_output=True, text=True, check=True)
    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    declared = set(re.findall(r"\b(emoface_\w+)\(", (ROOT / "csrc/include/emoface.h").read_text()))
    assert names <= declared
    functions = re.findall(r"EMOFACE_API [^;]*?\b(emoface_\w+)\(", (ROOT / "csrc/include/emoface.h").read_text())
    assert set(functions) == names


def test_the_header_stands_alone_in_c_and_cpp(tmp_path):
    for suffix, standard in ((".c", "-std=c99"), (".cpp", "-std=c++11")):
        if COMPILERS[suffix] is None:
            pytest.skip("no C++ compiler: apt install g++")
        source = tmp_path / f"alone{suffix}"
        source.write_text('#include "emoface.h"\nint main(void) { return EMOFACE_OK; }\n')
        flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", f"-I{ROOT / 'csrc' / 'include'}"]
        subprocess.run([COMPILERS[suffix], standard, *flags, source], check=True)
