"""Graphs that could do harm are refused before ONNX Runtime sees them, by every reader with the same words."""

from __future__ import annotations

import graph_cases
import handmade
import onnxruntime
import pytest

from emoface.errors import ManifestError
from emoface.graphs import check_graphs
from emoface.manifest import Manifest

CASES = {case.name: case for case in graph_cases.CASES}


@pytest.fixture(scope="module")
def files():
    return handmade.package_files()


def answer(files, data):
    """How the error goes on after the file's name; None where the package is taken."""
    changed = handmade.with_file(files, "mix.onnx", data)
    try:
        check_graphs(Manifest.from_json(changed["manifest.json"]), changed)
    except ManifestError as error:
        assert error.file == "mix.onnx" and error.remedy
        return error.got.removeprefix("mix.onnx: ")
    return None


@pytest.mark.parametrize("name", CASES)
def test_every_case(files, name):
    case = CASES[name]
    said = answer(files, case.build())
    if case.refused is None:
        assert said is None
        onnxruntime.InferenceSession(case.build(), providers=["CPUExecutionProvider"])
    else:
        assert said is not None and said.startswith(case.refused), said
