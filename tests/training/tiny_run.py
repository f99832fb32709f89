"""Options and runs small enough for tests."""

from __future__ import annotations

from pathlib import Path

from synthetic_corpus import TinyRig, ToneCorpus

from emoface_training import options
from emoface_training.runs import training_run

ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "left": 10,
    "right": [1],
}
DECODER = {"width": 16, "heads": 4, "window": 20, "motion_rank": 8}


def tiny_options(steps: int = 4, **stage_b: object) -> options.TrainingOptions:
    shared = {"max_steps": steps, "log_every_steps": 1, "validate_every_steps": 10**6, "validation_clips": 2}
    return options.parse(
        {
            "seed": 3,
            "model": {
                "content_encoder": ENCODER,
                "emotion_encoder": ENCODER,
                "mesh_attention": {"kernel": 4, "dilation": 1},
                "decoder": DECODER | dict(stage_b.pop("decoder", {})),
            },
            "stage_a": shared | {"batch_size": 2, "crop_seconds": 1.0},
            "stage_b": shared | {"batch_size": 2, "max_frames": 24, "learning_rate": 1e-3} | stage_b,
        }
    )


def run(out: Path, chosen: options.TrainingOptions, **arguments: object) -> dict:
    return training_run.train(chosen, ToneCorpus(), TinyRig(), out, **arguments)
