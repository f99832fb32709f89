"""ONNX Runtime on the CPU, with IO binding and double-buffered state.

The arrays a graph reads and writes are allocated once per stream and bound by address. A stage has two sets of state
buffers: a call reads one and writes the other, and the next call swaps them, so state is never copied.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.backends import Array, BatchStream
from emoface.errors import BackendError
from emoface.manifest import StageSpec, concrete_shape

if TYPE_CHECKING:
    from emoface.package import Package

_PROVIDER = "CPUExecutionProvider"
_REEXPORT = "Export the package again."


def import_onnxruntime() -> Any:
    """The module `onnxruntime`; BackendError where it is not there or broken."""
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f"onnxruntime cannot be imported ({error})", "onnxruntime installed", "Run `pip install onnxruntime`."
        ) from None
    if not hasattr(onnxruntime, "InferenceSession"):
        # What is left of the module after one of onnxruntime and onnxruntime-gpu was uninstalled over the other.
        raise BackendError(
            "a broken onnxruntime module",
            "onnxruntime installed",
            "Run `pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install onnxruntime`.",
        )
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        # Where the program imported onnxruntime before emoface, which sets the variable; and Windows' own events.
        onnxruntime.disable_telemetry_events()
    return onnxruntime


class OrtEngine:
    """The sessions of one package; shared by all its streams."""

    backend = "ort-cpu"

    def __init__(self, package: Package, precision: str, threads: int = 1) -> None:
        self.precision = precision
        ort = import_onnxruntime()
        options = ort.SessionOptions()
        # One thread: the graphs are small, and a second core serves the next stream better than this one.
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # x86 processors without VNNI saturate sums of two 8-bit products at 16 bits; this takes kernels that do not.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if threads > 1:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._configure(ort, options)
        self._verdicts: dict[str, dict[tuple[int, int], bool]] = {}
        self._sessions = {
            stage.name: self._load(ort, options, package, stage.file(precision)) for stage in package.manifest.stages
        }

    def _configure(self, ort: Any, options: Any) -> None:
        """What a backend built on this one adds to the session options."""

    @staticmethod
    def _load(ort: Any, options: Any, package: Package, file: str) -> Any:
        try:
            session = ort.InferenceSession(package.file(file), options, providers=[_PROVIDER])
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise BackendError(
                f"{file}: {text}",
                f"a graph that onnxruntime {ort.__version__} loads",
                "Update onnxruntime, or export the package again.",
            ) from None
        # ONNX Runtime falls back to another provider with only a warning.
        if session.get_providers() != [_PROVIDER]:
            raise BackendError(f"{file}: providers {session.get_providers()}", _PROVIDER, "Reinstall onnxruntime.")
        return session

    def open_stage(self, stage: StageSpec) -> OrtStage | OrtClip:
        """A stage with fresh state."""
        session = self._sessions[stage.name]
        if stage.cadence == "clip":
            return OrtClip(session, stage)
        # A graph may list what it likes; two buffers are right for anything.
        return OrtStage(session, stage, in_place=self._in_place(session) & {state.name for state in stage.state})

    def _in_place(self, session: Any) -> frozenset[str]:
        """States whose input and output may be one buffer."""
        return frozenset()

    def open_batch(self, stage: StageSpec, slots: int) -> BatchStream:
        """A stage with fresh state for each of `slots` voices."""
        # Imported here: most streams run alone.
        from emoface.backends.ort_batch import OrtBatch

        # Dynamic quantisation takes one scale per tensor: voices in one tensor would change each other.
        coupled = self.precision == "int8" and "int8" in stage.files
        verdicts = self._verdicts.setdefault(stage.name, {})
        return OrtBatch(self._sessions[stage.name], stage, slots, verdicts, coupled)


class OrtStage:
    """One stage of one stream, or of `batch` streams in step; states named in `in_place` have one buffer, not two."""

    def __init__(self, session: Any, stage: StageSpec, batch: int = 1, in_place: Collection[str] = ()) -> None:
        self._session = session
        self._stage = stage
        self._batch = batch
        self._states = tuple(
            {spec.name: np.empty(concrete_shape(spec.shape, 1, batch), spec.dtype) for spec in stage.state}
            for _ in range(2)
        )
        for name in in_place:
            self._states[1][name] = self._states[0][name]
        self._calls: dict[int, tuple[_Call, _Call]] = {}
        self._read = 0
        self.reset()

    def reset(self) -> None:
        self._read = 0
        for spec in self._stage.state:
            self._states[0][spec.name].fill(spec.initial)

    def state(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._states[self._read].items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        self._read = 0
        for name, array in self._states[0].items():
            array[...] = state[name]

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        call = self._next_call(n)
        for name, buffer in call.inputs:
            buffer[...] = inputs[name]
        return self._execute(call)

    def _next_call(self, n: int) -> _Call:
        calls = self._calls.get(n)
        if calls is None:
            calls = self._calls[n] = (self._bind(n, 0), self._bind(n, 1))
        return calls[self._read]

    def _execute(self, call: _Call) -> Mapping[str, Array]:
        try:
            self._session.run_with_iobinding(call.binding)
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise BackendError(f"stage {self._stage.name}: {text}", "a graph that runs", _REEXPORT) from None
        self._read = 1 - self._read
        return call.outputs

    def _bind(self, n: int, read: int) -> _Call:
        binding = self._session.io_binding()
        inputs = []
        for item in self._stage.inputs:
            buffer = np.zeros(concrete_shape(item.shape, n, self._batch), item.dtype)
            _bind(binding.bind_input, item.name, buffer)
            inputs.append((item.name, buffer))
        outputs: dict[str, Array] = {}
        for output in self._stage.outputs:
            outputs[output.name] = np.zeros(concrete_shape(output.shape, n, self._batch), output.dtype)
            _bind(binding.bind_output, output.name, outputs[output.name])
        for name, array in self._states[read].items():
            _bind(binding.bind_input, f"state.{name}", array)
        for name, array in self._states[1 - read].items():
            _bind(binding.bind_output, f"new_state.{name}", array)
        return _Call(binding, inputs, outputs)


class OrtClip:
    """A stage that hears whole clips: no state, and lengths that only the graph knows."""

    def __init__(self, session: Any, stage: StageSpec) -> None:
        self._session = session
        self._stage = stage
        self._names = [output.name for output in stage.outputs]

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        try:
            return dict(zip(self._names, self._session.run(self._names, dict(inputs)), strict=True))
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise BackendError(f"stage {self._stage.name}: {text}", "a graph that runs", _REEXPORT) from None

    def reset(self) -> None:
        """There is no state."""

    def state(self) -> dict[str, Array]:
        return {}

    def restore(self, state: Mapping[str, Array]) -> None:
        """There is no state."""


class _Call:
    """One binding with the arrays it points into; holding them keeps the addresses valid."""

    __slots__ = ("binding", "inputs", "outputs")

    def __init__(self, binding: Any, inputs: list[tuple[str, npt.NDArray[Any]]], outputs: dict[str, Array]) -> None:
        self.binding = binding
        self.inputs = inputs
        self.outputs = outputs


def _bind(bind: Any, name: str, array: npt.NDArray[Any]) -> None:
    bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
