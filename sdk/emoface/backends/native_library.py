"""Where a build puts the library of ONNX Runtime kernels."""

from __future__ import annotations

import sys
from pathlib import Path

_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def library_path() -> Path:
    """The library's path; the file exists if this installation was built with it."""
    return Path(__file__).parent.parent / "_lib" / f"libemoface_onnxruntime{_SUFFIX}"
