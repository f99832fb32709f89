"""`emoface web`: a page that runs a package in the browser, as files for any static host."""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.errors import OutputError, UsageError

if TYPE_CHECKING:
    from emoface.package import Package

PAGE = Path(__file__).parents[1] / "_web"
SPEECH = Path(__file__).parents[1] / "assets" / "speech.wav"
PACKAGE_NAME, SPEECH_NAME = "package.emoface", "speech.wav"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "web",
        help="write a page that runs a package in the browser",
        description="Write a static page into a folder, for any host with HTTPS; no server of ours is needed.",
    )
    parser.add_argument("out", metavar="OUT", help="folder, made if it is missing")
    options.add_package(parser)
    parser.add_argument("--force", action="store_true", help="write into a folder that has other files, too")
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page, the package and a sample of speech."""
    from emoface.package import Package

    page, out = page_files(), Path(args.out)
    package = Package.load(args.package)
    check_streams(package)
    files: dict[str, Path | bytes] = {**page, PACKAGE_NAME: packed(package, args.package), SPEECH_NAME: SPEECH}
    write_page(out, files, force=args.force)
    total = sum(len(data) if isinstance(data, bytes) else data.stat().st_size for data in files.values())
    if args.json:
        print(json.dumps({"folder": str(out), "files": sorted(files), "bytes": total, "package": package.digest}))
    else:
        print(f"{out}: {len(files)} files, {total / 1e6:.1f} MB, package {package.manifest.name}")
        print(f"Try it: emoface view {args.package}. Elsewhere it needs HTTPS, or the microphone stays off.")
    return 0


def page_files() -> dict[str, Path]:
    """The built page by the names of its files; UsageError where this installation has none."""
    names = ("index.html", "page.js", "worker.js", "capture.js", "ort-wasm-simd-threaded.wasm")
    if not all((PAGE / name).is_file() for name in names):
        raise UsageError(
            f"an installation without the page ({PAGE})",
            "the page, which `make web` builds with Node.js, and which wheels that are built after it hold",
            "In a source tree: make web. Then try again.",
        )
    return {path.name: path for path in sorted(PAGE.iterdir()) if path.is_file()}


def check_streams(package: Package) -> None:
    """UsageError for a package that the page cannot run."""
    if not package.manifest.streams:
        raise UsageError(
            f"package {package.manifest.name!r}, which hears clips as a whole",
            "a package that streams",
            "Export the model with a band or a window.",
        )


def packed(package: Package, source: str) -> bytes:
    """The package as one .emoface file."""
    from emoface.manifest import MANIFEST_NAME
    from emoface.package import locate

    path = locate(source)
    if path.is_file():
        return path.read_bytes()
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (MANIFEST_NAME, *sorted(package.manifest.files)):
            data = (path / name).read_bytes() if name == MANIFEST_NAME else package.file(name)
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write_page(out: Path, files: dict[str, Path | bytes], *, force: bool) -> None:
    """Write all files, each whole or not at all, the page itself last: an unfinished copy has no index.html."""
    from emoface.writers.atomic import replacing

    try:
        out.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in out.iterdir() if path.name not in files)
    except OSError as error:
        raise OutputError(f"{out}: {error}", "a folder that can be written", "Choose another folder.") from None
    if others and not force:
        raise OutputError(
            f"{out}, which has other files ({others[0]})", "an empty folder", "Choose another, or --force."
        )
    for name in sorted(files, key=lambda name: name == "index.html"):
        data = files[name]
        with replacing(out / name) as temporary:
            if isinstance(data, bytes):
                temporary.write_bytes(data)
            else:
                shutil.copyfile(data, temporary)
