"""`emoface demo`: the bundled speech through a package, with changing emotions, to files one can look at."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.cli.animate import report
from emoface.errors import OutputError

if TYPE_CHECKING:
    from emoface.frames import Animation
    from emoface.package import Package

SPEECH = Path(__file__).parents[1] / "assets" / "speech.wav"
SCHEDULE = ((0.0, "neutral"), (3.0, "happy"), (5.95, "surprised"), (8.4, "sad"))
"""Seconds and emotion; a moment before each sentence, as a face that knows what it will say."""
DRAWN = (".glb", ".mp4", ".png")
"""What a person looks at; needs the extra [view]."""
_TAIL_S = 0.4


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="animate the bundled speech",
        description="Write demo.glb, demo.mp4 and demo.png; demo.npz and demo.csv where the extra [view] is missing.",
    )
    parser.add_argument("--out", default="out", metavar="DIR", help="folder, made if it is missing")
    options.add_package(parser)
    options.add_backend(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Animate the bundled speech and write what the installed parts can write."""
    from emoface.package import Package
    from emoface.writers import check_all, progress_line, write_all
    from emoface.writers.dispatch import missing_modules

    folder = Path(args.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error}", "a folder that can be written", "Choose another --out.") from None
    package = Package.load(args.package)
    shapes = False
    suffixes: tuple[str, ...] = DRAWN
    if absent := missing_modules(DRAWN):
        shapes = package.face.blendshapes is not None
        suffixes = (".npz", ".csv") if shapes else (".npz",)
        # On stderr: with --json stdout holds one object.
        text = f'{", ".join(DRAWN)} need the extra [view] (no {", ".join(absent)}): pip install "emoface[view]"'
        print(text, file=sys.stderr)
    paths = [str(folder / f"demo{suffix}") for suffix in suffixes]
    check_all(paths, {"package": args.package})
    animation = perform(package, backend=args.backend, precision=args.precision, blendshapes=shapes)
    write_all(paths, animation, progress=progress_line("frames"))
    report(animation, len(animation), len(animation.audio), paths, args.json)
    return 0


def perform(package: str | Path | Package, **settings: Any) -> Animation:
    """The bundled speech with the emotions of `SCHEDULE`.

    Emotions that the package does not know are left out. `settings` are those of `emoface.Animator`.
    """
    from emoface.animation import animate_file
    from emoface.package import Package

    loaded = package if isinstance(package, Package) else Package.load(package)
    known = loaded.manifest.emotions
    schedule = [(start, name) for start, name in SCHEDULE if name in known]
    if "strong" in loaded.manifest.levels:
        settings = {"level": "strong", **settings}
    changes = [(start, "emotion", name) for start, name in schedule]
    animation = animate_file(SPEECH, loaded, tail_s=_TAIL_S, changes=changes, **settings)
    told = {"emotions": list(known), "emotion_schedule": schedule}
    return replace(animation, metadata={**animation.metadata, **told})
