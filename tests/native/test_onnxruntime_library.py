"""The ONNX Runtime library: its kernel is taken, agrees with the node's body, in float and half; bad input."""

import ctypes
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from spiral_forms import graph, library, session

import emoface
from emoface.backends import create_engine
from emoface.errors import BackendError

V, K, CIN, COUT, DELTA = 21, 5, 12, 1, 3
SIZES = (V, K, CIN, COUT)


def case(dtype=np.float32, batch=2, frames=4):
    random = np.random.default_rng(1)
    inputs = {
        "x": random.standard_normal((batch, frames, V, CIN)).astype(dtype),
        "partial": random.standard_normal((batch, DELTA - 1, V, COUT)).astype(dtype),
    }
    constants = {
        "spiral": random.integers(0, V, (V, K)).astype(np.int32),
        "weight": (0.2 * random.standard_normal((COUT, DELTA * K * CIN))).astype(dtype),
        "bias": random.standard_normal(COUT).astype(dtype),
    }
    return inputs, constants


@pytest.fixture(autouse=True)
def _library():
    library()


def executed(loaded) -> set[str]:
    """Operators that a profiled session ran."""
    with open(loaded.end_profiling()) as trace:
        events = json.load(trace)
    return {event["args"]["op_name"] for event in events if event.get("cat") == "Node" and "op_name" in event["args"]}


def test_the_kernel_is_taken_with_the_library_and_the_body_without(tmp_path):
    inputs, constants = case()
    results = {}
    for with_library in (True, False):
        loaded = session(graph(SIZES, DELTA, constants=constants), with_library, tmp_path / "profile")
        results[with_library] = loaded.run(None, inputs)
        assert ("SpiralConv3D" in executed(loaded)) is with_library
    for native, body in zip(results[True], results[False], strict=True):
        np.testing.assert_allclose(native, body, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("as_constants", [True, False])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_weights_and_spirals_may_be_constants_or_inputs(as_constants, index):
    inputs, constants = case()
    constants["spiral"] = constants["spiral"].astype(index)
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(index))
    want = session(graph(SIZES, DELTA), True).run(None, {**inputs, **case()[1]})
    if as_constants:
        got = session(graph(SIZES, DELTA, constants=constants, index=kind), True).run(None, inputs)
    else:
        got = session(graph(SIZES, DELTA, index=kind), True).run(None, {**inputs, **constants})
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(a, b)


def test_half_agrees_with_float_to_the_rounding_of_half():
    inputs, constants = case(np.float16)
    got = session(graph(SIZES, DELTA, onnx.TensorProto.FLOAT16, constants), True).run(None, inputs)
    single = {name: array.astype(np.float32) for name, array in inputs.items()}
    exact = {n: a if a.dtype == np.int32 else a.astype(np.float32) for n, a in constants.items()}
    for half, want in zip(got, session(graph(SIZES, DELTA, constants=exact), True).run(None, single), strict=True):
        assert half.dtype == np.float16
        np.testing.assert_allclose(half, want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("spiral", lambda a: a + 1, "a spiral lists a vertex that does not exist"),
        ("spiral", lambda a: a - 1, "a spiral lists a vertex that does not exist"),
    ],
)
@pytest.mark.parametrize("as_constants", [True, False])
def test_bad_spirals_are_refused(name, change, message, as_constants):
    inputs, constants = case()
    constants["spiral"][0, 0], constants["spiral"][1, 1] = 0, V - 1
    constants[name] = change(constants[name])
    with pytest.raises(Exception, match=message):
        if as_constants:
            session(graph(SIZES, DELTA, constants=constants), True).run(None, inputs)
        else:
            session(graph(SIZES, DELTA), True).run(None, {**inputs, **constants})


