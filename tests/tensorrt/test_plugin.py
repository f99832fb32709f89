"""The CUDA library and the TensorRT plugin, checked without a GPU, and how setup.py builds them."""

import ctypes
import os
import runpy
import shutil
import subprocess
import types
from pathlib import Path

import numpy as np
import pytest
import setuptools
from setuptools.errors import CompileError

from emoface.backends import tensorrt_library
from emoface.backends.tensorrt_library import load_plugin, plugin_path
from emoface.errors import BackendError

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
V, K, CIN, COUT, DELTA = 7, 3, 4, 2, 3
# enum class Status of spiral_conv3d.h
NULL_POINTER, BAD_SIZE, MISALIGNED, LAUNCH_FAILED = 1, 2, 3, 7


@pytest.fixture
def build(monkeypatch):
    """The functions of setup.py, with its environment cleared."""
    for name in ("EMOFACE_CUDA", "CUDA_HOME", "CUDA_PATH", "TENSORRT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    return types.SimpleNamespace(**runpy.run_path(str(ROOT / "setup.py")))


def cuda_home(folder: Path, script: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    nvcc = folder / "bin" / "nvcc"
    nvcc.write_text(f"#!/bin/sh\n{script}\n")
    nvcc.chmod(0o755)
    return folder


def test_cuda_that_is_demanded_and_missing_is_an_error(build, monkeypatch):
    monkeypatch.setenv("EMOFACE_CUDA", "1")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"EMOFACE_CUDA=1 but no nvcc"):
        build.find_cuda()
    monkeypatch.setenv("EMOFACE_CUDA", "auto")
    assert build.find_cuda() is None
    monkeypatch.setenv("EMOFACE_CUDA", "yes")
    with pytest.raises(SystemExit, match=r"EMOFACE_CUDA=yes; expected auto, 0 or 1"):
        build.find_cuda()


def test_cuda_can_be_refused(build, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_HOME", str(cuda_home(tmp_path / "cuda", "exit 0")))
    assert build.find_cuda() is not None
    monkeypatch.setenv("EMOFACE_CUDA", "0")
    assert build.find_cuda() is None


def test_a_wrapper_of_nvcc_leads_to_its_toolkit(build, monkeypatch, tmp_path):
    (tmp_path / "toolkit" / "lib64").mkdir(parents=True)
    script = f"echo '#$ TOP={tmp_path / 'toolkit'}' >&2"
    monkeypatch.setenv("CUDA_HOME", str(cuda_home(tmp_path / "wrapper", script)))
    cuda = build.find_cuda()
    assert cuda.root == tmp_path / "toolkit"
    assert cuda.library_dirs() == [str(tmp_path / "toolkit" / "lib64")]


def test_a_failing_nvcc_is_a_compile_error(build, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_HOME", str(cuda_home(tmp_path / "cuda", "exit 3")))
    with pytest.raises(CompileError, match="nvcc failed on csrc/kernels"):
        build.find_cuda().compile(build.CUDA_SOURCES, str(tmp_path / "objects"))


def test_tensorrt_root_without_headers_or_nvcc_is_an_error(build, monkeypatch, tmp_path):
    monkeypatch.setenv("TENSORRT_ROOT", str(tmp_path))
    with pytest.raises(SystemExit, match=r"has no include/NvInferRuntime\.h"):
        build.tensorrt_headers(types.SimpleNamespace())
    with pytest.raises(SystemExit, match="there is no nvcc"):
        build.tensorrt_headers(None)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "NvInferRuntime.h").write_text("")
    assert build.tensorrt_headers(types.SimpleNamespace()) == str(tmp_path / "include")


@pytest.fixture
def cuda_library():
    path = plugin_path().with_name("libemoface_cuda.so")
    if not path.is_file():
        pytest.skip("no libemoface_cuda.so: install from source with nvcc (CUDA_HOME)")
    library = ctypes.CDLL(str(path))
    library.emoface_spiral_conv3d_cuda.restype = ctypes.c_int
    return library


def call(library, change=lambda arguments: None) -> tuple[int, int]:
    """(status, CUDA error) of the launch with host addresses, which a GPU-less machine refuses and never reads."""
    room = np.zeros(1 << 14, np.float32)
    address = room.ctypes.data
    names = ("x", "partial", "spiral", "weight", "bias", "y", "new_partial")
    arguments = {name: address + 4096 * at for at, name in enumerate(names)}
    arguments |= {"sizes": [V, K, CIN, COUT, DELTA], "batch": 1, "frames": 2, "half": 0}
    change(arguments)
    error = ctypes.c_int(-1)
    status = library.emoface_spiral_conv3d_cuda(
        (ctypes.c_int64 * 5)(*arguments["sizes"]),
        ctypes.c_int64(arguments["batch"]),
        ctypes.c_int64(arguments["frames"]),
        ctypes.c_int(arguments["half"]),
        *(ctypes.c_void_p(arguments[name]) for name in names),
        None,
        ctypes.byref(error),
    )
    return status, error.value


@pytest.mark.parametrize("name", ["x", "partial", "spiral", "weight", "bias", "y", "new_partial"])
def test_null_and_misaligned_pointers_are_refused_before_the_gpu(cuda_library, name):
    assert call(cuda_library, lambda a: a.update({name: None})) == (NULL_POINTER, -1)
    assert call(cuda_library, lambda a: a.update({name: a[name] + 2})) == (MISALIGNED, -1)
    assert call(cuda_library, lambda a: a.update({name: a[name] + 1, "half": 1})) == (MISALIGNED, -1)


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"batch": -1},
        {"frames": 0},
        {"frames": 1 << 31},
        {"batch": (1 << 31) - 1, "frames": (1 << 31) - 100},
        {"sizes": [0, K, CIN, COUT, DELTA]},
        {"sizes": [V, 0, CIN, COUT, DELTA]},
        {"sizes": [V, K, -4, COUT, DELTA]},
        {"sizes": [V, K, CIN, 0, DELTA]},
        {"sizes": [V, K, CIN, COUT, 0]},
        {"sizes": [V, K, CIN, COUT, 65]},
        {"sizes": [1 << 40, K, CIN, COUT, DELTA]},
    ],
    ids=str,
)
def test_sizes_out_of_range_are_refused_before_the_gpu(cuda_library, change):
    assert call(cuda_library, lambda a: a.update(change)) == (BAD_SIZE, -1)


