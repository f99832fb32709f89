"""Your own clips -> corpus -> training -> export -> verify -> animate, in under a minute of one core.

    python examples/train_export_own_checkpoint/run.py --out own

Needs the extra [export]. The clips are made here: a tone whose loudness opens the jaw. Put your own in their place:
mono speech at 16 kHz and the rig's parameters of each frame. Every step below is a command of `emoface`, called in this
process so that PyTorch is loaded once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import emoface
from emoface.cli.main import main as emoface_main
from emoface_training.data.corpus import FORMAT, FPS, RawClip, frame_count, write_shard
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

ACTORS = ("anna", "ben")
SECONDS = 1.5


def make_clip(actor: int, statement: int, emotion: str) -> RawClip:
    """A tone at the actor's pitch; the jaw follows its loudness, the lips close in the gaps, happy smiles."""
    time = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    loudness = np.sin(np.pi * (1 + statement % 3) * time / SECONDS * 2) ** 2
    pitch = (120, 210)[actor] * (1.25 if emotion == "happy" else 1.0)
    audio = 0.5 * loudness * np.sin(2 * np.pi * pitch * time)

    frames = frame_count(len(audio))
    loudness_of_frame = loudness[np.arange(frames) * SAMPLE_RATE // FPS]
    parameters = np.zeros((frames, len(RIG_PARAMETERS)), np.float32)
    parameters[:, RIG_PARAMETERS.index("jaw_open")] = loudness_of_frame
    parameters[:, RIG_PARAMETERS.index("lips_close")] = np.clip(1 - 4 * loudness_of_frame, 0, 1)
    parameters[:, RIG_PARAMETERS.index("smile")] = emotion == "happy"
    # Phonemes with their times help stage A; without an alignment give one silence over the whole clip.
    segments = [Segment("M", 0.0, SECONDS / 2), Segment("AA", SECONDS / 2, SECONDS)]
    samples = np.round(32767 * audio).astype(np.int16)
    return RawClip(samples, parameters, segments, EMOTIONS.index(emotion), 0, statement, f"statement {statement}")


def write_corpus(folder: Path) -> None:
    """One shard of clips per actor and split, and `corpus.json`."""
    counts: dict[str, dict[str, float]] = {}
    for split, statements in (("train", range(4)), ("validation", range(4, 6))):
        clips = 0
        for index, actor in enumerate(ACTORS):
            shard = [make_clip(index, s, emotion) for s in statements for emotion in ("neutral", "happy")]
            write_shard(folder / split / actor / "00000.npz", shard)
            clips += len(shard)
        counts[split] = {"clips": clips, "seconds": clips * SECONDS}
    description = {
        "format": FORMAT,
        "fps": FPS,
        "sample_rate": SAMPLE_RATE,
        "parameters": list(RIG_PARAMETERS),
        "emotions": list(EMOTIONS),
        "actors": [{"name": name, "split": "train"} for name in ACTORS],
        "splits": counts,
    }
    (folder / "corpus.json").write_text(json.dumps(description, indent=1))


def run(*arguments: object) -> None:
    """Run `emoface ...`; stop with its exit code if it fails."""
    print("$ emoface", *arguments, flush=True)
    code = emoface_main([str(argument) for argument in arguments])
    if code:
        raise SystemExit(code)


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("own"), help="a new folder for everything")
    choices = arguments.parse_args(argv)
    out = choices.out
    out.mkdir(parents=True)

    write_corpus(out / "corpus")
    run("train", Path(__file__).parent / "config.yaml", "--data", out / "corpus", "--out", out / "run")
    # --seconds: how much audio the exporter compares with PyTorch before it writes; take the default 60 for a release.
    run("export", out / "run" / "stage_b", "--out", out / "own.emoface", "--int8", "--seconds", 4)
    run("verify", out / "own.emoface")

    clip = make_clip(0, 9, "happy")
    package = emoface.Package.load(out / "own.emoface")
    animation = emoface.animate(clip.audio, SAMPLE_RATE, package, style="anna", emotion="happy")
    motion = np.abs(animation.vertices - animation.face.template).max() * 1000 * package.face.unit_in_metres
    print(f"{len(animation)} frames of {package.manifest.vertices} vertices, motion up to {motion:.2f} mm")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
