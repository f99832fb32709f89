"""ONNX Runtime on an NVIDIA GPU, its state kept on the GPU.

Inputs are copied into buffers that live on the device, states never leave it: a call reads one set and writes the
other. Outputs are copied to the host, where frames are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.backends import Array
from emoface.backends.ort import import_onnxruntime
from emoface.errors import BackendError
from emoface.manifest import StageSpec, concrete_shape

if TYPE_CHECKING:
    from emoface.package import Package

PROVIDER = "CUDAExecutionProvider"
_INSTALL = "Run `pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install onnxruntime-gpu`."


def missing() -> tuple[str, str] | None:
    """Why this backend cannot be used and what to do, None where it can."""
    try:
        ort = import_onnxruntime()
    except BackendError as error:
        return error.got, error.remedy
    if PROVIDER not in ort.get_available_providers():
        return f"onnxruntime {ort.__version__} here is a build without CUDA", _INSTALL
    return None


class OrtCudaEngine:
    """The sessions of one package on one GPU; shared by all its streams."""

    backend = "ort-cuda"

    def __init__(self, package: Package, precision: str, threads: int = 1, device_id: int = 0) -> None:
        self.precision = precision
        self._device_id = device_id
        ort = import_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = [(PROVIDER, {"device_id": str(device_id)}), "CPUExecutionProvider"]
        self._sessions = {}
        for stage in package.manifest.stages:
            file = stage.file(precision)
            refuse_int8(stage, file)
            self._sessions[stage.name] = open_session(ort, package.file(file), file, options, providers)

    def open_stage(self, stage: StageSpec) -> OrtDeviceStage:
        """A stage with fresh state."""
        return OrtDeviceStage(self._sessions[stage.name], stage, "cuda", self._device_id)


def refuse_int8(stage: StageSpec, file: str) -> None:
    """The CUDA provider lacks dynamic quantisation: most of the graph would run on the CPU, with copies both ways."""
    if file == stage.files.get("int8"):
        raise BackendError(
            f"{file}: 8-bit graphs are made for CPUs",
            "a package with fp32 or fp16 graphs",
            "Export it with `--fp16`, or use backend='ort-cpu', or backend='tensorrt-rtx', which takes 8-bit weights.",
        )


def open_session(ort: Any, data: bytes, file: str, options: Any, providers: list[Any]) -> Any:
    """A session whose first provider is the first of `providers`; BackendError where ONNX Runtime chose another."""
    wanted = providers[0][0] if isinstance(providers[0], tuple) else providers[0]
    try:
        session = ort.InferenceSession(data, options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class but Exception
        text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BackendError(
            f"{file}: {text}", f"a graph that onnxruntime {ort.__version__} loads", "Update onnxruntime-gpu."
        ) from None
    # ONNX Runtime falls back to the CPU with only a warning when CUDA's or cuDNN's libraries are missing.
    if session.get_providers()[:1] != [wanted]:
        raise BackendError(
            f"{file}: providers {session.get_providers()}",
            f"{wanted} first",
            "Install the NVIDIA driver, CUDA and cuDNN that this onnxruntime-gpu names: "
            "`pip install \"onnxruntime-gpu[cuda,cudnn]\"`, or use backend='ort-cpu'.",
        )
    return session


class OrtDeviceStage:
    """One stage of one stream with inputs and states as tensors of a device ("cuda"; "cpu" works alike)."""

    def __init__(self, session: Any, stage: StageSpec, device: str, device_id: int = 0) -> None:
        self._ort = import_onnxruntime()
        self._session = session
        self._stage = stage
        self._device = device
        self._device_id = device_id
        self._states = tuple(
            {spec.name: self._tensor(np.zeros(concrete_shape(spec.shape, 1), spec.dtype)) for spec in stage.state}
            for _ in range(2)
        )
        self._calls: dict[tuple[int, int], _Call] = {}
        self._read = 0
        self.reset()

    def _tensor(self, array: npt.NDArray[Any]) -> Any:
        return self._ort.OrtValue.ortvalue_from_numpy(array, self._device, self._device_id)

    def reset(self) -> None:
        self._read = 0
        for spec in self._stage.state:
            self._states[0][spec.name].update_inplace(np.full(concrete_shape(spec.shape, 1), spec.initial, spec.dtype))

    def state(self) -> dict[str, Array]:
        return {name: np.array(tensor.numpy()) for name, tensor in self._states[self._read].items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        self._read = 0
        for spec in self._stage.state:
            array = np.broadcast_to(state[spec.name], concrete_shape(spec.shape, 1))
            self._states[0][spec.name].update_inplace(np.ascontiguousarray(array, spec.dtype))

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        call = self._calls.get((n, self._read))
        if call is None:
            call = self._calls[n, self._read] = self._bind(n, self._read)
        for name, (tensor, staging) in call.inputs.items():
            staging[...] = inputs[name]
            tensor.update_inplace(staging)
        try:
            self._session.run_with_iobinding(call.binding)
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise BackendError(
                f"stage {self._stage.name}: {text}", "a graph that runs", "Look at nvidia-smi for memory and faults."
            ) from None
        self._read = 1 - self._read
        return call.outputs

    def _bind(self, n: int, read: int) -> _Call:
        binding = self._session.io_binding()
        inputs: dict[str, tuple[Any, npt.NDArray[Any]]] = {}
        for item in self._stage.inputs:
            staging = np.zeros(concrete_shape(item.shape, n), item.dtype)
            inputs[item.name] = (self._tensor(staging), staging)
            binding.bind_ortvalue_input(item.name, inputs[item.name][0])
        outputs: dict[str, Array] = {}
        for output in self._stage.outputs:
            array = np.zeros(concrete_shape(output.shape, n), output.dtype)
            outputs[output.name] = array
            binding.bind_output(output.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, tensor in self._states[read].items():
            binding.bind_ortvalue_input(f"state.{name}", tensor)
        for name, tensor in self._states[1 - read].items():
            binding.bind_ortvalue_output(f"new_state.{name}", tensor)
        return _Call(binding, inputs, outputs)


class _Call:
    """One binding with the tensors and arrays it points into; holding them keeps the addresses valid."""

    __slots__ = ("binding", "inputs", "outputs")

    def __init__(
        self, binding: Any, inputs: dict[str, tuple[Any, npt.NDArray[Any]]], outputs: dict[str, Array]
    ) -> None:
        self.binding = binding
        self.inputs = inputs
        self.outputs = outputs
