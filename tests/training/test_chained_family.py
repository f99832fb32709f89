"""Trainer, checkpoints and exporter take a family whose motion a chain of stages makes: they know of no decoder."""

from __future__ import annotations

import dataclasses
import json

import chained_family
import torch
from synthetic_corpus import TinyRig
from tiny_run import run, tiny_options

from emoface import Package
from emoface.verification import verify_cuts, verify_golden
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import read_face
from emoface_export.package_manifest import PackageFacts
from emoface_training.models import checkpoint
from emoface_training.options import TrainingOptions


def options(steps: int) -> TrainingOptions:
    chosen = tiny_options(steps, learning_rate=1e-2)
    sections = {key: chosen.model[key] for key in ("content_encoder", "decoder")}
    sections["decoder"] = sections["decoder"] | {"motion_rank": None}
    return dataclasses.replace(chosen, model={"family": "chain", **sections})


def test_a_chain_trains_and_becomes_a_package(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    chained_family.register(monkeypatch)
    summary = run(tmp_path / "run", options(12), stage="b")
    assert summary["stage_b"]["validation"]["lve_m2"] > 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    model, config = checkpoint.load(tmp_path / "run" / "stage_b")
    assert type(model) is chained_family.ChainedModel and config.vertices == len(TinyRig().template)

    face = read_face(tmp_path / "run" / "stage_b" / "face.npz")
    report = export_package(model, face, tmp_path / "chain.emoface", ExportOptions(PackageFacts("chain"), seconds=1.0))
    names = {comparison.name for comparison in report.comparisons}
    assert {"fp32 neutral.offsets", "fp32 feeling.offsets, given motion", "fp32 end to end"} <= names
    package = Package.load(tmp_path / "chain.emoface")
    assert package.manifest.format == 2 and dict(package.manifest.outputs) == {"offsets": "feeling.offsets"}
    assert [stage.cadence for stage in package.manifest.stages] == ["block", "frame", "frame"]
    checks = [*verify_golden(package), *verify_cuts(package)]
    assert checks and all(check.passed for check in checks), checks
