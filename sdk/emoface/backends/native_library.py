"""Where a build puts the library of ONNX Runtime kernels, and what the build left out."""

from __future__ import annotations

import sys
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "_lib"
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def library_path() -> Path:
    """The library's path; the file exists if this installation was built with it."""
    return _FOLDER / f"libemoface_onnxruntime{_SUFFIX}"


def left_out() -> dict[str, str]:
    """Parts that this installation's build left out -> why, as setup.py wrote it down."""
    try:
        lines = (_FOLDER / "left_out.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}  # a build of CMake alone
    return {part: why for part, _, why in (line.split("\t") for line in lines)}
