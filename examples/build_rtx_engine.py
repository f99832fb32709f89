"""Build TensorRT for RTX engines of a package on a machine without a GPU, and read back what the cache then holds.

    pip install "emoface[export,rtx]"
    python examples/build_rtx_engine.py --package default --targets sm86,sm89,sm120 --cache engines

A game ships the cache folder beside the package; on the player's card:

    EMOFACE_CACHE=engines emoface animate voice.wav -o face.npz --backend tensorrt-rtx
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import emoface
from emoface.backends.engine_cache import stored_engines
from emoface_export.tensorrt import EngineOptions, build_engines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", default="default")
    parser.add_argument("--targets", default="sm86,sm89,sm120", help="compute capabilities of the players' cards")
    parser.add_argument("--precisions", default="fp16", help="fp32, fp16, int8, separated by commas")
    parser.add_argument("--stage", action="append", default=[], help="build this stage alone; repeatable")
    parser.add_argument("--cache", type=Path, default=Path("engines"))
    args = parser.parse_args()

    package = emoface.Package.load(args.package)
    try:
        for precision in args.precisions.split(","):
            options = EngineOptions(
                precision=precision,
                targets=tuple(args.targets.split(",")),
                stages=tuple(args.stage),
                root=args.cache,
            )
            for engine in build_engines(package, options):
                print(
                    f"built {engine.key.stage:<16} {precision}: {engine.bytes / 1e6:.1f} MB in {engine.seconds:.1f} s"
                )
    except emoface.EmoFaceError as error:
        print(f"not built: {error}", file=sys.stderr)
        return error.exit_code

    total = 0
    for path, header in stored_engines(args.cache, package.digest):
        key, total = header.key, total + header.bytes
        print(
            f"{path.name:<24} {key.precision} for {'+'.join(key.gpus)}, n {header.lengths[0]} to {header.lengths[1]}, "
            f"TensorRT for RTX {key.version}, SHA-256 {header.sha256[:12]}"
        )
    print(f"{total / 1e6:.1f} MB in {args.cache}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
