"""Build script: metadata lives in pyproject.toml; this file maps the three source roots to one distribution and builds
the native parts.

All native parts are optional: without a C++ compiler, nvcc or headers, the installation succeeds without them. What was
left out, and why, is printed at the end (pip shows it with -v) and kept in emoface/_lib/left_out.txt, which `emoface
doctor` and the messages about a missing backend repeat. Environment:

ONNXRUNTIME_ROOT  a folder whose `include` has ONNX Runtime's headers (an unpacked release); else build/onnxruntime,
                  where `.ci/fetch_onnxruntime_headers.sh build/onnxruntime` puts them, or the system's.
EMOFACE_CUDA      auto (default): the CUDA parts where nvcc is found; 0: never; 1: or fail.
CUDA_HOME         CUDA's root; else nvcc is looked for on PATH and in /usr/local/cuda.
TENSORRT_ROOT     a folder whose `include` has the headers of TensorRT 10 or 11 or of TensorRT for RTX. Naming one that
                  has none, or without nvcc, is an error.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from setuptools import Extension, find_packages, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError
from setuptools.modified import newer_group

try:
    from pybind11.setup_helpers import Pybind11Extension
except ImportError:  # only in an installation without build isolation
    Pybind11Extension = None

ROOTS = {"sdk": "emoface", "training": "emoface_training", "export": "emoface_export"}
LIBRARY_SUFFIX = {"nt": ".dll"}.get(os.name, ".dylib" if sys.platform == "darwin" else ".so")


def flags(name: str) -> list[str]:
    """Compiler flags that CMake takes too."""
    return [line for line in Path("csrc/flags", name).read_text().split("\n") if line.startswith("-")]


COMPILE_ARGS = [] if os.name == "nt" else ["-std=c++17", "-O3", "-g0", *flags("common.txt")]
# GCC 12's own headers draw these warnings from every AVX-512 intrinsic.
COMPILE_ARGS += [] if os.name == "nt" else ["-Wno-uninitialized", "-Wno-maybe-uninitialized"]
KERNELS = sorted(str(path) for path in Path("csrc/kernels").glob("*.cpp"))
RUNTIME_LIBRARY = "emoface._lib.libemoface"
RUNTIME = sorted(str(path) for path in Path("csrc/runtime").glob("*.cpp"))
RUNTIME_ARGS = [*COMPILE_ARGS, *flags("runtime.txt"), "-DEMOFACE_BUILD", "-DORT_API_MANUAL_INIT"]
LEFT_OUT = "left_out.txt"
# What is built, for whom, and why it was left out where it was.
PARTS = {
    "_native": "EmoFace's kernels for numpy arrays",
    "libemoface_onnxruntime": "native speed: backend ort-cpu-native",
    "libemoface": "the C interface",
    "_runtime": "backend native",
    "libemoface_cuda": "the kernels on NVIDIA GPUs",
    "libemoface_tensorrt": "the plugin for TensorRT",
}
left_out: dict[str, str] = {}
HEADERS = sorted(str(path) for path in Path("csrc").glob("*/*") if path.suffix in (".h", ".inl", ".cuh"))


# Every GPU from Ampere on; the last one's PTX is compiled by the driver of GPUs that did not exist yet.
CUDA_ARCHITECTURES = ("80", "86", "89", "90", "100", "120")
CUDA_SOURCES = sorted(str(path) for path in Path("csrc/kernels").glob("*.cu"))


class SharedLibrary(Extension):
    """A library for other programs to load: no Python in it or in its file name."""


class RuntimeLibrary(SharedLibrary):
    """The C++ runtime as a library."""


class CudaLibrary(SharedLibrary):
    """A library with the CUDA kernels in it."""


class AliasLibrary(SharedLibrary):
    """An empty library whose name stands for another one: see csrc/tensorrt/alias.c."""


if Pybind11Extension is not None:

    class RuntimeModule(Pybind11Extension):
        """The C interface of the runtime as a module of Python: it links the library, which lies beside it."""


class Cuda:
    """A CUDA toolkit with its compiler."""

    def __init__(self, nvcc: str) -> None:
        self.nvcc = nvcc
        # nvcc on PATH may be a wrapper: it says itself where its toolkit is.
        said = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True, check=False)
        found = re.search(r"^#\$ TOP=(.+)$", said.stderr + said.stdout, re.M)
        self.root = Path(found.group(1).strip()).resolve() if found else Path(nvcc).resolve().parent.parent

    def library_dirs(self) -> list[str]:
        folders = [self.root / name for name in ("lib64", "lib", "targets/x86_64-linux/lib", "lib/x64")]
        return [str(folder) for folder in folders if folder.is_dir()]

    def compile(self, sources: list[str], folder: str) -> list[str]:
        """Objects of .cu files; CompileError where nvcc fails, so that optional extensions stay optional."""
        codes = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in CUDA_ARCHITECTURES]
        codes.append(f"-gencode=arch=compute_{CUDA_ARCHITECTURES[-1]},code=compute_{CUDA_ARCHITECTURES[-1]}")
        host = [] if os.name == "nt" else ["-Xcompiler", "-fPIC,-fvisibility=hidden"]
        objects = []
        for source in sources:
            target = str(Path(folder, Path(source).stem + ("_cuda.obj" if os.name == "nt" else "_cuda.o")))
            Path(folder).mkdir(parents=True, exist_ok=True)
            command = [self.nvcc, "-O3", "-std=c++17", *host, "-Icsrc/kernels", *codes, "-c", source, "-o", target]
            print(" ".join(command))
            try:
                subprocess.run(command, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise CompileError(f"nvcc failed on {source}: {error}") from None
            objects.append(target)
        return objects


def find_cuda() -> Cuda | None:
    """The CUDA toolkit that EMOFACE_CUDA asks for, None where it is not wanted or (auto) not there."""
    wanted = os.environ.get("EMOFACE_CUDA", "auto")
    if wanted not in ("auto", "0", "1"):
        raise SystemExit(f"EMOFACE_CUDA={wanted}; expected auto, 0 or 1.")
    if wanted == "0":
        return None
    roots = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    places = [str(Path(root, "bin", "nvcc")) for root in roots if root] + ["nvcc", "/usr/local/cuda/bin/nvcc"]
    nvcc = next((found for found in map(shutil.which, places) if found), None)
    if nvcc is None and wanted == "1":
        raise SystemExit("EMOFACE_CUDA=1 but no nvcc: install a CUDA toolkit (13.0 is tested) or set CUDA_HOME.")
    return Cuda(nvcc) if nvcc else None


def tensorrt_headers(cuda: Cuda | None) -> str | None:
    """Folder of NvInferRuntime.h, or None."""
    root = os.environ.get("TENSORRT_ROOT")
    if root:
        folders = [Path(root, "include"), Path(root)]
        if cuda is None and os.environ.get("EMOFACE_CUDA") != "0":
            raise SystemExit("TENSORRT_ROOT is set but there is no nvcc: install a CUDA toolkit or set CUDA_HOME.")
    else:
        folders = [Path(f) for f in ("/usr/include/x86_64-linux-gnu", "/usr/include", "/usr/local/tensorrt/include")]
    found = next((str(folder) for folder in folders if (folder / "NvInferRuntime.h").is_file()), None)
    if root and found is None:
        raise SystemExit(f"TENSORRT_ROOT={root} has no include/NvInferRuntime.h: expected TensorRT 10 or 11's headers.")
    return found if cuda else None


def onnxruntime_headers() -> str | None:
    """Folder of onnxruntime_cxx_api.h, or None."""
    root = os.environ.get("ONNXRUNTIME_ROOT")
    folders = [Path(root, "include"), Path(root)] if root else []
    places = ("build/onnxruntime/include", "/usr/include/onnxruntime", "/usr/local/include/onnxruntime")
    folders += map(Path, places)
    return next((str(folder) for folder in folders if (folder / "onnxruntime_cxx_api.h").is_file()), None)


def python_module_obstacle() -> str | None:
    """Why no module of Python can be compiled, or None."""
    if Pybind11Extension is None:
        return "no pybind11 in an installation without build isolation"
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        return "no Python.h (Debian: python3-dev)"
    return None


def extensions() -> list[Extension]:
    """What can be built here; `left_out` gets the rest."""
    compilers = [os.environ["CXX"].split()[0]] if os.environ.get("CXX") else ["g++", "c++", "clang++"]
    if os.name != "nt" and not any(map(shutil.which, compilers)):
        left_out.update(dict.fromkeys(PARTS, "no C++ compiler (Debian: g++)"))
        return []
    found: list[Extension] = []
    depends = HEADERS + KERNELS
    options = {"include_dirs": ["csrc/kernels"], "extra_compile_args": COMPILE_ARGS, "depends": depends}
    obstacle = python_module_obstacle()
    if obstacle is not None:
        left_out["_native"] = obstacle
    else:
        sources = ["bindings/python/module.cpp"]
        found.append(Pybind11Extension("emoface._native", sources, cxx_std=17, optional=True, **options))
    headers = onnxruntime_headers()
    sources = sorted(str(path) for path in Path("csrc/onnxruntime").glob("*.cpp"))
    if headers and sources:
        options["include_dirs"] = ["csrc/kernels", headers]
        name = "emoface._lib.libemoface_onnxruntime"
        found.append(SharedLibrary(name, sources, language="c++", optional=True, **options))
    else:
        left_out["libemoface_onnxruntime"] = "no headers of ONNX Runtime (ONNXRUNTIME_ROOT)"
    return found + runtime_extensions(headers) + cuda_extensions()


def json_headers() -> str | None:
    """Folder of nlohmann/json.hpp, or None."""
    folders = [os.environ.get("NLOHMANN_JSON_ROOT", ""), "/usr/include", "/usr/local/include"]
    places = [place for folder in folders if folder for place in (Path(folder, "include"), Path(folder))]
    return next((str(place) for place in places if (place / "nlohmann" / "json.hpp").is_file()), None)


def runtime_extensions(headers: str | None) -> list[Extension]:
    """The C++ runtime: libemoface with the C interface, and the module of the backend `native`."""
    json = json_headers()
    missing = {
        "no headers of ONNX Runtime (ONNXRUNTIME_ROOT)": headers is None,
        "no nlohmann/json.hpp (Debian: nlohmann-json3-dev)": json is None,
        "on Windows CMake builds it: csrc/CMakeLists.txt": os.name == "nt",
    }
    reasons = [text for text, absent in missing.items() if absent]
    if reasons:
        left_out.update(dict.fromkeys(("libemoface", "_runtime"), "; ".join(reasons)))
        return []
    options = {
        "include_dirs": ["csrc/include", "csrc/runtime", headers, json],
        "extra_compile_args": RUNTIME_ARGS,
        "libraries": ["z", *(("dl", "pthread") if sys.platform == "linux" else ())],
        "depends": HEADERS + RUNTIME,
        "language": "c++",
        "optional": True,
    }
    name = f"libemoface{LIBRARY_SUFFIX}"
    if sys.platform == "linux":
        script = ["-Wl,--version-script=csrc/runtime/emoface.map", f"-Wl,-soname,{name}"]
        beside = "-Wl,-rpath,$ORIGIN/_lib"
    else:
        script, beside = [f"-Wl,-install_name,@rpath/{name}"], "-Wl,-rpath,@loader_path/_lib"
    found: list[Extension] = [RuntimeLibrary(RUNTIME_LIBRARY, [], extra_link_args=script, **options)]
    obstacle = python_module_obstacle()
    if obstacle is not None:
        left_out["_runtime"] = obstacle
    else:
        options = {"include_dirs": ["csrc/include"], "extra_compile_args": COMPILE_ARGS, "optional": True}
        options |= {"extra_link_args": [beside], "depends": ["csrc/include/emoface.h"], "cxx_std": 17}
        found.append(RuntimeModule("emoface._runtime", ["bindings/python/runtime_module.cpp"], **options))
    return found


def cuda_extensions() -> list[Extension]:
    """The CUDA kernels as a library of their own, and with TensorRT's headers the plugin."""
    found: list[Extension] = []
    if sys.platform == "linux":
        found.append(AliasLibrary("emoface._lib.libtensorrt_rtx", ["csrc/tensorrt/alias.c"], optional=True))
    cuda = find_cuda()
    headers = tensorrt_headers(cuda)
    if cuda is None:
        left_out.update(dict.fromkeys(("libemoface_cuda", "libemoface_tensorrt"), "no nvcc (CUDA_HOME)"))
        return found
    options = {
        "library_dirs": cuda.library_dirs(),
        "libraries": ["cudart_static", *(() if os.name == "nt" else ("dl", "rt", "pthread"))],
        "extra_link_args": ["-Wl,--exclude-libs,ALL"] if sys.platform == "linux" else [],
        "extra_compile_args": [*COMPILE_ARGS, *(() if os.name == "nt" else ("-Wno-deprecated-declarations",))],
        "depends": HEADERS + CUDA_SOURCES,
        "language": "c++",
        "optional": os.environ.get("EMOFACE_CUDA") != "1" and not os.environ.get("TENSORRT_ROOT"),
    }
    if CUDA_SOURCES:
        found.append(CudaLibrary("emoface._lib.libemoface_cuda", [], **options))
    if headers:
        sources = sorted(str(path) for path in Path("csrc/tensorrt").glob("*.cpp"))
        options["include_dirs"] = ["csrc/kernels", headers, str(cuda.root / "include")]
        found.append(CudaLibrary("emoface._lib.libemoface_tensorrt", sources, **options))
    else:
        left_out["libemoface_tensorrt"] = "no headers of TensorRT (TENSORRT_ROOT)"
    for extension in found:
        extension.cuda = cuda
    return found


