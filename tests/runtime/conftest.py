"""The built library, and packages for it."""

from __future__ import annotations

import io
from pathlib import Path

import c_interface as abi
import numpy as np
import pytest


@pytest.fixture(scope="session")
def api() -> abi.Api:
    if not abi.LIBRARY.is_file():
        pytest.skip(f"no {abi.LIBRARY.name}: build with ONNXRUNTIME_ROOT set, zlib and nlohmann-json")
    api = abi.Api(abi.load())
    api.call("onnxruntime_load", abi.onnxruntime_library().encode())
    return api


@pytest.fixture(scope="session")
def package_path(tmp_path_factory) -> Path:
    """The handmade package with real golden vectors and three blendshapes."""
    import handmade

    folder = tmp_path_factory.mktemp("runtime")
    files = handmade.package_files()
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face)
    shapes = np.random.default_rng(3).normal(0, 0.01, (3, len(arrays["template"]), 3))
    arrays["blendshape_names"] = np.array(["jawOpen", "mouthSmileLeft", "größe"])
    arrays["blendshape_step"] = np.full(3, 1e-5, np.float32)
    arrays["blendshapes"] = np.round(shapes / 1e-5).astype(np.int16)
    files = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="session")
def package(api, package_path) -> abi.Package:
    return api.open(package_path)


@pytest.fixture(scope="session")
def python_package(package_path):
    from emoface import Package

    return Package.load(package_path)


@pytest.fixture(scope="session")
def format2_path(tmp_path_factory) -> Path:
    """The handmade package of format 2 with real golden vectors."""
    import handmade
    import handmade_format2

    folder = tmp_path_factory.mktemp("format2")
    files = handmade_format2.package_files()
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="session")
def format2(api, format2_path) -> abi.Package:
    return api.open(format2_path)


@pytest.fixture(scope="session")
def format2_python(format2_path):
    from emoface import Package

    return Package.load(format2_path)


@pytest.fixture(scope="session")
def sound():
    """seconds, rate -> float32 noise, the same every time."""

    def make(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        return (0.2 * random.standard_normal(round(seconds * rate))).astype(np.float32)

    return make
