"""Bad input at the C interface, each by name: a status with a reason, and the process goes on."""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from ctypes import byref, c_int64, c_void_p

import c_interface as abi
import numpy as np
import pytest
from c_interface import AnimatorConfig, RealtimeConfig, StatusError, joined, same_bits

NULL_CALLS = {
    "package_open": (None, byref(c_void_p())),
    "package_open_memory": (None, 0, byref(c_void_p())),
    "package_get_info": (None, byref(abi.PackageInfo())),
    "animator_create": (None, None, byref(c_void_p())),
    "animator_config_init": (None, 0),
    "animator_get_info": (None, byref(abi.AnimatorInfo())),
    "step": (None, None, 0, None, 0, None),
    "step_frames": (None, 0, byref(c_int64())),
    "flush": (None, 0.0, None, 0, None),
    "flush_frames": (None, 0.0, byref(c_int64())),
    "reset": (None,),
    "snapshot": (None, None, 0, byref(c_int64())),
    "restore": (None, None, 0),
    "set_style": (None, None, -1.0),
    "set_emotion": (None, None, -1.0),
    "set_level": (None, None, -1.0),
    "set_condition": (None, None, None, 0, -1.0),
    "realtime_config_init": (None, 0),
    "start": (None, None),
    "stop": (None,),
    "push": (None, None, 0),
    "sample": (None, 0.0, None),
    "get_statistics": (None, byref(abi.Statistics())),
    "solver_config_init": (None, 0),
    "solver_create": (None, None, byref(c_void_p())),
    "solver_solve": (None, None, None),
    "solver_reset": (None,),
    "verify": (None, None, byref(abi.Verification())),
}


@pytest.mark.parametrize("function", NULL_CALLS)
def test_null_handle(api, function):
    with pytest.raises(StatusError, match="NULL") as caught:
        api.call(function, *NULL_CALLS[function])
    assert caught.value.name == "ARGUMENT"


def test_null_where_nothing_can_be_returned(api):
    library = api.library
    for name in ("package", "animator", "solver"):
        getattr(library, f"emoface_{name}_release")(None)
    assert library.emoface_package_text(None, 0) == b""
    assert library.emoface_package_name(None, 0, 0) is None
    assert library.emoface_package_name_count(None, 0) == 0
    assert library.emoface_package_template(None) is None
    assert library.emoface_package_mask(None, b"lips", None) is None
    assert library.emoface_package_blendshape(None, 0) is None


def refused(status: str, match: str, call, *arguments) -> None:
    with pytest.raises(StatusError, match=match) as caught:
        call(*arguments)
    assert caught.value.name == status, caught.value


@pytest.mark.parametrize(
    "struct",
    [
        abi.AnimatorConfig,
        abi.AnimatorInfo,
        abi.PackageInfo,
        abi.Frames,
        abi.Verification,
    ],
)
@pytest.mark.parametrize("size", [0, 4, 100000])
def test_wrong_struct_size(api, package, struct, size):
    value = struct()
    value.struct_size = size
    voice = package.animator()
    calls = {
        abi.AnimatorConfig: ("animator_create", package.handle, byref(value), byref(c_void_p())),
        abi.AnimatorInfo: ("animator_get_info", voice.handle, byref(value)),
        abi.PackageInfo: ("package_get_info", package.handle, byref(value)),
        abi.Frames: ("step", voice.handle, None, 0, byref(value), 0, None),
        abi.Verification: ("verify", package.handle, None, byref(value)),
    }
    refused("ARGUMENT", "struct_size", api.call, *calls[struct])


@pytest.mark.parametrize(
    ("status", "match", "options"),
    [
        ("AUDIO_FORMAT", "sample_rate", {"sample_rate": 100}),
        ("AUDIO_FORMAT", "channels", {"channels": 65}),
        ("AUDIO_FORMAT", "sample_format", {"sample_format": 9}),
        ("ARGUMENT", "multiple of 20 ms", {"block_ms": 30}),
        ("ARGUMENT", "threads", {"threads": -1}),
        ("PACKAGE", "fp16", {"precision": b"fp16"}),
        ("BACKEND", "cuda", {"backend": b"cuda"}),
        ("CONDITION", "one of anna, ben", {"style": b"nobody"}),
        ("CONDITION", "auto", {"emotion": b"bored"}),
        ("CONDITION", "normal, strong", {"level": b"loud"}),
        ("TEMPLATE", "12", {"template_vertices": 1, "template_count": 5}),
    ],
)
def test_bad_option(package, status, match, options):
    refused(status, match, lambda: package.animator(**options))


