"""A small package built with onnx.helper: no torch, no training, every cadence, real state in each stage.

content (block)     features of the audio, each depending on `DELAY` features to come, as a banded encoder's do
mood (block)        running mean of class probabilities; reads content and the condition speaker_mean
mix (frames)        weight per vertex from content and mood, with the previous frame as state
decoder (frame)     autoregressive: leaky sum of content, conditions and its own last output
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emoface import Animator, FrameBatch, Package
from emoface.manifest import (
    ConditionSpec,
    FileEntry,
    InputSpec,
    Manifest,
    OutputSpec,
    StageSpec,
    StateSpec,
    declared_latency_samples,
)

V, D, E, DELAY = 12, 6, 3, 2
STYLES, EMOTIONS, LEVELS = ("anna", "ben"), ("neutral", "happy", "sad"), ("normal", "strong")
F = TensorProto.FLOAT


def _weights(name: str, *shape: int, scale: float = 0.3) -> onnx.TensorProto:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return numpy_helper.from_array(
        (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32), name
    )


def _ints(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _model(name, inputs, outputs, nodes, constants) -> bytes:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(n, F, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, F, s) for n, s in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _content() -> bytes:
    # h[i] from samples [320 i, 320 i + 400); content[i] = tanh(h[i] + h[i-1] + ... + h[i-DELAY] weighted), which
    # after the driver drops DELAY outputs looks DELAY features ahead.
    n = helper.make_node
    return _model(
        "content",
        [("audio", ["B", "samples"]), ("state.ring", ["B", DELAY, D])],
        [("content", ["B", "n", D]), ("new_state.ring", ["B", DELAY, D])],
        [
            n("Unsqueeze", ["audio", "axis1"], ["x"]),
            n("Conv", ["x", "taps"], ["c"], strides=[320]),
            n("Transpose", ["c"], ["h"], perm=[0, 2, 1]),
            n("Concat", ["state.ring", "h"], ["all"], axis=1),
            n("Transpose", ["all"], ["t"], perm=[0, 2, 1]),
            n("Conv", ["t", "band"], ["z"]),
            n("Transpose", ["z"], ["y"], perm=[0, 2, 1]),
            n("Tanh", ["y"], ["content"]),
            n("Slice", ["all", "start", "end", "axis1"], ["new_state.ring"]),
        ],
        [
            _weights("taps", D, 1, 400),
            _weights("band", D, D, DELAY + 1),
            _ints("axis1", 1),
            _ints("start", -DELAY),
            _ints("end", 1 << 40),
        ],
    )


def _mood() -> bytes:
    n = helper.make_node
    return _model(
        "mood",
        [
            ("content", ["B", "n", D]),
            ("speaker_mean", ["B", D]),
            ("state.sum", ["B", 1, E]),
            ("state.count", ["B", 1, 1]),
        ],
        [("probabilities", ["B", "n", E]), ("new_state.sum", ["B", 1, E]), ("new_state.count", ["B", 1, 1])],
        [
            n("Unsqueeze", ["speaker_mean", "axis1"], ["m"]),
            n("Sub", ["content", "m"], ["c"]),
            n("MatMul", ["c", "head"], ["logits"]),
            n("Softmax", ["logits"], ["p"], axis=-1),
            n("CumSum", ["p", "one"], ["running"]),
            n("Add", ["running", "state.sum"], ["sum"]),
            n("Mul", ["p", "zero"], ["nothing"]),
            n("Add", ["nothing", "onef"], ["ones"]),
            n("ReduceMean", ["ones", "axis2"], ["ones1"], keepdims=1),
            n("CumSum", ["ones1", "one"], ["counted"]),
            n("Add", ["counted", "state.count"], ["count"]),
            n("Div", ["sum", "count"], ["probabilities"]),
            n("Slice", ["sum", "last", "end", "axis1"], ["new_state.sum"]),
            n("Slice", ["count", "last", "end", "axis1"], ["new_state.count"]),
        ],
        [
            _weights("head", D, E),
            _ints("axis1", 1),
            _ints("axis2", 2),
            _ints("last", -1),
            _ints("end", 1 << 40),
            numpy_helper.from_array(np.array(1, np.int64), "one"),
            numpy_helper.from_array(np.array(0.0, np.float32), "zero"),
            numpy_helper.from_array(np.array(1.0, np.float32), "onef"),
        ],
    )


def _mix() -> bytes:
    n = helper.make_node
    return _model(
        "mix",
        [("content", ["B", "n", D]), ("mood", ["B", "n", E]), ("state.last", ["B", 1, D])],
        [("weight", ["B", "n", V]), ("new_state.last", ["B", 1, D])],
        [
            n("Concat", ["state.last", "content"], ["all"], axis=1),
            n("Slice", ["all", "zero", "minus", "axis1"], ["before"]),
            n("Add", ["content", "before"], ["s"]),
            n("MatMul", ["s", "to_v"], ["a"]),
            n("MatMul", ["mood", "mood_v"], ["b"]),
            n("Add", ["a", "b"], ["ab"]),
            n("Sigmoid", ["ab"], ["weight"]),
            n("Slice", ["all", "minus", "end", "axis1"], ["new_state.last"]),
        ],
        [
            _weights("to_v", D, V),
            _weights("mood_v", E, V),
            _ints("axis1", 1),
            _ints("zero", 0),
            _ints("minus", -1),
            _ints("end", 1 << 40),
        ],
    )


def _decoder(vertices: int = V) -> bytes:
    n = helper.make_node
    return _model(
        "decoder",
        [
            ("content", ["B", 1, D]),
            ("weight", ["B", 1, V]),
            ("style", ["B", len(STYLES)]),
            ("emotion_class", ["B", E + 1]),
            ("level", ["B", 2]),
            ("state.fed_back", ["B", 1, D]),
        ],
        [("offsets", ["B", 1, vertices, 3]), ("new_state.fed_back", ["B", 1, D])],
        [
            n("MatMul", ["style", "style_d"], ["s"]),
            n("MatMul", ["emotion_class", "emotion_d"], ["e"]),
            n("MatMul", ["level", "level_d"], ["l"]),
            n("Sum", ["s", "e", "l"], ["conditions"]),
            n("Unsqueeze", ["conditions", "axis1"], ["c"]),
            n("MatMul", ["state.fed_back", "feedback"], ["f"]),
            n("MatMul", ["weight", "weight_d"], ["w"]),
            n("Sum", ["content", "c", "f", "w"], ["total"]),
            n("Tanh", ["total"], ["new_state.fed_back"]),
            n("MatMul", ["new_state.fed_back", "out"], ["flat"]),
            n("Reshape", ["flat", "shape"], ["offsets"]),
        ],
        [
            _weights("style_d", 2, D),
            _weights("emotion_d", E + 1, D),
            _weights("level_d", 2, D),
            _weights("feedback", D, D),
            _weights("weight_d", V, D, scale=0.05),
            _weights("out", D, vertices * 3, scale=0.01),
            _ints("axis1", 1),
            _ints("shape", 0, 0, vertices, 3),
        ],
    )


def npz(**arrays: np.ndarray) -> bytes:
    """npz bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def face_arrays() -> dict[str, np.ndarray]:
    """A strip of triangles over V vertices."""
    index = np.arange(V - 2, dtype=np.int32)
    return {
        "template": np.random.default_rng(3).standard_normal((V, 3)).astype(np.float32) * 0.1,
        "faces": np.stack([index, index + 1, index + 2], axis=1).astype(np.int32),
        "colours": np.full((V, 3), 0.5, np.float32),
        "mask_lips": np.arange(4, dtype=np.int32),
    }


