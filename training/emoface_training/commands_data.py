"""``emoface data ...``: make a corpus."""

import argparse
import sys


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``data`` with its subcommands."""
    parser = subparsers.add_parser("data", help="make training data", description="Make training data.")
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    synth = commands.add_parser(
        "synth",
        help="synthesise a phoneme-timed corpus of emotional speech and face motion",
        description="Synthesise a corpus of emotional speech with flite, festival and eSpeak NG, and the motion of the "
        "face that belongs to it. An interrupted run continues; the same seed gives the same bytes.",
    )
    synth.add_argument("--out", required=True, metavar="DIR", help="folder of the corpus")
    synth.add_argument("--hours", type=float, default=3.0, metavar="H", help="hours of training speech (default 3)")
    synth.add_argument("--seed", type=int, default=1, metavar="S", help="seed of everything random (default 1)")
    synth.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    synth.set_defaults(run=_synth)


def _synth(args: argparse.Namespace) -> int:
    from .data.synthetic.errors import CorpusError
    from .data.synthetic.generate import generate

    try:
        description = generate(args.out, args.hours, args.seed, args.workers)
    except CorpusError as error:
        print(f"emoface data synth: {error}", file=sys.stderr)
        return error.exit_code
    for split, counts in description["splits"].items():
        print(f"{split:12s} {counts['clips']:6d} clips {counts['seconds'] / 60:7.1f} min")
    return 0
