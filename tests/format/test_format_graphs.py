"""Graphs that could do harm are refused before ONNX Runtime sees them, by every reader with the same words."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import c_interface as abi
import graph_cases
import handmade
import numpy as np
import onnx
import onnxruntime
import pytest

from emoface import Package
from emoface.errors import ManifestError
from emoface.graphs import check_graphs
from emoface.graphs.bounds import Bounds
from emoface.graphs.check import stage_bounds
from emoface.graphs.model import read_model
from emoface.manifest import Manifest, StageSpec, concrete_shape

ROOT = Path(__file__).parents[2]
CASES = {case.name: case for case in graph_cases.CASES}
ACCEPTED = [name for name, case in CASES.items() if case.refused is None]


@pytest.fixture(scope="module")
def files():
    return handmade.package_files()


def python_says(files: dict[str, bytes]) -> str:
    """The text of the refusal, "" where there is none."""
    try:
        check_graphs(Manifest.from_json(files["manifest.json"]), files)
    except ManifestError as error:
        assert error.file == "mix.onnx" and error.remedy
        return str(error)
    return ""


@pytest.mark.parametrize("name", CASES)
def test_every_case(files, name):
    case = CASES[name]
    said = python_says(handmade.with_file(files, "mix.onnx", case.build()))
    if case.refused is None:
        assert said == ""
        onnxruntime.InferenceSession(case.build(), providers=["CPUExecutionProvider"])
    else:
        assert said.startswith(f"got mix.onnx: {case.refused}"), said


def test_the_c_reader_says_the_same(files):
    if not abi.LIBRARY.is_file():
        pytest.skip(f"no {abi.LIBRARY.name}: build with ONNXRUNTIME_ROOT set, zlib and nlohmann-json")
    api = abi.Api(abi.load())
    for name, case in CASES.items():
        changed = handmade.with_file(files, "mix.onnx", case.build())
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for file, data in changed.items():
                archive.writestr(file, data)
        try:
            api.open(buffer.getvalue())
            said = ""
        except abi.StatusError as error:
            assert error.name == "MANIFEST", (name, error)
            said = error.text
        assert said == python_says(changed), name


def test_loading_refuses_a_graph(files, tmp_path):
    case = CASES["external_initialiser"]
    changed = handmade.with_file(files, "mix.onnx", case.build())
    with pytest.raises(ManifestError, match=r"mix\.onnx: tensor 'w' = external data"):
        Package.load(handmade.write_zip(tmp_path / "p.emoface", changed))


def test_names_and_texts_are_the_only_copies(files):
    """A gigabyte of weights is passed over: reading a graph takes what its nodes take."""
    import tracemalloc

    model = onnx.load_from_string(files["mix.onnx"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1 << 22, np.float32), "large"))
    data = model.SerializeToString()
    tracemalloc.start()
    read_model(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20 < len(data)


def every_tensor(data: bytes, stage: StageSpec, n: int) -> dict[str, tuple[int, ...]]:
    """The shapes that ONNX Runtime gives to all tensors of a graph for n items."""
    model = onnx.load_from_string(data)
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name)
        for node in model.graph.node
        for name in node.output
        if name and name not in given
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {item.name: np.zeros(concrete_shape(item.shape, n), item.dtype) for item in stage.inputs}
    feeds |= {f"state.{item.name}": np.zeros(concrete_shape(item.shape, n), item.dtype) for item in stage.state}
    names = [value.name for value in session.get_outputs()]
    return {name: np.shape(array) for name, array in zip(names, session.run(names, feeds), strict=True)}


def within(bounds: Bounds, name: str, shape: tuple[int, ...], n: int) -> bool:
    """Whether a tensor's shape for n items lies in its bounds."""
    dims = bounds.tensors[name].dims
    return len(dims) == len(shape) and all(
        a * n + low <= extent <= a * n + high for (a, low, high), extent in zip(dims, shape, strict=True)
    )


def assert_bounded(manifest: Manifest, stage: StageSpec, data: bytes, lengths: tuple[int, ...]) -> None:
    bounds = stage_bounds(manifest, stage, read_model(data))
    for n in lengths:
        shapes = every_tensor(data, stage, n)
        assert shapes.keys() <= bounds.tensors.keys()
        outside = {name: shape for name, shape in shapes.items() if not within(bounds, name, shape, n)}
        assert not outside, (stage.name, n, outside)


@pytest.mark.parametrize("name", ACCEPTED)
def test_bounds_hold_for_every_tensor_of_a_case(files, name):
    manifest = Manifest.from_json(files["manifest.json"])
    assert_bounded(manifest, manifest.stage("mix"), CASES[name].build(), (1, 5, 32))


def test_bounds_hold_for_every_tensor_of_the_bundled_package():
    package = Package.load()
    for stage in package.manifest.stages:
        lengths = {"block": (1, 7, 50), "frames": (1, 9, 32)}.get(stage.cadence, (1,))
        assert_bounded(package.manifest, stage, package.file(next(iter(stage.files.values()))), lengths)


def test_what_is_written_from_the_table_of_operators_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    build = __import__("build_security")
    assert build.TABLE.read_text(encoding="utf-8") == build.table()
    assert build.PAGE.read_text(encoding="utf-8") == build.page()
    sys.modules.pop("build_security")
