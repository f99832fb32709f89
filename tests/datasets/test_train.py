"""Every layout from its folder to a talking package: train, evaluate, export, verify, animate."""

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
import soundfile
import yaml

from emoface.cli.main import main

# Five convolutions with wav2vec2's hop and overlap: fewer operations to trace than its seven
ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 5,
    "conv_kernel": [10, 3, 3, 3, 9],
    "conv_stride": [5, 2, 2, 2, 8],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "left": 10,
    "right": [1],
}


def configuration(path: Path, labelled: bool, steps: int = 6, rank: int | None = None) -> Path:
    """The papers' scheme, losses and dense head, small. labelled: the dataset has emotions and pairs."""
    path.write_text(
        yaml.safe_dump(
            {
                "seed": 3,
                "model": {
                    "content_encoder": ENCODER,
                    "emotion_encoder": ENCODER,
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
                },
            }
        )
    )
    return path


def rows(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "train"]


@pytest.mark.parametrize("kind", layouts.WRITERS)
def test_a_layout_becomes_a_package_that_speaks(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root, run = layouts.WRITERS[kind](tmp_path / "data"), tmp_path / "run"
    labelled = kind == "ravdess"
    config = configuration(tmp_path / "config.yaml", labelled)
    assert main(["train", str(config), "--data", str(root), "--out", str(run)]) == 0
    log = rows(run)
    assert len(log) == 6 and ("cross" in log[-1]) is labelled and ("classification" in log[-1]) is labelled
    capsys.readouterr()
    assert main(["eval", str(run / "stage_b"), str(root), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["split"] == "test_unseen" and report["rows"]["ground_truth"]["lve_m2"] == 0.0
    assert report["rows"]["model"]["lve_m2"] > 0.0 and "bilabials" not in report["rows"]["model"]
    package = tmp_path / "face.emoface"
    assert main(["export", str(run / "stage_b"), "--out", str(package), "--seconds", "2"]) == 0
    assert main(["verify", str(package)]) == 0
    sound = tmp_path / "speech.wav"
    soundfile.write(sound, layouts.speech(99, 16000, 1.0), 16000)
    assert main(["animate", str(sound), "-o", str(tmp_path / "x.npz"), "--package", str(package)]) == 0
    with np.load(tmp_path / "x.npz") as shown:
        fps = 25 if kind == "biwi" else 30
        assert shown["vertices"].shape == (fps, 42, 3)
        assert np.isfinite(shown["vertices"]).all() and np.ptp(shown["vertices"], axis=0).max() > 0
