"""The GPU backends: their streams on a device made of host memory, and what they say where something is missing."""

import dataclasses
import gc
import types

import handmade
import handmade_affect
import handmade_head
import handmade_person
import numpy as np
import onnxruntime
import pytest
from host_device import FakeCudaEngine, HostDevice, HostEngine, HostSource

from emoface import FrameBatch, Package, backends
from emoface.backends import cuda_device, gpu, ort_cuda, tensorrt_library
from emoface.backends.cuda_device import CudaDevice, driver_reason
from emoface.backends.ort import OrtEngine
from emoface.backends.ort_cuda import OrtCudaEngine, OrtDeviceStage, open_session, refuse_int8
from emoface.backends.tensorrt import check_signature
from emoface.backends.tensorrt_stage import TensorRTStage
from emoface.errors import BackendError, PackageError
from emoface.frames import FRAME_ARRAYS

SAMPLES = 16000
GPU_BACKENDS = ("ort-cuda", "tensorrt", "tensorrt-rtx")


@pytest.fixture
def voice(package, monkeypatch):
    """`voice(engine)` -> an animator on that engine, or on ort-cpu."""

    def make(engine=None, package=package, **options):
        if engine is not None:
            monkeypatch.setitem(backends._FACTORIES, "under test", lambda *_: engine)
            package._engines.pop(("under test", "fp32", 1), None)
        name = "ort-cpu" if engine is None else "under test"
        return package.animator(backend=name, precision="fp32", **options)

    return make


def speech(seconds=2.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(int(SAMPLES * seconds))).astype(np.float32)


def vertices(animator, audio, cut=1000):
    parts = [animator.step(audio[at : at + cut]).vertices for at in range(0, len(audio), cut)]
    return np.concatenate([*parts, animator.flush().vertices])


@pytest.mark.parametrize("record", [True, False], ids=["graphs", "calls"])
@pytest.mark.parametrize("block_ms", [40, 100])
def test_device_streams_give_the_bits_of_the_reference(package, voice, record, block_ms):
    engine = HostEngine(package, record)
    expected = vertices(voice(block_ms=block_ms), speech())
    assert np.array_equal(vertices(voice(engine, block_ms=block_ms), speech()), expected)
    assert (engine.device.launched > 50) is record


def test_one_context_per_length_and_one_recording_per_direction(package, voice):
    engine = HostEngine(package)
    animator = voice(engine)
    vertices(animator, speech())
    assert len(engine.source.opened) == len(set(engine.source.opened))
    lengths = {}
    for name, n in engine.source.opened:
        lengths.setdefault(name, []).append(n)
    assert len(engine.device.graphs) == 2 * sum(len(ns) for ns in lengths.values())


def test_reset_and_snapshots_go_through_the_device(package, voice):
    audio = speech()
    animator = voice(HostEngine(package))
    whole = vertices(animator, audio)
    animator.reset()
    first = animator.step(audio[:SAMPLES]).vertices
    saved = animator.snapshot()
    rest = [animator.step(audio[SAMPLES:]).vertices, animator.flush().vertices]
    assert np.array_equal(np.concatenate([first, *rest]), whole)
    other = voice(HostEngine(package))
    other.restore(saved)
    again = [other.step(audio[SAMPLES:]).vertices, other.flush().vertices]
    assert np.array_equal(np.concatenate(again), np.concatenate(rest))


def test_two_streams_share_nothing(package, voice):
    engine = HostEngine(package)
    one, two = voice(engine), package.animator(backend="under test", precision="fp32")
    sounds = speech(seed=1), speech(seed=2)
    parts = ([], [])
    for at in range(0, len(sounds[0]), 1600):
        parts[0].append(one.step(sounds[0][at : at + 1600]).vertices)
        parts[1].append(two.step(sounds[1][at : at + 1600]).vertices)
    for part, sound in zip(parts, sounds, strict=True):
        alone = voice(HostEngine(package))
        expected = np.concatenate([alone.step(sound[at : at + 1600]).vertices for at in range(0, len(sound), 1600)])
        assert np.array_equal(np.concatenate(part), expected)


