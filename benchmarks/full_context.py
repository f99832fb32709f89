"""EmoFace with full context against the streaming EmoFace: the same corpus, face, sizes and steps.

    python benchmarks/full_context.py --data CORPUS --work DIR [--stage-a-steps 300] [--stage-b-steps 200] [--clips 6]

Trains both from nothing: stage A (both encoders), then stage B (decoders and Mesh Attention) on the resting encoders.
They differ in what an encoder's feature sees: a band of 2 s back and 120 ms ahead, or the whole clip. Interrupted, the
same command goes on. Measured are the checkpoints, on clips evenly spread over two held-out splits, the emotion not
given.

Figures by model (`streaming_`, `full_`) and split: `lve_1e5_m2`, `eve_1e5_m2`, `lve_mm`, `eve_mm`; `latency_ms` as a
package at 40 ms blocks declares it (the one of full context has none: it answers when the clip has ended);
`train_cpu_s`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import measure
from emoface.manifest import declared_latency_samples
from emoface_export.wiring import streaming_of, streams
from emoface_training import options
from emoface_training.data.corpus import Corpus
from emoface_training.data.synthetic.rig import Rig
from emoface_training.evaluation import on_dataset
from emoface_training.evaluation.measured_models import CheckpointModel
from emoface_training.models import checkpoint
from emoface_training.runs import training_run

BAND = {"left": 100, "right": [3, 3], "position_right": 0}
CONTEXTS = {"streaming": BAND, "full": {"left": None, "right": None, "position_right": None}}
SPLITS = ("test_words", "test_voice")


def configuration(context: str, steps_a: int, steps_b: int) -> options.TrainingOptions:
    """The default model's recipe, smaller; wide losses on lips as there."""
    encoder = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "conv_dim": [32] * 7}
    encoder |= {"num_conv_pos_embeddings": 32} | CONTEXTS[context]
    quiet = {"clock": "cpu", "log_every_steps": 50, "validate_every_steps": 10**6, "validation_clips": 2}
    return options.parse(
        {
            "seed": 1,
            "model": {
                "whole_clips": context == "full",
                "content_encoder": encoder,
                "emotion_encoder": encoder,
                "decoder": {"width": 64, "motion_rank": 32},
            },
            "stage_a": quiet | {"max_steps": steps_a, "batch_size": 8, "crop_seconds": 2.0, "learning_rate": 1.2e-3},
            "stage_b": quiet
            | {
                **{"max_steps": steps_b, "batch_size": 4, "max_frames": 60, "learning_rate": 1.5e-3},
                **{"weight_decay": 0.0, "freeze_encoders_for": 1.0, "pairs": True, "classification": True},
                **{"emotion_dropped": 1.0, "style_dropped": 0.35, "loss_vertices": 192},
                "loss_regions": {"lips": 12.0, "eyes_forehead": 2.0},
            },
        }
    )


def measured(corpus: Corpus, rig: Rig, folder: Path, clips: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for split in SPLITS:
        model = CheckpointModel(checkpoint.load(folder)[0], folder=folder)
        report: dict[str, Any] = on_dataset.evaluate([model], corpus, rig, on_dataset.Request(split, clips=clips))
        row = report["rows"]["model"]
        figures |= {f"{split}_{name}_1e5_m2": 1e5 * row[f"{name}_m2"] for name in ("lve", "eve")}
        figures |= {f"{split}_{name}_mm": row[f"{name}_rms_mm"] for name in ("lve", "eve")}
        figures |= {
            f"{split}_mean_face_{name}_1e5_m2": 1e5 * report["rows"]["mean"][f"{name}_m2"] for name in ("lve", "eve")
        }
    return figures


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="corpus made by `emoface data synth`")
    arguments.add_argument("--work", type=Path, required=True, help="folder of the two runs")
    arguments.add_argument("--stage-a-steps", type=int, default=300)
    arguments.add_argument("--stage-b-steps", type=int, default=200)
    arguments.add_argument("--clips", type=int, default=6, help="of each split")
    choices = arguments.parse_args()
    corpus, rig = Corpus.open(choices.data), Rig.load()
    figures: dict[str, float] = {}
    for context in CONTEXTS:
        chosen = configuration(context, choices.stage_a_steps, choices.stage_b_steps)
        summary = training_run.train(chosen, corpus, rig, choices.work / context, resume=True)
        figures[f"{context}_train_cpu_s"] = sum(summary[stage]["seconds"] for stage in ("stage_a", "stage_b"))
        folder = choices.work / context / "stage_b"
        figures |= {f"{context}_{name}": value for name, value in measured(corpus, rig, folder, choices.clips).items()}
        config = checkpoint.load_weights(folder)[1]
        if streams(config):
            facts = streaming_of(config, 2)
            samples = declared_latency_samples(facts.block_features, facts.delay_features, facts.fps)
            figures[f"{context}_latency_ms"] = 1e3 * samples / config.sample_rate
    measure.finish("full_context", figures, choices.json)


if __name__ == "__main__":
    main()
