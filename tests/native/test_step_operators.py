"""The other operators of domain `emoface`: PyTorch, our kernel and the body agree; half; bad shapes; moving caches."""

import json

import numpy as np
import onnx
import pytest
import torch
from spiral_forms import library, session
from step_forms import operators

import emoface

CASES = operators()
# Inputs that are constants in exported graphs: kernels pack them once.
CONSTANTS = {"MotionHead": ("basis",), "GroupedConv": ("weight", "bias"), "VertexLayer": ("constants",)}


@pytest.fixture(autouse=True)
def _library():
    library()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["kernel", "kernel with constants", "body", "body with constants"])
def test_forms_agree(name, form):
    """Errors against float64 at most twice PyTorch's (below one rounding of the largest value nothing is asked)."""
    case = CASES[name]
    constants = CONSTANTS.get(case.name, ()) if form.endswith("constants") else ()
    got = case.run(form.startswith("kernel"), constants)
    for mine, plain, want in zip(got, case.reference(torch.float32), case.reference(torch.float64), strict=True):
        assert (mine.shape, mine.dtype) == (want.shape, np.float32)
        rounding = np.finfo(np.float32).eps * np.abs(want).max()
        allowed = 2 * max(np.sqrt(np.mean((plain - want) ** 2)), rounding / 2)
        assert np.sqrt(np.mean((mine - want) ** 2)) <= allowed
        assert np.abs(mine - want).max() <= 4 * max(np.abs(plain - want).max(), rounding)


@pytest.mark.parametrize("name", CASES)
def test_half_agrees_to_the_rounding_of_half(name):
    case = CASES[name]
    for got, want in zip(case.run(True, half=True), case.reference(torch.float64), strict=True):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=5e-3, atol=5e-3 * max(1.0, np.abs(want).max()))


def test_the_kernels_are_taken(tmp_path):
    for index, case in enumerate({case.name: case for case in CASES.values()}.values()):
        loaded = session(case.graph(), True, tmp_path / str(index))
        loaded.run(None, case.inputs)
        with open(loaded.end_profiling()) as trace:
            ran = {e["args"].get("op_name") for e in json.load(trace) if e.get("cat") == "Node"}
        assert case.name in ran


@pytest.mark.parametrize(
    ("name", "argument", "change", "message"),
    [
        ("odd attention", "projected", lambda a: a[:, :, :-1], "StreamAttention: got query .* expected"),
        ("odd attention", "keys", lambda a: a[:, :, :-1], "StreamAttention: got query .* expected"),
        ("odd attention", "first", lambda a: a[:2], r"StreamAttention: got query .* first \[2\]"),
        ("odd attention", "table", lambda a: a[:2], r"StreamAttention: .* table \[2, 7\]; expected"),
        ("motion head", "basis", lambda a: a[:, :-1], r"MotionHead: got basis \[7, 122\]; expected \[R, 3 \* V\]"),
        ("motion head", "weight", lambda a: a[:, :, 1:], r"MotionHead: .* weight \[2, 3, 40\]; expected"),
        ("odd convolution", "x", lambda a: a[:, :3], r"GroupedConv: got x \[2, 3, 15\]; expected \[B, T, 15\]"),
        ("odd convolution", "bias", lambda a: a[1:], r"GroupedConv: got weight .* bias \[14\]; expected"),
        ("vertex layer", "available", lambda a: a + 3, "VertexLayer: .*expected 0 ... V - 1"),
        ("vertex layer", "constants", lambda a: a[..., 1:], r"VertexLayer: got audio .* expected \[B, n, C\]"),
        ("windows", "x", lambda a: a[:, :4], r"Unfold: got x \[2, 4, 3\], kernel 5"),
        ("delay", "waiting", lambda a: a[:, :5], r"Delay: .* start 2, count 4; expected"),
        ("delay", "projected", lambda a: a[:, :2], "Delay: got x .* expected"),
    ],
)
def test_what_does_not_fit_is_refused(name, argument, change, message):
    case = CASES[name]
    inputs = {**case.inputs, argument: np.ascontiguousarray(change(case.inputs[argument]))}
    with pytest.raises(Exception, match=message):
        session(case.graph(), True).run(None, inputs)


def test_another_type_is_refused_when_the_graph_is_loaded():
    model = onnx.load_from_string(CASES["windows"].graph())
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    del model.functions[:]
    with pytest.raises(Exception, match="Unfold"):
        session(model.SerializeToString(), True)


@pytest.mark.parametrize("backend", ["ort-cpu", "ort-cpu-native"])
def test_8_bit_sums_are_exact_on_processors_without_vnni_too(tiny_package, backend):
    """Nothing to see on one that has VNNI: that ONNX Runtime was told must do."""
    engine = emoface.Package.load(tiny_package).engine(backend, "int8")
    for loaded in engine._sessions.values():
        assert loaded.get_session_options().get_session_config_entry("session.x64quantprecision") == "1"


def test_caches_that_move_where_they_lie_give_the_same_bits(tiny_package):
    """The native backend keeps the caches the graph lists in one buffer: snapshots, resets and frames do not notice."""
    package = emoface.Package.load(tiny_package)
    engine = package.engine("ort-cpu-native", "fp32")
    audio = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    listed = 0
    for stage in package.manifest.stages:
        stream = engine.open_stage(stage)
        names = engine._in_place(engine._sessions[stage.name])
        listed += len(names)
        assert names <= {state.name for state in stage.state}
        assert all(stream._states[0][name] is stream._states[1][name] for name in names)
    assert listed > 0
    # A list that names no state is another's metadata, and no reason to fail.
    engine._in_place = lambda session: frozenset({"none of them"})
    strange = engine.open_stage(package.manifest.stages[0])
    assert not any(a is b for a, b in zip(*(states.values() for states in strange._states), strict=True))
    del engine._in_place
    with package.animator(backend="ort-cpu-native", precision="fp32") as animator:
        whole = np.concatenate([animator.step(audio).vertices, animator.flush().vertices])
        animator.reset()
        first = animator.step(audio[:9000]).vertices
        saved = animator.snapshot()
        animator.step(audio[:5000])
        animator.restore(saved)
        again = [first, animator.step(audio[9000:]).vertices, animator.flush().vertices]
    assert np.concatenate(again).tobytes() == whole.tobytes()