def test_a_stream_gives_everything_back(package, voice):
    engine = HostEngine(package)
    animator = voice(engine)
    animator.step(speech())
    device = engine.device
    assert all((device.memory, device.host, device.queues, device.graphs))
    animator.close()
    del animator
    gc.collect()
    assert not any((device.memory, device.host, device.queues, device.graphs))


def test_what_cannot_be_recorded_is_queued_and_said(package):
    device = HostDevice()

    def refuse(stream, work):
        raise BackendError("operation not permitted when stream is capturing", "", "")

    device.capture = refuse
    manifest = package.manifest
    spec = next(stage for stage in manifest.stages if stage.cadence == "frames")
    stage = TensorRTStage(device, HostSource(device, package), spec)
    reference = OrtEngine(package, "fp32").open_stage(spec)
    random = np.random.default_rng(0)
    for n in (1, 2, 1, 1):
        inputs = {i.name: random.standard_normal((1, n, i.shape[2])).astype(np.float32) for i in spec.inputs}
        got, expected = stage.run(inputs, n), reference.run(inputs, n)
        assert all(np.array_equal(got[name], expected[name]) for name in expected)
    assert not stage.recorded
    assert device.launched == 0


@pytest.mark.parametrize("step", ["shape", "address", "run"])
def test_a_call_that_tensorrt_refuses_is_an_error(package, step):
    device = HostDevice()
    spec = package.manifest.stages[0]
    stage = TensorRTStage(device, HostSource(device, package, refuse=step), spec)
    n = package.manifest.block_features
    with pytest.raises(BackendError, match=f"stage {spec.name}: TensorRT refused the call") as caught:
        stage.run({item.name: np.zeros(()) for item in spec.inputs}, n)
    assert "emoface engine" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {f"new_state.{s.state[0].name}": None}, "tensors "),
        (lambda s: {s.inputs[0].name: (2, "float16")}, "float16"),
        (lambda s: {s.outputs[0].name: (0, "TensorIOMode.INPUT")}, "INPUT"),
        (lambda s: {s.inputs[0].name: (1, (1, 7))}, r"\(1, 7\)"),
    ],
    ids=["a tensor is missing", "dtype", "direction", "shape"],
)
def test_an_engine_that_does_not_fit_the_manifest_is_refused(package, change, message):
    trt = types.SimpleNamespace(nptype=np.dtype)
    stage = package.manifest.stages[0]
    check_signature(trt, "x.engine", FakeCudaEngine(stage, 2), stage, 2)
    with pytest.raises(BackendError, match=message) as caught:
        check_signature(trt, "x.engine", FakeCudaEngine(stage, 2, **change(stage)), stage, 2)
    assert "emoface engine" in caught.value.remedy


@pytest.mark.parametrize("name", GPU_BACKENDS)
def test_a_missing_backend_says_why_and_what_to_do(package, name):
    reason = gpu.missing(name)
    if reason is None:
        assert name in backends.available_backends()
        return
    assert name in backends.absent_backends()
    with pytest.raises(BackendError) as caught:
        package.animator(backend=name)
    assert reason[0] in caught.value.got
    assert caught.value.remedy == reason[1]
    with pytest.raises(BackendError, match="backend="):
        gpu.factory(name)


def test_reasons_follow_what_is_missing(monkeypatch):
    monkeypatch.setattr(gpu, "driver_reason", lambda: None)
    monkeypatch.setattr(gpu, "installed", lambda flavour: flavour == "rtx")
    assert gpu.missing("tensorrt-rtx") is None
    assert gpu.missing("tensorrt")[0] == "the Python module tensorrt is not installed"
    monkeypatch.setattr(gpu, "driver_reason", lambda: "no NVIDIA driver (libcuda)")
    assert gpu.missing("tensorrt-rtx")[0] == "no NVIDIA driver (libcuda)"
    monkeypatch.setattr(ort_cuda, "import_onnxruntime", lambda: Ort(["CUDAExecutionProvider"]))
    assert gpu.missing("ort-cuda")[0] == "no NVIDIA driver (libcuda)"
    monkeypatch.setattr(ort_cuda, "import_onnxruntime", lambda: Ort(["CPUExecutionProvider"]))
    assert gpu.missing("ort-cuda")[0] == "onnxruntime 9.9 here is a build without CUDA"


