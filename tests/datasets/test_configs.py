"""The papers' configurations: they parse, hold the papers' numbers, and ask for encoders by name."""

from pathlib import Path

import layouts
import pytest

from emoface.cli.main import main
from emoface_training import options

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TAKES = {"vocaset": 320, "ravdess": 1200, "biwi": 192}


@pytest.mark.parametrize("name", TAKES)
def test_the_papers_settings(name: str) -> None:
    chosen = options.load(CONFIGS / f"{name}.yaml")
    stage, decoder = chosen.stage_b, chosen.model["decoder"]
    assert chosen.stage_a is None and stage.scheme == "self-growing" and stage.rollout_from == 1.0
    assert (stage.loss_self, stage.loss_cross, stage.loss_velocity, stage.loss_classification) == (1e3, 1e3, 500, 1e-4)
    assert stage.loss_vertices == 0 and not stage.loss_regions and not stage.frame_gains
    assert stage.learning_rate == 1e-4 and stage.weight_decay == 0.0
    assert stage.max_epochs == 100 and stage.max_steps is stage.max_minutes is None
    assert stage.steps_for(TAKES[name]) * stage.batch_size == 100 * TAKES[name]
    assert stage.freeze_encoders_for == 0.0 and stage.encoder_rate_factor == 1.0  # transformers fine-tuned
    assert decoder["motion_rank"] is None
    assert (decoder["width"], decoder["period"]) == ((128, 25) if name == "biwi" else (64, 30))
    assert chosen.model["mesh_attention"] == {"kernel": 18, "dilation": 2, "delta": 3}
    assert stage.pairs is stage.classification is (name == "ravdess")


def test_missing_encoders_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = layouts.write_vocaset(tmp_path / "data")
    assert main(["train", str(CONFIGS / "vocaset.yaml"), "--data", str(root), "--out", "run"]) == 2
    assert "encoders/content" in capsys.readouterr().err
