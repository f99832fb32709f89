"""The operators that a package's graphs may use: domain and name -> the rule for the shapes of its outputs.

Everything else is refused by name: control flow with graphs inside (If, Loop, Scan), sequences, optionals, text, random
numbers, decoders of files, and domains of others. `csrc/runtime/graph_operators.inc` is this table for C++, written by
`docs/build_security.py`, as is the list in docs/security.md.
"""

from __future__ import annotations

from emoface.graphs.model import MICROSOFT, OWN, STANDARD

_STANDARD = {
    "same": (
        "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh CumSum DequantizeLinear "
        "Elu Erf Exp Floor Gelu HardSigmoid HardSwish Hardmax Identity IsInf IsNaN LRN LeakyRelu Log LogSoftmax "
        "LpNormalization MeanVarianceNormalization Mish Neg Not QuantizeLinear Reciprocal Relu ReverseSequence Round "
        "ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh "
        "ThresholdedRelu Trilu"
    ),
    "normalised": (
        "BatchNormalization Dropout GroupNormalization InstanceNormalization LayerNormalization RMSNormalization"
    ),
    "broadcast": (
        "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean "
        "Min Mod Mul Or PRelu Pow Sub Sum Where Xor"
    ),
    "matmul": "MatMul MatMulInteger",
    "quantised_matmul": "QLinearMatMul",
    "gemm": "Gemm",
    "einsum": "Einsum",
    "convolution": "Conv ConvInteger",
    "quantised_convolution": "QLinearConv",
    "transposed_convolution": "ConvTranspose",
    "pool": "AveragePool LpPool MaxPool",
    "global_pool": "GlobalAveragePool GlobalLpPool GlobalMaxPool",
    "recurrent": "GRU LSTM RNN",
    "reduction": (
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
        "ReduceSumSquare"
    ),
    "arg_reduction": "ArgMax ArgMin",
    "dynamic_quantisation": "DynamicQuantizeLinear",
    "depth_to_space": "DepthToSpace SpaceToDepth",
    "constant": "Constant",
    "shape": "Shape",
    "size": "Size",
    "constant_of_shape": "ConstantOfShape",
    "range": "Range",
    "reshape": "Reshape",
    "flatten": "Flatten",
    "transpose": "Transpose",
    "concat": "Concat",
    "split": "Split",
    "slice": "Slice",
    "squeeze": "Squeeze",
    "unsqueeze": "Unsqueeze",
    "expand": "Expand",
    "tile": "Tile",
    "pad": "Pad",
    "gather": "Gather",
    "gather_elements": "GatherElements",
    "gather_nd": "GatherND",
    "one_hot": "OneHot",
    "top_k": "TopK",
    "non_zero": "NonZero",
    "compress": "Compress",
    "resize": "Resize",
}
# What ONNX Runtime's quantisation writes
_MICROSOFT = {"same": "DequantizeLinear QuantizeLinear", "matmul": "DynamicQuantizeMatMul MatMulIntegerToFloat"}
# Where EmoFace's kernels run instead of the function in the file, their outputs must be bounded too.
_OWN = {
    "stream_attention": "StreamAttention",
    "delay": "Delay",
    "grouped_convolution": "GroupedConv",
    "unfold": "Unfold",
    "vertex_layer": "VertexLayer",
    "motion_head": "MotionHead",
    "spiral_convolution": "SpiralConv3D",
}

OPERATORS: dict[tuple[str, str], str] = {
    (domain, name): rule
    for domain, rules in ((STANDARD, _STANDARD), (MICROSOFT, _MICROSOFT), (OWN, _OWN))
    for rule, names in rules.items()
    for name in names.split()
}
