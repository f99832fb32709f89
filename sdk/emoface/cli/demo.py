"""`emoface demo`: the bundled speech through a package, with changing emotions, to files one can look at."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.cli.animate import check_outputs, report, write_outputs
from emoface.errors import OutputError

if TYPE_CHECKING:
    from emoface.frames import Animation

SPEECH = Path(__file__).parents[1] / "assets" / "speech.wav"
SCHEDULE = ((0.0, "neutral"), (3.0, "happy"), (5.95, "surprised"), (8.4, "sad"))
"""Seconds and emotion; a moment before each sentence, as a face that knows what it will say."""
_CHUNK_S = 0.1
_TAIL_S = 0.4


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo", help="animate the bundled speech", description="Write demo.glb, demo.mp4 and demo.png."
    )
    parser.add_argument("--out", default="out", metavar="DIR", help="folder, made if it is missing")
    options.add_package(parser)
    options.add_backend(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Animate the bundled speech and write the three files."""
    folder = Path(args.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error}", "a folder that can be written", "Choose another --out.") from None
    paths = [str(folder / f"demo{suffix}") for suffix in (".glb", ".mp4", ".png")]
    check_outputs(paths)
    animation = perform(args.package, backend=args.backend, precision=args.precision)
    write_outputs(paths, animation)
    report(animation, paths, args.json)
    return 0


def perform(package: str | Path, **settings: Any) -> Animation:
    """The bundled speech, fed in chunks of 100 ms as a live source would, with the emotions of `SCHEDULE`.

    Emotions that the package does not know are left out. `settings` are those of `emoface.Animator`.
    """
    from emoface.audio.files import read_sound
    from emoface.frames import Animation, FrameBatch
    from emoface.package import Package

    sound = read_sound(SPEECH)
    loaded = Package.load(package)
    known = loaded.manifest.emotions
    schedule = [(start, name) for start, name in SCHEDULE if name in known]
    if "strong" in loaded.manifest.levels:
        settings = {"level": "strong", **settings}
    with loaded.animator(sample_rate=sound.rate, **settings) as animator:
        for start, name in schedule:
            animator.set_emotion(name, at=start)
        chunk = round(_CHUNK_S * sound.rate)
        started = time.perf_counter()
        batches = [animator.step(sound.samples[at : at + chunk]) for at in range(0, len(sound.samples), chunk)]
        batches.append(animator.flush(_TAIL_S))
        elapsed = time.perf_counter() - started
        frames = FrameBatch.concat(batches)
        return Animation(
            time=frames.time,
            vertices=frames.vertices,
            emotion=frames.emotion,
            emotion_weight=frames.emotion_weight,
            face=animator.face,
            fps=animator.fps,
            audio=sound.samples.mean(axis=1),
            audio_rate=sound.rate,
            metadata={
                "synthetic": True,
                "generator": "emoface",
                "package": loaded.manifest.name,
                "package_sha256": loaded.digest,
                "backend": animator.backend,
                "precision": animator.precision,
                "latency_ms": animator.latency.ms,
                "real_time_factor": elapsed / sound.seconds,
                "emotions": list(known),
                "emotion_schedule": schedule,
            },
        )
