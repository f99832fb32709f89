"""A stage -> one ONNX model with symbolic batch and length, checked against PyTorch."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
import onnxscript
import torch

from emoface_export import spiral_onnx
from emoface_export.errors import ExportError
from emoface_export.step_module import Shape, StageSignature, StepModule, probe_items
from emoface_training.nn.stage import Stage

OPSET = 20  # the first with Gelu as one operator
IR_VERSION = 10
# Folded once here instead of at every load; larger results would only swell the file.
_FOLD_LIMIT = 1 << 26
# Samples: two features, so that there is a frame
_SHORTEST_CLIP = 720


@dataclass(frozen=True)
class ExportedStage:
    """An ONNX model with the signature that the manifest lists."""

    name: str
    cadence: str
    signature: StageSignature
    model: onnx.ModelProto


def export_stage(name: str, stage: Stage, input_shapes: Mapping[str, Shape]) -> ExportedStage:
    """Export a stage; the model passes the ONNX checker and has been compared with the stage (`check_graph`)."""
    module = StepModule(copy.deepcopy(stage))
    signature = module.signature(input_shapes)
    program = torch_export(module, signature, input_shapes)
    model = _finish(program.model_proto, signature)
    exported = ExportedStage(name, stage.cadence, signature, model)
    check_graph(exported, module, input_shapes)
    return exported


def torch_export(
    module: StepModule, signature: StageSignature, input_shapes: Mapping[str, Shape]
) -> torch.onnx.ONNXProgram:
    stage = module.stage
    example = module.example(input_shapes, batch=2, n=probe_items(stage)[0], seed=1)
    batch = torch.export.Dim("B", min=1, max=4096)
    items = torch.export.Dim("n", min=_SHORTEST_CLIP if stage.cadence == "clip" else 1, max=1 << 20)
    shapes = [*(t.shape for t in signature.inputs), *(t.shape for t in signature.state)]
    dynamic = tuple(_dynamic_axes(shape, batch, items, stage.multiple) for shape in shapes)
    with warnings.catch_warnings(), _quiet("torch.onnx"), _quiet("torch.__trace"), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=signature.graph_inputs,
            output_names=signature.graph_outputs,
            dynamic_shapes=(dynamic,),
            opset_version=OPSET,
            custom_translation_table=spiral_onnx.translation_table(),
            optimize=True,
            verbose=False,
        )


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """The exporter warns about optional packages it does not find, and traces in bulk for any handler that listens."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _dynamic_axes(shape: Shape, batch: torch.export.Dim, items: torch.export.Dim, multiple: int) -> dict[int, object]:
    axes: dict[int, object] = {}
    for axis, extent in enumerate(shape):
        if extent == "B":
            axes[axis] = batch
        elif extent == "n":
            axes[axis] = items if multiple == 1 else multiple * items
        elif isinstance(extent, str):  # a*n+b, the audio of n features
            factor, _, offset = extent.partition("*n+")
            axes[axis] = int(factor) * multiple * items + int(offset)
    return axes


def _finish(model: onnx.ModelProto, signature: StageSignature) -> onnx.ModelProto:
    """Names, the operator's body, a checked model without traces of the machine that made it."""
    clean = onnx.ModelProto()
    clean.CopyFrom(model)
    clean.ir_version = IR_VERSION
    strip(clean)
    del clean.functions[:]
    _name_axes(clean, signature)
    _fold(clean)
    clean.graph.ClearField("value_info")  # folding notes shapes again; quantisation, which transposes, trips over them
    spiral_onnx.attach_function(clean)
    note_in_place(clean)
    onnx.checker.check_model(clean, full_check=False)
    return clean


def strip(model: onnx.ModelProto) -> None:
    """Remove what tools leave behind: names, paths, inferred shapes (in place). They would swell and vary the bytes."""
    model.producer_name, model.producer_version, model.doc_string = "emoface", "", ""
    for holder in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input):
        holder.ClearField("metadata_props")
    for node in model.graph.node:
        node.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.graph.name = "step"
    note_in_place(model)