def test_bad_samples_leave_the_state_untouched(package, sound):
    audio = sound(0.5)
    expected = package.animator().run(audio)
    voice = package.animator()
    voice.step(audio[:3000])
    for bad in (np.nan, np.inf, -np.inf, 17.0):
        chunk = np.array([0.1, bad], np.float32)
        refused("AUDIO", "unusable", voice.step, chunk)
    rest = joined([voice.step(audio[3000:]), voice.flush()])
    same_bits(rest, {name: array[len(array) - len(rest["time"]) :] for name, array in expected.items()})
    muted = package.animator(on_bad_audio=1).run(
        np.where(np.arange(len(audio)) == 99, np.nan, audio).astype(np.float32)
    )
    silent = package.animator().run(np.where(np.arange(len(audio)) == 99, 0, audio).astype(np.float32))
    same_bits(muted, silent)


def test_audio_after_flush(package, sound):
    voice = package.animator()
    voice.run(sound(0.2))
    refused("STREAM_ENDED", "emoface_reset", voice.step, sound(0.1))
    refused("STREAM_ENDED", "emoface_reset", voice.flush)
    refused("ARGUMENT", "seconds from 0 to 60", package.animator().flush, 61.0)


def test_a_change_in_the_past(package, sound):
    voice = package.animator()
    voice.step(sound(1.0))
    refused("CONDITION", "already computed", voice.api.call, "set_emotion", voice.handle, b"sad", 0.1)
    voice.api.call("set_emotion", voice.handle, b"sad", -1.0)
    refused("CONDITION", "seconds of audio time", voice.api.call, "set_emotion", voice.handle, b"sad", float("nan"))
    refused("CONDITION", "one of", voice.api.call, "set_condition", voice.handle, b"mood", None, 0, -1.0)


def test_missing_package(api, tmp_path):
    refused("PACKAGE_NOT_FOUND", "no such file", api.open, tmp_path / "größe.emoface")


