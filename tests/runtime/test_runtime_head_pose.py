"""Poses of the head in the C interface and the backend `native`: those of Python, bit for bit; sampled in real time."""

from __future__ import annotations

import ctypes
import time

import c_interface as abi
import handmade
import handmade_head
import numpy as np
import pytest
from c_interface import StatusError, joined, same_bits
from pose_cases import assert_rotations

from emoface import FrameBatch, Package
from emoface.backends import available_backends
from emoface.head_pose import quaternions

POSE = ("head_rotation", "head_translation")


@pytest.fixture(scope="module", params=["frame", "frames"])
def moving_path(request, tmp_path_factory):
    """The handmade package with a head, and golden vectors."""
    folder = tmp_path_factory.mktemp("head")
    files = handmade_head.with_head(handmade.package_files(), request.param)
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="module")
def moving(api, moving_path):
    return api.open(moving_path)


def same_poses(got: dict[str, np.ndarray], expected: FrameBatch) -> None:
    for name in (*POSE, "vertices"):
        assert got[name].shape == getattr(expected, name).shape, name
        assert got[name].tobytes() == getattr(expected, name).tobytes(), name


def test_poses_have_pythons_bits(moving, moving_path, sound):
    audio = sound(2.0)
    expected = handmade.run(moving_path, audio, 0.5)
    assert moving.info.has_head_pose == 1 and moving.info.format == 2
    got = moving.animator().run(*np.split(audio, [1, 9999, 20000]), tail=0.5)
    same_poses(got, expected)
    assert_rotations(got["head_rotation"])
    assert np.array_equal(got["head_rotation"][-1], np.eye(3)) and not got["head_translation"][-1].any()


def test_random_cuts_reset_and_snapshots(moving, moving_path, sound):
    audio = sound(1.5)
    voice = moving.animator()
    expected = voice.run(audio, tail=0.3)
    random = np.random.default_rng(0)
    for _ in range(3):
        voice.api.call("reset", voice.handle)
        cuts = np.sort(random.integers(0, len(audio), random.integers(1, 40)))
        same_bits(voice.run(*np.split(audio, cuts), tail=0.3), expected)
    voice.api.call("reset", voice.handle)
    before = voice.step(audio[:7000])
    data = voice.snapshot()
    other = moving.animator()
    other.restore(data)
    same_bits(joined([before, other.step(audio[7000:]), other.flush(0.3)]), expected)
    with Package.load(moving_path).animator(backend="ort-cpu", channels=1) as animator:
        animator.restore(data)
        rest = FrameBatch.concat([animator.step(audio[7000:]), animator.flush(0.3)])
    same_poses({name: array[len(before["time"]) :] for name, array in expected.items()}, rest)


@pytest.mark.skipif("native" not in available_backends(), reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT")
def test_the_backend_native_has_the_same_bits(moving_path, sound):
    audio = sound(1.0)
    expected = handmade.run(moving_path, audio, 0.4, backend="auto")
    got = handmade.run(moving_path, audio, 0.4, backend="native")
    same_poses({name: getattr(got, name) for name in (*POSE, "vertices")}, expected)


def test_golden_vectors(moving):
    result = moving.verify()
    assert result.passed == 1 and result.frames == 3 and result.stages_error <= result.tolerance


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("NaN", "NaN or infinite head pose"),
        ("reflection", "that is a reflection"),
        ("not orthonormal", "off orthonormal by 0.00"),
        ("far", "head translation from the graphs of"),
    ],
)
def test_what_a_graph_must_not_give(api, tmp_path, sound, fault, match):
    files = handmade_head.with_head(handmade.package_files(), "frame", fault)
    voice = api.open(handmade.write_zip(tmp_path / "x.emoface", files)).animator()
    with pytest.raises(StatusError, match=match) as caught:
        voice.run(sound(0.5))
    assert caught.value.name == "RUNTIME"
    with pytest.raises(StatusError, match="after a failed step"):
        voice.step(sound(0.1))


def test_arrays_for_a_head_that_does_not_move(package, sound):
    assert package.info.has_head_pose == 0
    voice = package.animator()
    audio, room = sound(0.5), np.zeros((15, 9), np.float32)
    for name in POSE:
        out = abi.Frames(**{name: room.ctypes.data})
        with pytest.raises(StatusError, match="array for the head's pose") as caught:
            voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 15, None)
        assert caught.value.name == "ARGUMENT"
    assert voice.info().samples_fed == 0


def test_programs_made_before_there_were_poses(moving, sound):
    voice = moving.animator()
    arrays, audio = voice.arrays(15), sound(0.5)
    out = voice.frames(arrays)
    out.struct_size = abi.Frames.head_rotation.offset
    voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 15, None)
    assert arrays["vertices"].any() and not arrays["head_rotation"].any()
    info = abi.PackageInfo()
    info.struct_size = abi.PackageInfo.has_head_pose.offset
    info.has_head_pose = info.has_arousal = -7
    voice.api.call("package_get_info", moving.handle, ctypes.byref(info))
    assert info.vertices == moving.info.vertices and info.struct_size == abi.PackageInfo.has_head_pose.offset
    assert (info.has_head_pose, info.has_arousal) == (-7, -7)


def test_sampled_poses_turn_evenly(moving, sound):
    audio = sound(1.0)
    expected = moving.animator().run(audio)
    voice = moving.animator()
    voice.api.call("start", voice.handle, None)
    notice, rest = voice.sample(0.0)
    assert notice == "NOTICE_NO_FRAME"
    assert np.array_equal(rest["head_rotation"][0], np.eye(3)) and not rest["head_translation"].any()
    voice.api.call("push", voice.handle, audio.ctypes.data, len(audio))
    voice.api.call("flush", voice.handle, ctypes.c_double(0.0), None, 0, None)
    deadline = time.monotonic() + 30
    while voice.statistics().frames < 30:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for frame in (3, 11, 28):
        exact = voice.sample(frame / 30)[1]
        for name in POSE:
            assert np.allclose(exact[name][0], expected[name][frame], atol=1e-6)
        pair = expected["head_rotation"][frame : frame + 2]
        whole = angle_between(pair[0], pair[1])
        assert whole > 0.01
        for share in (0.25, 0.5, 0.9):
            notice, got = voice.sample((frame + share) / 30)
            assert notice == "OK"
            assert_rotations(got["head_rotation"])
            assert angle_between(pair[0], got["head_rotation"][0]) == pytest.approx(share * whole, abs=2e-4)
            assert angle_between(got["head_rotation"][0], pair[1]) == pytest.approx((1 - share) * whole, abs=2e-4)
            moved = expected["head_translation"][frame : frame + 2]
            assert np.allclose(got["head_translation"][0], moved[0] + (moved[1] - moved[0]) * share, atol=1e-5)
    notice, last = voice.sample(5.0)
    assert notice == "NOTICE_LATE"
    for name in POSE:
        assert last[name].tobytes() == expected[name][-1:].tobytes()
    voice.api.call("stop", voice.handle)


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Radians of the rotation that leads from one to the other."""
    q = quaternions((a.astype(np.float64).T @ b)[None])[0]
    return float(2 * np.arctan2(np.linalg.norm(q[:3]), q[3]))
