"""A device made of the machine's own memory, and execution contexts that run a stage's graph in ONNX Runtime.

Both keep to what makes a GPU different: work is queued and done only when its stream is waited for; work queued while
a stream records is kept for later launches, with the addresses and shapes of that moment, and not done; only memory
that was allocated, and not yet freed, may be touched.
"""

import ctypes

import numpy as np
import onnxruntime

from emoface.manifest import concrete_shape


class HostDevice:
    name = "a processor"
    capability = "sm86"

    def __init__(self):
        self.memory, self.host, self.queues, self.graphs = {}, {}, {}, {}
        self.recording = {}
        self.launched = 0
        self._next = 1

    def allocate(self, size):
        buffer = ctypes.create_string_buffer(b"\xff" * size, size)  # NaN until something is written
        address = ctypes.addressof(buffer)
        self.memory[address] = buffer
        return address

    def free(self, address):
        del self.memory[address]

    def allocate_host(self, size):
        array = np.full(size, 255, np.uint8)
        self.host[array.ctypes.data] = array
        return array

    def free_host(self, array):
        del self.host[array.ctypes.data]

    def open_stream(self):
        self._next += 1
        self.queues[self._next] = []
        return self._next

    def close_stream(self, stream):
        del self.queues[stream]

    def enqueue(self, stream, work):
        (self.recording[stream] if stream in self.recording else self.queues[stream]).append(work)

    def _view(self, address, size):
        buffer = self.memory[address]
        assert size <= len(buffer)
        return np.frombuffer(buffer, np.uint8, size)

    def to_device(self, address, array, stream):
        assert array.flags.c_contiguous
        self._view(address, array.nbytes)
        self.enqueue(stream, lambda: self._copy(self._view(address, array.nbytes), array))

    def to_host(self, array, address, stream):
        self._view(address, array.nbytes)
        self.enqueue(stream, lambda: self._copy(array.reshape(-1).view(np.uint8), self._view(address, array.nbytes)))

    @staticmethod
    def _copy(to, source):
        to[...] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)

    def wait(self, stream):
        assert stream not in self.recording, "a stream that records cannot be waited for"
        queue, self.queues[stream] = self.queues[stream], []
        for work in queue:
            work()

    def capture(self, stream, work):
        self.recording[stream] = []
        try:
            work()
        finally:
            recorded = self.recording.pop(stream)
        self._next += 1
        self.graphs[self._next] = recorded
        return self._next

    def launch(self, graph, stream):
        self.launched += 1
        self.queues[stream].extend(self.graphs[graph])

    def close_graph(self, graph):
        del self.graphs[graph]


class HostContext:
    """TensorRT's execution context for a stage whose ONNX graph is `data`."""

    def __init__(self, device, stage, data, refuse=None):
        self.device, self.stage, self.refuse = device, stage, refuse
        self.shapes, self.addresses = {}, {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.dtypes = {item.name: item.dtype for item in (*stage.inputs, *stage.outputs)}
        for state in stage.state:
            self.dtypes |= {f"state.{state.name}": state.dtype, f"new_state.{state.name}": state.dtype}

    def set_input_shape(self, name, shape):
        self.shapes[name] = shape
        return self.refuse != "shape"

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return self.refuse != "address"

    def execute_async_v3(self, stream):
        shapes, addresses = dict(self.shapes), dict(self.addresses)
        self.device.enqueue(stream, lambda: self._run(shapes, addresses))
        return self.refuse != "run"

    def _run(self, shapes, addresses):
        def array(name, shape):
            size = int(np.prod(shape)) * np.dtype(self.dtypes[name]).itemsize
            return self.device._view(addresses[name], size).view(self.dtypes[name]).reshape(shape)

        feeds = {name: array(name, shape).copy() for name, shape in shapes.items()}
        names = [output.name for output in self.session.get_outputs()]
        for name, value in zip(names, self.session.run(names, feeds), strict=True):
            array(name, value.shape)[...] = value


class HostSource:
    """Opens one context per length and notes which."""

    def __init__(self, device, package, precision="fp32", refuse=None):
        self.device, self.package, self.precision, self.refuse, self.opened = device, package, precision, refuse, []

    def open_context(self, stage, n):
        self.opened.append((stage.name, n))
        return HostContext(self.device, stage, self.package.file(stage.file(self.precision)), self.refuse)


class HostEngine:
    """An engine of TensorRT stages on the host device."""

    backend, precision = "host", "fp32"

    def __init__(self, package, record=True):
        self.device, self.record = HostDevice(), record
        self.source = HostSource(self.device, package)

    def open_stage(self, stage):
        from emoface.backends.tensorrt_stage import TensorRTStage

        return TensorRTStage(self.device, self.source, stage, self.record)


class FakeCudaEngine:
    """What is read of TensorRT's ICudaEngine: the tensors of a stage, with changes."""

    def __init__(self, stage, n, **changes):
        self.tensors = {}
        for item in stage.inputs:
            self.tensors[item.name] = ["TensorIOMode.INPUT", concrete_shape(item.shape, n), item.dtype]
        for item in stage.outputs:
            self.tensors[item.name] = ["TensorIOMode.OUTPUT", concrete_shape(item.shape, n), item.dtype]
        for item in stage.state:
            shape = concrete_shape(item.shape, n)
            self.tensors[f"state.{item.name}"] = ["TensorIOMode.INPUT", shape, item.dtype]
            self.tensors[f"new_state.{item.name}"] = ["TensorIOMode.OUTPUT", shape, item.dtype]
        for name, change in changes.items():
            if change is None:
                del self.tensors[name]
            else:
                at, value = change
                self.tensors[name][at] = value

    num_io_tensors = property(lambda self: len(self.tensors))

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_mode(self, name):
        return self.tensors[name][0]

    def get_tensor_shape(self, name):
        return self.tensors[name][1]

    def get_tensor_dtype(self, name):
        return self.tensors[name][2]
