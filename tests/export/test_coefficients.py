"""Exports whose motion lies in a basis: coefficients beside or instead of vertices, proven against PyTorch."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import tiny
from emoface import Package
from emoface.errors import UsageError
from emoface.rig import Blendshapes
from emoface.verification import verify_cuts, verify_golden
from emoface_export.errors import ExportError
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import FaceArrays, find_face
from emoface_export.own_model import OwnModel, OwnStage, export_own
from emoface_export.package_manifest import PackageFacts
from emoface_training.config import DecoderConfig, FaceFormerConfig
from emoface_training.models.checkpoint import load
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.nn.stage import Stage

RANK = 4


def exported(model, face, path, folder, **options) -> Package:
    chosen = ExportOptions(PackageFacts("tiny"), seconds=1.0, provenance=tiny.PROVENANCE, coefficients=True, **options)
    export_package(model, face, path, chosen, exporter=tiny.RememberingExporter(folder))
    return Package.load(path)


def proven(package: Package) -> None:
    checks = verify_golden(package, precision="fp32") + verify_cuts(package, precision="fp32")
    assert [check.name for check in checks if not check.passed] == []


def test_two_branches_beside_the_vertices(tiny_rank_checkpoint, tiny_rank_package, tiny_folder, tmp_path):
    model, _ = load(tiny_rank_checkpoint)
    face = find_face(tiny_rank_checkpoint, model, None)
    package = exported(model, face, tmp_path / "beside.emoface", tiny_folder)
    assert package.manifest.format == 2 and package.manifest.coefficients == RANK
    names = {"coefficients", "emotion_coefficients", "offsets", "emotion", "emotion_weight"}
    assert package.manifest.outputs.keys() == names
    assert package.face.basis.shapes.tobytes() == model.decoder.basis.numpy().tobytes()
    with np.load(io.BytesIO(package.file("face.npz"))) as face:
        assert face["basis"].dtype == np.float16 and "basis_names" not in face.files
    proven(package)
    audio = (0.2 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    plain = Package.load(tiny_rank_package)
    frames, before = (p.animator(precision="fp32").whole(audio) for p in (package, plain))
    assert frames.vertices.tobytes() == before.vertices.tobytes() and before.coefficients.shape == (30, 0)
    assert model.decoder.output_names == ("offsets",) and plain.manifest.format == 1


def test_one_branch_without_a_vertex(tiny_folder, tmp_path):
    """The decoder is fed with its coefficients: nothing in its graph has the size of the face."""
    decoder = DecoderConfig(width=16, heads=2, period=7, window=20, motion_rank=RANK)
    torch.manual_seed(3)
    config = FaceFormerConfig(vertices=42, styles=tiny.STYLES, content_encoder=tiny.ENCODER, decoder=decoder)
    # Far from orthogonal: a code does not come back from its offsets as it was
    basis = 0.02 * (torch.randn(RANK, 126) + torch.randn(1, 126))
    model = FaceFormer(config, basis).eval()
    torch.nn.init.normal_(model.decoder.content_branch.motion_head.weight, std=0.25)
    far = model.decoder.feedback_of_codes() - torch.eye(RANK)
    assert far.abs().max() > 0.2
    arrays = tiny.face_arrays(1)
    face = FaceArrays(arrays["template"], arrays["faces"], np.full_like(arrays["template"], 0.5), {})
    package = exported(model, face, tmp_path / "instead.emoface", tiny_folder, vertices=False)
    assert package.manifest.outputs == {"coefficients": "decoder.coefficients"}
    graph = onnx.load_from_string(package.file("decoder.fp32.onnx")).graph
    assert all(126 not in numpy_helper.to_array(t).shape for t in graph.initializer)
    proven(package)


def test_what_cannot_be_exported(tiny_checkpoint, tmp_path):
    with pytest.raises(UsageError, match="neither vertices nor coefficients"):
        ExportOptions(PackageFacts("x"), vertices=False)
    model, _ = load(tiny_checkpoint)
    options = ExportOptions(PackageFacts("x"), coefficients=True)
    with pytest.raises(ExportError, match="coefficients of a model with the dense head"):
        export_package(model, find_face(tiny_checkpoint, model, None), tmp_path / "x.emoface", options)
    assert list(tmp_path.iterdir()) == []


class Loudness(Stage):
    cadence = "block"
    input_names = ("audio",)
    output_names = ("level",)

    def step(self, inputs, state):
        power = torch.nn.functional.conv1d(inputs["audio"][:, None] ** 2, torch.full((1, 1, 400), 1 / 400), stride=320)
        return {"level": power.transpose(1, 2)}, {}


class Code(Stage):
    cadence = "frames"
    input_names = ("level",)
    output_names = ("code",)

    def step(self, inputs, state):
        return {"code": torch.tanh(inputs["level"] * torch.tensor([30.0, -20.0]))}, {}


def own(face: FaceArrays) -> OwnModel:
    stages = (
        OwnStage("loudness", Loudness(), {"audio": "audio"}),
        OwnStage("code", Code(), {"level": "loudness.level"}),
    )
    return OwnModel("own", stages, {"coefficients": "code.code"}, face)


def test_a_model_of_ones_own(tmp_path):
    arrays = tiny.face_arrays(0)
    shapes = Blendshapes(("jaw", "brow"), 0.01 * np.random.default_rng(2).standard_normal((2, 12, 3)))
    face = FaceArrays(arrays["template"], arrays["faces"], np.full_like(arrays["template"], 0.5), {})
    export_own(own(FaceArrays(**(vars(face) | {"basis": shapes}))), tmp_path / "own.emoface")
    package = Package.load(tmp_path / "own.emoface")
    assert package.face.basis == shapes and package.manifest.format == 2
    proven(package)
    export_own(own(FaceArrays(**(vars(face) | {"blendshapes": shapes}))), tmp_path / "shapes.emoface")
    package = Package.load(tmp_path / "shapes.emoface")
    assert package.face.basis is package.blendshapes and package.face.basis.names == ("jaw", "brow")
    proven(package)
    with pytest.raises(ExportError, match="2 coefficients, and no basis"):
        export_own(own(face), tmp_path / "none.emoface")