class Ort:
    """ONNX Runtime that takes what it likes."""

    __version__ = "9.9"

    def __init__(self, providers):
        self.providers = providers

    def get_available_providers(self):
        return self.providers

    def InferenceSession(self, data, options, providers):
        return types.SimpleNamespace(get_providers=lambda: self.providers)


def test_tensorrt_without_its_libraries_is_an_error(monkeypatch):
    monkeypatch.setitem(tensorrt_library.MODULES, "full", "no_such_tensorrt")
    with pytest.raises(BackendError, match="no_such_tensorrt cannot be imported") as caught:
        tensorrt_library.load_tensorrt("full")
    assert "pip install tensorrt" in caught.value.remedy
    monkeypatch.setitem(tensorrt_library.MODULES, "full", "json")  # a module without what TensorRT has
    with pytest.raises(BackendError, match="json without Builder: its libraries are missing"):
        tensorrt_library.load_tensorrt("full")


def test_onnxruntime_falling_back_to_the_cpu_is_an_error():
    providers = [("CUDAExecutionProvider", {}), "CPUExecutionProvider"]
    with pytest.raises(BackendError, match=r"providers \['CPUExecutionProvider'\]") as caught:
        open_session(Ort(["CPUExecutionProvider"]), b"", "a.onnx", None, providers)
    assert "CUDA and cuDNN" in caught.value.remedy
    whole = open_session(Ort(["CUDAExecutionProvider", "CPUExecutionProvider"]), b"", "a.onnx", None, providers)
    assert whole.get_providers()[0] == "CUDAExecutionProvider"


def test_the_installed_onnxruntime_is_caught_falling_back(package, no_driver):
    with pytest.raises(BackendError):
        OrtCudaEngine(package, "fp32")


def test_8_bit_graphs_are_refused_on_cuda(package):
    stage = next(stage for stage in package.manifest.stages if "int8" in stage.files)
    # Known from the manifest: a file may be called anything.
    stage = dataclasses.replace(stage, files={**stage.files, "int8": "small.onnx"})
    with pytest.raises(BackendError, match="8-bit graphs are made for CPUs") as caught:
        refuse_int8(stage, "small.onnx")
    assert "--fp16" in caught.value.remedy
    refuse_int8(stage, stage.files["fp32"])


class DeviceEngine:
    """`ort-cuda`'s streams with tensors of ONNX Runtime's CPU device."""

    backend, precision = "ort-device", "fp32"

    def __init__(self, package):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.sessions = {
            stage.name: open_session(
                onnxruntime, package.file(stage.file("fp32")), stage.name, options, ["CPUExecutionProvider"]
            )
            for stage in package.manifest.stages
        }

    def open_stage(self, stage):
        return OrtDeviceStage(self.sessions[stage.name], stage, "cpu")


def test_ort_cudas_binding_gives_the_bits_of_the_reference(package, voice):
    audio = speech()
    expected = vertices(voice(), audio)
    animator = voice(DeviceEngine(package))
    assert np.array_equal(vertices(animator, audio), expected)
    animator.reset()
    first = animator.step(audio[:SAMPLES]).vertices
    saved = animator.snapshot()
    animator.step(speech(1.0, seed=9))
    animator.restore(saved)
    rest = np.concatenate([animator.step(audio[SAMPLES:]).vertices, animator.flush().vertices])
    assert np.array_equal(np.concatenate([first, rest]), expected)


def test_precisions_of_the_engines_backends(package):
    assert backends.engine_precisions("tensorrt-rtx", ("int8",)) == ("int8", "fp16")
    assert backends.engine_precisions("ort-cpu", ("fp32", "int8")) == ("fp32", "int8")
    with pytest.raises(PackageError, match="precision='fp16'"):
        package.animator(backend="ort-cpu", precision="fp16")


