"""The oldest ONNX Runtime is one number, wherever it is asked for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_python_and_cpp_ask_for_the_same_onnxruntime() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["cuda"]]
    floors = {re.match(r"onnxruntime(?:-gpu)?>=1\.(\d+)", text)[1] for text in asked if text.startswith("onnxruntime")}
    header = (ROOT / "csrc" / "runtime" / "ort_library.h").read_text(encoding="utf-8")
    kernels = (ROOT / "csrc" / "onnxruntime" / "op_support.h").read_text(encoding="utf-8")
    assert floors == {re.search(r"kOldestMinor = (\d+)", header)[1]}
    assert re.search(r"kApi = (\d+)", header)[1] == re.search(r"kApi = (\d+)", kernels)[1]
