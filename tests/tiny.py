"""Tiny models for tests: an icosphere for a face, random weights, the real exporter."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emoface_training.config import DecoderConfig, EmoFaceConfig, EncoderConfig, MeshAttentionConfig
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.spiral import build_spirals

# Fields of a tiny configuration of transformers' wav2vec2, HuBERT or WavLM
TINY_WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}

ROOT = Path(__file__).resolve().parents[1]
STYLES = ("ada", "ben", "cleo")
# Overrides the commit, so that a cached package keeps its bytes
PROVENANCE = {"code_commit": "tests"}
# What a traced graph depends on, and what a package does besides
GRAPH_SOURCES = (
    "training/emoface_training/config.py",
    "training/emoface_training/nn/*.py",
    "export/emoface_export/onnx_export.py",
    "export/emoface_export/spiral_onnx.py",
    "export/emoface_export/step_module.py",
)
SOURCES = (*GRAPH_SOURCES, "export/emoface_export/*.py", "sdk/emoface/manifest*.py")
# Five convolutions with wav2vec2's hop of 320 and overlap of 80 samples: fewer operations to trace than its seven
ENCODER = EncoderConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(16,) * 5,
    conv_kernel=(10, 3, 3, 3, 9),
    conv_stride=(5, 2, 2, 2, 8),
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4,
    left=12,
    right=(1, 2),
    position_right=1,
)
EMOTION_ENCODER = dataclasses.replace(ENCODER, num_hidden_layers=1, right=(3,))


def icosphere(subdivisions: int = 1, radius: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Vertices float32 [V, 3] in metres and triangles int32 [F, 3]; V = 12, 42, 162, ..."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, 1, golden), (0, -1, golden), (0, 1, -golden), (0, -1, -golden)]
    points = [np.array(np.roll(c, shift), float) for shift in range(3) for c in corners]
    points = [p / np.linalg.norm(p) for p in points]
    edge = min(np.linalg.norm(points[0] - p) for p in points[1:])
    faces = []
    for a in range(12):
        for b in range(a + 1, 12):
            for c in range(b + 1, 12):
                sides = [np.linalg.norm(points[i] - points[j]) for i, j in ((a, b), (b, c), (a, c))]
                if max(sides) < 1.1 * edge:
                    outward = np.dot(np.cross(points[b] - points[a], points[c] - points[a]), points[a]) > 0
                    faces.append((a, b, c) if outward else (a, c, b))
    for _ in range(subdivisions):
        middle: dict[tuple[int, int], int] = {}
        finer = []
        for a, b, c in faces:
            m = []
            for i, j in ((a, b), (b, c), (c, a)):
                key = (min(i, j), max(i, j))
                if key not in middle:
                    middle[key] = len(points)
                    point = points[i] + points[j]
                    points.append(point / np.linalg.norm(point))
                m.append(middle[key])
            finer += [(a, m[0], m[2]), (b, m[1], m[0]), (c, m[2], m[1]), (m[0], m[1], m[2])]
        faces = finer
    return (radius * np.array(points)).astype(np.float32), np.array(faces, np.int32)


def face_arrays(subdivisions: int = 1) -> dict[str, np.ndarray]:
    """What `face.npz` holds: template, faces, colours and masks that tests can rely on."""
    template, faces = icosphere(subdivisions)
    x, y, z = (template / np.abs(template).max()).T
    masks = {
        "lips": (z > 0.3) & (y < 0.1) & (y > -0.7),
        "jaw": y < -0.2,
        "eyes_forehead": (z > 0) & (y > 0.2),
        "eyes": (z > 0.3) & (y > 0.2) & (y < 0.8),
        "forehead": (z > 0) & (y > 0.5),
        "neck": y < -0.8,
    }
    colours = np.stack([0.5 + 0.3 * x, 0.4 + 0.2 * y, np.full_like(x, 0.4)], 1).astype(np.float32)
    arrays = {"template": template, "faces": faces, "colours": colours}
    arrays |= {f"mask_{name}": np.flatnonzero(chosen).astype(np.int32) for name, chosen in masks.items()}
    return arrays | blendshape_arrays(template)


def blendshape_arrays(template: np.ndarray) -> dict[str, np.ndarray]:
    """Five smooth, independent shapes of centimetres, under names of ARKit's."""
    x, y, z = (template / np.abs(template).max()).T
    left = 1 / (1 + np.exp(-6 * x))
    low, high = np.exp(-4 * (y + 0.6) ** 2), np.exp(-4 * (y - 0.6) ** 2)
    shapes = {
        "browInnerUp": high[:, None] * (0.0, 0.012, 0.0),
        "jawOpen": low[:, None] * (0.0, -0.03, -0.005),
        "mouthPucker": np.stack([-0.02 * x * low, 0 * x, 0.015 * low * (z > 0)], axis=1),
        "mouthSmileLeft": (left * low)[:, None] * (0.01, 0.012, -0.004),
        "mouthSmileRight": ((1 - left) * low)[:, None] * (-0.01, 0.012, -0.004),
    }
    return {"blendshape_names": np.array(list(shapes)), "blendshapes": np.stack(list(shapes.values())).astype("f")}


