"""The operators of `step_ops` with random inputs, and the executors that must agree on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from spiral_forms import session

from emoface_export import spiral_onnx
from emoface_training.nn import step_ops

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Operator:
    """Name in ONNX, definition in PyTorch, inputs in order, attributes, names of the outputs."""

    name: str
    definition: Callable
    inputs: Arrays
    attributes: dict[str, int]
    outputs: tuple[str, ...]

    def reference(self, dtype: torch.dtype) -> list[np.ndarray]:
        tensors = [torch.from_numpy(a) for a in self.inputs.values()]
        tensors = [t.to(dtype) if t.is_floating_point() else t for t in tensors]
        extra = {} if self.name == "GroupedConv" else self.attributes
        with torch.no_grad():
            out = self.definition(*tensors, **extra)
        return [t.numpy() for t in (out if isinstance(out, tuple) else (out,))]

    def graph(self, constants: tuple[str, ...] = (), half: bool = False) -> bytes:
        """A model of the one node with its body, its extents free; `constants` become initializers."""
        element = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
        cast = {n: a.astype(np.float16) if half and a.dtype == np.float32 else a for n, a in self.inputs.items()}

        def value(name: str, array: np.ndarray | None) -> onnx.ValueInfoProto:
            kind = element if array is None or array.dtype != np.int64 else onnx.TensorProto.INT64
            rank = None if array is None else [f"{name}{axis}" for axis in range(array.ndim)]
            return onnx.helper.make_tensor_value_info(name, kind, rank)

        node = onnx.helper.make_node(self.name, list(cast), list(self.outputs), domain="emoface", **self.attributes)
        graph = onnx.helper.make_graph(
            [node],
            "operator",
            [value(name, array) for name, array in cast.items() if name not in constants],
            [value(name, None) for name in self.outputs],
            [onnx.numpy_helper.from_array(cast[name], name) for name in constants],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
        spiral_onnx.attach_function(model)
        return model.SerializeToString()

    def run(self, with_library: bool, constants: tuple[str, ...] = (), half: bool = False) -> list[np.ndarray]:
        loaded = session(self.graph(constants, half), with_library)
        feed = {n: a.astype(np.float16) if half and a.dtype == np.float32 else a for n, a in self.inputs.items()}
        return loaded.run(None, {name: array for name, array in feed.items() if name not in constants})


def operators(seed: int = 0) -> dict[str, Operator]:
    """One case of every operator, sizes odd and batches of more than one among them."""
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    def attention(batch: int, rows: int, heads: int, width: int, cache: int, tables: int) -> Operator:
        table = normal(tables, cache + 2)
        table[:, -1] = -1e4
        inputs = {
            "query": normal(batch, rows, heads * width, scale=0.3),
            "projected": normal(batch, rows, 3 * heads * width),
            "keys": normal(batch, heads, cache, width),
            "values": normal(batch, heads, cache, width),
            "first": np.array([1000, 1, 3, 0][:batch]),  # voices that have just begun among them
            "table": table,
        }
        names = ("y", "new_keys", "new_values")
        return Operator("StreamAttention", step_ops.stream_attention, inputs, {}, names)

    def conv(channels: int, groups: int, kernel: int, length: int) -> Operator:
        inputs = {
            "x": normal(2, length, channels),
            "weight": normal(channels, channels // groups, kernel),
            "bias": normal(channels),
        }
        return Operator("GroupedConv", step_ops.grouped_conv, inputs, {"groups": groups}, ("y",))

    head = {
        "emotion": normal(2, 3, 7),
        "content": normal(2, 3, 7),
        "weight": normal(2, 3, 41),
        "basis": normal(7, 123),
    }
    halves = {**head, "basis": head["basis"].astype(np.float16).astype(np.float32)}
    layer = {"audio": normal(2, 4, 12), "constants": normal(3, 29, 12), "available": random.integers(0, 3, (2, 4))}
    waiting = {"x": normal(2, 3, 6), "projected": normal(2, 3, 18), "waiting": normal(2, 7, 12)}
    return {
        "decoder attention": attention(1, 1, 4, 16, 299, 4),
        "encoder attention": attention(2, 5, 4, 48, 101, 1),
        "odd attention": attention(3, 2, 3, 7, 5, 3),
        "more rows than cached": attention(1, 9, 2, 5, 4, 1),
        "positional convolution": conv(192, 16, 33, 34),
        "odd convolution": conv(15, 5, 4, 9),
        "motion head": Operator("MotionHead", step_ops.motion_head, head, {}, ("offsets", "products")),
        "motion head in half": Operator("MotionHead", step_ops.motion_head, halves, {}, ("offsets", "products")),
        "vertex layer": Operator("VertexLayer", step_ops.vertex_layer, layer, {}, ("y",)),
        "windows": Operator("Unfold", step_ops.unfold, {"x": normal(2, 17, 3)}, {"kernel": 5, "stride": 2}, ("y",)),
        "delay": Operator("Delay", step_ops.delay, waiting, {"start": 2, "count": 4}, ("y", "query", "rest")),
        "short delay": Operator("Delay", step_ops.delay, waiting, {"start": 6, "count": 1}, ("y", "query", "rest")),
    }
