"""Kokoro's graph in three, so that timing, pitch and loudness can be read and written in between.

- ``front``: symbols, style, speed -> seconds of each symbol, in frames of 25 ms, not yet rounded
- ``middle``: symbols, style, whole frames of each symbol -> pitch in Hz and loudness, both at 80 Hz
- ``back``: all of these -> samples at 24 kHz

The export's weights are int8 and its activations are quantised as it runs. Here the weights become float32 again:
activations keep their precision, and convolutions over time become two-dimensional ones of height 1, for which ONNX
Runtime has faster kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emoface.writers.atomic import replacing
from emoface_training.errors import SpeechEngineError, VoiceDataError

from . import kokoro_files

NAMES = ("front", "middle", "back")
_VERSION = 1  # of what this module makes of the model: part of the files' names

# Tensors of the export where it is cut
_DURATION = "/encoder/Div_output_0"  # in front of the rounding
_FRAMES = "/encoder/Clip_output_0"  # behind it
_PITCH_READER = "/decoder/decoder/generator/f0_upsamp/Resize"
_LOUDNESS_READER = "/decoder/decoder/N_conv/Conv_quant"


def path(folder: Path, name: str) -> Path:
    """Where a graph lies."""
    return folder / f"kokoro-{_VERSION}-{name}.onnx"


def prepare(folder: Path) -> None:
    """Make the three graphs where they are missing (half a minute, 330 MB).

    Raises VoiceDataError when the model's files are missing or damaged, SpeechEngineError without the package onnx.
    """
    kokoro_files.check(folder)
    if all(path(folder, name).is_file() for name in NAMES):
        return
    try:
        import onnx
    except ImportError as error:
        raise SpeechEngineError(f"no package onnx ({error})", "it", "pip install 'emoface[corpus]'") from None
    whole = kokoro_files.model(folder)
    for name in NAMES:
        graph = onnx.load_model_from_string(whole)
        with replacing(path(folder, name)) as file:
            onnx.save(_two_dimensional(_unquantised(_cut(graph, name))), str(file))


def session(folder: Path, name: str) -> Any:
    """A graph ready to run on one thread. Raises VoiceDataError when it is missing or damaged."""
    import onnxruntime

    file = path(folder, name)
    if not file.is_file():
        raise VoiceDataError(f"no {file}", "the prepared graph", kokoro_files.FETCH)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common root
        raise VoiceDataError(
            f"{file}, which ONNX Runtime refuses ({str(error)[:120]})",
            "the prepared graph",
            "Delete the file and run `emoface data voices`: it is made again.",
        ) from error


def _producers(graph: Any) -> dict[str, Any]:
    return {output: node for node in graph.node for output in node.output}


def _cut(model: Any, name: str) -> Any:
    """The part of the export that leads from one set of tensors to another."""
    from onnx import TensorProto, helper

    graph = model.graph
    made = _producers(graph)
    by_name = {node.name: node for node in graph.node}
    pitch = made[by_name[_PITCH_READER].input[0]].input[0]  # without the axis that the reader needs
    loudness = made[by_name[_LOUDNESS_READER].input[0]].input[0]  # before it is quantised
    if made[loudness].op_type == "Unsqueeze":
        loudness = made[loudness].input[0]
    audio = graph.output[0].name
    renamed = {_DURATION: "duration", _FRAMES: "frames", pitch: "pitch", loudness: "loudness", audio: "audio"}
    wanted = {"front": [_DURATION], "middle": [pitch, loudness], "back": [audio]}[name]
    given = {"front": [], "middle": [_FRAMES], "back": [_FRAMES, pitch, loudness]}[name]

    needed, open_ends = set(), list(wanted)
    while open_ends:
        tensor = open_ends.pop()
        if tensor in needed or tensor in given:
            continue
        needed.add(tensor)
        if tensor in made:
            open_ends += [i for i in made[tensor].input if i]
    nodes = [node for node in graph.node if any(o in needed for o in node.output)]
    read = {i for node in nodes for i in node.input}
    for node in nodes:
        for names in (node.input, node.output):
            for k, tensor in enumerate(names):
                names[k] = renamed.get(tensor, tensor)
    shapes = {
        "tokens": (TensorProto.INT64, [1, "symbols"]), "style": (TensorProto.FLOAT, [1, 256]),
        "speed": (TensorProto.FLOAT, [1]), "duration": (TensorProto.FLOAT, [1, "symbols"]),
        "frames": (TensorProto.FLOAT, [1, "symbols"]), "pitch": (TensorProto.FLOAT, [1, "half_frames"]),
        "loudness": (TensorProto.FLOAT, [1, "half_frames"]), "audio": (TensorProto.FLOAT, None),
    }  # fmt: skip
    inputs = [i.name for i in graph.input if i.name in read] + [renamed[tensor] for tensor in given]
    values = [helper.make_tensor_value_info(i, *shapes[i]) for i in inputs]
    results = [helper.make_tensor_value_info(renamed[o], *shapes[renamed[o]]) for o in wanted]
    weights = [i for i in graph.initializer if i.name in read]
    cut = helper.make_graph(nodes, f"kokoro-{name}", values, results, weights)
    return helper.make_model(cut, opset_imports=model.opset_import, ir_version=model.ir_version)


def _unquantised(model: Any) -> Any:
    """int8 weights become float32: each chain quantise, integer product, cast, scale becomes one float product."""
    from onnx import helper, numpy_helper

    graph = model.graph
    made = _producers(graph)
    constants = {i.name: i for i in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for tensor in node.input:
            readers.setdefault(tensor, []).append(node)

    def array(name: str) -> np.ndarray:
        return numpy_helper.to_array(constants[name])

    def other(node: Any, tensor: str) -> str:
        return next(i for i in node.input if i != tensor)

    replacement: dict[str, Any] = {}  # by the output of the chain's last node
    weights: dict[str, np.ndarray] = {}
    for node in graph.node:
        if node.op_type not in ("ConvInteger", "MatMulInteger"):
            continue
        x = made[node.input[0]].input[0]
        (after,) = readers[node.output[0]]
        bias = []
        if after.op_type == "Add":  # the bias too was quantised: the division shows what it was
            source = made[other(after, node.output[0])]
            while source.op_type != "Div":
                source = made[source.input[0]]
            bias = [source.input[0]]
            (after,) = readers[after.output[0]]
        (scaled,) = readers[after.output[0]]
        scales = made[other(scaled, after.output[0])]
        scale_name = next(i for i in scales.input if i in constants)
        zero_name = node.input[3] if len(node.input) > 3 else ""
        convolution = node.op_type == "ConvInteger"
        weight = f"{node.input[1]}*{scale_name}.weight"  # layers may share one
        if weight not in weights:
            scale = array(scale_name).astype(np.float32)
            zero = array(zero_name).astype(np.float32) if zero_name else np.float32(0)
            whole = array(node.input[1]).astype(np.float32)
            across = (-1, *[1] * (whole.ndim - 1)) if convolution else (1, -1)
            scale, zero = (v.reshape(across) if np.size(v) > 1 else v.reshape(()) for v in (scale, zero))
            weights[weight] = np.ascontiguousarray((whole - zero) * scale, np.float32)
        plain = helper.make_node("Conv" if convolution else "MatMul", [x, weight, *bias], list(scaled.output))
        if convolution:
            plain.attribute.extend(node.attribute)
        replacement[scaled.output[0]] = plain
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in weights.items())
    nodes = [replacement.get(node.output[0], node) for node in graph.node]
    _replace_nodes(graph, _alive(nodes, [o.name for o in graph.output]))
    return model


def _alive(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes that the outputs depend on, in order."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if any(o in needed for o in node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _two_dimensional(model: Any) -> Any:
    """Convolutions over time as convolutions over an image of height 1."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    widened: set[str] = set()
    axis = "height_axis"
    graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), axis))
    nodes: list[Any] = []
    for node in graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "Conv" else None
        if weight is None or not node.input[1].endswith(".weight"):
            nodes.append(node)
            continue
        image, result = f"{node.output[0]}.image", f"{node.output[0]}.result"
        if weight.name not in widened:
            widened.add(weight.name)
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:, :, None], weight.name))
        convolution = helper.make_node("Conv", [image, *node.input[1:]], [result])
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if attribute.name == "pads":
                value = [0, value[0], 0, value[1]]
            elif attribute.name in ("kernel_shape", "dilations", "strides"):
                value = [1, value[0]]
            convolution.attribute.append(helper.make_attribute(attribute.name, value))
        nodes += [
            helper.make_node("Unsqueeze", [node.input[0], axis], [image]),
            convolution,
            helper.make_node("Squeeze", [result, axis], list(node.output)),
        ]
    _replace_nodes(graph, nodes)
    return model


def _replace_nodes(graph: Any, nodes: Sequence[Any]) -> None:
    del graph.node[:]
    graph.node.extend(nodes)
    read = {i for node in nodes for i in node.input}
    weights = [i for i in graph.initializer if i.name in read]
    del graph.initializer[:]
    graph.initializer.extend(weights)
