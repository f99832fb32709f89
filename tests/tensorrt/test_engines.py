"""Engines are really built here by TensorRT for RTX, without a GPU; and what cannot be built is refused in words."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from host_device import HostDevice
from onnx import TensorProto, helper

from emoface.backends import tensorrt_library
from emoface.backends.engine_cache import read_engine, stored_engines
from emoface.backends.tensorrt import TensorRTEngine
from emoface.backends.tensorrt_library import plugin_path
from emoface.cli.main import main
from emoface.errors import BackendError, PackageError
from emoface.manifest import StageSpec
from emoface_export.tensorrt import build_engine, source_precision
from emoface_export.tensorrt_graph import StepLengths

ROOT = Path(__file__).parents[2]


def python(*arguments: object) -> str:
    """stdout of a process of its own: what goes wrong with a plugin must not take this one along."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, cwd=ROOT)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def engine_command(*arguments: object) -> dict:
    return json.loads(python("-m", "emoface.cli.main", "engine", *arguments, "--json"))


@pytest.fixture(scope="module")
def built(rtx, tiny_package, tmp_path_factory):
    """(cache, report) of all stages in fp32 for two GPUs."""
    cache = tmp_path_factory.mktemp("engines")
    options = ("--precision", "fp32", "--targets", "sm89,sm86", "--cache", str(cache), "--json")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["engine", str(tiny_package), *options]) == 0
    return cache, json.loads(printed.getvalue())


def test_every_stage_is_built_without_a_gpu(built, package):
    cache, report = built
    assert report["package"] == package.digest
    assert [entry["stage"] for entry in report["engines"]] == [stage.name for stage in package.manifest.stages]
    stored = {header.key.stage: (path, header) for path, header in stored_engines(cache, package.digest)}
    assert len(stored) == len(report["engines"])
    for entry in report["engines"]:
        path, header = stored[entry["stage"]]
        assert str(path) == entry["path"]
        _, data = read_engine(path, header.key)
        assert len(data) == entry["bytes"] > 10_000
        assert data[:4] != bytes(4)
        assert header.key.gpus == ("sm86", "sm89")
        assert (header.key.flavour, header.key.precision, header.key.plugin) == ("rtx", "fp32", "")
        assert list(header.lengths) == entry["n"]
        assert entry["layers"] > 5
        assert entry["plugin_layers"] == 0
        assert entry["build_seconds"] > 0


def test_with_the_plugin_in_fp16(built, tiny_package, package):
    if not plugin_path().is_file():
        pytest.skip("needs TensorRT headers: install from source with TENSORRT_ROOT")
    cache, _ = built
    names = [stage.name for stage in package.manifest.stages if stage.cadence != "block"]
    stages = [argument for name in names for argument in ("--stage", name)]
    report = engine_command(tiny_package, "--fp16", "--plugin", "--targets", "sm86", "--cache", cache, *stages)
    plugins = {entry["stage"]: (entry["plugin"], entry["plugin_layers"]) for entry in report["engines"]}
    assert plugins == {"mesh_attention": ("1", 1), "decoder": ("", 0)}
    assert "plugin1" in next(entry["path"] for entry in report["engines"] if entry["plugin"])


def test_a_graph_that_asks_for_another_plugin_version_is_not_built_silently(rtx, tiny_package, tmp_path):
    """TensorRT would take the function body instead."""
    if not plugin_path().is_file():
        pytest.skip("needs TensorRT headers: install from source with TENSORRT_ROOT")
    script = tmp_path / "other_version.py"
    script.write_text(
        "import sys, onnx\n"
        "from pathlib import Path\n"
        "from emoface.package import Package\n"
        "from emoface_export import tensorrt\n"
        "graph = tensorrt.engine_graph\n"
        "def newer(*arguments, **options):\n"
        "    model = graph(*arguments, **options)\n"
        "    for node in model.graph.node:\n"
        "        if node.op_type == 'SpiralConv3D':\n"
        "            node.attribute.append(onnx.helper.make_attribute('plugin_version', '7'))\n"
        "    return model\n"
        "tensorrt.engine_graph = newer\n"
        "only = dict(stages=('mesh_attention',), precision='fp32', root=Path(sys.argv[2]))\n"
        "try:\n"
        "    tensorrt.build_engines(Package.load(sys.argv[1]), tensorrt.EngineOptions(plugin=True, **only))\n"
        "except tensorrt.BackendError as error:\n"
        "    print(error)\n"
    )
    said = python(script, tiny_package, tmp_path / "cache")
    assert "stage mesh_attention" in said
    assert not list((tmp_path / "cache").rglob("*.engine"))


