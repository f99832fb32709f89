"""Throughput of `emoface train` on one core: speech learned from per second, share of loading, memory.

    python benchmarks/training.py [--data CORPUS] [--config configs/default.yaml] [--steps 12] [--json]

Real steps of the training loop (batch, losses, gradients, optimiser) with the model, rig and batch sizes of the
configuration, on a corpus made in memory (noise with the loudness of speech, smooth random parameters) or on the
training split of `--data`. Stage B's steps are spread evenly over its schedule, so that teacher forcing, mixtures,
rollouts and Mesh Attention have the parts that they have in training; `live`: with encoders that learn too, as the
paper's, in place of features computed once.

Per stage (`train_a`, `train_b`, `train_b_live`), each in a process of its own: `_speech_per_second`: seconds of speech
in the batches over CPU seconds; `_loading`: share of CPU time that goes into making batches; `_peak_mb`: largest
resident memory, the corpus included. `cpu_per_wall`: above 1.05 more than one core was used.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import measure
from emoface_training import options
from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import PHONEMES
from emoface_training.data.synthetic.rig import Rig
from emoface_training.loop.loading import Loader
from emoface_training.loop.processes import Processes
from emoface_training.loop.stage_run import StageRun
from emoface_training.runs import training_run
from emoface_training.stages.stage_a import StageA
from emoface_training.stages.stage_b import StageB
from emoface_training.vocabulary import EMOTIONS

STAGES = ("a", "b", "b_live")
ACTORS, CLIPS, RATE, FPS = 4, 64, 16000, 30
DEFAULT = Path(__file__).resolve().parents[1] / "configs" / "default.yaml"
WARM_UP = 2


def made_clip(number: int, generator: np.random.Generator) -> StoredClip:
    """2 to 6 seconds; every actor says every statement in two emotions, so that L_cross has its pairs."""
    frames = int(generator.integers(2 * FPS, 6 * FPS))
    time = np.arange(frames * RATE // FPS + 200) / RATE
    loud = 0.5 - 0.5 * np.cos(2 * np.pi * generator.uniform(2, 5) * time)
    audio = 3000 * loud * generator.standard_normal(len(time))
    knots = generator.random((frames // 3 + 2, len(RIG_PARAMETERS)))
    position = np.arange(frames) / 3
    smooth = [np.interp(position, np.arange(len(knots)), column) for column in knots.T]
    count = frames // 3
    names = list(generator.choice(list(PHONEMES), count))
    spans = [(name, i * 0.1, (i + 1) * 0.1) for i, name in enumerate(names)]
    actor, emotion = number % ACTORS, (number // ACTORS) % len(EMOTIONS)
    statement = number // (2 * ACTORS)
    parameters = np.stack(smooth, 1).astype(np.float16)
    return StoredClip(audio.astype(np.int16), parameters, spans, emotion, 0, f"actor {actor}", actor, statement)


def made_store() -> ClipStore:
    generator = np.random.default_rng(0)
    return ClipStore([made_clip(number, generator) for number in range(CLIPS)], FPS, ACTORS)


def read_store(data: Path) -> tuple[ClipStore, tuple[str, ...]]:
    from emoface_training.data.corpus import Corpus

    corpus = Corpus.open(data)
    styles = tuple(corpus.actors)
    return ClipStore.load(corpus.clips("train"), training_run.corpus_fps(corpus), len(styles)), styles


def reset_peak() -> None:
    """Let the kernel count the largest resident size anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def speech_seconds(stage: str, batch, crop_seconds: float, fps: int) -> float:  # type: ignore[no-untyped-def]
    """Seconds of speech that a step learns from: whole crops, or the windows of its own rows."""
    return len(batch.audio) * crop_seconds if stage == "a" else sum(batch.draw.frames) / fps


def one_stage(stage: str, chosen: options.TrainingOptions, store: ClipStore, styles: tuple, steps: int) -> dict:
    """Figures of one stage: `steps` steps after a warm-up, their progress spread over the schedule."""
    torch.manual_seed(0)
    rig = Rig.load()
    model = training_run.new_model(chosen, styles, rig, store)
    wanted = dataclasses.replace(chosen.stage_a if stage == "a" else chosen.stage_b, max_minutes=None, max_steps=10**6)
    if stage == "a":
        task = StageA(model, store, store, wanted, chosen.seed)
    else:
        live = {"freeze_encoders_for": 0.0} if stage == "b_live" else {}
        task = StageB(model, store, store, rig, dataclasses.replace(wanted, **live), chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = StageRun(task, Path(folder), 1, Processes())
        run.begin()
        task.set_train(True)
        reset_peak()
        loading, learning, speech = measure.Timing(), measure.Timing(), 0.0
        loader, current = Loader(task.load), {}
        for step in range(-WARM_UP, steps):
            progress = min(1.0, (max(step, 0) + 0.5) / steps)
            loading.add(lambda step=step: current.update(batch=loader.get(step + WARM_UP)))
            learning.add(lambda progress=progress: run.advance(progress, current["batch"], 0))
            if step < 0:
                loading, learning = measure.Timing(), measure.Timing()
            else:
                speech += speech_seconds(stage, current["batch"], getattr(wanted, "crop_seconds", 0.0), store.fps)
        run.log.close()
    cpu = sum(loading.cpu) + sum(learning.cpu)
    return {
        f"train_{stage}_speech_per_second": speech / cpu,
        f"train_{stage}_loading": sum(loading.cpu) / cpu,
        f"train_{stage}_peak_mb": peak_mb(),
        "cpu_per_wall": measure.cpu_per_wall([loading, learning]),
    }


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument(
        "--data", type=Path, help="corpus made by `emoface data synth` (default: one made in memory)"
    )
    arguments.add_argument("--config", type=Path, default=DEFAULT)
    arguments.add_argument("--steps", type=int, default=12, help="timed steps per stage")
    arguments.add_argument("--stage", choices=(*STAGES, "all"), default="all")
    choices = arguments.parse_args()
    if choices.stage == "all":
        figures: dict[str, float] = {}
        shares = []
        for stage in STAGES:  # a process each, so that one's memory is not the other's
            command = [sys.executable, __file__, *sys.argv[1:], "--stage", stage, "--json"]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout.splitlines()[-1])["figures"]
            shares.append(found.pop("cpu_per_wall"))
            figures |= found
        measure.finish("training", figures | {"cpu_per_wall": max(shares)}, choices.json)
        return
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    chosen = options.load(choices.config)
    store, styles = (
        (made_store(), tuple(f"actor {i}" for i in range(ACTORS))) if choices.data is None else read_store(choices.data)
    )
    measure.finish("training", one_stage(choices.stage, chosen, store, styles, choices.steps), choices.json)


if __name__ == "__main__":
    main()