def loose(model: bytes) -> bytes:
    """Every extent of every input and output free, so that only the kernel can refuse a shape."""
    proto = onnx.load_from_string(model)
    for info in [*proto.graph.input, *proto.graph.output]:
        for i, dim in enumerate(info.type.tensor_type.shape.dim):
            dim.dim_param = f"{info.name}{i}"
    return proto.SerializeToString()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("x", lambda a: a[..., :7], r"got x \[2, 4, 21, 7\]; expected \[B, n, 21, 12\]"),
        ("x", lambda a: a[:, :0], r"got x \[2, 0, 21, 12\]"),
        ("partial", lambda a: a[:1], r"got partial \[1, 2, 21, 1\]; expected \[2, 2, 21, 1\]"),
        ("weight", lambda a: a[:, :-1], r"got spiral \[21, 5\], weight \[1, 179\]"),
        ("bias", lambda a: np.zeros(3, np.float32), r"bias \[3\], delta 3; expected"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, change, message):
    inputs, constants = case()
    feed = {**inputs, **constants}
    feed[name] = change(feed[name])
    with pytest.raises(Exception, match=message):
        session(loose(graph(SIZES, DELTA)), True).run(None, feed)


def test_the_backend_gives_the_same_animation(tiny_package):
    """A package with `ort-cpu-native` and with `ort-cpu`: equal to 1e-4 of the motion range; kept under any cut."""
    package = emoface.Package.load(tiny_package)
    audio = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    runs = {}
    for backend in ("ort-cpu", "ort-cpu-native"):
        animator = package.animator(backend=backend, precision="fp32", sample_rate=16000)
        parts = [animator.step(audio[:7000]), animator.step(audio[7000:]), animator.flush()]
        runs[backend] = np.concatenate([part.vertices for part in parts])
    span = np.abs(runs["ort-cpu"] - runs["ort-cpu"][0]).max()
    assert runs["ort-cpu"].shape == runs["ort-cpu-native"].shape
    assert np.abs(runs["ort-cpu"] - runs["ort-cpu-native"]).max() <= 1e-4 * max(span, package.manifest.motion_range_m)


def refusal(version: str, known: range) -> str:
    """What the library says to an ONNX Runtime of a version whose interfaces are `known`, played by a table of one
    function: it must not come to call another."""
    said = []
    create_status = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)(
        lambda code, text: said.append(text.decode()) or 4711
    )
    interface = (ctypes.c_void_p * 1)(ctypes.cast(create_status, ctypes.c_void_p))
    get_api = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(
        lambda number: ctypes.addressof(interface) if number in known else None
    )
    name = ctypes.create_string_buffer(version.encode())
    get_version = ctypes.CFUNCTYPE(ctypes.c_void_p)(lambda: ctypes.addressof(name))
    base = (ctypes.c_void_p * 2)(ctypes.cast(get_api, ctypes.c_void_p), ctypes.cast(get_version, ctypes.c_void_p))
    register = ctypes.CDLL(str(library())).RegisterCustomOps
    register.restype = ctypes.c_void_p
    assert register(None, base) == 4711
    return said[0]


def test_an_onnx_runtime_older_than_the_headers_is_refused():
    said = refusal("1.3.0", range(1, 2))
    assert said.startswith("emoface: got ONNX Runtime 1.3.0; expected 1.") and "Update onnxruntime" in said


def test_two_versions_of_onnx_runtime_in_one_process_are_refused():
    inputs, constants = case()
    loaded = session(graph(SIZES, DELTA), True)
    before = loaded.run(None, {**inputs, **constants})
    said = refusal("1.99.0", range(1, 1000))
    assert said.startswith("emoface: got ONNX Runtime 1.99.0 in a process where " + onnxruntime.__version__)
    for got, want in zip(loaded.run(None, {**inputs, **constants}), before, strict=True):
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("name", ["x", "partial", "spiral", "weight", "bias"])
def test_another_type_is_refused_when_the_graph_is_loaded(name):
    model = onnx.load_from_string(graph(SIZES, DELTA))
    value = next(value for value in model.graph.input if value.name == name)
    value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    with pytest.raises(Exception, match=r"SpiralConv3D|double"):
        session(model.SerializeToString(), True)


@pytest.mark.parametrize("content", [None, b"not a library"])
def test_a_missing_or_damaged_library_is_an_error_with_a_remedy(tiny_package, tmp_path, monkeypatch, content):
    path = tmp_path / "libemoface_onnxruntime.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr("emoface.backends.ort_native.library_path", lambda: path)
    with pytest.raises(BackendError, match=r"libemoface_onnxruntime.so.* expected .*ort-cpu"):
        create_engine(emoface.Package.load(tiny_package), "ort-cpu-native", "fp32", 1)