def stages(vertices: int = V) -> tuple[StageSpec, ...]:
    """The manifest's stage list."""
    return (
        StageSpec(
            "content",
            "block",
            {"fp32": "content.onnx"},
            (InputSpec("audio", "audio", ("B", "320*n+80")),),
            (OutputSpec("content", ("B", "n", D)),),
            (StateSpec("ring", ("B", DELAY, D)),),
        ),
        StageSpec(
            "mood",
            "block",
            {"fp32": "mood.onnx"},
            (
                InputSpec("content", "content.content", ("B", "n", D)),
                InputSpec("speaker_mean", "condition.speaker_mean", ("B", D)),
            ),
            (OutputSpec("probabilities", ("B", "n", E)),),
            (StateSpec("sum", ("B", 1, E)), StateSpec("count", ("B", 1, 1))),
        ),
        StageSpec(
            "mix",
            "frames",
            {"fp32": "mix.onnx"},
            (
                InputSpec("content", "content.content", ("B", "n", D)),
                InputSpec("mood", "mood.probabilities", ("B", "n", E)),
            ),
            (OutputSpec("weight", ("B", "n", V)),),
            (StateSpec("last", ("B", 1, D)),),
        ),
        StageSpec(
            "decoder",
            "frame",
            {"fp32": "decoder.onnx"},
            (
                InputSpec("content", "content.content", ("B", 1, D)),
                InputSpec("weight", "mix.weight", ("B", 1, V)),
                InputSpec("style", "condition.style", ("B", 2)),
                InputSpec("emotion_class", "condition.emotion", ("B", E + 1)),
                InputSpec("level", "condition.level", ("B", 2)),
            ),
            (OutputSpec("offsets", ("B", 1, vertices, 3)),),
            (StateSpec("fed_back", ("B", 1, D), initial=0.25),),
        ),
    )


