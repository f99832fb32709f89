"""Checkpoint folders: round trip, crashes in the middle of saving, broken folders."""

from pathlib import Path

import pytest
import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface_training.clips.store import ClipStore
from emoface_training.errors import CheckpointError, SaveError
from emoface_training.models import checkpoint
from emoface_training.nn.emoface import EmoFace
from emoface_training.runs import training_run


@pytest.fixture
def model() -> EmoFace:
    train = ClipStore.load(ToneCorpus(2).clips("train"), 30, 2)
    return training_run.new_model(tiny_options(), ("a", "b"), TinyRig(), train)


def test_round_trip_keeps_every_tensor_and_the_config(tmp_path: Path, model: EmoFace) -> None:
    head = torch.nn.Linear(2, 2)
    checkpoint.save(tmp_path / "c", model, {"step": 7, "used": 1.5}, head)
    loaded, config = checkpoint.load(tmp_path / "c")
    assert config == model.config
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    state = checkpoint.load_state(tmp_path / "c")
    assert (state["step"], state["used"]) == (7, 1.5)
    assert torch.equal(state["extra"]["weight"], head.weight)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c"]


def test_a_crash_while_writing_leaves_the_old_checkpoint(
    tmp_path: Path, model: EmoFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path / "c", model, {"step": 1})
    before = (tmp_path / "c" / "model.safetensors").read_bytes()

    def disk_full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", disk_full)
        with pytest.raises(SaveError, match=r"no space left while writing .*model\.safetensors"):
            checkpoint.save(tmp_path / "c", model, {"step": 2})
    assert (tmp_path / "c" / "model.safetensors").read_bytes() == before
    assert checkpoint.load_state(tmp_path / "c")["step"] == 1
    checkpoint.save(tmp_path / "c", model, {"step": 3})
    assert checkpoint.load_state(tmp_path / "c")["step"] == 3


def test_a_crash_between_the_renames_is_healed(tmp_path: Path, model: EmoFace) -> None:
    checkpoint.save(tmp_path / "c", model, {"step": 1})
    (tmp_path / "c").rename(tmp_path / "c.old")
    assert checkpoint.load_state(tmp_path / "c")["step"] == 1
    assert checkpoint.load(tmp_path / "c")[1] == model.config


def test_broken_folders_are_named(tmp_path: Path, model: EmoFace) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoint.load(tmp_path / "nothing")
    checkpoint.save(tmp_path / "c", model)
    with pytest.raises(CheckpointError, match="expected one to resume"):
        checkpoint.load_state(tmp_path / "c")
    weights = tmp_path / "c" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="unreadable"):
        checkpoint.load(tmp_path / "c")
