"""Command `emoface distill`."""

from __future__ import annotations

import argparse
import json
import sys

from emoface.cli.options import add_threads


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    parser = subparsers.add_parser(
        "distill",
        help="teach a pretrained encoder to stream",
        description="Fine-tune a full-context wav2vec2, HuBERT or WavLM folder into band mode by regression on its own "
        "features. Prints the feature error on held-out audio before and after. The result is a folder that a "
        "training configuration takes as `pretrained: OUT`.",
    )
    parser.add_argument("folder", metavar="HF_DIR", help="folder saved by transformers' save_pretrained")
    parser.add_argument("--band", required=True, metavar="L,R", help="past and future context in 20 ms features: 100,6")
    parser.add_argument("--data", required=True, metavar="DIR", help="corpus, or folder of sound files")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run in --out")
    parser.add_argument("--steps", type=int, metavar="N", help="default 2000; 0 calibrates and converts only")
    parser.add_argument("--max-minutes", type=float, metavar="M", help="wall time at most")
    parser.add_argument("--position-right", type=int, default=0, metavar="N", help="part of R given to positional taps")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N")
    parser.add_argument("--crop-seconds", type=float, default=6.0, metavar="S")
    parser.add_argument("--learning-rate", type=float, default=3e-4, metavar="X")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON on stdout")
    parser.set_defaults(run=_distill)


def _distill(args: argparse.Namespace) -> int:
    from emoface_training.clips.unlabelled_speech import load_speech
    from emoface_training.encoders import distill
    from emoface_training.loop.processes import use_threads

    left, look_ahead = distill.parse_band(args.band)
    _check(args)
    steps = 2000 if args.steps is None and args.max_minutes is None else args.steps
    use_threads(args.threads)
    options = distill.DistillOptions(
        left=left,
        look_ahead=look_ahead,
        position_right=args.position_right,
        steps=steps,
        max_minutes=args.max_minutes,
        batch_size=args.batch_size,
        crop_seconds=args.crop_seconds,
        learning_rate=args.learning_rate,
        seed=args.seed,
    )
    clips = load_speech(args.data)
    report = distill.run(args.folder, clips, options, args.out, args.resume, lambda line: print(line, file=sys.stderr))
    if args.json:
        print(json.dumps(report))
    else:
        for when in ("before", "after"):
            print(f"{when:6s} error {report[when]['error']:.4f} cosine {report[when]['cosine']:.4f}")
    return 0


def _check(args: argparse.Namespace) -> None:
    from emoface_training.errors import OptionsError

    limits = {
        "steps": (0, 10**7), "max_minutes": (0, 10**5), "batch_size": (1, 4096), "crop_seconds": (0.5, 60),
        "learning_rate": (0, 1), "position_right": (0, 1000), "seed": (0, 2**31),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            option = "--" + name.replace("_", "-")
            raise OptionsError(f"{option} {value}", f"{low} to {high}", "Correct the command line.")
