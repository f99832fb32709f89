"""EmoFace with full context against the streaming EmoFace: the same corpus, face, sizes, steps and seeds.

    python tests/training/compare_contexts.py [--data CORPUS] [--stage-a-steps 150] [--stage-b-steps 200] [--seeds 2]

Trains both from nothing: stage A (both encoders), then stage B (decoders and Mesh Attention) on the resting encoders.
They differ in what an encoder's feature sees: a band of 2 s back and 120 ms ahead, or the whole clip. Prints, of clips
of a voice that was not trained on, emotion not given: LVE and EVE (mean over seeds, in brackets every seed's), and the
latency that a package at 40 ms blocks declares. Without --data: the tests' tones, whose loudness opens a strip of 24
vertices.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from synthetic_corpus import TinyRig, ToneCorpus

from emoface.manifest import declared_latency_samples
from emoface_export.wiring import streaming_of, streams
from emoface_training import options
from emoface_training.clips.store import ClipStore
from emoface_training.data.corpus import Corpus
from emoface_training.data.synthetic.rig import Rig
from emoface_training.measures.vertices import VertexMetrics
from emoface_training.models import checkpoint
from emoface_training.models.rollout import Rollout, animate
from emoface_training.motion.targets import clip_offsets
from emoface_training.runs import training_run

CONTEXTS = {
    "streaming": {"left": 100, "right": [6], "position_right": 0},
    "full": {"left": None, "right": None, "position_right": None},
}


def configuration(context: str, seed: int, steps_a: int, steps_b: int) -> options.TrainingOptions:
    encoder = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    encoder |= {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    encoder |= CONTEXTS[context]
    quiet = {"log_every_steps": 50, "validate_every_steps": 10**6, "validation_clips": 1}
    stage_b = {"max_steps": steps_b, "batch_size": 4, "max_frames": 30, "learning_rate": 3e-3, "pairs": False}
    stage_b |= {"freeze_encoders_for": 1.0, "emotion_dropped": 1.0, "classification": True}
    return options.parse(
        {
            "seed": seed,
            "model": {
                "whole_clips": context == "full",
                "content_encoder": encoder,
                "emotion_encoder": encoder,
                "mesh_attention": {"kernel": 4, "dilation": 1},
                "decoder": {"width": 16, "window": 60, "motion_rank": None},
            },
            "stage_a": quiet | {"max_steps": steps_a, "batch_size": 4, "crop_seconds": 1.5, "learning_rate": 3e-3},
            "stage_b": quiet | stage_b,
        }
    )


def measured(folder: Path, corpus: Any, rig: Any, clips: int) -> dict[str, float]:
    model, _ = checkpoint.load(folder)
    store = ClipStore.load(corpus.clips("test_voice"), 30, len(corpus.actors))
    chosen, metrics = store.spread(clips), VertexMetrics.of(rig)
    for index, offsets in animate(model, store, chosen, Rollout("auto")):
        metrics.add(offsets, clip_offsets(rig, chosen[index]))
    return {name: 1e5 * metrics.figures()[f"{name}_m2"] for name in ("lve", "eve")}


def latency(folder: Path) -> str:
    config = checkpoint.load_weights(folder)[1]
    if not streams(config):
        return "the whole clip"
    facts = streaming_of(config, 2)
    samples = declared_latency_samples(facts.block_features, facts.delay_features, facts.fps)
    return f"{1e3 * samples / config.sample_rate:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="corpus made by `emoface data synth` (default: tones)")
    parser.add_argument("--stage-a-steps", type=int, default=150)
    parser.add_argument("--stage-b-steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--contexts", nargs="+", choices=CONTEXTS, default=list(CONTEXTS))
    choices = parser.parse_args()
    torch.set_num_threads(1)
    corpus = ToneCorpus(count=24) if choices.data is None else Corpus.open(choices.data)
    rig = TinyRig() if choices.data is None else Rig.load()
    print("| EmoFace | LVE, 1e-5 m^2 | EVE, 1e-5 m^2 | latency | training, s |\n|---|---|---|---|---|")
    for context in choices.contexts:
        found, seconds = [], 0.0
        for seed in range(1, choices.seeds + 1):
            with tempfile.TemporaryDirectory() as place:
                chosen = configuration(context, seed, choices.stage_a_steps, choices.stage_b_steps)
                summary = training_run.train(chosen, corpus, rig, Path(place))
                folder = Path(place) / "stage_b"
                found.append(measured(folder, corpus, rig, choices.clips))
                seconds += sum(summary[stage]["seconds"] for stage in ("stage_a", "stage_b"))
                declared = latency(folder)
        cells = []
        for name in ("lve", "eve"):
            values = [figures[name] for figures in found]
            cells.append(f"{sum(values) / len(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})")
        print(f"| {context} | {' | '.join(cells)} | {declared} | {seconds / choices.seeds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
