"""Commands `emoface faceformer import` and `emoface faceformer deviation`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

MODES = ("window", "band", "offline")


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the commands. Nothing heavy is imported before one of them runs."""
    parser = subparsers.add_parser(
        "faceformer",
        help="public FaceFormer checkpoints",
        description="Turn public FaceFormer checkpoints into checkpoints of this project, and measure what streaming "
        "them changes.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    bring = commands.add_parser(
        "import",
        help="a .pth file to a checkpoint folder",
        description="Write a checkpoint folder from FaceFormer's .pth file. `emoface export` makes a package of it, "
        "`emoface train --model` trains it further.",
    )
    _add_file(bring)
    bring.add_argument("--out", required=True, metavar="CHECKPOINT", help="folder to write")
    bring.add_argument("--mode", choices=MODES, default="window", help="window and band stream (default: window)")
    bring.add_argument("--subjects", metavar="A,B", help="the training's --train_subjects, in its order")
    bring.add_argument("--data", metavar="DIR", help="the dataset: face, masks and unit come from it")
    bring.add_argument("--face", metavar="FILE", help="instead: the face as .npz (template, faces), .ply or .obj")
    group = bring.add_argument_group("modes")
    group.add_argument("--window", type=int, default=200, metavar="N", help="features of 20 ms (default: 200)")
    group.add_argument("--look-ahead", type=int, default=10, metavar="N", help="of them (default: 10)")
    group.add_argument("--block", type=int, default=10, metavar="N", help="features per step (default: 10)")
    group.add_argument("--left", type=int, default=100, metavar="N", help="band: rows behind, per layer (default: 100)")
    group.add_argument("--right", type=int, default=6, metavar="N", help="band: rows ahead, in all (default: 6)")
    group.add_argument("--position-right", type=int, default=0, metavar="N", help="band: positional taps ahead")
    _add_calibration(group)
    bring.set_defaults(run=_import)
    measure = commands.add_parser(
        "deviation",
        help="streaming against the original, in mm",
        description="Animate sound with the original model over whole clips and with streaming modes, and print how "
        "far the vertices lie apart, by length of the window.",
    )
    _add_file(measure)
    measure.add_argument("--audio", nargs="+", required=True, metavar="FILE", help="sound files")
    measure.add_argument("--windows", default="50,100,200,300", metavar="N,N", help="windows in features of 20 ms")
    measure.add_argument("--look-ahead", type=int, default=10, metavar="N", help="of a window (default: 10)")
    measure.add_argument("--block", type=int, default=10, metavar="N", help="features per step (default: 10)")
    measure.add_argument("--bands", default="100", metavar="N,N", help="rows behind, per layer; empty for none")
    measure.add_argument("--right", type=int, default=6, metavar="N", help="band: rows ahead, in all (default: 6)")
    _add_calibration(measure)
    measure.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    measure.set_defaults(run=_deviation)


def _add_file(parser: Any) -> None:
    parser.add_argument("file", metavar="FILE.pth", help="state dict that FaceFormer's main.py saved")
    parser.add_argument("--variant", choices=("vocaset", "biwi"), help="layout (default: found by the period)")
    parser.add_argument("--encoder-heads", type=int, metavar="N", help="attention heads (default: width / 64)")


def _add_calibration(parser: Any) -> None:
    parser.add_argument(
        "--calibrate",
        nargs="+",
        metavar="FILE",
        help="speech whose statistics take the place of the whole clip's (band)",
    )


def _import(args: argparse.Namespace) -> int:
    from emoface_training.errors import OptionsError
    from emoface_training.faceformer.published_file import FaceFormerFile, Mode
    from emoface_training.models import checkpoint

    out = Path(args.out)
    if out.exists():
        raise OptionsError(f"--out {out}, which exists already", "a new folder", "Choose another name.")
    file = FaceFormerFile(Path(args.file), args.variant, args.encoder_heads)
    mode = Mode(args.mode, args.window, args.look_ahead, args.block, args.left, args.right, args.position_right)
    subjects = None if args.subjects is None else [name.strip() for name in args.subjects.split(",")]
    face = _face(args, file)
    model = file.model(mode, subjects, _speech(args.calibrate))
    checkpoint.save(out, model, face=face)
    c = model.config
    print(f"{out}: {c.vertices} vertices, {len(c.styles)} styles, {c.fps} fps, mode {args.mode}")
    if face is None:
        print("No face is stored: give `emoface export` one with --face.")
    return 0


def _face(args: argparse.Namespace, file: Any) -> Any:
    """The dataset's face, the given file's, or None."""
    from emoface.template_files import read_mesh
    from emoface_training.data.opening import open_for_training
    from emoface_training.data.sample import DatasetFace
    from emoface_training.errors import OptionsError

    if args.data is not None:
        _, face = open_for_training(args.data)
        source = args.data
        if not isinstance(face, DatasetFace):
            raise OptionsError(
                f"--data {args.data}, a synthetic corpus",
                "VOCASET or BIWI",
                "Give such a folder, or a mesh with --face.",
            )
    elif args.face is not None:
        template, faces = read_mesh(args.face)
        source = args.face
        if faces is None:
            raise OptionsError(f"--face {args.face} without triangles", "a mesh", "Give a file with `faces`.")
        face = DatasetFace(template, faces, {}, file.variant.unit_in_metres)
    else:
        return None
    if len(face.template) != file.vertices:
        raise OptionsError(
            f"{source} with {len(face.template)} vertices",
            f"the {file.vertices} of {file.path}",
            "Give the face that it was trained on.",
        )
    return face


def _deviation(args: argparse.Namespace) -> int:
    from emoface_training.faceformer.deviation import deviations, table
    from emoface_training.faceformer.published_file import FaceFormerFile, Mode

    file = FaceFormerFile(Path(args.file), args.variant, args.encoder_heads)
    modes = [Mode("window", n, args.look_ahead, args.block) for n in _numbers("--windows", args.windows)]
    calibration = _speech(args.calibrate)
    if calibration:
        modes += [Mode("band", left=n, right=args.right) for n in _numbers("--bands", args.bands)]
    else:
        print("band mode is left out: it needs speech to calibrate on (--calibrate)", file=sys.stderr)
    rows = list(deviations(file, modes, _speech(args.audio), calibration))
    if args.json:
        print(json.dumps({"file": args.file, "rows": [_row(row) for row in rows]}))
    else:
        print(table(rows))
    return 0


def _row(row: Any) -> dict[str, Any]:
    m = row.mode
    sees = {"window_ms": 20 * m.window, "block_ms": 20 * m.block} if m.name == "window" else {"left": m.left}
    measured = {"rms_mm": row.rms_mm, "max_mm": row.largest_mm, "motion_rms_mm": row.motion_mm}
    return {"mode": m.name, **sees, "look_ahead_ms": row.look_ahead_ms, **measured}


def _numbers(option: str, text: str) -> list[int]:
    from emoface_training.errors import OptionsError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise OptionsError(
            f"{option} {text}", "whole numbers separated by commas", "Write for example 50,100."
        ) from None


def _speech(paths: list[str] | None) -> list[Any]:
    """Sound files as tensors float32 [N] at 16 kHz."""
    import torch

    from emoface_training.clips.unlabelled_speech import read_clip

    return [torch.from_numpy(read_clip(Path(path))) for path in paths or ()]
