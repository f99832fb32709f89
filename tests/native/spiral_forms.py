"""The executors of SpiralConv3D that must agree, each as a function of float32 arrays, and the graph they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import emoface
from emoface_export import spiral_onnx
from emoface_training.nn import spiral_op

Arrays = tuple[np.ndarray, np.ndarray]
Form = Callable[..., Arrays]
NEEDS_MODULE = "emoface._native is not built: install a C++ compiler, then `pip install -e .`"
NEEDS_LIBRARY = (
    "the ONNX Runtime library is not built: .ci/fetch_onnxruntime_headers.sh DIR, then ONNXRUNTIME_ROOT=DIR "
    "`pip install -e .`"
)
LIBRARY = Path(emoface.__file__).parent / "_lib" / "libemoface_onnxruntime.so"


def native_module():
    return pytest.importorskip("emoface._native", reason=NEEDS_MODULE, exc_type=ImportError)


def library() -> Path:
    if not LIBRARY.is_file():
        pytest.skip(NEEDS_LIBRARY)
    return LIBRARY


def numpy_form(x, partial, spiral, weight, bias, delta) -> Arrays:
    """The definition in numpy, summed in double precision: gather every frame's neighbours, add what is owed."""
    frames, neighbours = x.shape[1], x[:, :, spiral].astype(np.float64)
    total = np.zeros((x.shape[0], frames + delta - 1, x.shape[2], len(weight)))
    total[:, : delta - 1] += partial
    for age in range(delta):
        taps = weight.reshape(len(weight), delta, spiral.shape[1], -1)[:, delta - 1 - age]
        total[:, age : age + frames] += np.einsum("btvkc,okc->btvo", neighbours, taps, optimize=True)
    return (total[:, :frames] + bias).astype(x.dtype), total[:, frames:].astype(x.dtype)


def torch_form(form: Callable) -> Form:
    def run(x, partial, spiral, weight, bias, delta) -> Arrays:
        tensors = [torch.from_numpy(array) for array in (x, partial, spiral, weight, bias)]
        with torch.no_grad():
            y, rest = form(*tensors, delta)
        return y.numpy(), rest.numpy()

    return run


def native_form(isa: str) -> Form:
    def run(x, partial, spiral, weight, bias, delta) -> Arrays:
        native = native_module()
        if isa not in native.isa()["available"]:
            pytest.skip(f"this processor has no {isa}")
        return native.spiral_conv3d(x, partial, spiral, weight, bias, delta, isa=isa)

    return run


def graph(sizes, delta: int, element=onnx.TensorProto.FLOAT, constants=(), index=onnx.TensorProto.INT32) -> bytes:
    """A model of the one node with its body; inputs named in `constants` (name -> array) become initializers."""
    batch_frames, (vertices, kernel, channels_in, channels_out) = ["B", "n"], sizes
    shapes = {
        "x": [*batch_frames, vertices, channels_in],
        "partial": ["B", delta - 1, vertices, channels_out],
        "spiral": [vertices, kernel],
        "weight": [channels_out, delta * kernel * channels_in],
        "bias": [channels_out],
    }
    constants = dict(constants)

    def value(name, shape):
        return onnx.helper.make_tensor_value_info(name, index if name == "spiral" else element, shape)

    node = onnx.helper.make_node(
        "SpiralConv3D",
        list(shapes),
        ["y", "new_partial"],
        domain="emoface",
        delta=delta,
        plugin_namespace="emoface",
    )
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "spiral",
            [value(name, shape) for name, shape in shapes.items() if name not in constants],
            [value("y", [*batch_frames, vertices, channels_out]), value("new_partial", shapes["partial"])],
            [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=10,
    )
    spiral_onnx.attach_function(model)
    return model.SerializeToString()


def session(model: bytes, with_library: bool, profile: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    if with_library:
        options.register_custom_ops_library(str(library()))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def _cached_session(sizes, delta: int, with_library: bool) -> onnxruntime.InferenceSession:
    return session(graph(sizes, delta), with_library)


def onnx_form(with_library: bool) -> Form:
    def run(x, partial, spiral, weight, bias, delta) -> Arrays:
        sizes = (*spiral.shape, x.shape[-1], len(weight))
        inputs = {"x": x, "partial": partial, "spiral": spiral, "weight": weight, "bias": bias}
        y, rest = _cached_session(sizes, delta, with_library).run(None, inputs)
        return y, rest

    return run


FORMS: dict[str, Form] = {
    "torch gather": torch_form(spiral_op.spiral_conv3d_gather),
    "torch projected": torch_form(spiral_op.spiral_conv3d_projected),
    "torch operator": torch_form(spiral_op.spiral_conv3d),
    "numpy": numpy_form,
    "scalar": native_form("scalar"),
    "avx2": native_form("avx2"),
    "avx512": native_form("avx512"),
    "custom op": onnx_form(with_library=True),
    "function body": onnx_form(with_library=False),
}
