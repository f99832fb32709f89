"""`emoface export`: the command line of this part. Heavy imports happen when it runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command; called through the entry-point group `emoface.commands`."""
    parser = subparsers.add_parser(
        "export",
        help="turn a checkpoint into a package",
        description="Export a checkpoint as a package of step graphs, compare it with PyTorch, and write it if it "
        "passes. Nothing is written otherwise.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="folder with config.json and model.safetensors")
    parser.add_argument("--out", required=True, metavar="NAME.emoface", help="package to write")
    parser.add_argument("--int8", action="store_true", help="add int8 encoders")
    parser.add_argument("--fp16", action="store_true", help="add fp16 graphs")
    parser.add_argument(
        "--precisions",
        metavar="LIST",
        help="keep these alone, for example `int8`: leaves out the fp32 graphs of stages that have a smaller one",
    )
    parser.add_argument(
        "--coefficients", action="store_true", help="add the motion in the model's basis (decoder.motion_rank)"
    )
    parser.add_argument("--no-vertices", action="store_true", help="with --coefficients: leave the offsets out")
    parser.add_argument("--folder", action="store_true", help="write a folder instead of one zip file")
    parser.add_argument("--force", action="store_true", help="replace what is at --out")
    parser.add_argument(
        "--face", metavar="FILE.npz", help="template, faces, colours, mask_<name>, face assets (default: found)"
    )
    parser.add_argument(
        "--texture",
        action="append",
        default=[],
        metavar="NAME=FILE.png",
        help="an image of the face, for example albedo=skin.png; repeatable",
    )
    parser.add_argument("--name", metavar="NAME", help="name in the manifest (default: from --out)")
    parser.add_argument("--licence", default="Apache-2.0", metavar="SPDX", help="licence of the weights")
    parser.add_argument(
        "--block-ms",
        type=int,
        metavar="MS",
        help="default block, a multiple of 20 (default: 40, or the only one that fits)",
    )
    parser.add_argument(
        "--unit-in-metres",
        type=float,
        metavar="X",
        help="length of the vertices' unit (default: the dataset's, or 1)",
    )
    parser.add_argument("--provenance", metavar="FILE.json", help="facts to store, for example training metrics")
    parser.add_argument("--audio", nargs="+", metavar="FILE", help="sound files to compare on (default: synthetic)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="audio compared with PyTorch")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export; exit code 0, or that of the typed error."""
    from emoface.errors import BackendError

    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise BackendError(
            f"the exporter's libraries are missing ({error})", "the extra [export]", 'pip install "emoface[export]"'
        ) from None

    from emoface_export.export import export_package
    from emoface_export.face_file import find_face, with_textures
    from emoface_training.models.checkpoint import load

    path = Path(args.out)
    options, textures = _options(args, path), _textures(args)
    torch.set_num_threads(1)
    model, _ = load(Path(args.checkpoint))
    face = find_face(Path(args.checkpoint), model, Path(args.face) if args.face else None)
    face = with_textures(face, textures)
    report = export_package(model, face, path, options, lambda text: print(f"{text} ...", file=sys.stderr))
    _print_report(args, report)
    return 0


def _options(args: argparse.Namespace, path: Path) -> Any:
    import numpy as np

    from emoface.errors import UsageError
    from emoface_export.export import ExportOptions
    from emoface_export.package_manifest import PackageFacts
    from emoface_training.clips.unlabelled_speech import read_clip

    block, rest = (0, 0) if args.block_ms is None else divmod(args.block_ms, 20)
    if rest or args.block_ms == 0:
        raise UsageError(f"--block-ms {args.block_ms}", "a multiple of 20", "Try 40.")
    if args.precisions is not None:
        precisions = tuple(dict.fromkeys(part.strip() for part in args.precisions.split(",")))
    else:
        precisions = ("fp32", *(("fp16",) if args.fp16 else ()), *(("int8",) if args.int8 else ()))
    facts = PackageFacts(
        name=args.name or path.name.removesuffix(".emoface"),
        licence=args.licence,
        block_features=block,
        unit_in_metres=_unit(Path(args.checkpoint)) if args.unit_in_metres is None else args.unit_in_metres,
    )
    return ExportOptions(
        facts=facts,
        precisions=precisions,
        folder=args.folder,
        force=args.force,
        seconds=args.seconds,
        coefficients=args.coefficients,
        vertices=not args.no_vertices,
        audio=np.concatenate([read_clip(Path(path)) for path in args.audio]) if args.audio else None,
        provenance=_provenance(args),
    )


def _textures(args: argparse.Namespace) -> dict[str, Path]:
    """Files by the names of textures."""
    from emoface.errors import UsageError

    files: dict[str, Path] = {}
    for given in args.texture:
        name, _, file = given.partition("=")
        if not name or not file or name in files:
            raise UsageError(f"--texture {given!r}", "NAME=FILE.png, every name once", "Write albedo=skin.png.")
        files[name] = Path(file)
    return files


def _unit(checkpoint: Path) -> float:
    """Length of the unit in metres that the checkpoint's face states (datasets are not all in metres), or 1."""
    import zipfile

    import numpy as np

    try:
        with np.load(checkpoint / "face.npz", allow_pickle=False) as face:
            return float(face["unit_in_metres"]) if "unit_in_metres" in face.files else 1.0
    except (OSError, ValueError, zipfile.BadZipFile):  # none, or one that `find_face` refuses with its reason
        return 1.0


def _provenance(args: argparse.Namespace) -> dict[str, Any]:
    """`provenance.json` of the checkpoint, overlaid with --provenance."""
    from emoface.errors import UsageError

    facts: dict[str, Any] = {}
    for path in (Path(args.checkpoint) / "provenance.json", args.provenance and Path(args.provenance)):
        if not path or (path.parent == Path(args.checkpoint) and not path.is_file()):
            continue
        try:
            facts |= json.loads(Path(path).read_text())
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path}: {error}", "a JSON object", "Check the file given with --provenance.") from None
    return facts


def _print_report(args: argparse.Namespace, report: Any) -> None:
    if args.json:
        print(
            json.dumps(
                {
                    "out": args.out,
                    "bytes": report.size,
                    "files": report.files,
                    "checks": [c.to_json() for c in report.comparisons],
                }
            )
        )
        return
    for name, size in sorted(report.files.items(), key=lambda item: -item[1]):
        print(f"{size / 1e6:8.3f} MB  {name}")
    print(f"{report.size / 1e6:8.3f} MB  {args.out}")
    for c in report.comparisons:
        limit = "" if c.limit is None else f" (limit {c.limit:.3g})"
        print(f"{c.name}: {c.value:.3g} {c.unit}{limit}")
