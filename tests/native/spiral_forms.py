"""The executors of SpiralConv3D that must agree, each as a function of float32 arrays, and the graph they share."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
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
from emoface_training.nn.mesh_attention import SeparableSpiralConv3D

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


@cache
def _device_body() -> ctypes.CDLL:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler: apt install g++")
    csrc = Path(__file__).parents[2] / "csrc"
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "device_body.so"
        source = csrc / "tests" / "device_body.cpp"
        command = [compiler, "-std=c++17", "-O2", "-shared", "-fPIC", f"-I{csrc / 'kernels'}", source, "-o", built]
        subprocess.run(command, check=True, timeout=300)
        return ctypes.CDLL(str(built))


def device_form(x, partial, spiral, weight, bias, delta) -> Arrays:
    """The body of the CUDA kernel, compiled for the host, over the full grid."""
    batch, frames, vertices, channels_in = x.shape
    sizes = np.array([batch, frames, vertices, spiral.shape[1], channels_in, len(weight), delta], np.int32)
    y = np.empty((batch, frames, vertices, len(weight)), np.float32)
    rest = np.empty((batch, delta - 1, vertices, len(weight)), np.float32)
    arrays = [np.ascontiguousarray(a) for a in (sizes, x, partial, spiral.astype(np.int32), weight, bias)]
    _device_body().spiral_conv3d_on_host(*(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, y, rest)))
    return y, rest


def separable_form(isa: str | None) -> Callable[..., np.ndarray]:
    """The first layer's shortcut from the start of a stream: audio [B, n, Cin] + position [V, Cin] -> y, in PyTorch
    or (with `isa`) by the kernel that adds a frame's part to the vertices' constants."""

    def run(audio, position, spiral, weight, bias, delta) -> np.ndarray:
        channels_out, channels_in = len(weight), audio.shape[-1]
        layer = SeparableSpiralConv3D(torch.from_numpy(spiral), channels_in, channels_out, delta)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
            constants = layer.constants(torch.from_numpy(position))
            past = torch.zeros(len(audio), delta - 1, channels_in)
            available = torch.arange(audio.shape[1]).clamp(max=delta - 1).expand(len(audio), -1)
            if isa is None:
                return layer(torch.from_numpy(audio), past, available, constants).numpy()
            part = layer.frame_part(torch.from_numpy(audio), past).numpy()
        native = native_module()
        if isa not in native.isa()["available"]:
            pytest.skip(f"this processor has no {isa}")
        counts = available.numpy().astype(np.int64)
        return np.stack(
            [
                native.vertex_layer(np.ascontiguousarray(p), constants.numpy(), np.ascontiguousarray(c), "none", isa)
                for p, c in zip(part, counts, strict=True)
            ]
        )

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
    "host-compiled CUDA body": device_form,
    "custom op": onnx_form(with_library=True),
    "function body": onnx_form(with_library=False),
}
# Forms of the layer whose input is audio[t] + position[v].
SEPARABLE: dict[str, Callable[..., np.ndarray]] = {
    "separable": separable_form(None),
    "separable, scalar": separable_form("scalar"),
    "separable, avx2": separable_form("avx2"),
    "separable, avx512": separable_form("avx512"),
}
