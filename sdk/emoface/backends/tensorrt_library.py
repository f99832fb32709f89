"""TensorRT and TensorRT for RTX behind one import, and the library of our plugin.

The two are one API under two module names. Loading is lazy: nothing of NVIDIA's is imported unless a backend or
`emoface engine` asks for it.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emoface.errors import BackendError, UsageError

MODULES = {"rtx": "tensorrt_rtx", "full": "tensorrt"}
PLUGIN_NAME, PLUGIN_VERSION, PLUGIN_NAMESPACE = "SpiralConv3D", "1", "emoface"
# Not bundled: TensorRT's libraries are fetched by its own installer from NVIDIA.
INSTALL = {
    "rtx": 'Run `pip install "emoface[rtx]"`.',
    "full": "Install TensorRT 10 or 11 with its Python module (`pip install tensorrt`), or use the flavour rtx.",
}
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_loaded: dict[str, object] = {}


def plugin_path() -> Path:
    """The plugin library; the file exists if this installation was built with nvcc and TensorRT's headers."""
    return Path(__file__).parent.parent / "_lib" / f"libemoface_tensorrt{_SUFFIX}"


def alias_path() -> Path:
    """The library whose name is `libtensorrt_rtx.so`; see `load_plugin`."""
    return Path(__file__).parent.parent / "_lib" / "libtensorrt_rtx.so"


def installed(flavour: str) -> bool:
    """Whether the flavour's module can be found (not whether it loads)."""
    return find_spec(MODULES[flavour]) is not None


def load_tensorrt(flavour: str) -> Any:
    """The module of a flavour, "rtx" or "full"; BackendError with the reason and the remedy where it is missing."""
    if flavour not in MODULES:
        raise UsageError(f"flavour {flavour!r}", "rtx or full", "Choose one of them.")
    name = MODULES[flavour]
    try:
        module = importlib.import_module(name)
    except Exception as error:  # its own __init__ raises what it likes when a library is missing
        text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BackendError(f"{name} cannot be imported ({text})", f"{name} installed", INSTALL[flavour]) from None
    if not hasattr(module, "Builder"):
        # PyPI's `tensorrt` without its libraries imports and holds nothing.
        raise BackendError(f"{name} without Builder: its libraries are missing", f"{name} whole", INSTALL[flavour])
    return module


def load_plugin(trt: Any, flavour: str, path: Path | None = None) -> str:
    """Register our plugin with TensorRT; returns its version.

    Raises:
        BackendError: no library, one that does not load, or one that holds another version of the plugin.
    """
    path = plugin_path() if path is None else path
    if not path.is_file():
        raise BackendError(
            f"no file {path}",
            "the plugin library of a build with nvcc and TensorRT's headers",
            "Install from source with TENSORRT_ROOT set (see csrc/tensorrt/README.md), or leave out --plugin.",
        )
    registry = trt.get_plugin_registry()
    if flavour not in _loaded:
        try:
            ctypes.CDLL(str(path))  # TensorRT's own loader says nothing of why a library does not load
        except OSError as error:
            raise BackendError(f"{path}: {error}", "a library that loads", "Build it on this machine.") from None
        if flavour == "rtx" and sys.platform == "linux":
            _load_alias()
        registry.load_library(str(path))
    mine = [c for c in registry.all_creators if (c.name, c.plugin_namespace) == (PLUGIN_NAME, PLUGIN_NAMESPACE)]
    versions = sorted({str(creator.plugin_version) for creator in mine})
    if PLUGIN_VERSION not in versions:
        raise BackendError(
            f"{path}: plugin version {', '.join(versions) or 'none'}",
            f"version {PLUGIN_VERSION} of {PLUGIN_NAMESPACE}::{PLUGIN_NAME}",
            "Build the library from the same source as this package of Python code.",
        )
    _loaded[flavour] = path
    return PLUGIN_VERSION


def _load_alias() -> None:
    """Make `libtensorrt_rtx.so` findable, or say why the plugin cannot be used.

    The ONNX parser opens that name when a plugin is involved and ends the process if there is none; the wheel ships
    only `libtensorrt_rtx.so.1`. An empty library of that name which depends on the other answers the request.
    """
    try:
        ctypes.CDLL("libtensorrt_rtx.so")
        return
    except OSError:
        pass
    try:
        ctypes.CDLL(str(alias_path()), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise BackendError(
            f"libtensorrt_rtx.so is not here and {alias_path().name} does not load ({error})",
            "the name libtensorrt_rtx.so, which TensorRT for RTX's parser opens for plugins",
            "Install emoface from source with a C++ compiler, or leave out --plugin.",
        ) from None
