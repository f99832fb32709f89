"""`emoface demo`: the bundled speech through the default package, to files one can look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from emoface.cli import options
from emoface.cli.animate import check_outputs, report, write_outputs
from emoface.errors import OutputError

SPEECH = Path(__file__).parents[1] / "assets" / "demo.wav"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo", help="animate the bundled speech", description="Write demo.glb, demo.mp4 and demo.png."
    )
    parser.add_argument("--out", default="out", metavar="DIR", help="folder, made if it is missing")
    options.add_package(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Animate the bundled speech and write the three files."""
    from emoface.animation import animate_file

    folder = Path(args.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error}", "a folder that can be written", "Choose another --out.") from None
    paths = [str(folder / f"demo{suffix}") for suffix in (".glb", ".mp4", ".png")]
    check_outputs(paths)
    animation = animate_file(SPEECH, args.package, tail_s=0.5)
    write_outputs(paths, animation)
    report(animation, paths, args.json)
    return 0
