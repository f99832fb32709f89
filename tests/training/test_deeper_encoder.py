"""A deeper encoder that starts from a checkpoint begins as the same function."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from emoface_training.config import EmoFaceConfig, EncoderConfig
from emoface_training.errors import CheckpointError
from emoface_training.models import checkpoint
from emoface_training.nn.emoface import EmoFace
from emoface_training.runs import training_run

SMALL = EncoderConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
    left=8,
    right=(1, 1),
)


def model(layers: int, **changes: object) -> EmoFace:
    torch.manual_seed(layers)
    deeper = dataclasses.replace(SMALL, num_hidden_layers=layers, right=(1, 1) + (0,) * (layers - 2), **changes)
    emotion = dataclasses.replace(SMALL, **changes)
    return EmoFace(EmoFaceConfig(vertices=6, content_encoder=deeper, emotion_encoder=emotion)).eval()


def test_the_further_layers_add_nothing_at_first(tmp_path: Path) -> None:
    shallow, deep = model(2), model(4)
    checkpoint.save(tmp_path / "stage", shallow, {})
    training_run.load_encoders(deep, tmp_path / "stage")
    audio = torch.randn(1, 4000) * 0.1
    with torch.no_grad():
        for ours, theirs in zip(deep.encode(audio), shallow.encode(audio), strict=True):
            assert torch.equal(ours, theirs)
    layer = deep.content_encoder.encoder.encoder.layers[3]
    assert layer.feed_forward.intermediate_dense.weight.abs().sum() > 0, "it can learn"


def test_a_shallower_or_post_norm_encoder_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "deep", model(4), {})
    with pytest.raises(CheckpointError, match="do not fit this model"):
        training_run.load_encoders(model(2), tmp_path / "deep")
    checkpoint.save(tmp_path / "post", model(2, do_stable_layer_norm=False), {})
    with pytest.raises(CheckpointError, match="do not fit this model"):
        training_run.load_encoders(model(4, do_stable_layer_norm=False), tmp_path / "post")
