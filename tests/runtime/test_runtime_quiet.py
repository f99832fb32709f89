"""The C library switches ONNX Runtime's telemetry off by itself, and writes no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import c_interface as abi
import pytest

CODE = """
import ctypes, sys
import c_interface as abi
assert "emoface" not in sys.modules and "onnxruntime" not in sys.modules
api = abi.Api(abi.load())
api.call("onnxruntime_load", abi.onnxruntime_library().encode())
assert api.open(PACKAGE).verify().passed
read = ctypes.CDLL(None).getenv
read.restype = ctypes.c_char_p
print(read(b"ORT_DISABLE_TELEMETRY").decode())
"""


@pytest.mark.parametrize("wanted, found", [(None, "1"), ("true", "true")])
def test_no_file_and_the_users_word_counts(api, package_path: Path, tmp_path: Path, wanted, found) -> None:
    home = tmp_path / "home"
    home.mkdir()
    inherited = {n: v for n, v in os.environ.items() if n not in ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")}
    places = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(abi.ROOT / "tests" / "runtime")}
    given = {} if wanted is None else {"ORT_DISABLE_TELEMETRY": wanted}
    done = subprocess.run(
        [sys.executable, "-B", "-c", CODE.replace("PACKAGE", repr(str(package_path)))],
        env={**inherited, **places, **given},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip()) == (0, found), done.stderr
    assert list(home.rglob("*")) == []
