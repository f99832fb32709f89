"""The tiny checkpoint's model and its exported stages, taken from the package instead of being traced again."""

import onnx
import pytest

from emoface.package import Package
from emoface_export.onnx_export import ExportedStage
from emoface_export.step_module import StepModule
from emoface_export.wiring import input_shapes
from emoface_training.models.checkpoint import load


@pytest.fixture(scope="session")
def model(tiny_checkpoint):
    return load(tiny_checkpoint)[0]


@pytest.fixture(scope="session")
def package(tiny_package):
    return Package.load(tiny_package)


@pytest.fixture(scope="session")
def package_of(request):
    """ "dense" or "rank" -> (package, model)."""

    def get(kind):
        prefix = "tiny" if kind == "dense" else "tiny_rank"
        checkpoint = request.getfixturevalue(f"{prefix}_checkpoint")
        return Package.load(request.getfixturevalue(f"{prefix}_package")), load(checkpoint)[0]

    return get


@pytest.fixture
def exported(package, model):
    """Fresh copies of the exported fp32 stages by name."""
    stages = {}
    for name, stage in model.stages.items():
        signature = StepModule(stage).signature(input_shapes(model.config, name))
        graph = onnx.load_from_string(package.file(f"{name}.fp32.onnx"))
        stages[name] = ExportedStage(name, stage.cadence, signature, graph)
    return stages