def package_files(fps: int = 30) -> dict[str, bytes]:
    """All files of the package, manifest.json included."""
    face = face_arrays()
    files = {
        "content.onnx": _content(),
        "mood.onnx": _mood(),
        "mix.onnx": _mix(),
        "decoder.onnx": _decoder(),
        "face.npz": npz(**face),
        "golden.npz": npz(audio=np.zeros(16000, np.float32), frames=np.zeros(0, np.int64)),
    }
    manifest = Manifest(
        name="handmade",
        family="handmade",
        licence="Apache-2.0",
        fps=fps,
        block_features=2,
        allowed_block_features=(1, 50),
        delay_features=DELAY,
        latency_samples=declared_latency_samples(2, DELAY, fps),
        vertices=V,
        faces_sha256=hashlib.sha256(face["faces"].astype("<i4").tobytes()).hexdigest(),
        styles=STYLES,
        emotions=EMOTIONS,
        levels=LEVELS,
        default_precision="fp32",
        conditions={
            "style": ConditionSpec((2,), (0.5, 0.5)),
            "emotion": ConditionSpec((E + 1,), (0.0, 0.0, 0.0, 1.0)),
            "level": ConditionSpec((2,), (1.0, 0.0)),
            "speaker_mean": ConditionSpec((D,), (0.0,) * D),
        },
        stages=stages(),
        outputs={"offsets": "decoder.offsets", "emotion": "mood.probabilities", "emotion_weight": "mix.weight"},
        motion_range_m=0.05,
        files={name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()},
    )
    return {"manifest.json": manifest.to_text().encode(), **files}


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    """Write the files as a package folder."""
    path.mkdir(parents=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write the files as a zip package."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def with_file(files: dict[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
    """The same package with one file replaced and its hash in the manifest put right."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return {**files, name: data, "manifest.json": json.dumps(manifest).encode()}


def with_manifest(package: dict[str, bytes], /, **fields: object) -> dict[str, bytes]:
    """The same package with top-level manifest fields replaced."""
    manifest = {**json.loads(package["manifest.json"]), **fields}
    return {**package, "manifest.json": json.dumps(manifest).encode()}


def scaled(model: bytes, factor: float) -> bytes:
    """The same graph with its float weights multiplied."""
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.data_type == F:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    return proto.SerializeToString()


def with_golden(
    package: Package, files: dict[str, bytes], samples: int = 16000, kept: tuple[int, ...] = (0, 7, 29)
) -> dict[str, bytes]:
    """The package's files with golden vectors of a real run of `package`, which is the same one loaded."""
    recorded: dict[str, list[np.ndarray]] = {}

    def probe(stage: str, output: str, first: int, array: np.ndarray) -> None:
        recorded.setdefault(f"{stage}.{output}", []).append(array)

    audio = (0.2 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
    with Animator(package, emotion="sad", probe=probe) as animator:
        animator.step(audio)
        animator.flush()
    frames = np.array(kept)
    arrays = {key: np.concatenate(parts) for key, parts in recorded.items()}
    for key in {"mix.weight", "decoder.offsets", "face.offsets"} & arrays.keys():
        arrays[key] = arrays[key][frames]
    arrays["content.content"] = arrays["content.content"][None]
    condition = np.array([0, 0, 1, 0], np.float32)
    golden = npz(audio=audio, frames=frames, **{"condition.emotion": condition}, **arrays)
    return with_file(files, "golden.npz", golden)


def write_with_golden(folder: Path, files: dict[str, bytes]) -> Path:
    """The package as a zip in `folder`, with golden vectors of a real run of it."""
    plain = Package.load(write_zip(folder / "plain.emoface", files))
    return write_zip(folder / "golden.emoface", with_golden(plain, files))


def run(path: Path, audio: np.ndarray, tail: float = 0.0, **options: object) -> FrameBatch:
    """All frames of a sound and a tail, in Python on plain ONNX Runtime."""
    with Package.load(path).animator(**{"backend": "ort-cpu", **options}) as animator:
        return FrameBatch.concat([animator.step(audio), animator.flush(tail)])
