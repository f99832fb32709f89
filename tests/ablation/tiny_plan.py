"""A plan, encoders and a corpus small enough for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import ENCODER, tiny_options

from emoface_training.ablation import plan, run
from emoface_training.clips.store import ClipStore
from emoface_training.models import checkpoint
from emoface_training.runs import training_run

STEPS = 4
ROWS = {
    "whole": {"order": 1, "tables": {"Table 3": "whole"}, "seeds": 2, "paper": {"lve": 4.8863, "eve": 0.9509}},
    "add": {"order": 2, "tables": {"Table 3": "Add"}, "change": {"model": {"mesh_attention": {"fusion": "add"}}}},
}
FACEFORMER = {
    "order": 3,
    "tables": {"Table 3": "FaceFormer"},
    "change": {
        "model": {"family": "faceformer", "emotion_encoder": None, "mesh_attention": None},
        "stage_b": {"scheme": "autoregressive"},
    },
}


class TalkingCorpus(ToneCorpus):
    """Clips of different lengths, as the evaluation pads them."""

    def clips(self, split: str):  # type: ignore[no-untyped-def]
        return [*super().clips(split), *ToneCorpus(count=2, seconds=0.9).clips(split)]


class Sphere(TinyRig):
    """An icosphere with two regions that the tone corpus' parameters move."""

    def __init__(self, subdivisions: int = 2) -> None:
        from tiny import face_arrays

        super().__init__()
        arrays = face_arrays(subdivisions)
        self.template, self.faces = arrays["template"], arrays["faces"]
        self.masks = {name: arrays[f"mask_{name}"] for name in ("lips", "eyes_forehead", "jaw")}
        generator = np.random.default_rng(1)
        self.fields = 0.005 * generator.standard_normal((len(self.fields), self.template.size)).astype(np.float32)


def write_plan(folder: Path, rows: dict | None = None, **budget: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    chosen = tiny_options(STEPS, freeze_encoders_for=1.0, pairs=False, decoder={"motion_rank": None}).to_dict()
    training = {"model": chosen["model"], "stage_b": chosen["stage_b"]}
    data = {"training": training, "splits": ["test_words"], "clips": 3} | budget
    (folder / plan.BUDGET_FILE).write_text(yaml.safe_dump(data, sort_keys=False))
    for name, row in (ROWS if rows is None else rows).items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(row))
    return folder


def write_encoders(folder: Path, seed: int = 5, **encoder: object) -> Path:
    """A checkpoint with random encoders, as stage A would leave it."""
    changed = tiny_options()
    sizes = ENCODER | encoder
    model = dict(changed.model) | {"content_encoder": sizes, "emotion_encoder": sizes}
    options = type(changed)(model=model, seed=seed, stage_b=changed.stage_b)
    store = ClipStore.load(TalkingCorpus().clips("train"), 30, 2)
    checkpoint.save(folder, training_run.new_model(options, ("a", "b"), None, store))
    return folder


def ablate(place: Path, encoders: Path, out: Path, face: object | None = None, **arguments: object) -> dict:
    names = arguments.pop("names", None)
    return run.ablate(plan.load(place, names), TalkingCorpus(), face or TinyRig(), encoders, out, **arguments)
