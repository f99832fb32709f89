"""Dynamic int8 of a stage: the weights of its matrix products in 8 bits, activations quantised as they come."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import onnx

from emoface_export.onnx_export import strip

# A product this narrow (the first convolution over raw samples, 10 taps) costs next to nothing in fp32, while 8 bits
# would cut the sound itself to 8 bits of each block's peak.
_NARROWEST = 16
# The small model's first convolutions, three taps wide: a quarter of its encoder's work, but rounded to 8 bits most of
# its error. The wide convolutions of a full-size encoder are most of its work, and their error averages out.
_NARROWEST_CONVOLUTION, _FIRST_TAPS = 128, 3


def quantize_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with int8 weights in every MatMul and Gemm, one scale per output channel.

    Convolutions stay in fp32: ONNX Runtime's integer convolution is slower than its float one. A product of two
    activations stays in fp32 too.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    excluded = _narrow_products(model)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        # It advises a shape-inference pass that dynamic quantisation does not need.
        previous = logging.root.level
        logging.root.setLevel(logging.ERROR)
        try:
            quantize_dynamic(
                source,
                target,
                op_types_to_quantize=["MatMul", "Gemm"],
                weight_type=QuantType.QInt8,
                per_channel=True,
                nodes_to_exclude=excluded,
                # Behind an operator of our own no type is inferred; a product's is always float
                extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
            )
        finally:
            logging.root.setLevel(previous)
        quantized = onnx.load(target)
    strip(quantized)
    return quantized


def _narrow_products(model: onnx.ModelProto) -> list[str]:
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer if len(tensor.dims) == 2}
    unfolded = {name for node in model.graph.node if node.op_type == "Unfold" for name in node.output}

    def narrow(source: str, rows: int, columns: int) -> bool:
        first = source in unfolded and rows >= _FIRST_TAPS * columns
        return min(rows, columns) < (_NARROWEST_CONVOLUTION if first else _NARROWEST)

    return [
        node.name
        for node in model.graph.node
        if node.op_type in ("MatMul", "Gemm")
        and node.input[1] in weights
        and narrow(node.input[0], *weights[node.input[1]])
    ]
