"""Arousal, valence and confidence in the C interface and the backend `native`: Python's bits, and live."""

from __future__ import annotations

import ctypes
import io
import time

import c_interface as abi
import handmade
import handmade_affect
import numpy as np
import pytest

from emoface import FrameBatch, Package
from emoface.backends import available_backends
from emoface.errors import RuntimeFailure
from emoface.manifest import AFFECT


@pytest.fixture(scope="module", params=["block", "frames"])
def feeling_path(request, tmp_path_factory):
    """The package with real golden vectors."""
    folder, files = tmp_path_factory.mktemp("feeling"), handmade_affect.package_files(request.param)
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="module")
def feeling(api, feeling_path) -> abi.Package:
    return api.open(feeling_path)


@pytest.fixture(scope="module")
def python_package(feeling_path) -> Package:
    return Package.load(feeling_path)


def python_run(package, audio, backend="ort-cpu", tail_s=0.0) -> FrameBatch:
    with package.animator(backend=backend) as animator:
        return FrameBatch.concat([animator.step(audio), animator.flush(tail_s)])


def test_c_gives_pythons_bits(feeling, python_package, sound):
    assert all(getattr(feeling.info, f"has_{name}") == 1 for name in AFFECT)
    audio = sound(0.8)
    expected, voice = python_run(python_package, audio, tail_s=0.2), feeling.animator()
    frames = abi.joined([voice.step(audio[:3000]), voice.step(audio[3000:]), voice.flush(0.2)])
    for name in (*AFFECT, "vertices"):
        assert frames[name].tobytes() == getattr(expected, name).tobytes()
        assert np.unique(frames[name]).size > 10


def test_snapshots_pass_between_c_and_python(feeling, python_package, sound):
    audio, place = sound(0.8), 5001
    whole = feeling.animator().run(audio)
    begun, other = feeling.animator(), feeling.animator()
    before = begun.step(audio[:place])
    with python_package.animator(backend="ort-cpu") as animator:
        animator.restore(begun.snapshot())
        middle = animator.step(audio[place : 2 * place])
        other.restore(animator.snapshot())
    after = other.run(audio[2 * place :])
    for name in AFFECT:
        parts = (before[name], getattr(middle, name), after[name])
        assert np.concatenate(parts).tobytes() == whole[name].tobytes()


def test_golden_vectors_hold_them(api, feeling, feeling_path, python_package):
    verification = abi.Verification()
    api.call("verify", feeling.handle, None, ctypes.byref(verification))
    assert verification.passed == 1 and verification.stages_error < 1e-6
    with np.load(io.BytesIO(python_package.file("golden.npz"))) as golden:
        files = {name: python_package.file(name) for name in python_package.manifest.files}
        files["manifest.json"] = python_package.manifest.to_text().encode()
        arrays = dict(golden)
    assert {f"mood.{name}" for name in AFFECT} <= set(arrays)
    arrays["mood.valence"] = arrays["mood.valence"] + np.float32(0.1)
    wrong = handmade.with_file(files, "golden.npz", handmade.npz(**arrays))
    other = api.open(handmade.write_zip(feeling_path.parent / "wrong.emoface", wrong))
    api.call("verify", other.handle, None, ctypes.byref(verification))
    assert verification.passed == 0


def test_the_backend_native_gives_them(python_package, sound):
    if "native" not in available_backends():
        pytest.skip("no emoface._runtime")
    single = "ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu"
    frames = [python_run(python_package, sound(0.5), backend) for backend in ("native", single)]
    for name in AFFECT:
        assert getattr(frames[0], name).tobytes() == getattr(frames[1], name).tobytes()


def test_real_time_interpolates_them(api, feeling, sound):
    audio = sound(1.0)
    frames = feeling.animator().run(audio)
    live = feeling.animator()
    config = abi.RealtimeConfig(history_ms=10000, queue_ms=10000)
    api.call("start", live.handle, ctypes.byref(config))
    status, before = live.sample(0.0)
    assert status == "NOTICE_NO_FRAME" and all(before[name][0, 0] == 0 for name in AFFECT)
    api.call("push", live.handle, audio.ctypes.data, len(audio))
    api.call("flush", live.handle, 0.0, None, 0, None)
    end = time.monotonic() + 60
    while live.statistics().frames < 30 and time.monotonic() < end:
        time.sleep(0.01)
    _, sampled = live.sample(10.5 / 30)
    for name in AFFECT:
        np.testing.assert_allclose(sampled[name][0], frames[name][10:12].mean(axis=0), rtol=1e-4)


def test_arrays_that_the_package_does_not_fill_are_refused(api, package):
    voice = package.animator()
    assert not any(getattr(package.info, f"has_{name}") for name in AFFECT)
    for name in AFFECT:
        arrays = {**voice.arrays(4), name: np.zeros((4, 1), np.float32)}
        with pytest.raises(abi.StatusError, match=rf"an array for {name}; expected NULL.*has_{name}"):
            api.call("step", voice.handle, None, 0, ctypes.byref(voice.frames(arrays)), 4, None)


def test_callers_of_smaller_structs_get_what_they_know(api, feeling):
    info = abi.PackageInfo()
    info.struct_size = abi.PackageInfo.has_arousal.offset
    info.has_arousal = -7
    api.call("package_get_info", feeling.handle, ctypes.byref(info))
    assert info.vertices == feeling.info.vertices and info.has_arousal == -7


@pytest.mark.parametrize("fault", AFFECT)
def test_nan_is_refused_by_name(api, fault, sound, tmp_path):
    path = handmade.write_zip(tmp_path / "a.emoface", handmade_affect.package_files(fault=fault))
    with pytest.raises(abi.StatusError, match=f"NaN or infinite {fault} from the graphs"):
        api.open(path).animator().step(sound(0.5))
    if "native" in available_backends():
        animator = Package.load(path).animator(backend="native")
        with animator, pytest.raises(RuntimeFailure, match=f"NaN or infinite {fault}"):
            animator.step(sound(0.5))