def test_the_gpu_is_opened_or_its_absence_said():
    reason = driver_reason()
    if reason is None:
        device = CudaDevice()
        assert device.name
        assert device.capability.startswith("sm")
        return
    with pytest.raises(BackendError) as caught:
        CudaDevice()
    assert caught.value.got == reason
    assert "ort-cpu" in caught.value.remedy


def test_cuda_bindings_has_every_function_that_is_called():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason='no cuda-bindings: pip install "emoface[rtx]"')
    import inspect
    import re

    source = inspect.getsource(cuda_device)
    used = set(re.findall(r'_do\(\s*"(cuda\w+)"', source)) | set(re.findall(r"self\._cuda\.(cuda\w+)", source))
    assert len(used) > 15
    assert [name for name in sorted(used) if not hasattr(runtime, name)] == []


def test_an_error_of_cuda_is_a_backend_error(monkeypatch, no_driver):
    pytest.importorskip("cuda.bindings.runtime", reason='no cuda-bindings: pip install "emoface[rtx]"')
    monkeypatch.setattr(cuda_device, "driver_reason", lambda: None)
    with pytest.raises(BackendError, match=r"cudaSetDevice: .*\(CUDA error \d+\)"):
        CudaDevice()


def test_device_memory_copies_and_graphs_on_a_gpu(gpu):
    device = CudaDevice()
    stream, address = device.open_stream(), device.allocate(64)
    host, back = device.allocate_host(64), device.allocate_host(64)
    host[...] = np.arange(64)

    def work():
        device.to_device(address, host, stream)
        device.to_host(back, address, stream)

    graph = device.capture(stream, work)
    device.launch(graph, stream)
    device.wait(stream)
    assert np.array_equal(back, host)
    device.close_graph(graph)
    device.free(address)
    device.close_stream(stream)


def test_doctor_names_what_the_gpu_backends_need(tmp_path, monkeypatch):
    from emoface.backends import engine_cache
    from emoface.cli import doctor

    monkeypatch.setenv(engine_cache.ENVIRONMENT, str(tmp_path))
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    (place / "decoder.engine").write_bytes(b"")
    monkeypatch.setattr(tensorrt_library, "plugin_path", lambda: tmp_path / "libemoface_tensorrt.so")
    found = doctor.examine()
    backends_here = [finding for finding in found if finding.subject == "backend"]
    assert all(bool(finding.remedy) == (finding.status == "note") for finding in backends_here)
    findings = {finding.subject: finding for finding in found}
    assert findings["engine cache"].text == f"{tmp_path}: 1 engines"
    assert findings["TensorRT plugin"].status == "note"
    assert "TENSORRT_ROOT" in findings["TensorRT plugin"].remedy
    assert "CUDA_HOME" in findings["CUDA kernels"].remedy
    assert (findings["NVIDIA driver"].status == "ok") is (driver_reason() is None)


@pytest.mark.parametrize("engine", [HostEngine, DeviceEngine])
@pytest.mark.parametrize(
    ("made_by", "options", "has"),
    [
        (handmade_head, {"noise_seed": 5}, "head_rotation"),
        (handmade_affect, {}, "valence"),
        (handmade_person, {"person": {"mia": 0.25, "zoë": 1.5}}, "vertices"),
    ],
    ids=["noise and the head's pose", "arousal, valence and confidence", "persons"],
)
def test_what_format_2_adds_goes_through_a_device(voice, tmp_path, engine, made_by, options, has):
    """TensorRT's streams and ort-cuda's."""
    package = Package.load(handmade.write_folder(tmp_path / "package", made_by.package_files()))
    audio, frames = speech(1.0), []
    for made in (None, engine(package)):
        animator = voice(made, package=package, **options)
        fed = [animator.step(audio[at : at + 700]) for at in range(0, len(audio), 700)]
        frames.append(FrameBatch.concat([*fed, animator.flush()]))
    assert getattr(frames[0], has).any()
    for name in FRAME_ARRAYS:
        assert getattr(frames[0], name).tobytes() == getattr(frames[1], name).tobytes(), name
