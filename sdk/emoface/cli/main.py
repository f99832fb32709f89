"""Entry point of the command line: the SDK's own subcommands and those that other parts register.

Exit codes: 0 done, 2 usage, 3 package, 4 audio, 5 runtime. Messages go to stderr, results to stdout.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points

from emoface import __version__
from emoface.cli import animate, demo, doctor, inspect, profile, verify
from emoface.errors import EmoFaceError

COMMAND_GROUP = "emoface.commands"


def build_parser() -> argparse.ArgumentParser:
    """The whole parser. Training and export add their commands through the entry-point group `emoface.commands`."""
    parser = argparse.ArgumentParser(prog="emoface", description="Speech in, moving face out.")
    parser.add_argument("--version", action="version", version=f"emoface {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (demo, animate, inspect, verify, profile, doctor):
        module.register(subparsers)
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            register = point.load()
        except ImportError as error:
            # A part whose own requirements are missing must not take the others with it; `doctor` names the extras.
            parser.epilog = f"{parser.epilog or 'not available here:'} {point.name} ({error})"
            continue
        register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except EmoFaceError as error:
        print(f"emoface: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of stdout went away (`emoface inspect | head`); keep the interpreter from saying so at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("emoface: interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        print("emoface: error: an unexpected failure; please report the lines above", file=sys.stderr)
        return 5


if __name__ == "__main__":
    sys.exit(main())