def test_corrupt_package_from_memory(api, package_path):
    data = package_path.read_bytes()
    for length in (0, 1, 21, 22, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(StatusError) as caught:
            api.open(data[:length])
        assert caught.value.name == "PACKAGE_INTEGRITY", caught.value
    random = np.random.default_rng(0)
    loaded = 0
    for position in random.integers(0, len(data), 150):
        changed = bytearray(data)
        changed[position] ^= 1 << random.integers(0, 8)
        try:
            api.open(bytes(changed))
            loaded += 1  # a byte that means nothing, such as a file's date
        except StatusError as error:
            assert error.name in ("PACKAGE_INTEGRITY", "MANIFEST", "PACKAGE_FORMAT"), error
            assert "expected" in error.text
    assert loaded < 15


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", "/etc/passwd"])
def test_a_name_that_leaves_the_package(api, tmp_path, package_path, name):
    path = tmp_path / "evil.emoface"
    shutil.copy(package_path, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    refused("MANIFEST", "plain file names", api.open, path)


def test_a_zip_of_thousands_of_files(api):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(4097):
            archive.writestr(str(index), b"")
    refused("PACKAGE_INTEGRITY", "at most 4096", api.open, buffer.getvalue())


def test_a_format_of_the_future(api, tmp_path):
    import handmade

    files = handmade.with_manifest(handmade.package_files(), format=7)
    refused("PACKAGE_FORMAT", "format = 7", api.open, handmade.write_zip(tmp_path / "new.emoface", files))


def test_damaged_snapshot(package, sound):
    voice = package.animator()
    voice.step(sound(0.5))
    data = voice.snapshot()
    expected = voice.flush()
    for bad in (b"", data[:40], data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:], b"x" * 200):
        refused("SNAPSHOT", "snapshot", voice.restore, bad)
    refused("SNAPSHOT", "sample_rate", package.animator(sample_rate=48000).restore, data)
    refused("SNAPSHOT", "channel", package.animator(channels=2).restore, data)
    voice.restore(data)
    same_bits(voice.flush(), expected)


def test_calls_of_the_other_mode(package, sound):
    voice = package.animator()
    refused("MODE", "emoface_start", voice.api.call, "push", voice.handle, None, 0)
    refused("MODE", "emoface_start", voice.sample, 0.0)
    refused("MODE", "emoface_start", voice.api.call, "stop", voice.handle)
    voice.api.call("start", voice.handle, None)
    refused("MODE", "emoface_stop", voice.step, sound(0.1))
    refused("MODE", "emoface_stop", voice.api.call, "snapshot", voice.handle, None, 0, byref(c_int64()))
    refused("MODE", "emoface_stop", voice.api.call, "start", voice.handle, None)
    voice.api.call("stop", voice.handle)
    assert len(voice.run(sound(0.5))["time"]) == 15


def wait_until(condition) -> None:
    patience = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < patience, "the worker did not get there"
        time.sleep(0.01)


def test_real_time_gives_the_synchronous_frames_and_notices(package, sound):
    audio = sound(1.0)
    expected = package.animator().run(audio)
    voice = package.animator()
    voice.api.call("start", voice.handle, None)
    notice, arrays = voice.sample(0.0)
    assert notice == "NOTICE_NO_FRAME"
    assert "latency" in voice.api.last_error()
    assert arrays["vertices"].any()  # the neutral face
    for chunk in np.split(audio, range(0, len(audio), 441)[1:]):
        voice.api.call("push", voice.handle, chunk.ctypes.data, len(chunk))
    voice.api.call("flush", voice.handle, 0.0, None, 0, None)
    refused("STREAM_ENDED", "emoface_reset", voice.api.call, "push", voice.handle, audio.ctypes.data, 10)
    wait_until(lambda: voice.statistics().frames == 30)
    for frame in range(29):
        notice, arrays = voice.sample(frame / 30)
        assert notice == "OK"
        assert arrays["vertices"][0].tobytes() == expected["vertices"][frame].tobytes()
    notice, between = voice.sample(10.5 / 30)
    middle = 0.5 * (expected["vertices"][10] + expected["vertices"][11])
    np.testing.assert_allclose(between["vertices"][0], middle, atol=1e-6)
    notice, arrays = voice.sample(1e6)
    assert notice == "NOTICE_LATE"
    assert arrays["vertices"][0].tobytes() == expected["vertices"][29].tobytes()
    notice, arrays = voice.sample(-5.0)
    assert notice == "NOTICE_EARLY"
    refused("ARGUMENT", "no number", voice.sample, float("nan"))
    statistics = voice.statistics()
    assert (statistics.late, statistics.early, statistics.no_frame, statistics.sampled) == (1, 1, 1, 33)
    assert statistics.pushed_samples == len(audio)
    voice.api.call("reset", voice.handle)
    assert voice.sample(0.0)[0] == "NOTICE_NO_FRAME"
    voice.api.call("stop", voice.handle)


def test_a_queue_that_is_full(package, sound):
    voice = package.animator()
    config = RealtimeConfig(queue_ms=100)
    voice.api.call("start", voice.handle, byref(config))
    audio = sound(1.0)
    refused("QUEUE_FULL", "queue_ms", voice.api.call, "push", voice.handle, audio.ctypes.data, len(audio))
    assert voice.statistics().rejected_samples == len(audio)
    bad = np.array([np.nan], np.float32)
    refused("AUDIO", "unusable", voice.api.call, "push", voice.handle, bad.ctypes.data, 1)
    voice.api.call("stop", voice.handle)


def test_two_threads_in_one_animator(package, sound):
    voice = package.animator()
    audio = sound(60.0)
    found: list[str] = []
    started = threading.Event()

    def long_call() -> None:
        started.set()
        try:  # whichever of the two comes second is refused
            voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), None, 0, None)
        except StatusError as error:
            found.append(error.name)

    worker = threading.Thread(target=long_call)
    worker.start()
    started.wait()
    while worker.is_alive() and not found:
        try:
            voice.api.call("reset", voice.handle)
        except StatusError as error:
            found.append(error.name)
    worker.join()
    assert found == ["CONCURRENT_USE"]


