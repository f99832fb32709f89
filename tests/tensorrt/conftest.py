"""What the tests of this folder share: the tiny package, and what may be missing on this machine."""

import shutil
from pathlib import Path

import pytest

from emoface.backends.cuda_device import driver_reason
from emoface.backends.tensorrt_library import installed
from emoface.package import Package


@pytest.fixture(scope="session")
def package(tiny_package):
    return Package.load(tiny_package)


@pytest.fixture(scope="session")
def rtx():
    """TensorRT for RTX; skips where it is not installed."""
    if not installed("rtx"):
        pytest.skip('no TensorRT for RTX: pip install "emoface[rtx]"')
    import tensorrt_rtx

    return tensorrt_rtx


@pytest.fixture
def gpu():
    reason = driver_reason()
    if reason is not None:
        pytest.skip(f"needs an NVIDIA GPU: {reason}")


@pytest.fixture
def no_driver():
    """For what only a machine without a GPU can show."""
    if driver_reason() is None:
        pytest.skip("an NVIDIA GPU is here, so its absence cannot be tested")


def nvcc() -> str | None:
    import os

    root = os.environ.get("CUDA_HOME")
    return shutil.which(str(Path(root, "bin", "nvcc"))) if root else shutil.which("nvcc")
