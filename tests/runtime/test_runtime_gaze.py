"""Gaze and head sway of the C interface: the bits of Python, in every case of the table that both have."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import struct
import time

import c_interface as abi
import handmade
import handmade_gaze
import handmade_head
import layer_cases
import numpy as np
import pytest
from c_interface import AnimatorConfig, AnimatorInfo, StatusError, joined

from emoface import FrameBatch, Package
from emoface.backends import available_backends
from emoface.frames import FRAME_ARRAYS
from emoface.rig import Gaze


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gaze")


@pytest.fixture(scope="module")
def looking_path(folder):
    return handmade.write_with_golden(folder, handmade_gaze.with_gaze(handmade.package_files()))


@pytest.fixture(scope="module")
def looking(api, looking_path):
    return api.open(looking_path)


@pytest.fixture(scope="module")
def looking_python(looking_path):
    return Package.load(looking_path)


@pytest.fixture(scope="module")
def speech(sound):
    """Noise with pauses, in which one thinks."""
    audio = sound(6.0)
    audio[16000:40000] = audio[64000:90000] = 0
    return audio


def same(got: dict[str, np.ndarray], expected: FrameBatch) -> None:
    for name, array in got.items():
        if name == "blendshapes":
            np.testing.assert_allclose(array, expected.blendshape_weights, rtol=0, atol=1e-5)
        elif name != "offsets":
            assert array.tobytes() == getattr(expected, name).tobytes(), name


def python_run(package: Package, audio: np.ndarray, tail: float = 0.0, **options) -> FrameBatch:
    with package.animator(**{"backend": "ort-cpu", "channels": 1, **options}) as animator:
        return FrameBatch.concat([animator.step(audio), animator.flush(tail)])


@pytest.mark.parametrize("case", sorted(layer_cases.CASES))
def test_cases_have_pythons_bits(looking, looking_python, speech, case):
    given, options = layer_cases.CASES[case]
    expected = python_run(looking_python, speech, 0.3, blendshapes=True, **options)
    voice = looking.animator(blendshapes=1, **given)
    assert voice.has_head_pose == expected.has_head_pose
    got = voice.run(*np.split(speech, [1, 9999, 20000]), tail=0.3)
    same(got, expected)
    voice.api.call("reset", voice.handle)
    same(voice.run(speech, tail=0.3), expected)


@pytest.mark.parametrize("fps", [25, 60])
def test_other_rates(api, folder, sound, fps):
    path = folder / f"{fps}.emoface"
    handmade.write_zip(path, handmade_gaze.with_gaze(handmade.package_files(fps)))
    audio = sound(3.0)
    audio[20000:35000] = 0
    expected = python_run(Package.load(path), audio, 0.2, blinks=9)
    same(api.open(path).animator(blink_seed=9).run(audio, tail=0.2), expected)


def test_minutes(looking, looking_python):
    """Across the borders of what is drawn, with phrases of 2 s every 5 s."""
    audio = np.random.default_rng(4).normal(0, 0.2, 16000 * 100).astype(np.float32)
    audio[np.arange(len(audio)) % 80000 > 32000] = 0
    same(looking.animator(blink_seed=5).run(audio), python_run(looking_python, audio, blinks=5))


def test_a_head_that_the_model_moves(api, folder, sound):
    path = folder / "moving.emoface"
    handmade.write_zip(path, handmade_head.with_head(handmade_gaze.with_gaze(handmade.package_files())))
    package, python, audio = api.open(path), Package.load(path), sound(1.5)
    for given, options in (
        ({}, {}),
        ({"head_sway": 1}, {"head_sway": True}),
        ({"head_sway": -1}, {"head_sway": False}),
    ):
        same(package.animator(**given).run(audio, tail=0.3), python_run(python, audio, 0.3, **options))


def test_weights_that_are_coefficients(api, folder, sound):
    path = folder / "basis.emoface"
    handmade.write_zip(path, handmade_gaze.with_coefficients(handmade.package_files()))
    package, audio = api.open(path), sound(2.0)
    got = package.animator(blendshapes=1, blink_seed=11).run(audio, tail=0.3)
    expected = python_run(Package.load(path), audio, 0.3, blendshapes=True, blinks=11)
    same(got, expected)
    assert got["blendshapes"].tobytes() == expected.blendshape_weights.tobytes()
    for name in ("gaze", "head_sway"):
        with pytest.raises(StatusError, match=f"skip_vertices = 1 and {name} = 1"):
            package.animator(skip_vertices=1, **{name: 1})
    assert not package.animator(skip_vertices=1).has_head_pose


def test_gaze_of_the_default_package(api, sound):
    """Vertices as far as int8 lets them agree: the same samples, graphs and kernels."""
    path = abi.ROOT / "sdk" / "emoface" / "packages" / "default.emoface"
    package, loaded, audio = api.open(path), Package.load(path), 0.3 * sound(1.2)
    got, expected = package.animator(blink_seed=11).run(audio), python_run(loaded, audio, blinks=11)
    tolerance = 1e-4 * package.info.motion_range / package.info.unit_in_metres
    np.testing.assert_allclose(got["vertices"], expected.vertices, rtol=0, atol=tolerance)
    plain = python_run(loaded, audio, blinks=11, gaze=False)
    assert np.abs(plain.vertices - expected.vertices).max() > 5e-4


@pytest.mark.parametrize("cut", [0, 700, 24000, 50000])
def test_snapshots_go_on_in_c_and_in_python(looking, looking_python, speech, cut):
    voice = looking.animator(blink_seed=3)
    whole = voice.run(speech, tail=0.3)
    voice.api.call("reset", voice.handle)
    before = voice.step(speech[:cut])
    data = voice.snapshot()
    other = looking.animator(blink_seed=3)
    other.restore(data)
    for got in (voice, other):
        after = joined([before, got.step(speech[cut:]), got.flush(0.3)])
        assert all(after[name].tobytes() == whole[name].tobytes() for name in whole)
    with looking_python.animator(backend="ort-cpu", channels=1, blinks=3) as python:
        python.restore(data)
        rest = FrameBatch.concat([python.step(speech[cut:]), python.flush(0.3)])
        same({name: array[len(before["time"]) :] for name, array in whole.items()}, rest)
        python.reset()
        python.step(speech[:cut])
        back = looking.animator(blink_seed=3)
        back.restore(python.snapshot())
        rest = joined([back.step(speech[cut:]), back.flush(0.3)])
    assert all(rest[name].tobytes() == whole[name][len(before["time"]) :].tobytes() for name in whole)


def test_snapshots_say_whose_they_are(looking):
    voice = looking.animator(blink_seed=3, gaze_seed=4)
    data = voice.snapshot()
    header = json.loads(data[48 : 48 + struct.unpack("<I", data[12:16])[0]])["header"]
    assert (header["identity"]["gaze"], header["identity"]["head_sway"]) == ([4, 1.0], [3, 1.0])
    for given, field in (
        ({"blink_seed": 3}, "gaze"),
        ({"blink_seed": 3, "gaze_seed": 4, "head_sway": -1}, "head_sway"),
        ({"blink_seed": 3, "gaze_seed": 4, "head_sway_strength": 0.5}, "head_sway"),
    ):
        with pytest.raises(StatusError, match=field) as caught:
            looking.animator(**given).restore(data)
        assert caught.value.name == "SNAPSHOT"


def test_snapshots_with_any_finite_values(looking, looking_python, sound):
    """Both runtimes take the same from arrays that no stream would hold."""
    random = np.random.default_rng(2)
    with looking_python.animator(backend="ort-cpu", channels=1) as python:
        for largest in (3.0, 1e7, 3e38):
            python.reset()
            python.step(sound(0.5))
            state = python._layers.state()
            for name, array in state.items():
                if array.dtype == np.float32 and array.ndim == 1:
                    state[name] = random.uniform(-largest, largest, array.shape).astype(np.float32)
                elif array.dtype == np.int64:
                    state[name] = random.integers(-(2**62), 2**62, array.shape)
            python._layers.restore(state)
            # As it was given, not as it was taken.
            python._layers.state = lambda state=state: state
            data = python.snapshot()
            del python._layers.state
            voice = looking.animator()
            voice.restore(data)
            got, expected = voice.step(sound(1.0)), python.step(sound(1.0))
            assert np.isfinite(got["vertices"]).all()
            same(got, expected)


def test_callers_of_older_structs_get_neither(looking, sound):
    audio = sound(1.0)
    plain = looking.animator(gaze=-1, head_sway=-1).run(audio)
    config = AnimatorConfig(backend=b"ort-cpu", gaze=1, head_sway=1)
    config.struct_size = AnimatorConfig.gaze.offset
    voice = abi.Voice(looking, config)
    assert not voice.has_head_pose
    assert voice.run(audio)["vertices"].tobytes() == plain["vertices"].tobytes()
    assert looking.animator(gaze=1).run(audio)["vertices"].tobytes() != plain["vertices"].tobytes()
    info = AnimatorInfo(has_head_pose=-7)
    info.struct_size = AnimatorInfo.has_head_pose.offset
    voice.api.call("animator_get_info", voice.handle, ctypes.byref(info))
    assert info.fps == 30 and info.has_head_pose == -7


def test_a_pose_needs_the_layer(looking, sound):
    voice = looking.animator(head_sway=-1)
    room = np.zeros((64, 9), np.float32)
    out = abi.Frames(head_rotation=room.ctypes.data)
    with pytest.raises(StatusError, match=r"nothing moves the head.*has_head_pose"):
        voice.api.call("step", voice.handle, sound(0.5).ctypes.data, 8000, ctypes.byref(out), 64, None)


def test_real_time_has_the_pose(looking, speech):
    """Between two frames the head is between their poses."""
    voice = looking.animator(blink_seed=3)
    frames = voice.run(speech)
    voice.api.call("reset", voice.handle)
    voice.api.call("start", voice.handle, None)
    notice, rest = voice.sample(0.0)
    assert notice == "NOTICE_NO_FRAME" and (rest["head_rotation"][0] == np.eye(3)).all()
    audio = np.ascontiguousarray(speech[:32000])
    voice.api.call("push", voice.handle, audio.ctypes.data, len(audio))
    deadline = time.monotonic() + 30
    while voice.statistics().frames < 50:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for frame in (3, 20, 40):
        _, sampled = voice.sample(frame / 30)
        assert sampled["head_rotation"].tobytes() == frames["head_rotation"][frame].tobytes()
        assert sampled["vertices"].tobytes() == frames["vertices"][frame].tobytes()
        _, between = voice.sample((frame + 0.5) / 30)
        middle = frames["head_rotation"][frame : frame + 2].mean(axis=0)
        np.testing.assert_allclose(between["head_rotation"][0], middle, atol=1e-5)
    voice.api.call("stop", voice.handle)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"gaze": 2}, "ARGUMENT: .*gaze = 2.*-1, 0 or 1"),
        ({"head_sway": -2}, "ARGUMENT: .*head_sway = -2"),
        ({"gaze_strength": 0.05}, "ARGUMENT: .*gaze_strength = 0.05.*0.1 to 2"),
        ({"head_sway_strength": 2.5}, "ARGUMENT: .*head_sway_strength = 2.5"),
        ({"gaze_strength": float("nan")}, "ARGUMENT: .*gaze_strength = "),
    ],
)
def test_bad_values(looking, given, match):
    with pytest.raises(StatusError, match=match):
        looking.animator(**given)


@pytest.mark.parametrize(
    ("without", "given", "match"),
    [
        (("mask_eyeballs",), {"gaze": 1}, "without the mask 'eyeballs'.*gaze = -1"),
        (("blendshapes", "blendshape_names"), {"gaze": 1}, "without the blendshape 'eyeLookInLeft'.*gaze = -1"),
        (("pivots", "identity.wide.pivots"), {"head_sway": 1}, "without pivots.*head_sway = -1"),
    ],
)
def test_a_face_that_cannot(api, folder, sound, without, given, match):
    path = folder / f"{without[0]}.emoface"
    handmade.write_zip(path, handmade_gaze.with_gaze(handmade.package_files(), without=without))
    package = api.open(path)
    same(package.animator().run(sound(1.0)), python_run(Package.load(path), sound(1.0)))
    with pytest.raises(StatusError, match=match) as caught:
        package.animator(**given)
    assert caught.value.name == "PACKAGE"


@pytest.mark.skipif(
    importlib.util.find_spec("emoface._runtime") is None, reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT"
)
def test_the_backend_native_has_pythons_layers(looking_python, speech):
    options = {"blinks": 3, "gaze": Gaze(0.7)}
    native = python_run(looking_python, speech, 0.3, backend="native", **options)
    twin = "ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu"
    expected = python_run(looking_python, speech, 0.3, backend=twin, **options)
    for name in FRAME_ARRAYS:
        assert getattr(native, name).tobytes() == getattr(expected, name).tobytes(), name