def in_a_process_of_its_own(code: str, **environment: str) -> str:
    header = "import ctypes\nimport c_interface as abi\napi = abi.Api(abi.load())\n"
    done = subprocess.run(
        [sys.executable, "-c", header + code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(abi.ROOT / "tests" / "runtime"), **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="session")
def old_onnxruntime(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt install gcc")
    path = tmp_path_factory.mktemp("old") / "libonnxruntime.so"
    source = abi.ROOT / "tests" / "runtime" / "fake_onnxruntime.c"
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", path], check=True)
    return path


def test_onnxruntime_too_old_absent_or_something_else(api, old_onnxruntime, tmp_path, package_path):
    text = tmp_path / "text.so"
    text.write_text("no library")
    said = in_a_process_of_its_own(
        f"""
for path in ({str(old_onnxruntime)!r}, "/no/such/file.so", {str(text)!r}, {str(abi.LIBRARY)!r}):
    try:
        api.call("onnxruntime_load", path.encode())
    except abi.StatusError as error:
        print(error)
package = api.open({str(package_path)!r})
try:
    package.animator()
except abi.StatusError as error:
    print(error)
api.call("onnxruntime_load", abi.onnxruntime_library().encode())
print(api.library.emoface_onnxruntime_version().decode())
print(package.animator().info().backend.decode())
""",
        EMOFACE_ONNXRUNTIME=str(old_onnxruntime),
    ).splitlines()
    assert all(line.startswith("BACKEND: ") and "ONNX Runtime 1.25 or newer" in line for line in said[:5]), said
    assert "version 1.8.1" in said[0]
    assert "No such file" in said[1] or "cannot open" in said[1]
    assert "not ONNX Runtime" in said[3]
    assert "version 1.8.1" in said[4]
    assert said[6] == "ort-cpu"


def test_another_onnxruntime_in_the_process(api, package_path, tmp_path, old_onnxruntime):
    other = tmp_path / "libonnxruntime.so.1"
    shutil.copy(abi.onnxruntime_library(), other)
    said = in_a_process_of_its_own(f"""
ctypes.CDLL({str(old_onnxruntime)!r}, mode=ctypes.RTLD_GLOBAL)
ctypes.CDLL(abi.onnxruntime_library(), mode=ctypes.RTLD_GLOBAL)
import onnxruntime
api.call("onnxruntime_load", {str(other)!r}.encode())
print(api.library.emoface_onnxruntime_path().decode())
print(api.open({str(package_path)!r}).verify().passed)
print(len(onnxruntime.get_available_providers()) > 0)
try:
    api.call("onnxruntime_load", abi.onnxruntime_library().encode())
except abi.StatusError as error:
    print(error)
""").splitlines()
    assert said[:3] == [str(other), "1", "True"]
    assert "one ONNX Runtime per process" in said[3]


def test_config_init_fills_defaults(api):
    config = AnimatorConfig()
    config.sample_rate = 77
    api.call("animator_config_init", byref(config), ctypes.sizeof(config))
    assert (config.struct_size, config.sample_rate) == (ctypes.sizeof(config), 0)
    refused("ARGUMENT", "struct_size", api.call, "animator_config_init", byref(config), 12)


def test_log_callback(api):
    said = in_a_process_of_its_own("""
kind = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
callback = kind(lambda level, message, user: print(level, message.decode(), user))
api.call("set_log", callback, ctypes.c_void_p(77))
api.call("onnxruntime_load", abi.onnxruntime_library().encode())
api.call("set_log", None, None)
""")
    assert said.startswith("1 ONNX Runtime 1.")
    assert said.endswith(" 77\n")
