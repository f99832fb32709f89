"""Every layout from its folder to a talking package: train, evaluate, export, verify, animate."""

import dataclasses
import functools
import json
from pathlib import Path

import layouts
import numpy as np
import pytest
import soundfile
import torch
import yaml

import tiny
from emoface.cli.main import main
from emoface.package import Package
from emoface_export import export
from emoface_training import options
from emoface_training.clips.store import ClipStore
from emoface_training.data.sample import DatasetFace
from emoface_training.data.vocaset import TRAIN, Vocaset
from emoface_training.models import checkpoint
from emoface_training.motion.targets import VertexTargets
from emoface_training.runs import training_run

ENCODERS = {
    "content_encoder": dataclasses.asdict(tiny.ENCODER),
    "emotion_encoder": dataclasses.asdict(tiny.EMOTION_ENCODER),
}


def configuration(path: Path, labelled: bool, steps: int = 6, rank: int | None = None, **stage_b: object) -> Path:
    """The papers' scheme, losses and dense head, small. labelled: the dataset has emotions and pairs."""
    content = {
        "seed": 3,
        "model": ENCODERS
        | {
            "mesh_attention": {"kernel": 4, "dilation": 1},
            "decoder": {"width": 16, "heads": 2, "window": 20, "period": 25, "motion_rank": rank},
        },
        "stage_b": {
            "max_steps": steps,
            "log_every_steps": 1,
            "validation_clips": 2,
            "batch_size": 4,
            "max_frames": 16,
            "learning_rate": 5e-3,
            "scheme": "self-growing",
            "pairs": labelled,
            "classification": labelled,
        }
        | stage_b,
    }
    path.write_text(yaml.safe_dump(json.loads(json.dumps(content))))
    return path


def rows(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "train"]


@pytest.fixture
def traced_once(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path) -> None:
    """Stages with equal weights are traced once: tracing is most of an export's time."""
    exporter = tiny.RememberingExporter(tiny_folder)
    patched = functools.partial(export.export_package, exporter=exporter)
    monkeypatch.setattr(export, "export_package", patched)


@pytest.mark.usefixtures("traced_once")
@pytest.mark.parametrize("kind", layouts.WRITERS)
def test_a_layout_becomes_a_package_that_speaks(
    tmp_path: Path, kind: str, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, run = layouts.WRITERS[kind](tmp_path / "data"), tmp_path / "run"
    labelled = kind == "ravdess"
    # The encoders come from another run and rest (their training is tested below), so that their graphs are shared
    resting = {"freeze_encoders_for": 1.0, "fusion_from": 0.0 if labelled else 1.0}
    config = configuration(tmp_path / "config.yaml", labelled, **resting)
    arguments = ["train", str(config), "--data", str(root), "--out", str(run)]
    assert main([*arguments, "--stage", "b", "--encoders", str(tiny_checkpoint)]) == 0
    log = rows(run)
    assert len(log) == 6 and ("cross" in log[-1]) is labelled and ("classification" in log[-1]) is labelled
    capsys.readouterr()
    assert main(["eval", str(run / "stage_b"), str(root), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dataset"]["square_unit_in_m2"] == (0.1875**2 if kind == "biwi" else 1.0)
    assert report["split"] == "test_unseen" and report["rows"]["ground_truth"]["lve_m2"] == 0.0
    assert report["rows"]["model"]["lve_m2"] > 0.0 and "bilabials" not in report["rows"]["model"]
    package = tmp_path / "face.emoface"
    assert main(["export", str(run / "stage_b"), "--out", str(package), "--seconds", "2"]) == 0
    assert Package.load(package).manifest.unit_in_metres == (0.1875 if kind == "biwi" else 1.0)
    assert main(["verify", str(package)]) == 0
    sound = tmp_path / "speech.wav"
    soundfile.write(sound, layouts.speech(99, 16000, 1.0), 16000)
    assert main(["animate", str(sound), "-o", str(tmp_path / "x.npz"), "--package", str(package)]) == 0
    with np.load(tmp_path / "x.npz") as shown:
        fps = 25 if kind == "biwi" else 30
        assert shown["vertices"].shape == (fps, 42, 3)
        assert np.isfinite(shown["vertices"]).all() and np.ptp(shown["vertices"], axis=0).max() > 0


@pytest.mark.parametrize("rank", [None, 5])
def test_the_loss_on_vertices_falls_with_either_head(tmp_path: Path, rank: int | None) -> None:
    root = layouts.write_vocaset(tmp_path / "data")
    config = configuration(tmp_path / "config.yaml", False, steps=24, rank=rank, scheme="teacher-forcing")
    assert main(["train", str(config), "--data", str(root), "--out", str(tmp_path / "run")]) == 0
    losses = [row["loss"] for row in rows(tmp_path / "run")]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    # the encoders learn too
    model, _ = checkpoint.load(tmp_path / "run" / "stage_b")
    fresh = training_run.new_model(
        options.load(config), tuple(TRAIN), face_of(root), ClipStore.load(Vocaset.open(root).clips("train"), 30, 8)
    )
    before, after = fresh.content_encoder.state_dict(), model.content_encoder.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before if "feature_extractor" not in key)
    assert all(torch.equal(before[key], after[key]) for key in before if "feature_extractor" in key)


def face_of(root: Path) -> DatasetFace:
    return Vocaset.open(root).face


def test_targets_are_the_vertices_of_the_window(tmp_path: Path) -> None:
    dataset = Vocaset.open(layouts.write_vocaset(tmp_path / "data"))
    store = ClipStore.load(dataset.clips("train"), 30, 8)
    targets = VertexTargets(dataset.face, store)
    codes = targets.window(2, 5, 11)
    whole = dataset.clips("train")[2].load().vertices.offsets()
    np.testing.assert_array_equal(targets.offsets(codes).numpy(), whole[5:11])
    some = torch.tensor([7, 0])
    np.testing.assert_array_equal(targets.offsets(codes, some).numpy(), whole[5:11][:, [7, 0]])


def test_options_that_need_labels_or_a_rig_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = layouts.write_vocaset(tmp_path / "data")
    cases = {
        "classification": {"classification": True},
        "frame_gains": {"frame_gains": {"lips_close": 2.0}},
    }
    for word, changed in cases.items():
        config = configuration(tmp_path / "config.yaml", False, **changed)
        assert main(["train", str(config), "--data", str(root), "--out", str(tmp_path / word)]) == 2
        assert word in capsys.readouterr().err
    data = yaml.safe_load(configuration(tmp_path / "config.yaml", False).read_text())
    data["stage_a"] = {"max_steps": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(data))
    arguments = ["train", str(tmp_path / "config.yaml"), "--data", str(root), "--out", str(tmp_path / "a")]
    assert main(arguments) == 2
    assert "stage_a" in capsys.readouterr().err


def test_another_topology_or_rate_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, run = layouts.write_vocaset(tmp_path / "data"), tmp_path / "run"
    config = configuration(tmp_path / "config.yaml", False, steps=1)
    assert main(["train", str(config), "--data", str(root), "--out", str(run)]) == 0
    biwi = layouts.write_biwi(tmp_path / "biwi")
    assert main(["eval", str(run / "stage_b"), str(biwi)]) == 2
    assert "25 fps for a model of 30" in capsys.readouterr().err
    vertices, faces = tiny.icosphere(1, 0.1)
    layouts.write_ply(root / "templates" / "FLAME_sample.ply", vertices, faces[::-1])
    assert main(["eval", str(run / "stage_b"), str(root)]) == 2
    assert "another topology" in capsys.readouterr().err
