"""Half precision: a whole stage in fp16, and the exact storage of values that fit in fp16."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emoface_export import spiral_onnx
from emoface_export.onnx_export import strip

# Below this many bytes a Cast node costs more than it saves.
_SMALLEST = 1 << 16


def half_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model computing in fp16, its inputs, outputs and states still fp32.

    fp32 at the edges keeps one manifest for every precision and the feedback of the decoder free of extra rounding.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    source = onnx.ModelProto()
    source.CopyFrom(model)
    # The converter walks nodes, not function bodies; the body is generic in its type and is added again.
    del source.functions[:]
    converted = convert_float_to_float16(source, keep_io_types=True, disable_shape_infer=True)
    strip(converted)
    spiral_onnx.attach_function(converted)
    return converted


def store_exact_halves(model: onnx.ModelProto) -> None:
    """Store large fp32 initialisers whose values are all fp16 values in fp16, with a Cast (in place; exact).

    Of two matrices that are each other's transpose one is stored. Runtimes fold both operations while loading.
    """
    stored: list[tuple[str, np.ndarray]] = []
    nodes: list[onnx.NodeProto] = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or len(tensor.raw_data) < _SMALLEST:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        twin = next((name for name, other in stored if _transposes(half, other)), None)
        if twin is not None:
            nodes.append(helper.make_node("Transpose", [twin], [tensor.name], name=f"{tensor.name}_t", perm=[1, 0]))
            model.graph.initializer.remove(tensor)
            continue
        stored.append((tensor.name, half))
        name = f"{tensor.name}_half"
        nodes.append(helper.make_node("Cast", [name], [tensor.name], name=f"{tensor.name}_cast", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(half, name))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def _transposes(a: np.ndarray, b: np.ndarray) -> bool:
    return a.ndim == 2 and a.shape == b.shape[::-1] and np.array_equal(a, b.T)
