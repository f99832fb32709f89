#!/usr/bin/env python3
"""The source distribution is complete: it holds every file that git tracks, and a wheel built from it holds, file by
file, what a wheel built from the tree holds.

    .ci/compare_wheels.py [--native]

Needs setuptools and pybind11. Without --native nothing is compiled, which takes seconds; with it the compiled libraries
are compared too. The tree is the commit that is checked out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(kind: str, source: Path, folder: Path, native: bool) -> Path:
    """Run setuptools' backend in `source`; the file it made."""
    folder.mkdir()
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    environment = os.environ if native else {**os.environ, "CXX": "no-compiler", "EMOFACE_CUDA": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{kind} of {source}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    (made,) = folder.iterdir()
    return made


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def fail(what: str, names: list[str]) -> None:
    if names:
        sys.exit(f"{len(names)} files {what}: {', '.join(names[:10])}")


def main() -> None:
    native = sys.argv[1:] == ["--native"]
    if sys.argv[1:] and not native:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work, "tree")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=True)
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=tree, capture_output=True, text=True, check=True).stdout
        packed = build("sdist", tree, Path(work, "sdist"), native)
        with tarfile.open(packed) as archive:
            archive.extractall(work, filter="data")
        unpacked = Path(work, packed.name.removesuffix(".tar.gz"))
        missing = [name for name in tracked.split("\0") if name and not (unpacked / name).is_file()]
        fail("of the repository are not in the source distribution", missing)
        wheels = [members(build("wheel", source, source.with_suffix(".wheel"), native)) for source in (tree, unpacked)]
        fail("are in one wheel alone", sorted(wheels[0].keys() ^ wheels[1].keys()))
        fail("differ between the wheels", sorted(name for name in wheels[0] if wheels[0][name] != wheels[1][name]))
        compiled = sum(name.endswith(".so") for name in wheels[0])
        print(f"{packed.name}: all {tracked.count(chr(0))} files; wheels equal: {len(wheels[0])}, {compiled} compiled")


if __name__ == "__main__":
    main()
