r"""Assemble the Unity package: scripts, native libraries for Windows and Linux, the model, licences, .meta files.

    pip download onnxruntime --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 -d wheels
    pip download onnxruntime --no-deps --only-binary :all: --platform win_amd64 -d wheels
    python bindings/unity/Tools~/assemble.py --out dist \
        --linux build/runtime --onnxruntime-linux wheels/onnxruntime-*manylinux*.whl \
        --windows build/windows --onnxruntime-windows wheels/onnxruntime-*win_amd64.whl \
        --licence nlohmann-json=/usr/share/doc/nlohmann-json3-dev/copyright \
        --licence zlib=/usr/share/doc/zlib1g/copyright

Writes dist/org.emoface.sdk/ (for the Package Manager's "Add package from disk") and dist/org.emoface.sdk-VERSION.tgz
("Add package from tarball"). A platform whose folder is not given is left out. An ONNX Runtime may also be an installed
package's folder (site-packages/onnxruntime). The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import meta_files

UNITY = Path(__file__).resolve().parents[1]
ROOT = UNITY.parents[1]
MODEL = ROOT / "sdk" / "emoface" / "packages" / "default.emoface"
NOTICES = ("LICENSE", "ThirdPartyNotices.txt")


@dataclass(frozen=True)
class Platform:
    """What a platform's libraries are called."""

    name: str
    library: str
    kernels: str
    onnxruntime: str
    pattern: str


PLATFORMS = {
    "linux": Platform(
        "Linux", "libemoface.so", "libemoface_onnxruntime.so", "libonnxruntime.so", "capi/libonnxruntime.so.*"
    ),
    "windows": Platform("Windows", "emoface.dll", "emoface_onnxruntime.dll", "onnxruntime.dll", "capi/onnxruntime.dll"),
}


def read_onnxruntime(source: Path, pattern: str) -> dict[str, bytes]:
    """The shared library (key "library") and the notices of ONNX Runtime, from a wheel or an installed package."""
    if source.is_dir():
        files = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
        read = {name: path.read_bytes for name, path in files.items()}
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as wheel:
            held = {name.removeprefix("onnxruntime/"): wheel.read(name) for name in wheel.namelist() if wanted(name)}
        read = {name: (lambda data=data: data) for name, data in held.items()}
    else:
        raise SystemExit(f"got {source}; expected a wheel of onnxruntime or the folder of an installed one")
    libraries = [name for name in read if Path(name).match(pattern) and "providers" not in name]
    missing = [name for name in NOTICES if name not in read]
    if len(libraries) != 1 or missing:
        raise SystemExit(f"got {source} with {libraries} and without {missing}; expected one {pattern} and the notices")
    return {"library": read[libraries[0]](), **{name: read[name]() for name in NOTICES}}


def wanted(name: str) -> bool:
    """What is read of a wheel: its libraries and notices."""
    return name.startswith("onnxruntime/capi/") or name.removeprefix("onnxruntime/") in NOTICES


def copy_scripts(target: Path) -> None:
    """Everything of bindings/unity but its tools."""
    shutil.copytree(UNITY, target, ignore=shutil.ignore_patterns("Tools~", "__pycache__", "*.meta"))
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE.md")


def copy_natives(target: Path, platform: Platform, built: Path, onnxruntime: Path) -> dict[str, bytes]:
    """The libraries of one platform; returns ONNX Runtime's notices."""
    folder = target / "Plugins" / platform.name / "x86_64"
    folder.mkdir(parents=True)
    library = built / platform.library
    if not library.is_file():
        raise SystemExit(f"got {built} without {platform.library}; expected the folder that CMake built")
    (folder / platform.library).write_bytes(library.resolve().read_bytes())
    if (built / platform.kernels).is_file():  # the faster backend is optional
        (folder / platform.kernels).write_bytes((built / platform.kernels).read_bytes())
    found = read_onnxruntime(onnxruntime, platform.pattern)
    (folder / platform.onnxruntime).write_bytes(found.pop("library"))
    return found


def write_notices(target: Path, licences: dict[str, bytes]) -> None:
    """Third Party Notices.md, where Unity looks for it: every part that the natives contain, with its licence."""
    parts = ["# Third party notices\n\nThe native libraries in `Plugins` contain or come with:\n"]
    for name, text in sorted(licences.items()):
        parts.append(f"## {name}\n\n```\n{text.decode('utf-8', 'replace').strip()}\n```\n")
    (target / "Third Party Notices.md").write_text("\n".join(parts), encoding="utf-8")


def write_tarball(folder: Path, path: Path) -> None:
    """The package as npm packs it, entries sorted and without times or owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(folder.rglob("*")):
            if not file.is_file():
                continue
            entry = tarfile.TarInfo(f"package/{file.relative_to(folder).as_posix()}")
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as data:
                archive.addfile(entry, data)
    path.write_bytes(gzip.compress(packed.getvalue(), 6, mtime=0))


def assemble(choices: argparse.Namespace) -> Path:
    """Write folder and tarball; returns the tarball."""
    manifest = json.loads((UNITY / "package.json").read_text())
    target = choices.out / manifest["name"]
    if target.exists():
        shutil.rmtree(target)
    choices.out.mkdir(parents=True, exist_ok=True)
    copy_scripts(target)
    licences = {name: Path(path).read_bytes() for name, path in (given.split("=", 1) for given in choices.licence)}
    for key, platform in PLATFORMS.items():
        built, onnxruntime = getattr(choices, key), getattr(choices, f"onnxruntime_{key}")
        if built is None:
            continue
        if onnxruntime is None:
            raise SystemExit(
                f"got --{key} alone; expected --onnxruntime-{key} with it: a wheel or an installed package"
            )
        notices = copy_natives(target, platform, built, onnxruntime)
        licences["ONNX Runtime"] = notices[NOTICES[0]]
        (target / "Plugins" / platform.name / "onnxruntime-ThirdPartyNotices.txt").write_bytes(notices[NOTICES[1]])
    models = target / "Models"
    models.mkdir()
    # A TextAsset: Unity keeps the bytes of a .bytes file as they are.
    (models / f"{choices.model.stem}.bytes").write_bytes(choices.model.read_bytes())
    write_notices(target, licences)
    meta_files.write(target, manifest["name"])
    tarball = choices.out / f"{manifest['name']}-{manifest['version']}.tgz"
    write_tarball(target, tarball)
    return tarball


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("dist"))
    arguments.add_argument("--model", type=Path, default=MODEL, help="an .emoface file (default: the bundled one)")
    for key in PLATFORMS:
        arguments.add_argument(f"--{key}", type=Path, help=f"folder with {PLATFORMS[key].library}")
        arguments.add_argument(f"--onnxruntime-{key}", type=Path, help="wheel of onnxruntime, or its installed folder")
    arguments.add_argument("--licence", action="append", default=[], metavar="NAME=FILE", help="a linked library's")
    choices = arguments.parse_args(argv)
    if choices.linux is None and choices.windows is None:
        arguments.error("give --linux, --windows or both")
    tarball = assemble(choices)
    print(f"{tarball}: {tarball.stat().st_size} bytes, SHA-256 {hashlib.sha256(tarball.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
