"""The command `emoface eval`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emoface.cli.options import add_threads
from emoface_training.commands.dataset_options import add_dataset_options
from emoface_training.commands.progress import progress
from emoface_training.evaluation.tables import table


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    parser = subparsers.add_parser(
        "eval",
        help="measure checkpoints and packages",
        description="Animate a split frame by frame from audio and print LVE, EVE, FDD and speech measures beside "
        "two baselines: the mean face and a linear map of the sound's energy. See docs/evaluation.md.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help='checkpoint folder such as RUN/stage_b, .emoface package, or "default"'
    )
    parser.add_argument("corpus", metavar="DATASET", help="corpus or dataset: see docs/datasets.md")
    add_dataset_options(parser)
    parser.add_argument("--compare", nargs="+", default=[], metavar="MODEL", help="more models of the same topology")
    parser.add_argument("--split", help="default: test_voice, or a recorded dataset's test_unseen")
    parser.add_argument("--emotion", choices=("auto", "given"), default="auto")
    parser.add_argument(
        "--calibrate",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="calibrate on so much neutral speech of each voice first; the clips it comes from are left out",
    )
    parser.add_argument("--clips", type=int, metavar="N", help="only N clips, evenly spread over the split")
    parser.add_argument(
        "--styles",
        choices=("mean", "every"),
        help="unseen subjects: the mean of the training styles alone, or every one besides, with mean and spread "
        "(default: every for recorded datasets, mean for the synthetic corpus)",
    )
    parser.add_argument(
        "--disturbed",
        type=int,
        default=0,
        metavar="N",
        help="animate N of the clips again with an offset, at a low level, with babble and with music behind",
    )
    parser.add_argument(
        "--told",
        type=int,
        default=0,
        metavar="N",
        help="animate N of the clips under each class: how far apart are they",
    )
    parser.add_argument("--report", metavar="FOLDER", help="write a page with pictures, curves and a video there")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing report in FOLDER")
    parser.add_argument("--report-clips", type=int, default=3, metavar="N", help="clips in its curves and pictures")
    parser.add_argument("--no-video", action="store_true", help="leave out the report's video")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    parser.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from emoface_training.data.opening import open_for_training
    from emoface_training.data.sample import DatasetFace
    from emoface_training.evaluation import on_dataset
    from emoface_training.evaluation.measured_models import open_model
    from emoface_training.loop.processes import use_threads

    use_threads(args.threads)
    watcher = _watcher(args)
    models = [open_model(source) for source in (args.model, *args.compare)]
    dataset, face = open_for_training(args.corpus, args.kind, args.masks, args.partial)
    split = args.split or ("test_unseen" if "test_unseen" in getattr(dataset, "splits", ()) else "test_voice")
    styles = args.styles or ("every" if isinstance(face, DatasetFace) else "mean")
    request = on_dataset.Request(split, args.emotion, args.clips, styles, args.calibrate, args.disturbed, args.told)
    report = on_dataset.evaluate(models, dataset, face, request, watcher, progress)
    if watcher is not None:
        watcher.write(report, face, not args.no_video, progress)
    print(json.dumps(report) if args.json else table(report))
    return 0


def _watcher(args: argparse.Namespace) -> Any:
    """What gathers the report's pictures, or None. The folder is checked before anything is computed."""
    if args.report is None:
        return None
    from emoface_training.report.folder import check_folder
    from emoface_training.report.write import ReportWriter

    check_folder(args.report, args.overwrite)
    return ReportWriter(args.report_clips, folder=args.report, overwrite=args.overwrite, emotion=args.emotion)
