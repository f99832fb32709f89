"""The Unreal plugin: its core compiled and tested without the engine, the rest against a stand-in for the engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import handmade
import handmade_gaze
import pytest

import emoface

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "bindings" / "unreal"
MODULE = PLUGIN / "Source" / "EmoFaceRuntime"
HERE = Path(__file__).parent / "unreal"
EXAMPLE = ROOT / "examples" / "unreal"
COMPILER = shutil.which("g++") or shutil.which("c++")
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1", "-O1"]

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")


def build(out: Path, sources: list[Path], includes: list[Path], *flags: str) -> Path:
    """A program of C++17, warnings are errors."""
    folders = [f"-I{folder}" for folder in (*includes, MODULE / "Core", ROOT / "csrc" / "include")]
    command = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", *flags, *folders, *map(str, sources)]
    done = subprocess.run([*command, "-o", str(out), "-ldl", "-pthread"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


def run(program: Path, library: Path, environment: dict[str, str], *packages: Path) -> None:
    command = [str(program), str(library), environment["EMOFACE_ONNXRUNTIME"], *map(str, packages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stderr[-4000:]


@needs_compiler
def test_core_without_the_engine(
    library: Path, environment: dict[str, str], shapes_package: Path, moving_package: Path, tmp_path: Path
) -> None:
    # As the engine compiles: without exceptions and run-time types
    flags = ["-fno-exceptions", "-fno-rtti", *SANITIZERS]
    program = build(tmp_path / "core", [HERE / "test_core.cpp", *(MODULE / "Core").glob("*.cpp")], [], *flags)
    looking = handmade.write_zip(tmp_path / "looking.emoface", handmade_gaze.with_gaze(handmade.package_files()))
    run(program, library, environment, shapes_package, moving_package, looking)


@needs_compiler
def test_component_against_a_stand_in(
    library: Path, environment: dict[str, str], shapes_package: Path, tmp_path: Path
) -> None:
    sources = [*(MODULE / "Private").glob("*.cpp"), *(MODULE / "Core").glob("*.cpp"), *EXAMPLE.glob("*.cpp")]
    own = {path.name for folder in (MODULE, EXAMPLE) for path in folder.rglob("*.h")}
    # Every header of the engine that the plugin names is the one stand-in.
    for source in (*MODULE.rglob("*.[hc]*"), *EXAMPLE.glob("*.[hc]*")):
        for name in re.findall(r'#include "([\w/.]+)"', source.read_text()):
            if name not in own:
                (tmp_path / "engine" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "engine" / name).write_text('#include "UnrealStub.h"\n')
    includes = [tmp_path / "engine", HERE, EXAMPLE, MODULE / "Public", MODULE / "Private"]
    flags = ["-O0", "-Wno-unused-parameter", "-Wno-sign-compare"]
    program = build(tmp_path / "component", [HERE / "test_component.cpp", *sources], includes, *flags)
    run(program, library, environment, shapes_package)


def test_plugin_description() -> None:
    plugin = json.loads((PLUGIN / "EmoFace.uplugin").read_text())
    entry = (MODULE / "Private" / "EmoFaceModule.cpp").read_text()
    assert plugin["VersionName"] == emoface.__version__
    for module in plugin["Modules"]:
        rules = PLUGIN / "Source" / module["Name"] / f"{module['Name']}.Build.cs"
        assert f"public class {module['Name']} : ModuleRules" in rules.read_text()
        assert f"IMPLEMENT_MODULE(FEmoFaceModule, {module['Name']})" in entry
    # The engine generates one header per class header, and wants it included last.
    for header in (MODULE / "Public").glob("*.h"):
        text = header.read_text()
        if "GENERATED_BODY" in text:
            included = [name for name in re.findall(r'#include ["<]([\w/.]+)[">]', text)]
            assert included[-1] == f"{header.stem}.generated.h"


def test_assembled_plugin(tmp_path: Path) -> None:
    for name in ("libemoface.so", "emoface.dll"):
        (tmp_path / name).write_text(name)
    wheels = {"linux": "capi/libonnxruntime.so.1.22.0", "windows": "capi/onnxruntime.dll"}
    command = [sys.executable, str(PLUGIN / "assemble.py"), "--out", str(tmp_path / "out")]
    for key, name in wheels.items():
        folder = tmp_path / key
        (folder / "capi").mkdir(parents=True)
        (folder / name).write_text(name)
        for notice in ("LICENSE", "ThirdPartyNotices.txt"):
            (folder / notice).write_text(notice)
        command += [f"--{key}", str(tmp_path), f"--onnxruntime-{key}", str(folder)]
    subprocess.run(command, check=True)
    out = tmp_path / "out" / "EmoFace"
    natives = out / "Source" / "ThirdParty" / "EmoFaceLibrary"
    assert (natives / "Win64" / "emoface.dll").read_text() == "emoface.dll"
    assert (natives / "Linux" / "libonnxruntime.so").read_text() == wheels["linux"]
    assert (natives / "include" / "emoface.h").read_bytes() == (ROOT / "csrc/include/emoface.h").read_bytes()
    assert (out / "Resources" / "Models" / "default.emoface").stat().st_size > 1_000_000
    assert (out / "EmoFace.uplugin").is_file() and not (out / "assemble.py").exists()
    assert "ONNX Runtime" in (out / "Third Party Notices.md").read_text()
