"""`emoface profile`: what a package costs on this machine, and whether it has become worse."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from emoface.cli import options
from emoface.errors import UsageError

REGRESSION = 1
NOT_REPRODUCED = 3


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "profile",
        help="measure what a package costs on this machine",
        description="Measure time per stage, first frame, memory and accuracy of a package, or compare two such "
        "measurements. Exit code 1 when --fail-above finds a regression, 3 when the golden vectors are not reproduced.",
    )
    parser.add_argument(
        "package", nargs="?", metavar="PACKAGE", help="folder, .emoface file or name (default: default)"
    )
    options.add_backend(parser)
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="audio per voice (default: 60)")
    parser.add_argument("--voices", type=int, default=1, metavar="N", help="voices in one batch (default: 1)")
    parser.add_argument("--threads", type=int, default=1, metavar="T", help="threads per graph (default: 1)")
    parser.add_argument("--block-ms", type=float, metavar="MS", help="audio per step (default: the package's)")
    parser.add_argument("--sample-rate", type=int, default=48000, metavar="HZ", help="rate of the audio fed")
    parser.add_argument("--audio", metavar="FILE", help="sound to feed, over and over (default: the bundled speech)")
    parser.add_argument("--no-accuracy", action="store_true", help="do not compare with the golden vectors")
    parser.add_argument("--json", metavar="OUT", help="write the report, or the comparison, as JSON")
    parser.add_argument("--trace", metavar="OUT", help="write every call as Chrome trace-event JSON, for Perfetto")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the steps' times; needs the extra [view]")
    parser.add_argument("--diff", nargs=2, metavar=("A.json", "B.json"), help="compare two reports instead")
    parser.add_argument("--fail-above", metavar="P%", help="with --diff: exit with 1 if a figure grew by more")
    parser.add_argument(
        "--allow-different", action="store_true", help="with --diff: compare different machines or settings"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Profile or compare."""
    if args.diff is not None:
        return _compare(args)
    if args.fail_above is not None or args.allow_different:
        raise UsageError("--fail-above or --allow-different without --diff", "--diff A.json B.json", "Add --diff.")
    return _profile(args)


def _profile(args: argparse.Namespace) -> int:
    from emoface.profile.measure import measure
    from emoface.profile.report import build_report, describe
    from emoface.profile.settings import SPEECH, Settings
    from emoface.writers.progress import progress_line

    _check_outputs(args)
    settings = Settings(
        backend=args.backend,
        precision=args.precision,
        threads=args.threads,
        block_ms=args.block_ms,
        seconds=args.seconds,
        voices=args.voices,
        sample_rate=args.sample_rate,
        audio=SPEECH if args.audio is None else Path(args.audio),
        accuracy=not args.no_accuracy,
    )
    package = "default" if args.package is None else args.package
    measured = measure(package, settings, keep_calls=args.trace is not None, on_progress=progress_line("profile"))
    report = build_report(measured)
    print("\n".join(describe(report)))
    if args.json is not None:
        _write(args.json, json.dumps(report, indent=1, allow_nan=False) + "\n")
    if args.trace is not None:
        from emoface.profile.trace import write_trace

        write_trace(Path(args.trace), measured)
        print(f"wrote             {args.trace}")
    if args.plot is not None:
        from emoface.profile.plot import write_plot

        write_plot(Path(args.plot), measured)
        print(f"wrote             {args.plot}")
    # As `emoface verify`: fast and wrong is no success.
    return NOT_REPRODUCED if report["accuracy"] is not None and not report["accuracy"]["passed"] else 0


def _compare(args: argparse.Namespace) -> int:
    from emoface.profile.compare import compare, describe_rows, notes, parse_limit
    from emoface.profile.report import read_report

    if args.package is not None or args.trace is not None or args.plot is not None:
        raise UsageError("--diff with PACKAGE, --trace or --plot", "--diff alone", "Profile first, then compare.")
    _check_outputs(args)
    limit = None if args.fail_above is None else parse_limit(args.fail_above)
    a, b = (read_report(Path(name)) for name in args.diff)
    rows = compare(a, b, limit, args.allow_different)
    print("\n".join([*(f"note: {note}" for note in notes(a, b)), *describe_rows(rows)]))
    worse = [row.name for row in rows if row.regression]
    if args.json is not None:
        table = [vars(row) for row in rows]
        _write(args.json, json.dumps({"limit": limit, "regressions": worse, "rows": table}, indent=1) + "\n")
    if limit is not None:
        print(f"regressions above {100 * limit:g} %: {', '.join(worse) or 'none'}")
    return REGRESSION if worse else 0


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse what cannot be written before a minute of work."""
    from emoface.writers.atomic import check_target
    from emoface.writers.dispatch import check_apart
    from emoface.writers.extras import check_installed

    outputs = [path for path in (args.json, args.trace, args.plot) if path is not None]
    for path in outputs:
        check_target(path)
    first, second = args.diff or (None, None)
    check_apart(outputs, {"package": args.package, "sound": args.audio, "report": first, "second report": second})
    if args.plot is not None:
        if Path(args.plot).suffix.lower() != ".png":
            raise UsageError(f"--plot {args.plot!r}", "a name that ends in .png", "Name it for example profile.png.")
        check_installed("PIL", ".png")


def _write(path: str, text: str) -> None:
    from emoface.writers.atomic import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote             {path}")
