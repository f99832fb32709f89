"""A package's graph made ready for TensorRT: plain weights, one voice, the stream's own lengths.

TensorRT computes with float weights, so what a package stores in 8 bits, or in fp16 with a Cast, is put back as the
float values it stands for; no value changes. Extents that a stream never varies are fixed, which lets TensorRT fold
all shape arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emoface.errors import PackageError
from emoface.manifest import Manifest, StageSpec, concrete_shape
from emoface.timing import Clock
from emoface_export import spiral_onnx
from emoface_export.half import half_model

# Operations on weights alone that `onnxscript`'s folding evaluates
_FOLD_LIMIT = 1 << 28


@dataclass(frozen=True)
class StepLengths:
    """The lengths n that a stream calls a stage with: `low` to `high`, most often `high`."""

    low: int
    high: int


def step_lengths(manifest: Manifest, stage: StageSpec, clock: Clock) -> StepLengths:
    """n of every call of `stage` in a stream with the clock's block size.

    A block stage always gets one block. A frames stage gets the frames that a block completes, or fewer where a
    condition changes between them. A frame stage gets one.
    """
    if stage.cadence == "block":
        return StepLengths(clock.block_features, clock.block_features)
    if stage.cadence == "frame":
        return StepLengths(1, 1)
    # Frames per block repeat after fps blocks; the look-ahead is over by then too.
    blocks = manifest.fps * manifest.feature_rate + clock.delay_features
    done = [clock.frames_after_blocks(block) for block in range(blocks + 1)]
    return StepLengths(1, max(after - before for before, after in itertools.pairwise(done)))


def engine_graph(data: bytes, stage: StageSpec, lengths: StepLengths, half: bool) -> onnx.ModelProto:
    """The stage's ONNX file as TensorRT gets it.

    Args:
        data: the file, of any precision.
        stage: the manifest's entry.
        lengths: n; a single value is put into the graph, a range stays symbolic.
        half: compute in fp16 (inputs, outputs and states stay as they are).
    """
    import onnxscript

    model = onnx.load_from_string(data)
    restore_float_weights(model, stage.name)
    model.CopyFrom(
        onnxscript.optimizer.optimize(model, input_size_limit=_FOLD_LIMIT, output_size_limit=_FOLD_LIMIT, inline=False)
    )
    if half and not _computes_in_half(model):
        model = half_model(model)
    _fix_extents(model, stage, lengths)
    spiral_onnx.attach_function(model)
    return model


def _computes_in_half(model: onnx.ModelProto) -> bool:
    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)


def _fix_extents(model: onnx.ModelProto, stage: StageSpec, lengths: StepLengths) -> None:
    shapes = {item.name: item.shape for item in (*stage.inputs, *stage.outputs)}
    for state in stage.state:
        shapes |= {f"state.{state.name}": state.shape, f"new_state.{state.name}": state.shape}
    for value in (*model.graph.input, *model.graph.output):
        shape = shapes[value.name]
        if lengths.low == lengths.high:
            extents: tuple[int | str, ...] = concrete_shape(shape, lengths.high)
        else:
            extents = tuple(1 if extent == "B" else extent for extent in shape)
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, extents))
    model.graph.ClearField("value_info")


def restore_float_weights(model: onnx.ModelProto, name: str) -> None:
    """Replace every product with 8-bit weights by one with the float weights they stand for (in place).

    Dynamic quantisation writes x -> DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul(. , x's scale * weights'
    scale). The rounding of x, made for CPUs, goes; the weights keep their rounded values.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    replaced: dict[int, onnx.NodeProto] = {}
    dropped: set[int] = set()
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        quantized = makers.get(node.input[0])
        cast = _only(readers.get(node.output[0], []), "Cast")
        rescale = _only(readers.get(cast.output[0], []), "Mul") if cast else None
        scale = _weight_scale(rescale, cast, makers, constants)
        weights = constants.get(node.input[1])
        known = quantized is not None and quantized.op_type == "DynamicQuantizeLinear"
        if not known or quantized is None or rescale is None or cast is None or scale is None or weights is None:
            raise PackageError(
                f"stage {name}: an int8 product of a form that is not `emoface export`'s",
                "DynamicQuantizeLinear, MatMulInteger, Cast, Mul",
                "Export the package again with fp32 or fp16 for this stage.",
            )
        zero = numpy_helper.to_array(constants[node.input[3]]) if len(node.input) > 3 and node.input[3] else 0
        values = (numpy_helper.to_array(weights).astype(np.float32) - np.float32(zero)) * scale
        label = f"{node.input[1]}_float"
        if label not in constants:
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), label))
            constants[label] = graph.initializer[-1]
        replaced[id(rescale)] = helper.make_node("MatMul", [quantized.input[0], label], list(rescale.output))
        dropped |= {id(node), id(cast), id(rescale), id(quantized)}
    if not replaced:
        return
    nodes = [replaced.get(id(node), node) for node in graph.node if id(node) in replaced or id(node) not in dropped]
    _keep_used(graph, nodes)


def _only(nodes: list[onnx.NodeProto], kind: str) -> onnx.NodeProto | None:
    return nodes[0] if len(nodes) == 1 and nodes[0].op_type == kind else None


def _weight_scale(
    rescale: onnx.NodeProto | None,
    cast: onnx.NodeProto | None,
    makers: Mapping[str, onnx.NodeProto],
    constants: Mapping[str, onnx.TensorProto],
) -> np.ndarray | None:
    """The constant factor of `Mul(cast, Mul(x's scale, constant))`."""
    if rescale is None or cast is None:
        return None
    other = next((value for value in rescale.input if value != cast.output[0]), None)
    product = makers.get(other) if other else None
    if product is None or product.op_type != "Mul":
        return None
    scales = [numpy_helper.to_array(constants[value]) for value in product.input if value in constants]
    return scales[0] if len(scales) == 1 else None


def _keep_used(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Keep the nodes and constants that an output depends on."""
    wanted = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(kept)]
    tensors = [t for t in graph.initializer if t.name in wanted]
    tensors = [TensorProto.FromString(t.SerializeToString()) for t in tensors]
    del graph.node[:]
    graph.node.extend(copies)
    del graph.initializer[:]
    graph.initializer.extend(tensors)
