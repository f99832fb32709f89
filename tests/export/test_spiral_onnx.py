"""SpiralConv3D's body in standard operators against its definition."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from emoface_export.onnx_export import cpu_session
from emoface_export.spiral_onnx import DOMAIN, OPERATOR, attach_function
from emoface_training.nn.spiral_op import spiral_conv3d_gather


def one_node_model(spiral, weight, bias, channels_in, delta, element=TensorProto.FLOAT) -> onnx.ModelProto:
    vertices, channels_out = len(spiral), len(weight)
    weights = [numpy_helper.from_array(a, n) for a, n in ((spiral, "spiral"), (weight, "weight"), (bias, "bias"))]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node(
                OPERATOR,
                ["x", "partial", "spiral", "weight", "bias"],
                ["y", "new_partial"],
                domain=DOMAIN,
                delta=delta,
                plugin_namespace=DOMAIN,
            )
        ],
        "spiral",
        [
            value("x", element, ["B", "n", vertices, channels_in]),
            value("partial", element, ["B", delta - 1, vertices, channels_out]),
        ],
        [
            value("y", element, ["B", "n", vertices, channels_out]),
            value("new_partial", element, ["B", delta - 1, vertices, channels_out]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    attach_function(model)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("delta", [1, 2, 3])
@pytest.mark.parametrize("kernel", [5, 9, 18])
@pytest.mark.parametrize(("vertices", "channels_in", "channels_out"), [(37, 3, 2), (42, 1, 1), (61, 12, 5)])
def test_body_equals_the_definition(delta, kernel, vertices, channels_in, channels_out):
    random = np.random.default_rng(delta * 100 + kernel)
    spiral = random.integers(0, vertices, (vertices, kernel)).astype(np.int32)
    weight = random.standard_normal((channels_out, delta * kernel * channels_in)).astype(np.float32)
    bias = random.standard_normal(channels_out).astype(np.float32)
    session = cpu_session(one_node_model(spiral, weight, bias, channels_in, delta))
    for batch, frames in ((1, 1), (1, 4), (3, 1), (2, 7)):
        x = random.standard_normal((batch, frames, vertices, channels_in)).astype(np.float32)
        partial = random.standard_normal((batch, delta - 1, vertices, channels_out)).astype(np.float32)
        y, new_partial = session.run(None, {"x": x, "partial": partial})
        tensors = (torch.from_numpy(a) for a in (x, partial, spiral, weight, bias))
        expected, expected_partial = spiral_conv3d_gather(*tensors, delta)
        np.testing.assert_allclose(y, expected.numpy(), rtol=0, atol=2e-5 * float(expected.abs().max()))
        np.testing.assert_allclose(new_partial, expected_partial.numpy(), rtol=0, atol=1e-4)


def test_chained_small_calls_equal_one_call():
    random = np.random.default_rng(5)
    spiral = random.integers(0, 42, (42, 9)).astype(np.int32)
    weight = random.standard_normal((2, 3 * 9 * 4)).astype(np.float32)
    session = cpu_session(one_node_model(spiral, weight, np.zeros(2, np.float32), 4, 3))
    x = random.standard_normal((1, 11, 42, 4)).astype(np.float32)
    zero = np.zeros((1, 2, 42, 2), np.float32)
    whole, _ = session.run(None, {"x": x, "partial": zero})
    parts, partial, begin = [], zero, 0
    for frames in (1, 1, 4, 2, 3):
        y, partial = session.run(None, {"x": x[:, begin : begin + frames], "partial": partial})
        parts.append(y)
        begin += frames
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=0, atol=1e-4)


def test_half_precision_takes_the_same_body():
    random = np.random.default_rng(6)
    spiral = random.integers(0, 42, (42, 5)).astype(np.int32)
    weight = (0.1 * random.standard_normal((1, 3 * 5 * 2))).astype(np.float16)
    model = one_node_model(spiral, weight, np.zeros(1, np.float16), 2, 3, TensorProto.FLOAT16)
    x = random.standard_normal((1, 2, 42, 2)).astype(np.float16)
    partial = np.zeros((1, 2, 42, 1), np.float16)
    y, _ = cpu_session(model).run(None, {"x": x, "partial": partial})
    tensors = (torch.from_numpy(a).float() for a in (x, partial))
    expected, _ = spiral_conv3d_gather(
        *tensors, torch.from_numpy(spiral), torch.from_numpy(weight).float(), torch.zeros(1), 3
    )
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, expected.numpy(), rtol=0, atol=5e-3)


def test_models_without_the_operator_stay_as_they_are():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    before = model.SerializeToString()
    attach_function(model)
    assert model.SerializeToString() == before
