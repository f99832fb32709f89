"""ONNX Runtime on the CPU with EmoFace's own kernels for the nodes of domain `emoface`.

The packages are the same: without the library ONNX Runtime expands the nodes' bodies in standard operators. Results
agree to rounding, and the state of a stream is the same, but a snapshot names the backend it was taken with.
"""

from __future__ import annotations

from typing import Any

from emoface.backends.native_library import library_path
from emoface.backends.ort import OrtEngine
from emoface.errors import BackendError


class OrtNativeEngine(OrtEngine):
    """The sessions of one package, with the library registered in each."""

    backend = "ort-cpu-native"

    def _in_place(self, session: Any) -> frozenset[str]:
        # The exporter lists the caches that only our attention reads; it moves them on where they lie.
        return frozenset(session.get_modelmeta().custom_metadata_map.get("emoface.in_place", "").split())

    def _configure(self, ort: Any, options: Any) -> None:
        path = library_path()
        if not path.is_file():
            raise BackendError(
                f"no file {path}",
                "the library of a build with a C++ compiler and ONNX Runtime's headers",
                "Install from source with ONNXRUNTIME_ROOT set, or use backend='ort-cpu'.",
            )
        try:
            options.register_custom_ops_library(str(path))
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise BackendError(
                f"{path.name}: {text}",
                f"a library that onnxruntime {ort.__version__} loads",
                "Update onnxruntime or build emoface with its headers, or use backend='ort-cpu'.",
            ) from None
