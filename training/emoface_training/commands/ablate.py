"""Command `emoface ablate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from emoface.cli.options import add_threads
from emoface_training.commands.progress import bar


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    parser = subparsers.add_parser(
        "ablate",
        help="train and measure the rows of an ablation table",
        description="Train every row of a plan (configs/ablations) on the same frozen encoders, the same decimated "
        "face and the same budget, measure it, and write the table. Interrupted, the same command goes on where it "
        "stopped; finished rows are not done again.",
    )
    parser.add_argument("plan", metavar="CONFIGS", help="folder with budget.yaml and a file per row, or one such file")
    parser.add_argument("--data", required=True, metavar="DIR", help="corpus or dataset: see docs/datasets.md")
    parser.add_argument("--kind", help="layout of the dataset (default: found out)")
    parser.add_argument("--masks", metavar="FILE", help="masks of a recorded dataset: see docs/datasets.md")
    parser.add_argument("--encoders", required=True, metavar="CHECKPOINT", help="encoders of every row: RUN/stage_a")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the programme")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument("--seeds", type=int, metavar="N", help="N seeds for every row, in place of the rows' own")
    add_threads(parser)
    parser.add_argument("--cpu", action="store_true", help="leave a GPU unused")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.set_defaults(run=_ablate)


def _ablate(args: argparse.Namespace) -> int:
    from emoface_training.ablation import plan, results, run
    from emoface_training.data.opening import open_for_training
    from emoface_training.errors import OptionsError
    from emoface_training.loop.processes import Processes

    if args.seeds is not None and args.seeds < 1:
        raise OptionsError(f"--seeds {args.seeds}", "at least 1", "Correct it.")
    chosen = plan.load(Path(args.plan), args.rows)
    dataset, face = open_for_training(args.data, args.kind, args.masks)
    processes = Processes.start(args.cpu)
    summary = run.ablate(chosen, dataset, face, args.encoders, args.out, args.seeds, args.threads, bar, processes)
    print(json.dumps(summary) if args.json else results.markdown(summary))
    return 0
