"""`emoface doctor`: is this installation fit to run, and if not, which command repairs it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
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


_TRIAL_S = 0.5


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
    return _aged(name, name, found, found)


def _aged(subject: str, name: str, found: str, text: str) -> Finding:
    """A fault where the installed version is older than what this distribution asks for."""
    floor = _floor(name)
    if _numbers(found) < _numbers(floor):
        return Finding(subject, "fault", f"{text}: older than {floor}", f'pip install "{name}>={floor}"')
    return Finding(subject, "ok", text)


def _floor(name: str) -> str:
    """The oldest version of a dependency that this distribution's metadata allow; "0" where they name none."""
    try:
        required = requires("emoface") or []
    except PackageNotFoundError:
        return "0"  # sources on the path, not installed
    found = (re.match(rf"{re.escape(name)}\s*\(?>=\s*([0-9.]+)", requirement) for requirement in required)
    return next((match[1] for match in found if match), "0")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


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
    name = "onnxruntime-gpu" if gpu else "onnxruntime"
    version = str(cpu or gpu)
    telemetry = "off" if os.environ.get("ORT_DISABLE_TELEMETRY") == "1" else "on: ORT_DISABLE_TELEMETRY"
    return _aged("onnxruntime", name, version, f"{name} {version}: {providers}; its telemetry is {telemetry}")


def _soundfile() -> Finding:
    try:
        import soundfile

        found = str(soundfile.__version__)
        return _aged("soundfile", "soundfile", found, f"{found}, {soundfile.__libsndfile_version__}")
    except (ImportError, OSError) as error:
        remedy = "pip install soundfile  (and on some systems: apt install libsndfile1)"
        return Finding("soundfile", "fault", f"cannot be used: {error}", remedy)


def _native() -> Finding:
    """The compiled kernels for numpy arrays: optional, built where a C++ compiler was found."""
    from emoface.backends.native_library import left_out

    remedy = "install a C++ compiler and Python's headers (apt install g++ python3-dev), then emoface from source again"
    if find_spec("emoface._native") is None:
        why = left_out().get("_native", "")
        text = "emoface._native is not part of this build" + (f": {why}" if why else "")
        return Finding("native module", "note", text, remedy)
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
    """Each backend runs the bundled model for `_TRIAL_S` of noise: what loads may still not run."""
    from emoface.backends import absence, absent_backends, available_backends

    findings = [_trial(name) for name in available_backends()]
    for name in absent_backends():
        why, remedy = absence(name) or ("", "")
        findings.append(Finding("backend", "note", f"{name}: {why}", remedy))
    return findings


def _trial(backend: str) -> Finding:
    import numpy as np

    from emoface.package import Package

    remedy = "Install emoface again, from source where its native parts were built for another onnxruntime."
    try:
        package = Package.load()
        samples = (0.1 * np.random.default_rng(0).standard_normal(round(16000 * _TRIAL_S))).astype(np.float32)
        with package.animator(sample_rate=16000, backend=backend) as animator:
            motion = [animator.step(samples).vertices, animator.flush().vertices]
    except EmoFaceError as error:
        return Finding("backend", "fault", f"{backend}: {error.got}; expected {error.expected}", error.remedy)
    except Exception as error:  # whatever a native library throws: the other findings must still be printed
        return Finding("backend", "fault", f"{backend}: {type(error).__name__}: {error}", remedy)
    frames = sum(map(len, motion))
    wanted = int(_TRIAL_S * package.manifest.fps)
    if frames != wanted or not all(np.isfinite(part).all() for part in motion):
        return Finding("backend", "fault", f"{backend}: {frames} of {wanted} frames, or numbers not finite", remedy)
    return Finding("backend", "ok", f"{backend}: {frames} frames")


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