class Build(build):
    """Runs build_ext with nothing to build too: what was left out is written down."""

    sub_commands: ClassVar = [(name, None if name == "build_ext" else when) for name, when in build.sub_commands]


class BuildNative(build_ext):
    """Compiles the kernels once for all extensions, and names shared libraries as such."""

    _kernels: list[str] | None = None
    _cuda_kernels: list[str] | None = None

    def run(self) -> None:
        super().run()
        built = {path.name.split(".")[0] for path in map(Path, self.get_outputs()) if path.is_file()}
        missing = {part: why for part, why in left_out.items() if part not in built}
        here = self.inplace or getattr(self, "editable_mode", False)
        folder = Path("sdk" if here else self.build_lib, "emoface", "_lib")
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{part}\t{PARTS[part]}\t{missing[part]}\n" for part in PARTS if part in missing]
        (folder / LEFT_OUT).write_text("".join(lines), encoding="utf-8")
        for part, why in missing.items():
            print(f"left out: {part} ({PARTS[part]}): {why}", file=sys.stderr)

    def compile_all(self, sources: list[str], include_dirs: list[str], arguments: list[str]) -> list[str]:
        """Objects of C++ files, compiled side by side."""

        def compile_one(source: str) -> list[str]:
            return self.compiler.compile(
                [source], output_dir=self.build_temp, include_dirs=include_dirs, extra_postargs=arguments
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [target for targets in pool.map(compile_one, sources) for target in targets]

    def get_ext_filename(self, fullname: str) -> str:
        for extension in self.extensions:
            if isinstance(extension, SharedLibrary) and fullname in (extension.name, extension.name.split(".")[-1]):
                return os.path.join(*fullname.split(".")) + LIBRARY_SUFFIX
        return super().get_ext_filename(fullname)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return ext.export_symbols if isinstance(ext, SharedLibrary) else super().get_export_symbols(ext)

    def build_extension(self, ext: Extension) -> None:
        try:
            self.build_part(ext)
        except (CCompilerError, BaseError) as error:  # optional parts: setuptools goes on without them
            left_out.setdefault(ext.name.split(".")[-1], str(error))
            raise

    def build_part(self, ext: Extension) -> None:
        path = self.get_ext_fullpath(ext.name)
        if not self.force and not newer_group([*ext.sources, *ext.depends], path, "newer"):
            return None  # before what several parts share is compiled
        if isinstance(ext, SharedLibrary):
            Path("sdk/emoface/_lib").mkdir(exist_ok=True)  # an editable installation copies the library there
        if isinstance(ext, AliasLibrary):
            return self.build_alias(ext)
        if isinstance(ext, CudaLibrary):
            if self._cuda_kernels is None:
                self._cuda_kernels = ext.cuda.compile(CUDA_SOURCES, self.build_temp)
            ext.extra_objects = [*ext.extra_objects, *self._cuda_kernels]
            return super().build_extension(ext)
        if isinstance(ext, RuntimeLibrary):
            return self.build_runtime(ext)
        if type(ext).__name__ == "RuntimeModule":
            ext.extra_objects = [self.get_ext_fullpath(RUNTIME_LIBRARY)]
            return super().build_extension(ext)
        if self._kernels is None:
            self._kernels = self.compile_all(KERNELS, ["csrc/kernels"], COMPILE_ARGS)
        ext.extra_objects = [*ext.extra_objects, *self._kernels]
        super().build_extension(ext)

    def build_runtime(self, ext: Extension) -> None:
        """The resampler's kernel becomes part of the runtime."""
        generated = Path(self.build_temp, "generated")
        generated.mkdir(parents=True, exist_ok=True)
        stored = Path("sdk/emoface/audio/kernel.npz").read_bytes()
        (generated / "kernel_npz.inc").write_text(",".join(map(str, stored)) + "\n", encoding="ascii")
        ext.extra_objects = self.compile_all(RUNTIME, [*ext.include_dirs, str(generated)], RUNTIME_ARGS)
        super().build_extension(ext)

    def build_alias(self, ext: Extension) -> None:
        """Link against an empty library of the real one's name: at run time the real one is already loaded."""
        objects = self.compiler.compile(ext.sources, output_dir=self.build_temp)
        name = ext.name.split(".")[-1] + LIBRARY_SUFFIX
        real, alias = Path(self.build_temp, f"{name}.1"), Path(self.get_ext_fullpath(ext.name))
        alias.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(objects, str(real), extra_preargs=[f"-Wl,-soname,{name}.1"])
        arguments = [f"-Wl,-soname,{name}", "-Wl,--no-as-needed"]
        self.compiler.link_shared_object([*objects, str(real)], str(alias), extra_preargs=arguments)


setup(
    package_dir={package: f"{root}/{package}" for root, package in ROOTS.items()},
    packages=[
        name for root, package in ROOTS.items() for name in find_packages(root, include=[package, f"{package}.*"])
    ],
    ext_modules=extensions(),
    cmdclass={"build": Build, "build_ext": BuildNative},
)