def test_the_example_builds_and_lists(rtx, tiny_package, tmp_path):
    example = ROOT / "examples" / "build_rtx_engine.py"
    out = python(example, "--package", tiny_package, "--targets", "sm120", "--stage", "decoder", "--cache", tmp_path)
    lines = out.splitlines()
    assert lines[0].startswith("built decoder")
    assert "decoder.engine" in lines[1]
    assert "fp16 for sm120, n 1 to 1, TensorRT for RTX" in lines[1]
    assert lines[2].endswith(f"MB in {tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--stage", "encoder"], 2, "got --stage encoder; expected one of content_encoder"),
        (["--targets", "sm99"], 2, "got --targets sm99; expected some of sm75"),
        (["--flavour", "full", "--targets", "sm86"], 2, "no targets: full TensorRT builds for the GPU at hand"),
        (["--block-ms", "50"], 2, "got --block-ms 50; expected a multiple of 20"),
        (["--block-ms", "0"], 2, "got --block-ms 0"),
        (["--fp16", "--precision", "fp32"], 2, "one of the two"),
    ],
)
def test_options_that_cannot_be_built_are_refused(tiny_package, capsys, tmp_path, arguments, code, message):
    assert main(["engine", str(tiny_package), "--cache", str(tmp_path / "c"), *arguments]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_full_tensorrt_that_is_missing_is_an_error(tiny_package, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(tensorrt_library.MODULES, "full", "no_such_tensorrt")
    assert main(["engine", str(tiny_package), "--flavour", "full", "--cache", str(tmp_path)]) == 5
    said = capsys.readouterr().err
    assert "no_such_tensorrt cannot be imported" in said
    assert "flavour rtx" in said


def test_a_plugin_library_that_is_missing_is_an_error(rtx, tiny_package, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tensorrt_library, "plugin_path", lambda: tmp_path / "libemoface_tensorrt.so")
    assert main(["engine", str(tiny_package), "--plugin", "--cache", str(tmp_path)]) == 5
    assert "leave out --plugin" in capsys.readouterr().err


def test_the_most_exact_file_is_built_from():
    stage = StageSpec("decoder", "frame", {"int8": "i", "fp32": "f"}, (), ())
    assert [source_precision(stage, p) for p in ("fp32", "fp16", "int8")] == ["f", "f", "i"]
    assert source_precision(StageSpec("decoder", "frame", {"fp32": "f", "fp16": "h"}, (), ()), "fp16") == "h"
    with pytest.raises(PackageError, match="stage decoder with int8 alone"):
        source_precision(StageSpec("decoder", "frame", {"int8": "i"}, (), ()), "fp32")


def test_a_graph_that_tensorrt_refuses_is_an_error_in_its_words(rtx):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Unheard", ["x"], ["y"], domain="nowhere")], "g", [x], [y])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("nowhere", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    assert isinstance(model, onnx.ModelProto)
    with pytest.raises(BackendError, match=r"stage toy: .*Unheard") as caught:
        build_engine(rtx, model, "toy", StepLengths(1, 1), ("sm86",))
    assert "tensorrt_rtx" in caught.value.expected


def test_without_engines_the_backend_names_the_command(rtx, package, tmp_path):
    with pytest.raises(BackendError, match="no engine of stage content_encoder for sm86") as caught:
        TensorRTEngine(package, "fp32", "tensorrt-rtx", tmp_path, HostDevice())
    assert "emoface engine PACKAGE --flavour rtx" in caught.value.remedy
    assert str(tmp_path) in caught.value.remedy


def test_engines_are_chosen_and_loaded_up_to_the_driver(built, package, no_driver):
    """Without a driver TensorRT cannot load an engine: that, and not a crash, is what is said."""
    cache, _ = built
    with pytest.raises(BackendError, match=r"content_encoder\.engine: TensorRT .* cannot load it"):
        TensorRTEngine(package, "fp32", "tensorrt-rtx", cache, HostDevice())
    device = HostDevice()
    device.capability = "sm120"
    with pytest.raises(BackendError, match=r"GPUs sm86\+sm89, here sm120"):
        TensorRTEngine(package, "fp32", "tensorrt-rtx", cache, device)


def test_a_stream_on_the_gpu_agrees_with_the_cpu(gpu, rtx, tiny_package, package, tmp_path, monkeypatch):
    import numpy as np

    from emoface.backends.cuda_device import CudaDevice

    engine_command(tiny_package, "--precision", "fp32", "--targets", CudaDevice().capability, "--cache", tmp_path)
    monkeypatch.setenv("EMOFACE_CACHE", str(tmp_path))
    audio = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)
    frames = {}
    for backend in ("ort-cpu", "tensorrt-rtx"):
        animator = package.animator(backend=backend, precision="fp32")
        frames[backend] = np.concatenate([animator.step(audio).vertices, animator.flush().vertices])
    scale = np.abs(frames["ort-cpu"] - package.face.template).max()
    assert np.abs(frames["tensorrt-rtx"] - frames["ort-cpu"]).max() <= 1e-3 * scale  # TF32 is off; sums reordered