def note_in_place(model: onnx.ModelProto) -> None:
    """List the states that a runtime with EmoFace's kernels may keep in one buffer (metadata `emoface.in_place`).

    These are the caches of StreamAttention that nothing else reads: it moves them on where they lie.
    """
    readers = [name for node in model.graph.node for name in node.input]
    states = [
        given.removeprefix("state.")
        for node in model.graph.node
        if node.domain == spiral_onnx.DOMAIN and node.op_type == "StreamAttention"
        for given, moved in zip(node.input[2:4], node.output[1:3], strict=True)
        if given.startswith("state.") and moved == f"new_{given}" and readers.count(given) == 1
    ]
    if states:
        onnx.helper.set_model_props(model, {"emoface.in_place": " ".join(states)})


def _name_axes(model: onnx.ModelProto, signature: StageSignature) -> None:
    """Give every graph input and output the axis names of the manifest."""
    wanted = {t.name: t for t in (*signature.inputs, *signature.outputs)}
    for prefix in ("state.", "new_state."):
        wanted |= {prefix + t.name: t for t in signature.state}
    for value in (*model.graph.input, *model.graph.output):
        spec = wanted[value.name]
        shape = onnx.helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, spec.shape)
        if np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name != spec.dtype:
            raise ExportError(
                f"{value.name} of type {value.type.tensor_type.elem_type}", spec.dtype, "Report this as a bug."
            )
        value.CopyFrom(shape)


def _fold(model: onnx.ModelProto) -> None:
    """Evaluate what depends on weights alone: weights become plain initialisers, which can be quantised."""
    folded = onnxscript.optimizer.optimize(
        model, input_size_limit=_FOLD_LIMIT, output_size_limit=_FOLD_LIMIT, inline=False
    )
    model.CopyFrom(folded)


def check_graph(exported: ExportedStage, module: StepModule, input_shapes: Mapping[str, Shape]) -> float:
    """Run the graph against the stage for several batches and lengths; the worst relative error of any output.

    A Python number that was frozen while tracing shows here as a wrong shape or a large error. Raises `ExportError`.
    """
    session = cpu_session(exported.model)
    lengths = {"frame": (1,), "clip": (800, 9001, 16000)}.get(exported.cadence, (1, 2, 5, 9))
    worst = 0.0
    if module.stage.multiple > 1:
        lengths = tuple(n * module.stage.multiple for n in (1, 2, 3))
    for seed, (batch, n) in enumerate((b, n) for b in (1, 3) for n in lengths):
        tensors = module.example(input_shapes, batch, n, seed=10 + seed)
        with torch.no_grad():
            expected = [t.numpy() for t in module(*tensors)]
        feeds = {name: tensor.numpy() for name, tensor in zip(exported.signature.graph_inputs, tensors, strict=True)}
        got = session.run(exported.signature.graph_outputs, feeds)
        for name, a, b in zip(exported.signature.graph_outputs, got, expected, strict=True):
            if a.shape != b.shape:
                raise ExportError(
                    f"stage {exported.name}, output {name}: shape {a.shape} for batch {batch}, n {n}",
                    f"{b.shape}, as in PyTorch",
                    "A size was frozen while tracing; keep sizes symbolic in the stage's step.",
                )
            worst = max(worst, relative_error(a, b))
    if not worst <= GRAPH_TOLERANCE:
        raise ExportError(
            f"stage {exported.name}: the graph differs from PyTorch by {worst:.2e} of the output's range",
            f"at most {GRAPH_TOLERANCE:g}",
            "Check the stage for operations that the exporter translates inexactly.",
        )
    return worst


GRAPH_TOLERANCE = 2e-5


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference over the largest absolute expected value (infinite for NaN)."""
    if expected.size == 0:
        return 0.0
    if not np.isfinite(got).all():
        return float("inf")
    scale = float(np.abs(expected).max())
    return float(np.abs(got.astype(np.float64) - expected).max()) / max(scale, 1e-12)


def cpu_session(model: onnx.ModelProto | bytes, threads: int = 1):  # type: ignore[no-untyped-def]
    """ONNX Runtime on one thread, as the SDK runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")  # no saturation without VNNI
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
