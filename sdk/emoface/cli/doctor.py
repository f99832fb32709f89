"""`emoface doctor`: is this installation fit to run, and if not, which command repairs it."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from emoface import __version__
from emoface.cli import options
from emoface.errors import EmoFaceError

_EXTRAS = {
    "view": ("pygltflib", "av", "PIL"),
    "train": ("torch", "accelerate", "safetensors", "yaml", "tqdm", "tensorboard", "scipy"),
    "report": ("matplotlib", "jinja2", "av", "PIL"),
    "export": ("torch", "onnx", "onnxscript"),
    "rtx": ("tensorrt_rtx", "cuda"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: status is "ok", "note" (an optional part) or "fault"."""

    subject: str
    status: str
    text: str
    remedy: str = ""


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("doctor", help="check this installation", description="Check this installation.")
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every finding; exit code 5 if one is a fault."""
    findings = examine()
    if args.json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.status:<6} {finding.subject:<16} {finding.text}")
            if finding.remedy:
                print(f"       {'':<16} -> {finding.remedy}")
    return 5 if any(finding.status == "fault" for finding in findings) else 0


def examine() -> list[Finding]:
    """All findings."""
    findings = [
        Finding("emoface", "ok", __version__),
        _python(),
        _distribution("numpy"),
        _onnxruntime(),
        _soundfile(),
        _native(),
        *_gpu(),
        *_backends(),
        *(_extra(name, modules) for name, modules in _EXTRAS.items()),
        _default_package(),
    ]
    return findings


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def _distribution(name: str) -> Finding:
    found = installed(name)
    if found is None:
        return Finding(name, "fault", "not installed", f"pip install {name}")
    return Finding(name, "ok", found)


def _onnxruntime() -> Finding:
    """The CPU and GPU distributions write the same module: with both, whichever came last wins, with files mixed."""
    cpu, gpu = installed("onnxruntime"), installed("onnxruntime-gpu")
    repair = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime  (or: onnxruntime-gpu)"
    if cpu and gpu:
        return Finding("onnxruntime", "fault", f"onnxruntime {cpu} and onnxruntime-gpu {gpu}: one module", repair)
    if not cpu and not gpu:
        return Finding("onnxruntime", "fault", "not installed", "pip install onnxruntime")
    try:
        import onnxruntime

        providers = ", ".join(onnxruntime.get_available_providers())
    except (ImportError, AttributeError, OSError) as error:
        return Finding("onnxruntime", "fault", f"cannot be used: {error}", repair)
    return Finding("onnxruntime", "ok", f"{'onnxruntime-gpu' if gpu else 'onnxruntime'} {cpu or gpu}: {providers}")


def _soundfile() -> Finding:
    try:
        import soundfile

        return Finding("soundfile", "ok", f"{soundfile.__version__}, {soundfile.__libsndfile_version__}")
    except (ImportError, OSError) as error:
        remedy = "pip install soundfile  (and on some systems: apt install libsndfile1)"
        return Finding("soundfile", "fault", f"cannot be used: {error}", remedy)


def _native() -> Finding:
    """The compiled kernels for numpy arrays: optional, built where a C++ compiler was found."""
    remedy = "install a C++ compiler (apt install g++), then install emoface from source again"
    if find_spec("emoface._native") is None:
        return Finding("native module", "note", "emoface._native is not part of this build", remedy)
    try:
        report = import_module("emoface._native").isa()
    except ImportError as error:
        return Finding("native module", "fault", f"emoface._native cannot be loaded: {error}", remedy)
    return Finding("native module", "ok", f"emoface._native: {report['best']} of {', '.join(report['available'])}")


def _gpu() -> list[Finding]:
    """The driver, the CUDA parts of this build and the cache of TensorRT engines: all optional."""
    from emoface.backends.cuda_device import driver_reason
    from emoface.backends.engine_cache import SUFFIX, cache_root
    from emoface.backends.tensorrt_library import plugin_path

    reason = driver_reason()
    findings = [Finding("NVIDIA driver", "ok" if reason is None else "note", reason or "a GPU can be used")]
    for subject, path, needs in (
        ("CUDA kernels", plugin_path().with_name("libemoface_cuda" + plugin_path().suffix), "nvcc (CUDA_HOME)"),
        ("TensorRT plugin", plugin_path(), "nvcc (CUDA_HOME) and TensorRT's headers (TENSORRT_ROOT)"),
    ):
        if path.is_file():
            findings.append(Finding(subject, "ok", path.name))
        else:
            remedy = f"install emoface from source with {needs}"
            findings.append(Finding(subject, "note", f"{path.name} is not part of this build", remedy))
    root = cache_root()
    count = len(list(root.glob(f"*/*/*/*{SUFFIX}"))) if root.is_dir() else 0
    return [*findings, Finding("engine cache", "ok", f"{root}: {count} engines")]


def _backends() -> list[Finding]:
    from emoface.backends import absence, absent_backends, available_backends

    findings = [Finding("backend", "ok", name) for name in available_backends()]
    for name in absent_backends():
        why, remedy = absence(name) or ("", "")
        findings.append(Finding("backend", "note", f"{name}: {why}", remedy))
    return findings


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        return Finding(f"extra [{name}]", "note", f"without {', '.join(missing)}", f'pip install "emoface[{name}]"')
    return Finding(f"extra [{name}]", "ok", ", ".join(modules))


def _default_package() -> Finding:
    from emoface.package import Package

    try:
        package = Package.load()
    except EmoFaceError as error:
        return Finding("default package", "fault", str(error), "Install emoface again.")
    return Finding("default package", "ok", f"{package.manifest.name}, SHA-256 {package.digest[:12]}")