def test_a_launch_without_a_gpu_says_so(cuda_library, no_driver):
    status, error = call(cuda_library)
    assert status == LAUNCH_FAILED
    assert error in (35, 100)  # driver insufficient, no device


def test_the_library_has_code_for_every_architecture(cuda_library):
    cuobjdump = shutil.which("cuobjdump")
    build_script = (ROOT / "setup.py").read_text()
    assert 'CUDA_ARCHITECTURES = ("80", "86", "89", "90", "100", "120")' in build_script
    data = Path(cuda_library._name).read_bytes()
    # Each architecture's code is an ELF image of machine 190 (EM_CUDA) inside the library.
    images = [at for at in range(0, len(data) - 20, 8) if data[at : at + 4] == b"\x7fELF" and data[at + 18] == 190]
    listed = (
        subprocess.run([cuobjdump, "--list-elf", cuda_library._name], capture_output=True).stdout if cuobjdump else b""
    )
    assert len(images) >= 6 or listed.count(b"sm_") >= 6


def headers() -> Path | None:
    root = os.environ.get("TENSORRT_ROOT")
    folders = [Path(root, "include"), Path(root)] if root else [Path("/usr/include/x86_64-linux-gnu")]
    return next((folder for folder in folders if (folder / "NvInferRuntime.h").is_file()), None)


def cuda_headers() -> Path | None:
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda", "/usr/local/cuda-13.0"]
    return next((Path(h, "include") for h in homes if h and Path(h, "include", "cuda_runtime_api.h").is_file()), None)


def test_the_plugin_against_its_interfaces(tmp_path):
    """Shapes, versions, null pointers, results; called as TensorRT calls them, the kernel's body run on the host."""
    if headers() is None or cuda_headers() is None or COMPILER is None:
        pytest.skip("needs TensorRT headers (TENSORRT_ROOT), CUDA's (CUDA_HOME) and a C++ compiler")
    program = tmp_path / "plugin"
    sources = [CSRC / "tests" / "test_tensorrt_plugin.cpp", CSRC / "tensorrt" / "spiral_conv3d_plugin.cpp"]
    folders = [f"-I{CSRC / 'kernels'}", "-isystem", headers(), "-isystem", cuda_headers()]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-deprecated-declarations", "-Wno-missing-field-initializers"]
    command = [COMPILER, "-std=c++17", *SANITIZERS, *warnings, *folders, *sources, "-o", program]
    subprocess.run(command, check=True, timeout=600)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "passed"), done.stdout + done.stderr


class Registry:
    """A plugin registry that holds one creator."""

    def __init__(self, version: str) -> None:
        self.all_creators = [
            types.SimpleNamespace(name="SpiralConv3D", plugin_namespace="emoface", plugin_version=version)
        ]

    def load_library(self, path: str) -> None: ...


def test_a_missing_plugin_library_is_an_error(tmp_path):
    with pytest.raises(BackendError, match=r"no file .*none\.so") as caught:
        load_plugin(types.SimpleNamespace(), "rtx", tmp_path / "none.so")
    assert "TENSORRT_ROOT" in caught.value.remedy


def test_a_plugin_library_that_does_not_load_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_library, "_loaded", {})
    (tmp_path / "bad.so").write_text("not a library")
    trt = types.SimpleNamespace(get_plugin_registry=lambda: Registry("1"))
    with pytest.raises(BackendError, match=r"invalid ELF header|file too short"):
        load_plugin(trt, "full", tmp_path / "bad.so")


def test_a_plugin_of_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(tensorrt_library, "_loaded", {"full": object()})
    trt = types.SimpleNamespace(get_plugin_registry=lambda: Registry("2"))
    with pytest.raises(BackendError) as caught:
        load_plugin(trt, "full", Path(__file__))
    assert "plugin version 2" in caught.value.got
    assert caught.value.expected == "version 1 of emoface::SpiralConv3D"


def test_without_the_library_that_the_parser_opens_the_plugin_is_refused(tmp_path, monkeypatch):
    """Otherwise TensorRT for RTX would end the process."""

    def none_loads(name, mode=0):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(tensorrt_library.ctypes, "CDLL", none_loads)
    monkeypatch.setattr(tensorrt_library, "alias_path", lambda: tmp_path / "libtensorrt_rtx.so")
    with pytest.raises(BackendError, match=r"libtensorrt_rtx\.so is not here") as caught:
        tensorrt_library._load_alias()
    assert "leave out --plugin" in caught.value.remedy
