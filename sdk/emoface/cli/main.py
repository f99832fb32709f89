"""Entry point of the command line: the SDK's own subcommands and those that other parts register.

Exit codes: 0 done, 2 usage, 3 package, 4 audio, 5 runtime, 130 after Ctrl-C, 129 after SIGHUP, 143 after SIGTERM, 141
where the reader of stdout went away. Messages go to stderr, results to stdout.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any, NoReturn

from emoface import __version__
from emoface.cli import animate, demo, doctor, inspect, profile, send, serve, verify, view, web
from emoface.cli.process import raise_lost, run_process, say
from emoface.errors import EmoFaceError

COMMAND_GROUP = "emoface.commands"


class Parser(argparse.ArgumentParser):
    """A parser whose help fails where it cannot be written, as all results do, and that says so; errors do not.

    Argparse passes over both, or before Python 3.11.4 over neither.
    """

    def print_help(self, file: Any = None) -> None:
        """Write the help to `file` (stdout)."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words, where stderr takes it; exit code 2."""
        with suppress(OSError):
            super().error(message)
        raise SystemExit(2)


def build_parser() -> argparse.ArgumentParser:
    """The whole parser. Training and export add their commands through the entry-point group `emoface.commands`."""
    parser = Parser(prog="emoface", description="Speech in, moving face out.")
    parser.add_argument("--version", action="version", version=f"emoface {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (demo, animate, send, serve, view, web, inspect, verify, profile, doctor):
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
    """Run one command; returns the exit code. Without `argv` it runs the command line of this process."""
    return run_process(lambda: _run(None)) if argv is None else _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    def run() -> int:
        args = build_parser().parse_args(argv)
        return int(args.run(args))

    return reported(run)


def reported(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; what it raises is said on stderr, an error of ours as one line."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warner(warnings.showwarning)
            code = command()
        raise_lost()
        return code
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        say("emoface: interrupted")
        return 130
    except Exception as error:
        raise_lost()
        return _report(error)


def _warner(show: Callable[..., None]) -> Callable[..., None]:
    """Warnings of ours as one line, others as `show` shows them."""

    def warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if category.__module__.startswith("emoface."):
            say(f"emoface: warning: {message}")
        else:
            show(message, category, *where, **more)

    return warn


def _report(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    if isinstance(error, EmoFaceError):
        say(f"emoface: error: {error}")
        return error.exit_code
    if isinstance(error, OSError):
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
        say(f"emoface: error: {error.strerror or error}{where}")
    elif isinstance(error, MemoryError):
        say("emoface: error: out of memory. Give the command less at once, or free some.")
    else:
        say("".join(traceback.format_exception(error)).rstrip())
        say("emoface: error: an unexpected failure; please report the lines above")
    return EmoFaceError.exit_code


if __name__ == "__main__":
    sys.exit(main())