def tiny_config(rank: int | None = None, subdivisions: int = 1, **changes: object) -> EmoFaceConfig:
    """D = 16, d = 16, one or two layers per encoder, short windows; `rank=None` is the dense head (d -> 3V)."""
    values: dict[str, object] = {
        "vertices": {0: 12, 1: 42, 2: 162}[subdivisions],
        "styles": STYLES,
        "content_encoder": ENCODER,
        "emotion_encoder": EMOTION_ENCODER,
        "mesh_attention": MeshAttentionConfig(kernel=5, dilation=1, delta=3),
        "decoder": DecoderConfig(
            width=16, heads=2, period=7, window=20, motion_rank=rank, emotional_content=rank is not None
        ),
    }
    return EmoFaceConfig(**(values | changes))  # type: ignore[arg-type]


def tiny_model(config: EmoFaceConfig | None = None, seed: int = 0, subdivisions: int = 1) -> EmoFace:
    """Random weights that move the face by centimetres."""
    config = tiny_config(subdivisions=subdivisions) if config is None else config
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    arrays = face_arrays(subdivisions)
    mesh = config.mesh_attention
    spiral = torch.from_numpy(build_spirals(arrays["template"], arrays["faces"], mesh.kernel, mesh.dilation))
    rank = config.decoder.motion_rank
    # Of its own generator: the encoders' weights are then those of the dense model, and traced once
    generator = torch.Generator().manual_seed(seed)
    basis = None if rank is None else 0.02 * torch.randn(rank, 3 * config.vertices, generator=generator) / rank**0.5
    model = EmoFace(config, spiral, basis).eval()
    for branch in model.decoder.branches:
        nn.init.normal_(branch.motion_head.weight, std=0.25 if rank else 0.003)
        if rank is None:  # offsets are centimetres: bring the feedback to the size of the other tokens
            nn.init.normal_(branch.motion_map.weight, std=5.0)
    torch.set_rng_state(state)
    return model


def write_checkpoint(folder: Path, model: EmoFace, subdivisions: int = 1) -> Path:
    """A checkpoint folder with its face beside the weights."""
    from emoface_training.models.checkpoint import save

    save(folder, model)
    np.savez(folder / "face.npz", **face_arrays(subdivisions))
    return folder


def write_package(
    checkpoint: Path, path: Path, precisions: tuple[str, ...] = ("fp32", "int8"), graphs: Path | None = None
) -> Path:
    """Export `checkpoint` to `path` (a zip) and verify it on a few seconds; stages traced before lie in `graphs`."""
    from emoface_export.export import ExportOptions, export_package
    from emoface_export.face_file import find_face
    from emoface_export.onnx_export import export_stage
    from emoface_export.package_manifest import PackageFacts
    from emoface_training.models.checkpoint import load

    model, _ = load(checkpoint)
    options = ExportOptions(PackageFacts(name="tiny"), precisions=precisions, seconds=4.0, provenance=PROVENANCE)
    exporter = export_stage if graphs is None else RememberingExporter(graphs)
    export_package(model, find_face(checkpoint, model, None), path, options, exporter=exporter)
    return path


class RememberingExporter:
    """`export_stage`, but a stage with the same weights and sources is traced once: tracing is most of an export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name, stage, input_shapes):  # type: ignore[no-untyped-def]
        import onnx

        from emoface_export.onnx_export import ExportedStage, export_stage
        from emoface_export.step_module import StepModule

        sizes = {key: tuple(value.shape) for key, value in stage.initial_state(1).items()}
        heard = getattr(getattr(stage, "encoder", None), "config", None)
        digest = hashlib.sha256(f"{stage!r} {input_shapes} {sizes} {heard} {stage.output_names}".encode())
        for key, tensor in sorted(stage.state_dict().items()):
            digest.update(key.encode() + tensor.contiguous().numpy().tobytes())

        def build(path: Path) -> None:
            path.write_bytes(export_stage(name, stage, input_shapes).model.SerializeToString(deterministic=True))

        path = cached(self.folder, f"{name}-{digest.hexdigest()[:16]}.onnx", build, GRAPH_SOURCES)
        signature = StepModule(stage).signature(input_shapes)
        return ExportedStage(name, stage.cadence, signature, onnx.load(path))


def cached(folder: Path, name: str, build: Callable[[Path], object], sources: tuple[str, ...] = SOURCES) -> Path:
    """`build(path)` once per state of the sources; a second process waits for the first instead of doing it too."""
    key = _sources_digest(sources)
    path, lock = folder / f"{key}-{name}", folder / f"{key}-{name}.lock"
    patience = time.monotonic() + 600
    while not path.exists():
        try:
            lock.mkdir()
        except FileExistsError:
            if time.monotonic() > patience:  # left by a process that was killed
                lock.rmdir()
            time.sleep(0.1)
            continue
        try:
            fresh = folder / f"{key}-{os.getpid()}-{name}"
            build(fresh)
            os.replace(fresh, path)
        finally:
            lock.rmdir()
    return path


def cached_package(folder: Path, name: str, checkpoint: Path) -> Path:
    """The exported package of `checkpoint`, once per state of the sources."""
    return cached(folder, name, lambda path: write_package(checkpoint, path, graphs=folder))


def _sources_digest(sources: tuple[str, ...]) -> str:
    # Sums depend on the number of threads, and an export holds what it measured.
    threads = os.environ.get("OMP_NUM_THREADS")
    digest = hashlib.sha256(f"{torch.__version__} {np.__version__} {threads}".encode())
    for pattern in (*sources, "tests/tiny.py"):
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
