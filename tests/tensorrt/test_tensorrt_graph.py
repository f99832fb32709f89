"""What TensorRT is given: the same values with float weights, one voice, and exactly the lengths a stream uses."""

import numpy as np
import onnx
import onnxruntime
import pytest

from emoface import backends
from emoface.errors import PackageError
from emoface.manifest import concrete_shape
from emoface_export.tensorrt_graph import StepLengths, engine_graph, restore_float_weights, step_lengths


class Recording:
    """An engine that notes every length it is called with."""

    def __init__(self, engine):
        self.engine, self.backend, self.precision, self.seen = engine, engine.backend, engine.precision, {}

    def open_stage(self, stage):
        stream, seen = self.engine.open_stage(stage), self.seen.setdefault(stage.name, [])
        run = stream.run
        stream.run = lambda inputs, n: (seen.append(n), run(inputs, n))[1]
        return stream


@pytest.mark.parametrize("features", [1, 2, 3, 5])
def test_lengths_are_those_of_a_stream(package, features, monkeypatch):
    manifest, clock = package.manifest, package.manifest.clock(features)
    engine = Recording(backends.create_engine(package, "ort-cpu", "fp32", 1))
    monkeypatch.setitem(backends._FACTORIES, f"recording {features}", lambda *_: engine)
    animator = package.animator(backend=f"recording {features}", precision="fp32", block_ms=20 * features)
    animator.step(np.zeros(16000 * 2, np.float32))
    animator.flush(0.1)
    assert set(engine.seen) == {stage.name for stage in manifest.stages}
    for stage in manifest.stages:
        lengths = step_lengths(manifest, stage, clock)
        assert lengths.low <= min(engine.seen[stage.name])
        assert lengths.high == max(engine.seen[stage.name])
        assert stage.cadence == "frames" or lengths.low == lengths.high


def feeds_of(stage, n, seed=0):
    random = np.random.default_rng(seed)
    feeds = {}
    for name, item in [(i.name, i) for i in stage.inputs] + [(f"state.{s.name}", s) for s in stage.state]:
        shape = concrete_shape(item.shape, n)
        whole = np.issubdtype(np.dtype(item.dtype), np.integer)
        feeds[name] = np.zeros(shape, item.dtype) if whole else (0.1 * random.standard_normal(shape)).astype(item.dtype)
    return feeds


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def worst(got, expected):
    """Largest error of any output relative to its range."""
    scale = {name: max(float(np.abs(value).max()), 1e-9) for name, value in expected.items()}
    return max(
        float(np.abs(got[name].astype(np.float64) - value).max()) / scale[name] for name, value in expected.items()
    )


def test_fp32_graphs_keep_their_values(package):
    for stage in package.manifest.stages:
        lengths = step_lengths(package.manifest, stage, package.manifest.clock(2))
        data = package.file(stage.file("fp32"))
        graph = engine_graph(data, stage, lengths, half=False)
        feeds = feeds_of(stage, lengths.high)
        assert worst(run(graph, feeds), run(data, feeds)) < 2e-5
        fixed = [d.dim_value > 0 for value in graph.graph.input for d in value.type.tensor_type.shape.dim]
        assert all(fixed) or lengths.low != lengths.high
        assert not any(d.dim_param == "B" for value in graph.graph.input for d in value.type.tensor_type.shape.dim)


def test_fp16_graphs_are_half_inside_and_float_outside(package):
    for stage in package.manifest.stages:
        lengths = step_lengths(package.manifest, stage, package.manifest.clock(2))
        data = package.file(stage.file("fp32"))
        graph = engine_graph(data, stage, lengths, half=True)
        kinds = {tensor.data_type for tensor in graph.graph.initializer}
        assert onnx.TensorProto.FLOAT16 in kinds
        assert {v.type.tensor_type.elem_type for v in graph.graph.output} <= {
            onnx.TensorProto.FLOAT,
            onnx.TensorProto.INT64,
        }
        feeds = feeds_of(stage, lengths.high)
        assert worst(run(graph, feeds), run(data, feeds)) < 0.05


def test_8_bit_weights_come_back_as_the_floats_they_stand_for(package):
    for stage in package.manifest.stages:
        if "int8" not in stage.files:
            continue
        whole = onnx.load_from_string(package.file(stage.file("fp32")))
        restored = onnx.load_from_string(package.file(stage.files["int8"]))
        products = sum(node.op_type == "MatMulInteger" for node in restored.graph.node)
        assert products > 0
        restore_float_weights(restored, stage.name)
        assert {"MatMulInteger", "DynamicQuantizeLinear"}.isdisjoint(node.op_type for node in restored.graph.node)
        feeds = feeds_of(stage, 2)
        error = worst(run(restored, feeds), run(whole, feeds))
        quantised = worst(run(package.file(stage.files["int8"]), feeds), run(whole, feeds))
        assert 0 < error < 0.05  # the weights' rounding alone
        assert error < 1.5 * quantised


def test_an_int8_graph_of_another_form_is_refused(package):
    stage = next(stage for stage in package.manifest.stages if "int8" in stage.files)
    model = onnx.load_from_string(package.file(stage.files["int8"]))
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    product = next(node for node in model.graph.node if node.op_type == "MatMulInteger")
    follower = next(node for node in model.graph.node if product.output[0] in node.input)
    assert follower.op_type == cast.op_type == "Cast"
    follower.op_type = "Identity"
    with pytest.raises(PackageError, match="an int8 product of a form that is not") as caught:
        restore_float_weights(model, stage.name)
    assert "fp32 or fp16" in caught.value.remedy


def test_a_single_length_is_put_into_the_graph(package):
    stage = next(stage for stage in package.manifest.stages if stage.cadence == "frames")
    graph = engine_graph(package.file(stage.file("fp32")), stage, StepLengths(3, 3), half=False)
    shape = [d.dim_value for d in graph.graph.input[0].type.tensor_type.shape.dim]
    assert shape[:2] == [1, 3]
