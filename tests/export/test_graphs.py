"""Exported step graphs against their stages in PyTorch."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch

from emoface_export.errors import ExportError
from emoface_export.export import INT8_STAGES
from emoface_export.half import half_model, store_exact_halves
from emoface_export.onnx_export import cpu_session, export_stage
from emoface_export.quantize import quantize_model
from emoface_export.step_module import StepModule
from emoface_export.wiring import check_streams, input_shapes
from emoface_training.config import DecoderConfig, EmoFaceConfig, MeshAttentionConfig
from emoface_training.nn.stage import Stage
from tiny import ENCODER, STYLES, tiny_config, tiny_model

LENGTHS = {"block": (1, 2, 3, 8), "frames": (1, 2, 3, 8), "frame": (1,)}


def run_both(session, module, shapes, batch, n, seed):
    """(names, graph's outputs, PyTorch's outputs) for one call in the middle of a stream."""
    signature = module.signature(shapes)
    tensors = module.example(shapes, batch, n, seed)
    with torch.no_grad():
        expected = [t.numpy() for t in module(*tensors)]
    feeds = dict(zip(signature.graph_inputs, (t.numpy() for t in tensors), strict=True))
    return signature.graph_outputs, session.run(signature.graph_outputs, feeds), expected


@pytest.mark.parametrize("kind", ["dense", "rank"])
@pytest.mark.parametrize("name", ["content_encoder", "emotion_encoder", "mesh_attention", "decoder"])
def test_graphs_equal_their_stages_for_any_batch_and_length(package_of, kind, name):
    package, model = package_of(kind)
    module = StepModule(model.stages[name])
    shapes = input_shapes(model.config, name)
    session = cpu_session(package.file(f"{name}.fp32.onnx"))
    for batch in (1, 2, 5):
        for n in LENGTHS[module.stage.cadence]:
            for output, got, expected in zip(*run_both(session, module, shapes, batch, n, seed=n), strict=True):
                assert got.shape == expected.shape, output
                assert got.dtype == expected.dtype, output
                scale = max(float(np.abs(expected).max()), 1e-6)
                assert np.abs(got - expected).max() <= 1e-5 * scale, output


@pytest.mark.parametrize(
    "mesh",
    [
        MeshAttentionConfig(kernel=9, dilation=2, delta=1),
        MeshAttentionConfig(kernel=18, dilation=1, delta=2),
        MeshAttentionConfig(kernel=5, dilation=1, delta=3, fusion="add"),
    ],
)
def test_mesh_attention_of_every_kind_exports(mesh):
    model = tiny_model(tiny_config(mesh_attention=mesh))
    exported = export_stage(
        "mesh_attention", model.mesh_attention.freeze(), input_shapes(model.config, "mesh_attention")
    )
    nodes = [node.op_type for node in exported.model.graph.node if node.domain == "emoface"]
    assert nodes == ([] if mesh.fusion == "add" else ["VertexLayer", "SpiralConv3D"])
    assert all(extent != 0 for state in exported.signature.state for extent in state.shape)


def test_decoder_of_two_styles_and_fusion_by_addition_exports():
    config = tiny_config(
        styles=STYLES[:2],
        mesh_attention=MeshAttentionConfig(kernel=5, dilation=1, delta=3, fusion="add"),
        decoder=DecoderConfig(width=16, heads=4, period=5, window=6),
    )
    model = tiny_model(config)
    exported = export_stage("decoder", model.decoder, input_shapes(config, "decoder"))
    assert [state.name for state in exported.signature.state] == [
        "feedback",
        "emotion_keys",
        "emotion_values",
        "content_keys",
        "content_values",
        "frame",
    ]


def test_group_norm_with_fixed_statistics_and_post_norm_exports():
    encoder = dataclasses.replace(
        ENCODER,
        num_hidden_layers=1,
        right=(0,),
        feat_extract_norm="group",
        group_norm_statistics="fixed",
        do_stable_layer_norm=False,
        conv_bias=True,
    )
    config = tiny_config(content_encoder=encoder, emotion_encoder=encoder)
    stage = tiny_model(config).content_encoder
    exported = export_stage("content_encoder", stage, input_shapes(config, "content_encoder"))
    assert exported.signature.outputs[0].shape == ("B", "n", 16)


class Freezes(Stage):
    """A stage that turns its length into a Python number: the fault `check_graph` exists for."""

    cadence = "frames"
    input_names = ("content", "emotion")
    output_names = ("emotion_weight",)

    def step(self, inputs, state):
        count = float(inputs["content"].shape[1])
        return {"emotion_weight": inputs["content"] * count}, {}


def test_a_frozen_length_is_found():
    shapes = {"content": ("B", "n", 3), "emotion": ("B", "n", 3)}
    with pytest.raises(ExportError, match="differs from PyTorch"):
        export_stage("mesh_attention", Freezes(), shapes)


class Grows(Freezes):
    def initial_state(self, batch):
        return {"past": torch.zeros(batch, 1, 3)}

    def step(self, inputs, state):
        past = torch.cat([state["past"], inputs["content"]], 1)
        return {"emotion_weight": inputs["content"]}, {"past": past}


def test_a_state_that_grows_is_refused():
    with pytest.raises(ValueError, match="keep its size"):
        StepModule(Grows()).signature({"content": ("B", "n", 3), "emotion": ("B", "n", 3)})


def test_graphs_carry_no_trace_of_the_machine(package):
    for name in package.manifest.files:
        if name.endswith(".onnx"):
            graph = onnx.load_from_string(package.file(name))
            assert str(__file__).split("/tests/")[0].encode() not in package.file(name)
            assert [entry.key for entry in graph.metadata_props] in ([], ["emoface.in_place"])
            assert all(not node.metadata_props and not node.doc_string for node in graph.graph.node)


@pytest.mark.parametrize("name", INT8_STAGES)
def test_int8_graphs_stay_close(exported, name, model):
    quantized = quantize_model(exported[name].model)
    kinds = {node.op_type for node in quantized.graph.node}
    assert "MatMulInteger" in kinds
    # The first convolution over raw samples keeps its fp32 weights [10, channels]
    assert any(tuple(t.dims) == (10, 16) and t.data_type == 1 for t in quantized.graph.initializer)
    module = StepModule(model.stages[name])
    names, got, expected = run_both(
        cpu_session(quantized), module, input_shapes(model.config, name), batch=1, n=5, seed=3
    )
    difference = np.sqrt(np.mean((got[0] - expected[0]) ** 2) / np.mean(expected[0] ** 2))
    assert 1e-5 < difference < 0.05, names[0]


@pytest.mark.parametrize("name", ["content_encoder", "mesh_attention", "decoder"])
def test_fp16_graphs_stay_close(exported, name, model):
    half = half_model(exported[name].model)
    assert any(t.data_type == onnx.TensorProto.FLOAT16 for t in half.graph.initializer)
    module = StepModule(model.stages[name])
    n = 1 if name == "decoder" else 5
    names, got, expected = run_both(cpu_session(half), module, input_shapes(model.config, name), 1, n, seed=3)
    for output, a, b in zip(names, got, expected, strict=True):
        assert a.dtype == b.dtype
        assert np.abs(a - b).max() <= 0.02 * max(float(np.abs(b).max()), 1e-6), output


def test_values_that_fit_in_half_are_stored_once_and_exactly():
    random = np.random.default_rng(0)
    basis = random.standard_normal((64, 512)).astype(np.float16).astype(np.float32)
    other = random.standard_normal((64, 512)).astype(np.float32)
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "basis"], ["flat"]),
            helper.make_node("Add", ["flat", "row"], ["shifted"]),
            helper.make_node("MatMul", ["shifted", "basis_t"], ["y"]),
        ],
        "basis",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 64])],
        [
            onnx.numpy_helper.from_array(a, n)
            for a, n in ((basis, "basis"), (np.ascontiguousarray(basis.T), "basis_t"), (other[:1], "row"))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    x = random.standard_normal((1, 64)).astype(np.float32)
    before, size = cpu_session(model).run(None, {"x": x})[0], model.ByteSize()
    store_exact_halves(model)
    assert model.ByteSize() < 0.3 * size
    np.testing.assert_allclose(cpu_session(model).run(None, {"x": x})[0], before, rtol=1e-6)


def test_encoders_that_cannot_stream_are_refused():
    endless = dataclasses.replace(ENCODER, left=None)
    with pytest.raises(ExportError, match="unlimited band"):
        check_streams(EmoFaceConfig(content_encoder=endless, emotion_encoder=ENCODER))
    sooner = dataclasses.replace(ENCODER, position_right=0)
    with pytest.raises(ExportError, match="one look-ahead"):
        check_streams(EmoFaceConfig(content_encoder=sooner, emotion_encoder=ENCODER))


def test_caches_that_attention_alone_touches_are_listed_to_be_moved_in_place(package):
    for name in package.manifest.files:
        if not name.endswith(".onnx"):
            continue
        graph = onnx.load_from_string(package.file(name))
        listed = {state for entry in graph.metadata_props for state in entry.value.split()}
        nodes = [node for node in graph.graph.node if node.op_type == "StreamAttention"]
        # In half precision a cast stands between the state and the node
        direct = {given.removeprefix("state.") for node in nodes for given in node.input if given.startswith("state.")}
        caches = {state for state in direct if "keys" in state or "values" in state}
        assert listed == caches
        for state in listed:
            assert sum(f"state.{state}" in node.input for node in graph.graph.node) == 1
