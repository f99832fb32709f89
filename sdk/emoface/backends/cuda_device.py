"""A GPU as the TensorRT backends need it: memory, copies, a stream, CUDA graphs. NVIDIA's `cuda-bindings` does it all.

`CudaDevice` is the one implementation; the protocol exists so that what is built on it can be tested on any machine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emoface.errors import BackendError

Bytes = npt.NDArray[np.uint8]
_INSTALL = 'Run `pip install "emoface[rtx]"` (or `pip install cuda-bindings`).'


class Device(Protocol):
    """Memory, copies and one queue of work per stream. Addresses and streams are plain integers."""

    name: str
    capability: str

    def allocate(self, size: int) -> int: ...
    def free(self, address: int) -> None: ...
    def allocate_host(self, size: int) -> Bytes: ...
    def free_host(self, array: Bytes) -> None: ...
    def open_stream(self) -> int: ...
    def close_stream(self, stream: int) -> None: ...
    def to_device(self, address: int, array: npt.NDArray[Any], stream: int) -> None: ...
    def to_host(self, array: npt.NDArray[Any], address: int, stream: int) -> None: ...
    def wait(self, stream: int) -> None: ...
    def capture(self, stream: int, work: Callable[[], None]) -> int: ...
    def launch(self, graph: int, stream: int) -> None: ...
    def close_graph(self, graph: int) -> None: ...


def driver_reason() -> str | None:
    """Why no GPU can be used, None where one can. Imports nothing of NVIDIA's."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda)"
    code = driver.cuInit(0)
    return None if code == 0 else f"the NVIDIA driver finds no usable GPU (cuInit returned {code})"


class CudaDevice:
    """GPU `ordinal` through cuda-bindings; BackendError where that, the driver or the GPU is missing."""

    def __init__(self, ordinal: int = 0) -> None:
        reason = driver_reason()
        if reason is not None:
            raise BackendError(reason, "an NVIDIA GPU with its driver", "Install the driver, or use backend='ort-cpu'.")
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise BackendError(f"cuda-bindings cannot be imported ({error})", "it installed", _INSTALL) from None
        self._cuda: Any = runtime
        self._do("cudaSetDevice", ordinal)
        (properties,) = self._do("cudaGetDeviceProperties", ordinal)
        self.name = properties.name.decode().rstrip("\0")
        self.capability = f"sm{properties.major}{properties.minor}"
        self._ordinal = ordinal
        self._graphs: dict[int, Any] = {}

    def _do(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        code, *results = getattr(self._cuda, function)(*arguments)
        if int(code) != 0:
            _, text = self._cuda.cudaGetErrorString(code)
            raise BackendError(
                f"{function}: {text.decode() if isinstance(text, bytes) else text} (CUDA error {int(code)})",
                "a GPU that works and has memory left",
                "Use fewer voices, or make a new animator; nvidia-smi shows the GPU's state.",
            )
        return tuple(results)

    def allocate(self, size: int) -> int:
        (address,) = self._do("cudaMalloc", size)
        return int(address)

    def free(self, address: int) -> None:
        self._cuda.cudaFree(address)

    def allocate_host(self, size: int) -> Bytes:
        """Page-locked memory, which copies run from and to without waiting."""
        (address,) = self._do("cudaMallocHost", size)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(address)))

    def free_host(self, array: Bytes) -> None:
        self._cuda.cudaFreeHost(array.ctypes.data)

    def open_stream(self) -> int:
        # A thread that meets this GPU for the first time has another current device.
        self._do("cudaSetDevice", self._ordinal)
        (stream,) = self._do("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking)
        return int(stream)

    def close_stream(self, stream: int) -> None:
        self._cuda.cudaStreamDestroy(stream)

    def to_device(self, address: int, array: npt.NDArray[Any], stream: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._do("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, stream)

    def to_host(self, array: npt.NDArray[Any], address: int, stream: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._do("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, stream)

    def wait(self, stream: int) -> None:
        self._do("cudaStreamSynchronize", stream)

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """Record what `work` queues on `stream` as one graph; nothing of it runs yet."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._do("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        finally:
            # Ends the capture also after an error: a stream left capturing would refuse all later work.
            code, graph = self._cuda.cudaStreamEndCapture(stream)
        if int(code) != 0:
            _, text = self._cuda.cudaGetErrorString(code)
            raise BackendError(f"cudaStreamEndCapture: {text!r}", "work that can be recorded", "Report this as a bug.")
        (executable,) = self._do("cudaGraphInstantiate", graph, 0)
        self._cuda.cudaGraphDestroy(graph)
        self._graphs[int(executable)] = executable
        return int(executable)

    def launch(self, graph: int, stream: int) -> None:
        self._do("cudaGraphLaunch", graph, stream)

    def close_graph(self, graph: int) -> None:
        self._cuda.cudaGraphExecDestroy(self._graphs.pop(graph))
