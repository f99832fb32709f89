"""Build script: metadata lives in pyproject.toml; this file maps the three source roots to one distribution and builds
the native parts.

Both native parts are optional: without a C++ compiler, or without ONNX Runtime's headers, the installation succeeds
without them, and `emoface doctor` says what is missing. Environment: `ONNXRUNTIME_ROOT` names the folder whose
`include` has ONNX Runtime's headers (an unpacked release, or what .ci/fetch_onnxruntime_headers.sh fetched).
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

try:
    from pybind11.setup_helpers import Pybind11Extension
except ImportError:  # only in an installation without build isolation
    Pybind11Extension = None

ROOTS = {"sdk": "emoface", "training": "emoface_training", "export": "emoface_export"}
LIBRARY_SUFFIX = {"nt": ".dll"}.get(os.name, ".dylib" if sys.platform == "darwin" else ".so")
# Never -march=native: instruction sets are chosen at run time. Floating-point traps are nowhere used, and compilers
# that keep them do not turn comparisons into vectors.
COMPILE_ARGS = [] if os.name == "nt" else ["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", "-fno-trapping-math"]
# GCC 12's own headers draw these warnings from every AVX-512 intrinsic.
COMPILE_ARGS += [] if os.name == "nt" else ["-Wno-uninitialized", "-Wno-maybe-uninitialized"]
KERNELS = sorted(str(path) for path in Path("csrc/kernels").glob("*.cpp"))
HEADERS = sorted(str(path) for path in Path("csrc").glob("*/*") if path.suffix in (".h", ".inl"))


class SharedLibrary(Extension):
    """A library for other programs to load: no Python in it or in its file name."""


def onnxruntime_headers() -> str | None:
    """Folder of onnxruntime_cxx_api.h, or None."""
    root = os.environ.get("ONNXRUNTIME_ROOT")
    folders = [Path(root, "include"), Path(root)] if root else []
    folders += [Path("/usr/include/onnxruntime"), Path("/usr/local/include/onnxruntime")]
    return next((str(folder) for folder in folders if (folder / "onnxruntime_cxx_api.h").is_file()), None)


def extensions() -> list[Extension]:
    found: list[Extension] = []
    options = {"include_dirs": ["csrc/kernels"], "extra_compile_args": COMPILE_ARGS, "depends": HEADERS}
    if Pybind11Extension is not None:
        sources = ["bindings/python/module.cpp"]
        found.append(Pybind11Extension("emoface._native", sources, cxx_std=17, optional=True, **options))
    headers = onnxruntime_headers()
    sources = sorted(str(path) for path in Path("csrc/onnxruntime").glob("*.cpp"))
    if headers and sources:
        options["include_dirs"] = ["csrc/kernels", headers]
        name = "emoface._lib.libemoface_onnxruntime"
        found.append(SharedLibrary(name, sources, language="c++", optional=True, **options))
    return found


class BuildNative(build_ext):
    """Compiles the kernels once for all extensions, and names shared libraries as such."""

    _kernels: list[str] | None = None

    def get_ext_filename(self, fullname: str) -> str:
        for extension in self.extensions:
            if isinstance(extension, SharedLibrary) and fullname in (extension.name, extension.name.split(".")[-1]):
                return os.path.join(*fullname.split(".")) + LIBRARY_SUFFIX
        return super().get_ext_filename(fullname)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return ext.export_symbols if isinstance(ext, SharedLibrary) else super().get_export_symbols(ext)

    def build_extension(self, ext: Extension) -> None:
        if self._kernels is None:
            self._kernels = self.compiler.compile(
                KERNELS, output_dir=self.build_temp, include_dirs=["csrc/kernels"], extra_postargs=COMPILE_ARGS
            )
        ext.extra_objects = [*ext.extra_objects, *self._kernels]
        if isinstance(ext, SharedLibrary):
            Path("sdk/emoface/_lib").mkdir(exist_ok=True)  # an editable installation copies the library there
        super().build_extension(ext)


setup(
    package_dir={package: f"{root}/{package}" for root, package in ROOTS.items()},
    packages=[
        name for root, package in ROOTS.items() for name in find_packages(root, include=[package, f"{package}.*"])
    ],
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildNative},
)
