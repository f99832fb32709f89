"""The backends that need an NVIDIA GPU: which are here, why the others are not, and how they are made.

Whether one is here is found out when it is asked for: the answer needs libraries that nobody else wants to load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emoface.backends import ort_cuda
from emoface.backends.cuda_device import driver_reason
from emoface.backends.tensorrt_library import INSTALL, MODULES, installed
from emoface.errors import BackendError

if TYPE_CHECKING:
    from emoface.backends import Engine
    from emoface.package import Package

_DRIVER = (
    "Install the NVIDIA driver on a machine with an NVIDIA GPU, or use backend='ort-cpu', which needs one CPU core."
)


def missing(name: str) -> tuple[str, str] | None:
    """Why the backend cannot be used and what to do; None where it can."""
    if name == "ort-cuda":
        reason = ort_cuda.missing()
        if reason is not None:
            return reason
    else:
        flavour = {"tensorrt": "full", "tensorrt-rtx": "rtx"}[name]
        if not installed(flavour):
            return f"the Python module {MODULES[flavour]} is not installed", INSTALL[flavour]
    driver = driver_reason()
    return None if driver is None else (driver, _DRIVER)


def factory(name: str) -> Callable[[Package, str, int], Engine]:
    """`factory(package, precision, threads)` of the backend; BackendError where it is missing."""
    reason = missing(name)
    if reason is not None:
        raise BackendError(f"backend={name!r}: {reason[0]}", "what the backend needs", reason[1])
    if name == "ort-cuda":
        return ort_cuda.OrtCudaEngine
    from emoface.backends.tensorrt import factory as tensorrt_factory

    return tensorrt_factory(name)
