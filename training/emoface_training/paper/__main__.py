"""`make paper`: the paper's experiments on a recorded dataset. See docs/paper.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emoface.cli.main import Parser, reported
from emoface.cli.main import main as emoface
from emoface.cli.options import add_threads
from emoface.cli.process import run_process
from emoface_training.commands.dataset_options import add_dataset_options


def parser() -> argparse.ArgumentParser:
    """The options of `make paper`."""
    options = Parser(
        prog="python -m emoface_training.paper",
        description="Train EmoFace, FaceFormer and the ablations on a dataset, measure them, and write the paper's "
        "Tables 2 to 4, Figure 4 and packages. Interrupted, the same command goes on; what is finished is not done "
        "again.",
    )
    options.add_argument("data", metavar="DIR", help="VOCASET, 3D-RAVDESS or BIWI: see docs/datasets.md")
    add_dataset_options(options)
    options.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder of everything that is made")
    options.add_argument("--content", type=Path, required=True, metavar="FOLDER", help="pretrained content encoder")
    options.add_argument("--emotion", type=Path, metavar="FOLDER", help="pretrained emotion encoder (default: CONTENT)")
    options.add_argument("--configs", type=Path, default=Path("configs"), metavar="DIR", help="default: configs")
    options.add_argument(
        "--rows", nargs="+", metavar="NAME", help="only these rows, for example on one of several GPUs"
    )
    options.add_argument("--max-steps", type=int, metavar="N", help="steps of every row, in place of its own limits")
    options.add_argument(
        "--max-epochs", type=float, metavar="N", help="epochs of every row, in place of its own limits"
    )
    options.add_argument("--clips", type=int, metavar="N", help="measure only N clips, evenly spread over a split")
    options.add_argument("--no-video", action="store_true", help="leave out the report's video")
    add_threads(options)
    options.add_argument("--cpu", action="store_true", help="leave a GPU unused")
    return options


def run(args: argparse.Namespace) -> int:
    """Everything; returns an exit code."""
    from emoface_training.commands.progress import bar, progress
    from emoface_training.data.opening import detect_kind, open_for_training
    from emoface_training.loop.processes import Processes
    from emoface_training.paper.plan import paper_rows
    from emoface_training.paper.run import Paper
    from emoface_training.paper.tables import TABLES

    kind = args.kind or detect_kind(args.data)
    limit = {"max_steps": args.max_steps, "max_epochs": args.max_epochs}
    rows = paper_rows(
        args.configs,
        kind,
        args.content,
        args.emotion or args.content,
        {name: value for name, value in limit.items() if value is not None},
        args.rows,
    )
    dataset, face = open_for_training(args.data, kind, args.masks, args.partial)

    def export(checkpoint: Path, package: Path) -> int:
        return emoface(["export", str(checkpoint), "--out", str(package)])

    paper = Paper(rows, dataset, face, args.out, export, args.threads, args.clips, not args.no_video)
    paper.processes, paper.bar, paper.progress = Processes.start(args.cpu), bar, progress
    if code := paper.run():
        return code
    print((args.out / TABLES).read_text())
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command; without `argv` as a process of its own."""
    if argv is None:
        return run_process(lambda: reported(lambda: run(parser().parse_args())))
    return reported(lambda: run(parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
