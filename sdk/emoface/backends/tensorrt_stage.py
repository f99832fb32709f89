"""One stage of one stream on a TensorRT engine, its state kept on the GPU.

A stage has two sets of state buffers: a call reads one and writes the other, the next call swaps them. For every
length n and each of the two directions the copies in, the engine and the copies out are recorded once as a CUDA graph
and then launched as one; what a graph cannot record is queued call by call, and `recorded` says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emoface.backends import Array
from emoface.backends.cuda_device import Device
from emoface.errors import BackendError
from emoface.manifest import StageSpec, concrete_shape


class Context(Protocol):
    """What is used of TensorRT's IExecutionContext."""

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...
    def set_tensor_address(self, name: str, address: int) -> bool: ...
    def execute_async_v3(self, stream: int) -> bool: ...


class ContextSource(Protocol):
    """Opens the execution context that serves length n, or says which lengths there are."""

    def open_context(self, stage: StageSpec, n: int) -> Context: ...


@dataclass
class _Memory:
    """What one stream holds on the device and must give back."""

    device: Device
    stream: int
    addresses: list[int] = field(default_factory=list)
    host: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    graphs: list[int] = field(default_factory=list)

    def buffer(self, size: int) -> int:
        self.addresses.append(self.device.allocate(max(size, 1)))
        return self.addresses[-1]

    def array(self, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self.host.append(self.device.allocate_host(max(size, 1)))
        return self.host[-1][:size].view(dtype).reshape(shape)

    def release(self) -> None:
        for graph in self.graphs:
            self.device.close_graph(graph)
        for address in self.addresses:
            self.device.free(address)
        for array in self.host:
            self.device.free_host(array)
        self.device.close_stream(self.stream)


@dataclass(frozen=True)
class _Call:
    """One length and direction: the engine's context, addresses by tensor name, host arrays to copy from and to."""

    context: Context
    shapes: dict[str, tuple[int, ...]]
    addresses: dict[str, int]
    inputs: dict[str, npt.NDArray[Any]]
    outputs: dict[str, npt.NDArray[Any]]
    graph: int | None


class TensorRTStage:
    """See the module. `record=False` leaves CUDA graphs out."""

    def __init__(self, device: Device, source: ContextSource, stage: StageSpec, record: bool = True) -> None:
        self._device = device
        self._source = source
        self._stage = stage
        self._record = record
        self.recorded = record
        self._memory = _Memory(device, device.open_stream())
        self._release = weakref.finalize(self, self._memory.release)
        self._shapes = {state.name: concrete_shape(state.shape, 1) for state in stage.state}
        self._dtypes = {state.name: state.dtype for state in stage.state}
        self._states = tuple(
            {name: self._memory.buffer(_bytes(shape, self._dtypes[name])) for name, shape in self._shapes.items()}
            for _ in range(2)
        )
        self._contexts: dict[int, Context] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._read = 0
        self.reset()

    def reset(self) -> None:
        self.restore(
            {state.name: np.full(self._shapes[state.name], state.initial, state.dtype) for state in self._stage.state}
        )

    def state(self) -> dict[str, Array]:
        copies: dict[str, Array] = {}
        for name, address in self._states[self._read].items():
            array = np.empty(self._shapes[name], self._dtypes[name])
            self._device.to_host(array, address, self._memory.stream)
            copies[name] = array
        self._device.wait(self._memory.stream)
        return copies

    def restore(self, state: Mapping[str, Array]) -> None:
        self._read = 0
        kept = []
        for name, address in self._states[0].items():
            array = np.ascontiguousarray(np.broadcast_to(state[name], self._shapes[name]), self._dtypes[name])
            kept.append(array)  # until the copy is done
            self._device.to_device(address, array, self._memory.stream)
        self._device.wait(self._memory.stream)

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        call = self._calls.get((n, self._read))
        if call is None:
            call = self._calls[n, self._read] = self._prepare(n, self._read)
        for name, array in call.inputs.items():
            array[...] = inputs[name]
        if call.graph is None:
            self._queue(call)
        else:
            self._device.launch(call.graph, self._memory.stream)
        self._device.wait(self._memory.stream)
        self._read = 1 - self._read
        return call.outputs

    def _prepare(self, n: int, read: int) -> _Call:
        memory = self._memory
        if n not in self._contexts:
            self._contexts[n] = self._source.open_context(self._stage, n)
        shapes: dict[str, tuple[int, ...]] = {}
        addresses: dict[str, int] = {}
        inputs: dict[str, npt.NDArray[Any]] = {}
        outputs: dict[str, npt.NDArray[Any]] = {}
        for item in self._stage.inputs:
            shapes[item.name] = concrete_shape(item.shape, n)
            inputs[item.name] = memory.array(shapes[item.name], item.dtype)
            inputs[item.name][...] = 0
            addresses[item.name] = memory.buffer(inputs[item.name].nbytes)
        for output in self._stage.outputs:
            outputs[output.name] = memory.array(concrete_shape(output.shape, n), output.dtype)
            addresses[output.name] = memory.buffer(outputs[output.name].nbytes)
        for name, shape in self._shapes.items():
            shapes[f"state.{name}"] = shape
            addresses[f"state.{name}"] = self._states[read][name]
            addresses[f"new_state.{name}"] = self._states[1 - read][name]
        call = _Call(self._contexts[n], shapes, addresses, inputs, outputs, None)
        # TensorRT finishes its preparations for a shape in the first call, which must not be recorded. It writes the
        # state buffers that the real call will write again.
        self._queue(call)
        self._device.wait(memory.stream)
        if not self._record:
            return call
        try:
            graph = self._device.capture(memory.stream, lambda: self._queue(call))
        except BackendError:
            self.recorded = self._record = False
            return call
        memory.graphs.append(graph)
        return _Call(call.context, shapes, addresses, inputs, outputs, graph)

    def _queue(self, call: _Call) -> None:
        """Copies in, engine, copies out, all on this stream's queue."""
        stream = self._memory.stream
        for name, array in call.inputs.items():
            self._device.to_device(call.addresses[name], array, stream)
        accepted = all(call.context.set_input_shape(name, shape) for name, shape in call.shapes.items())
        accepted = accepted and all(call.context.set_tensor_address(*pair) for pair in call.addresses.items())
        if not accepted or not call.context.execute_async_v3(stream):
            raise BackendError(
                f"stage {self._stage.name}: TensorRT refused the call with {call.shapes}",
                "an engine that runs",
                "Build the engines again with `emoface engine`; TensorRT's log says more.",
            )
        for name, array in call.outputs.items():
            self._device.to_host(array, call.addresses[name], stream)


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize
