r"""Assemble the Unreal plugin: sources, header, native libraries for Windows and Linux, the model, licences.

    python bindings/unreal/assemble.py --out dist \
        --linux build/runtime --onnxruntime-linux wheels/onnxruntime-*manylinux*.whl \
        --windows build/windows --onnxruntime-windows wheels/onnxruntime-*win_amd64.whl

Writes dist/EmoFace/: copy it to the Plugins folder of a C++ project. The options are those of the Unity package's
script, bindings/unity/Tools~/assemble.py, which this one shares its reading of ONNX Runtime with.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

UNREAL = Path(__file__).resolve().parent
ROOT = UNREAL.parents[1]
FOLDERS = {"linux": "Linux", "windows": "Win64"}


def unity_script() -> ModuleType:
    """bindings/unity/Tools~/assemble.py: a folder of that name is not importable by name."""
    path = ROOT / "bindings" / "unity" / "Tools~" / "assemble.py"
    spec = importlib.util.spec_from_file_location("assemble_unity", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main(argv: list[str] | None = None) -> int:
    unity = unity_script()
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("dist"))
    arguments.add_argument("--model", type=Path, default=unity.MODEL)
    for key in FOLDERS:
        arguments.add_argument(f"--{key}", type=Path, help="folder with the built library")
        arguments.add_argument(f"--onnxruntime-{key}", type=Path, help="wheel of onnxruntime, or its installed folder")
    arguments.add_argument("--licence", action="append", default=[], metavar="NAME=FILE", help="a linked library's")
    choices = arguments.parse_args(argv)
    target = choices.out / "EmoFace"
    if target.exists():
        shutil.rmtree(target)
    choices.out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(UNREAL, target, ignore=shutil.ignore_patterns("assemble.py", "__pycache__"))
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE")
    third_party = target / "Source" / "ThirdParty" / "EmoFaceLibrary"
    (third_party / "include").mkdir()
    shutil.copyfile(ROOT / "csrc" / "include" / "emoface.h", third_party / "include" / "emoface.h")
    licences = {name: Path(path).read_bytes() for name, path in (given.split("=", 1) for given in choices.licence)}
    for key, folder in FOLDERS.items():
        built, onnxruntime = getattr(choices, key), getattr(choices, f"onnxruntime_{key}")
        if built is None:
            continue
        if onnxruntime is None:
            arguments.error(f"give --onnxruntime-{key} with --{key}")
        platform = unity.PLATFORMS[key]
        found = unity.read_onnxruntime(onnxruntime, platform.pattern)
        (third_party / folder).mkdir()
        (third_party / folder / platform.library).write_bytes((built / platform.library).resolve().read_bytes())
        if (built / platform.kernels).is_file():  # the faster backend is optional
            (third_party / folder / platform.kernels).write_bytes((built / platform.kernels).resolve().read_bytes())
        (third_party / folder / platform.onnxruntime).write_bytes(found["library"])
        licences["ONNX Runtime"] = found["LICENSE"]
        (third_party / folder / "onnxruntime-ThirdPartyNotices.txt").write_bytes(found["ThirdPartyNotices.txt"])
    models = target / "Resources" / "Models"
    models.mkdir(parents=True)
    shutil.copyfile(choices.model, models / "default.emoface")
    unity.write_notices(target, licences)
    print(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
