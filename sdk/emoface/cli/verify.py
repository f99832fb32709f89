"""`emoface verify`: prove a package on this machine."""

from __future__ import annotations

import argparse
import json
import math
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.errors import BackendError

if TYPE_CHECKING:
    from emoface.package import Package

REFERENCE_GROUP = "emoface.references"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "verify",
        help="prove a package on this machine",
        description="Compare with the golden vectors, feed random cuts, and with --checkpoint run PyTorch beside it.",
    )
    options.add_package_first(parser)
    parser.add_argument("--checkpoint", metavar="CKPT", help="checkpoint folder: whole-clip PyTorch as the reference")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="audio compared with --checkpoint")
    options.add_backend(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every check; exit code 3 if one fails."""
    from emoface.package import Package
    from emoface.verification import verify_cuts, verify_golden

    package = Package.load(args.package)
    found = verify_golden(package, args.backend, args.precision) + verify_cuts(package, args.backend, args.precision)
    checks = [{"name": c.name, "value": c.value, "limit": c.limit, "unit": c.unit, "passed": c.passed} for c in found]
    if args.checkpoint is not None:
        checks += _against_checkpoint(package, args)
    passed = all(check["passed"] for check in checks)
    if args.json:
        print(json.dumps({"package": package.digest, "passed": passed, "checks": [_finite(c) for c in checks]}))
    else:
        for check in checks:
            verdict = "ok" if check["passed"] else "FAIL"
            limit = "" if check["limit"] is None else f" (limit {check['limit']:.3g})"
            print(f"{verdict:<5} {check['name']}: {check['value']:.3g} {check['unit']}{limit}")
        print("verified" if passed else "this package does not reproduce its golden vectors here")
    return 0 if passed else 3


def _finite(check: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN or infinity: such a value is null."""
    return {**check, "value": check["value"] if math.isfinite(check["value"]) else None}


def _against_checkpoint(package: Package, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Delegate to the reference that the export part registers; the SDK itself knows no PyTorch."""
    points = entry_points(group=REFERENCE_GROUP, name="pytorch")
    remedy = 'Install it: pip install "emoface[export]"'
    if not points:
        raise BackendError("no PyTorch reference", "the extra [export]", remedy)
    try:
        compare = next(iter(points)).load()
        return list(
            compare(
                package,
                Path(args.checkpoint),
                backend=args.backend,
                precision=args.precision,
                seconds=args.seconds,
            )
        )
    except ImportError as error:
        raise BackendError(f"a PyTorch reference that cannot be imported ({error})", "[export]", remedy) from None
