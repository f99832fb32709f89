"""`emoface engine`: the command line of the engine builder. Heavy imports happen when it runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command; called through the entry-point group `emoface.commands`."""
    parser = subparsers.add_parser(
        "engine",
        help="build TensorRT engines of a package",
        description="Build TensorRT engines of a package's stages into the engine cache. The flavour rtx needs no GPU; "
        "full builds on the GPU that will run them.",
    )
    parser.add_argument("package", metavar="PACKAGE", help='package folder, .emoface file or "default"')
    parser.add_argument("--flavour", choices=("rtx", "full"), default="rtx", help="TensorRT for RTX, or TensorRT")
    parser.add_argument("--fp16", action="store_true", help="compute in half precision")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        help="precision of the package to build from (default: its own)",
    )
    parser.add_argument("--targets", metavar="LIST", default="", help="rtx: for example `sm86,sm89,sm120`")
    parser.add_argument("--plugin", action="store_true", help="compile SpiralConv3D as EmoFace's plugin")
    parser.add_argument("--block-ms", type=int, metavar="MS", help="block of the streams (default: the package's)")
    parser.add_argument(
        "--stage", action="append", default=[], metavar="NAME", help="build this stage alone; repeatable"
    )
    parser.add_argument(
        "--cache", "--out", dest="cache", metavar="DIR", help="engine cache (default: $EMOFACE_CACHE, or the user's)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build; exit code 0, or that of the typed error."""
    from emoface.errors import BackendError, UsageError
    from emoface.package import Package

    if args.fp16 and args.precision not in (None, "fp16"):
        raise UsageError(f"--fp16 with --precision {args.precision}", "one of the two", "Leave one out.")
    package = Package.load(args.package)
    try:
        from emoface_export.tensorrt import EngineOptions, build_engines
    except ImportError as error:
        raise BackendError(
            f"the exporter's libraries are missing ({error})",
            "the extras [export] and [rtx]",
            'pip install "emoface[export,rtx]"',
        ) from None
    options = EngineOptions(
        flavour=args.flavour,
        precision="fp16" if args.fp16 else args.precision,
        targets=tuple(dict.fromkeys(part.strip().lower() for part in args.targets.split(",") if part.strip())),
        plugin=args.plugin,
        block_ms=args.block_ms,
        stages=tuple(args.stage),
        root=Path(args.cache) if args.cache else None,
    )
    built = build_engines(package, options, lambda text: print(f"{text} ...", file=sys.stderr))
    if args.json:
        print(json.dumps({"package": package.digest, "engines": [_entry(engine) for engine in built]}))
        return 0
    for engine in built:
        lengths = f"n {engine.lengths.low}" + (
            f" to {engine.lengths.high}" if engine.lengths.high > engine.lengths.low else ""
        )
        print(
            f"{engine.bytes / 1e6:8.3f} MB  {engine.seconds:6.2f} s  {engine.key.stage:<16} {lengths:<9} {engine.path}"
        )
    return 0


def _entry(engine: Any) -> dict[str, Any]:
    key = engine.key
    return {
        "stage": key.stage,
        "flavour": key.flavour,
        "tensorrt": key.version,
        "precision": key.precision,
        "gpus": list(key.gpus),
        "plugin": key.plugin,
        "block_ms": key.block_ms,
        "n": [engine.lengths.low, engine.lengths.high],
        "bytes": engine.bytes,
        "build_seconds": round(engine.seconds, 3),
        "layers": engine.layers,
        "plugin_layers": engine.plugins,
        "path": str(engine.path),
    }
