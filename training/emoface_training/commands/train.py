"""Command `emoface train`."""

from __future__ import annotations

import argparse
import json

from emoface.cli.options import add_threads
from emoface_training.commands.dataset_options import add_dataset_options
from emoface_training.commands.progress import bar


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    train = subparsers.add_parser(
        "train", help="train a model", description="Train a model from a YAML configuration on a corpus."
    )
    train.add_argument("config", metavar="CONFIG.yaml")
    train.add_argument("--data", required=True, metavar="DIR", help="corpus or dataset: see docs/datasets.md")
    add_dataset_options(train)
    train.add_argument("--out", required=True, metavar="RUN", help="folder of the run")
    train.add_argument("--resume", action="store_true", help="continue RUN where its last checkpoint ended")
    train.add_argument("--stage", choices=("a", "b", "all"), default="all")
    train.add_argument("--encoders", metavar="CHECKPOINT", help="start from this checkpoint's encoders")
    train.add_argument("--model", metavar="CHECKPOINT", help="stage B starts with all of this checkpoint's weights")
    add_threads(train)
    train.add_argument("--max-minutes", type=float, metavar="M", help="replaces each stage's own limits")
    train.add_argument("--max-steps", type=int, metavar="N", help="replaces each stage's own limits")
    train.add_argument("--max-epochs", type=float, metavar="N", help="replaces each stage's own limits")
    train.add_argument("--cpu", action="store_true", help="leave a GPU unused")
    train.add_argument("--scheme", choices=("self-growing", "teacher-forcing", "autoregressive"))
    train.add_argument("--fusion", choices=("mesh-attention", "add"))
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from emoface_training import options
    from emoface_training.data.opening import open_for_training
    from emoface_training.loop.processes import Processes
    from emoface_training.runs import training_run

    chosen = training_run.with_overrides(
        options.load(args.config), args.max_minutes, args.max_steps, args.scheme, args.fusion, args.max_epochs
    )
    dataset, face = open_for_training(args.data, args.kind, args.masks, args.partial)
    processes = Processes.start(args.cpu)
    summary = training_run.train(
        chosen,
        dataset,
        None if args.stage == "a" else face,
        args.out,
        args.stage,
        args.resume,
        args.threads,
        args.encoders,
        args.model,
        bar("reading clips") if processes.main else lambda clips: clips,
        processes,
    )
    if processes.main:
        print(json.dumps({k: v for k, v in summary.items() if k != "model"}, indent=1))
    return 0
