"""The native library, the C# programs compiled with Mono, and tiny packages for both."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import handmade
import handmade_head
import numpy as np
import pytest
from needs import lacking

ROOT = Path(__file__).resolve().parents[2]
UNITY = ROOT / "bindings" / "unity"
HERE = Path(__file__).parent
# C# 7.2 is what Unity 2021.3 and Mono's compiler both read. 649: fields that only the inspector sets.
MCS = ["mcs", "-langversion:7.2", "-warnaserror", "-nowarn:649"]


def compile_library(out: Path, sources: Path, *references: Path, unsafe: bool = False) -> Path:
    """A C# library of a file, or of all files in a folder."""
    linked = [f"-r:{reference}" for reference in references]
    files = [str(sources)] if sources.is_file() else sorted(str(path) for path in sources.glob("*.cs"))
    flags = ["-unsafe"] if unsafe else []
    done = subprocess.run(
        [*MCS, *flags, "-target:library", f"-out:{out}", *linked, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def mono() -> str:
    """Mono with its C# compiler."""
    if reason := lacking("mono"):
        pytest.skip(reason)
    return "mono"


@pytest.fixture(scope="session")
def assemblies(mono: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with binding, component, inspector, sample (against stand-ins for the engine) and Checks.exe."""
    folder = tmp_path_factory.mktemp("mono")
    core = compile_library(folder / "EmoFace.Core.dll", UNITY / "Runtime" / "Core", unsafe=True)
    engine = compile_library(folder / "UnityEngine.dll", HERE / "unity_stub")
    unity = compile_library(folder / "EmoFace.Unity.dll", UNITY / "Runtime" / "Unity", core, engine)
    editor = compile_library(folder / "EmoFace.Editor.dll", UNITY / "Editor", core, engine, unity)
    sample = compile_library(folder / "EmoFace.Sample.dll", UNITY / "Samples~" / "TalkingFace", core, engine, unity)
    example = compile_library(
        folder / "Example.dll", ROOT / "examples/unity/Assets/EmoFaceExample", core, engine, unity
    )
    # What the README shows compiles.
    shown = re.findall(r"```csharp\n(.*?)```", (UNITY / "README.md").read_text(), re.S)
    (folder / "Shown.cs").write_text("\n".join(shown))
    compile_library(folder / "Shown.dll", folder / "Shown.cs", core, engine, unity)
    linked = [f"-r:{path}" for path in (core, engine, unity, editor, sample, example)]
    files = sorted(str(path) for path in (HERE / "checks").glob("*.cs"))
    subprocess.run([*MCS, f"-out:{folder / 'Checks.exe'}", *linked, *files], check=True)
    return folder


def with_face(source: Path, target: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Path:
    """A copy of a package whose face's arrays went through `change`."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with np.load(io.BytesIO(files["face.npz"])) as stored:
        arrays = change(dict(stored))
    face = io.BytesIO()
    np.savez(face, **arrays)
    files["face.npz"] = face.getvalue()
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["face.npz"] = {
        "sha256": hashlib.sha256(files["face.npz"]).hexdigest(),
        "bytes": len(files["face.npz"]),
    }
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(name, data)
    return target


def without_blendshapes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if not name.startswith("blendshape")}


def with_blendshapes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Three shapes: the lower half goes down, either side goes out."""
    template = arrays["template"]
    x, y, _ = (template / np.abs(template).max()).T
    shapes = np.zeros((3, *template.shape), np.float32)
    shapes[0, :, 1] = np.where(y < 0, 0.02 * y, 0)
    shapes[1, :, 0] = np.where(x > 0, 0.02 * x, 0)
    shapes[2, :, 0] = np.where(x < 0, 0.02 * x, 0)
    names = np.array(["jawOpen", "mouthSmileLeft", "mouthSmileRight"])
    return without_blendshapes(arrays) | {"blendshapes": shapes, "blendshape_names": names}


@pytest.fixture(scope="session")
def shapes_package(tiny_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny package with the blendshapes jawOpen, mouthSmileLeft and mouthSmileRight."""
    return with_face(tiny_package, tmp_path_factory.mktemp("shapes") / "shapes.emoface", with_blendshapes)


@pytest.fixture(scope="session")
def plain_package(tiny_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny package without blendshapes."""
    return with_face(tiny_package, tmp_path_factory.mktemp("plain") / "plain.emoface", without_blendshapes)


@pytest.fixture(scope="session")
def moving_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handmade package that moves the head as a whole."""
    files = handmade_head.with_head(handmade.package_files())
    return handmade.write_zip(tmp_path_factory.mktemp("moving") / "moving.emoface", files)


@pytest.fixture(scope="session")
def library() -> Path:
    """libemoface, where the installation builds it."""
    path = ROOT / "sdk" / "emoface" / "_lib" / "libemoface.so"
    if not path.is_file():
        pytest.skip(f"no {path.name}: install with ONNXRUNTIME_ROOT set, a C++ compiler, zlib and nlohmann-json")
    return path


@pytest.fixture(scope="session")
def environment(library: Path) -> dict[str, str]:
    """Where Mono finds the library, and the library ONNX Runtime."""
    import onnxruntime

    found = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
    if not found:
        pytest.skip("this onnxruntime wheel has no shared library to load")
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(library.parent),
        "EMOFACE_ONNXRUNTIME": str(found[0]),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def check(mono: str, assemblies: Path, environment: dict[str, str]) -> Callable[..., str]:
    """Run a check of tests/bindings/checks by its name; fails with its reason."""

    def run(name: str, *arguments: object) -> str:
        command = [mono, str(assemblies / "Checks.exe"), name, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        assert f"passed {name}" in done.stdout
        return done.stdout

    return run
