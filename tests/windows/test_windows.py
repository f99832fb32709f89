"""The Windows build of the C++ runtime under Wine: golden vectors, frames as on this machine, bits, errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from needs import lacking

from emoface import Package

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("EMOFACE_WINDOWS", ROOT / "build" / "windows"))
COMPILER = "x86_64-w64-mingw32-gcc-posix"
NOT_ASCII = "größe 表情.emoface"


class Windows:
    """A folder with the libraries, the program and the packages; `run` starts the program under Wine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "WINEPREFIX": str(folder / "prefix"),
            "WINEDEBUG": "-all",
            "LANG": "C.UTF-8",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",  # no dialogues about what Wine could install
        }
        for name in ("EMOFACE_ONNXRUNTIME", "DISPLAY"):
            self.environment.pop(name, None)

    def run(self, *arguments: str) -> str:
        command = ["wine", "program.exe", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, timeout=240, check=False
        )
        text = ended.stdout.decode()
        assert ended.returncode == 0, f"{text}\n{ended.stderr.decode(errors='replace')[-2000:]}"
        return text


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory, tiny_package: Path) -> Windows:
    if reason := lacking("windows"):
        pytest.skip(reason)
    if not (BUILT / "emoface.dll").is_file():
        pytest.skip(f"needs {BUILT.name}/emoface.dll: .ci/windows_runtime build/windows")
    folder = tmp_path_factory.mktemp("windows")
    for library in BUILT.glob("*.dll"):
        shutil.copy(library, folder)
    shutil.copy(tiny_package, folder / "tiny.emoface")
    shutil.copy(tiny_package, folder / NOT_ASCII)
    shutil.copy(ROOT / "sdk" / "emoface" / "packages" / "default.emoface", folder)
    source, library = Path(__file__).with_name("program.c"), BUILT / "libemoface.dll.a"
    compile_it = [COMPILER, "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'csrc' / 'include'}"]
    subprocess.run([*compile_it, str(source), "-o", str(folder / "program.exe"), str(library)], check=True)
    return Windows(folder)


def test_the_library_needs_windows_own_libraries_alone() -> None:
    if shutil.which("x86_64-w64-mingw32-objdump") is None or not (BUILT / "emoface.dll").is_file():
        pytest.skip("needs MinGW-w64 and build/windows: .ci/windows_runtime build/windows")
    text = subprocess.run(
        ["x86_64-w64-mingw32-objdump", "-p", str(BUILT / "emoface.dll")], capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"DLL Name: (\S+)", text)) <= {"KERNEL32.dll", "msvcrt.dll"}
    table = text.split("[Ordinal/Name Pointer] Table")[1].split("\n\n")[0]
    exported = set(re.findall(r"(\w+)$", table, re.M))
    assert "emoface_step" in exported and all(name.startswith("emoface_") for name in exported)


@pytest.mark.parametrize("name", ["tiny.emoface", "default.emoface", "-"])
def test_golden_vectors(windows: Windows, name: str) -> None:
    assert "passed 1 " in windows.run("verify", name)


def test_frames_are_those_of_python_and_keep_their_bits_under_cuts(windows: Windows) -> None:
    rate = 22050
    sound = (0.2 * np.random.default_rng(5).standard_normal(int(1.3 * rate))).astype(np.float32)
    sound.tofile(windows.folder / "sound.f32")
    files = []
    for seed in ("1", "2"):
        windows.run("frames", "tiny.emoface", "sound.f32", str(rate), seed, f"frames{seed}.f32")
        files.append((windows.folder / f"frames{seed}.f32").read_bytes())
    assert files[0] == files[1]
    package = Package.load(windows.folder / "tiny.emoface")
    animator = package.animator(sample_rate=rate, backend="ort-cpu")
    expected = np.concatenate([animator.step(sound).vertices, animator.flush().vertices])
    frames = np.frombuffer(files[0], np.float32).reshape(-1, *expected.shape[1:])
    assert len(frames) == int(1.3 * 30)
    limit = 1e-4 * package.manifest.motion_range_m / package.manifest.unit_in_metres
    np.testing.assert_allclose(frames, expected, rtol=0, atol=limit)


def test_wrong_calls_are_statuses_with_a_reason(windows: Windows) -> None:
    lines = dict(line.split(" ", 1) for line in windows.run("status", "-").splitlines() if " | " in line)
    expected = {
        "null_package": "ERROR_ARGUMENT",
        "no_package": "ERROR_PACKAGE_NOT_FOUND",
        "corrupt_memory": "ERROR_PACKAGE_INTEGRITY",
        "struct_size": "ERROR_ARGUMENT",
        "nan": "ERROR_AUDIO",
        "too_small": "ERROR_BUFFER_TOO_SMALL",
        "after_flush": "ERROR_STREAM_ENDED",
    }
    assert {name: line.split(" | ")[0] for name, line in lines.items()} == expected
    assert all("expected" in line for line in lines.values())
