"""Calibration and blinks of the C interface and of the backend `native`: those of Python."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import struct
from ctypes import byref

import c_interface as abi
import numpy as np
import pytest
from c_interface import AnimatorConfig, Calibration, StatusError, joined, same_bits

from emoface import FrameBatch, Package
from emoface.errors import AudioError, PackageError
from emoface.rig import Blinks, RigControls
from emoface.rig.blinks import BlinkSchedule

SEED = 11  # blinks at 0.82 s
CALM = (0.1, 0.1, 0.0, 0.0, 0.0)  # motion so small that the model itself does not close the eyes of this face
D = 6


@pytest.fixture(scope="module")
def voiced_path(package_path, tmp_path_factory):
    """The handmade package with eyes and with emotion features, and golden vectors made without blinks."""
    import handmade
    import handmade_voice

    files = handmade_voice.with_emotion(handmade_voice.with_lids(handmade.package_files()))
    folder = tmp_path_factory.mktemp("voice")
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="module")
def voiced(api, voiced_path):
    return api.open(voiced_path)


@pytest.fixture(scope="module")
def voiced_python(voiced_path):
    return Package.load(voiced_path)


@pytest.fixture(scope="module")
def neutral():
    from handmade_voice import neutral_speech

    return neutral_speech


def calm(package: abi.Package, **options) -> abi.Voice:
    names = ("upper_strength", "lower_strength", "upper_smoothing", "lower_smoothing", "sync_offset")
    given = abi.Controls(**dict(zip(names, CALM, strict=True)))
    return package.animator(controls=ctypes.addressof(given), **options)


def python_run(package: Package, audio: np.ndarray, tail: float = 0.0, **options) -> FrameBatch:
    with package.animator(**{"backend": "ort-cpu", "controls": RigControls(*CALM), **options}) as animator:
        return FrameBatch.concat([animator.step(audio), animator.flush(tail)])


@pytest.mark.parametrize(
    ("given", "blinks"),
    [
        ({}, None),
        ({"blinks": 1}, True),
        ({"blinks": -1}, False),
        ({"blink_seed": SEED}, SEED),
        ({"blinks": 1, "blink_seed": 4294967295, "blink_rate": 40.0}, Blinks(4294967295, 40)),
        ({"blink_seed": 7, "blink_rate": 33.3}, Blinks(7, 33.3)),
    ],
)
def test_blinks_have_pythons_bits(voiced, voiced_python, sound, given, blinks):
    audio = sound(2.5)
    expected = python_run(voiced_python, audio, 0.3, blinks=blinks, blendshapes=True)
    got = calm(voiced, blendshapes=1, **given).run(*np.split(audio, [1, 9999, 20000]), tail=0.3)
    assert got["vertices"].tobytes() == expected.vertices.tobytes()
    np.testing.assert_allclose(got["blendshapes"], expected.blendshape_weights, rtol=0, atol=1e-5)


def test_blinks_of_a_shape_that_goes_on_after_the_lids_have_met(api, tmp_path, sound):
    import handmade
    import handmade_voice

    face = handmade_voice.blinking_face()
    files = handmade_voice.with_lids(handmade.package_files(), blendshapes=face["blendshapes"] * np.float32(1.6))
    path = handmade.write_zip(tmp_path / "far.emoface", files)
    audio = sound(1.5)
    expected = python_run(Package.load(path), audio, blinks=SEED, blendshapes=True)
    got = calm(api.open(path), blink_seed=SEED, blendshapes=1).run(audio)
    assert got["vertices"].tobytes() == expected.vertices.tobytes()
    np.testing.assert_allclose(got["blendshapes"], expected.blendshape_weights, rtol=0, atol=1e-5)


def test_minutes_of_blinks(voiced, voiced_python, sound):
    """Near silence at the highest rate, across the borders of minutes."""
    audio = np.zeros(16000 * 130, np.float32)
    audio[::4001] = 0.01
    options = {"blinks": Blinks(SEED, 40)}
    expected = python_run(voiced_python, audio, **options)
    got = calm(voiced, blinks=1, blink_seed=SEED, blink_rate=40.0).run(audio)
    assert got["vertices"].tobytes() == expected.vertices.tobytes()
    plain = calm(voiced, blinks=-1).run(audio)
    schedule = BlinkSchedule(options["blinks"], 30)
    closing = np.array([schedule.closure(frame) > 0 for frame in range(len(got["time"]))])
    assert closing.sum() > 300
    np.testing.assert_array_equal((got["vertices"] != plain["vertices"]).any(axis=(1, 2)), closing)


def test_blinks_of_a_large_face_equal_pythons(api, sound):
    """The default package, int8 and all its rounding: the same samples, graphs and kernels."""
    path = abi.ROOT / "sdk" / "emoface" / "packages" / "default.emoface"
    loaded, package = Package.load(path), api.open(path)
    audio = 0.3 * sound(1.2)
    options = {"backend": "ort-cpu", "emotion": "surprised", "level": "strong"}
    with loaded.animator(blinks=SEED, **options) as animator:
        expected = FrameBatch.concat([animator.step(audio), animator.flush()])
    got = package.animator(blink_seed=SEED, emotion=b"surprised", level=b"strong").run(audio)
    tolerance = 1e-4 * package.info.motion_range / package.info.unit_in_metres
    np.testing.assert_allclose(got["vertices"], expected.vertices, rtol=0, atol=tolerance)
    with loaded.animator(blinks=False, **options) as animator:
        plain = FrameBatch.concat([animator.step(audio), animator.flush()])
    assert np.abs(plain.vertices - expected.vertices).max() > 0.005


@pytest.mark.parametrize("cut", [0, 700, 15200])
def test_snapshots_go_on_in_c_and_in_python(voiced, voiced_python, sound, cut):
    audio = sound(1.5)
    animator = calm(voiced, blink_seed=SEED)
    whole = animator.run(audio)
    animator.api.call("reset", animator.handle)
    head = animator.step(audio[:cut])
    data = animator.snapshot()
    other = calm(voiced, blink_seed=SEED)
    other.restore(data)
    same_bits(joined([head, other.step(audio[cut:]), other.flush()]), whole)
    options = {"backend": "ort-cpu", "channels": 1, "controls": RigControls(*CALM)}
    with voiced_python.animator(blinks=SEED, **options) as python:
        python.restore(data)
        rest = FrameBatch.concat([python.step(audio[cut:]), python.flush()])
        assert rest.vertices.tobytes() == whole["vertices"][len(head["time"]) :].tobytes()
        python.reset()
        python.step(audio[:cut])
        other.restore(python.snapshot())
    same_bits(joined([head, other.step(audio[cut:]), other.flush()]), whole)
    for given in ({"blinks": -1}, {"blink_seed": 4}, {"blink_seed": SEED, "blink_rate": 16.0}):
        with pytest.raises(StatusError, match="blinks") as caught:
            calm(voiced, **given).restore(data)
        assert caught.value.name == "SNAPSHOT"
    with pytest.raises(StatusError, match="blinks"):
        animator.restore(calm(voiced, blinks=-1).snapshot())


def test_callers_of_older_structs_get_no_blinks(voiced, sound):
    audio = sound(1.2)
    plain = voiced.animator(blinks=-1).run(audio)
    for size in (AnimatorConfig.controls.offset, AnimatorConfig.blinks.offset):
        config = AnimatorConfig(backend=b"ort-cpu", blinks=1, blink_seed=SEED)
        config.struct_size = size
        same_bits(abi.Voice(voiced, config).run(audio), plain)
    assert (voiced.animator(blink_seed=SEED).run(audio)["vertices"] != plain["vertices"]).any()


def test_verification_knows_no_blinks(voiced):
    result = voiced.verify(AnimatorConfig(backend=b"ort-cpu", blinks=1, blink_rate=40.0))
    assert result.passed == 1
    assert result.frames == 3


def test_a_face_that_cannot_blink(package, sound):
    same_bits(package.animator().run(sound(0.5)), package.animator(blinks=-1).run(sound(0.5)))
    with pytest.raises(StatusError, match=r"without the blendshape 'eyeBlinkLeft'.*blinks = -1") as caught:
        package.animator(blinks=1)
    assert caught.value.name == "PACKAGE"


def test_a_shape_that_does_not_close_the_eye(api, tmp_path):
    import handmade
    import handmade_voice

    face = handmade_voice.blinking_face()
    face["blendshapes"][2] *= 0.5
    files = handmade_voice.with_lids(handmade.package_files(), blendshapes=face["blendshapes"])
    weak = api.open(handmade.write_zip(tmp_path / "weak.emoface", files))
    weak.animator()
    with pytest.raises(StatusError, match="'eyeBlinkRight', which does not close the eye") as caught:
        weak.animator(blinks=1)
    assert caught.value.name == "PACKAGE"


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("blinks", 2, "blinks = 2.*-1, 0 or 1"),
        ("blinks", -2, "blinks = -2"),
        ("blink_rate", 3.9, "blink_rate = 3.9.*from 4 to 40"),
        ("blink_rate", -15.0, "blink_rate = -15"),
        ("blink_rate", 41.0, "blink_rate = 41"),
        ("blink_rate", float("nan"), "blink_rate = "),
    ],
)
def test_bad_blinks(voiced, field, value, match):
    with pytest.raises(StatusError, match=match) as caught:
        voiced.animator(**{field: value})
    assert caught.value.name == "ARGUMENT"


def calibrate(voice: abi.Voice, audio: np.ndarray, rate: int = 0, at: float = -1.0) -> tuple[np.ndarray, float]:
    mean = np.zeros(D, np.float32)
    result = Calibration(capacity=D, speaker_mean=mean.ctypes.data)
    samples = np.ascontiguousarray(audio, np.float32)
    voice.api.call("calibrate", voice.handle, samples.ctypes.data, len(samples), rate, at, byref(result))
    assert result.count == D
    return mean, result.seconds


@pytest.mark.parametrize(("rate", "block_ms"), [(16000, 0), (16000, 200), (48000, 0), (44100, 20)])
def test_calibration_equals_pythons(voiced, voiced_python, neutral, sound, rate, block_ms):
    speech, audio = neutral(3.0, rate), sound(1.5, rate)
    with voiced_python.animator(backend="ort-cpu", sample_rate=rate, block_ms=block_ms or None) as animator:
        expected = animator.calibrate(speech)
        frames = FrameBatch.concat([animator.step(audio), animator.flush()])
    voice = voiced.animator(sample_rate=rate, block_ms=block_ms)
    mean, seconds = calibrate(voice, speech)
    assert seconds == expected.seconds
    got = voice.run(audio)
    if rate == 16000:  # no resampler: the same arithmetic on both sides
        assert mean.tobytes() == expected.speaker_mean.tobytes()
        assert got["vertices"].tobytes() == frames.vertices.tobytes()
    np.testing.assert_allclose(mean, expected.speaker_mean, atol=1e-6)
    np.testing.assert_allclose(got["vertices"], frames.vertices, atol=1e-5)


def test_calibration_holds_from_its_moment_until_reset(voiced, voiced_python, neutral, sound):
    audio, place = sound(1.5), 9000
    voice = voiced.animator()
    plain = voice.run(audio)
    voice.api.call("reset", voice.handle)
    head = voice.step(audio[:place])
    mean, _ = calibrate(voice, neutral(3.0))
    got = joined([head, voice.step(audio[place:]), voice.flush()])
    with voiced_python.animator(backend="ort-cpu") as animator:
        before = animator.step(audio[:place])
        animator.calibrate(neutral(3.0))
        expected = FrameBatch.concat([before, animator.step(audio[place:]), animator.flush()])
    assert got["vertices"].tobytes() == expected.vertices.tobytes()
    assert (got["vertices"][-1] != plain["vertices"][-1]).any()
    voice.api.call("reset", voice.handle)
    voice.api.call("set_condition", voice.handle, b"speaker_mean", mean.ctypes.data, D, place / 16000)
    same_bits(voice.run(audio), got)
    voice.api.call("reset", voice.handle)
    same_bits(voice.run(audio), plain)


def test_calibration_in_snapshots_and_in_real_time(voiced, neutral, sound):
    audio = sound(1.0)
    voice, other = voiced.animator(), voiced.animator()
    calibrate(voice, neutral(3.0))
    other.restore(voice.snapshot())
    expected = voice.run(audio)
    same_bits(other.run(audio), expected)
    live = voiced.animator()
    live.api.call("start", live.handle, None)
    calibrate(live, neutral(3.0))
    live.api.call("push", live.handle, audio.ctypes.data, len(audio))
    live.api.call("flush", live.handle, 0.0, None, 0, None)
    live.api.call("stop", live.handle)
    for index in (0, 20):
        _, frame = live.sample(expected["time"][index] + 1e-12)
        np.testing.assert_allclose(frame["vertices"][0], expected["vertices"][index], atol=1e-6)


def test_bad_speech(voiced, package, neutral):
    voice = voiced.animator()
    before = voice.snapshot()
    good = neutral(3.0)
    broken = good.copy()
    broken[77] = np.nan
    for audio, rate, at, status, match in (
        (np.zeros(0), 0, -1.0, "AUDIO", "0.00 s of audible speech in 0.00 s of sound; expected at least 2 s"),
        (neutral(1.5), 0, -1.0, "AUDIO", "1.40 s of audible speech in 1.50 s"),
        (np.zeros(64000), 0, -1.0, "AUDIO", "0.00 s of audible speech in 4.00 s"),
        (1e-4 * good, 0, -1.0, "AUDIO", "0.00 s of audible speech"),
        (np.zeros(16000 * 121), 0, -1.0, "AUDIO", "121 s to calibrate on; expected at most 120 s"),
        (broken, 0, -1.0, "AUDIO", "unusable|NaN|nan"),
        (good, 100, -1.0, "AUDIO_FORMAT", "sample_rate = 100"),
        (good, -1, -1.0, "AUDIO_FORMAT", "sample_rate = -1"),
        (good, 0, float("nan"), "CONDITION", "seconds of audio time"),
    ):
        with pytest.raises(StatusError, match=match) as caught:
            calibrate(voice, audio, rate, at)
        assert caught.value.name == status
    assert voice.snapshot() == before
    with pytest.raises(StatusError, match="no emotion stage that takes speaker_mean") as caught:
        calibrate(package.animator(), good)
    assert caught.value.name == "PACKAGE"


def test_bad_arguments(voiced, neutral):
    voice, audio = voiced.animator(), neutral(3.0)
    pointer, count = audio.ctypes.data, len(audio)
    small = Calibration(capacity=D - 1, speaker_mean=np.zeros(D, np.float32).ctypes.data)
    with pytest.raises(StatusError, match=r"room for 5 value.*6") as caught:
        voice.api.call("calibrate", voice.handle, pointer, count, 0, -1.0, byref(small))
    assert caught.value.name == "BUFFER_TOO_SMALL"
    assert small.count == D
    unsized = Calibration()
    unsized.struct_size = 8
    for arguments in (
        (None, pointer, count, 0, -1.0, None),
        (voice.handle, None, count, 0, -1.0, None),
        (voice.handle, pointer, -1, 0, -1.0, None),
        (voice.handle, pointer, count, 0, -1.0, byref(unsized)),
    ):
        with pytest.raises(StatusError) as caught:
            voice.api.call("calibrate", *arguments)
        assert caught.value.name == "ARGUMENT"
    # Refused before a sample is read: so many are not there.
    with pytest.raises(StatusError, match="at most 120 s") as caught:
        voice.api.call("calibrate", voice.handle, pointer, 1 << 40, 0, -1.0, None)
    assert caught.value.name == "AUDIO"
    assert voice.api.call("calibrate", voice.handle, pointer, count, 0, -1.0, None) == "OK"


needs_native = pytest.mark.skipif(
    importlib.util.find_spec("emoface._runtime") is None, reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT"
)


@needs_native
def test_the_backend_native(voiced_python, neutral, sound):
    audio = sound(1.5)
    with voiced_python.animator(backend="native", blinks=SEED, controls=RigControls(*CALM)) as native:
        calibration = native.calibrate(neutral(3.0))
        got = FrameBatch.concat([native.step(audio), native.flush()])
        with pytest.raises(AudioError, match=r"1\.40 s of audible speech in 1\.50 s"):
            native.calibrate(neutral(1.5))
    with voiced_python.animator(backend=native_twin(), blinks=SEED, controls=RigControls(*CALM)) as animator:
        assert animator.calibrate(neutral(3.0)) == calibration
        expected = FrameBatch.concat([animator.step(audio), animator.flush()])
    assert got.vertices.tobytes() == expected.vertices.tobytes()


def native_twin() -> str:
    """The backend whose graphs `native` runs."""
    from emoface.backends import available_backends

    return "ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu"


@needs_native
def test_the_backend_native_and_a_package_that_cannot_be_calibrated(python_package, neutral):
    with python_package.animator(backend="native") as animator, pytest.raises(PackageError, match="no emotion stage"):
        animator.calibrate(neutral(3.0))


def test_the_snapshot_says_which_blinks(voiced):
    data = voiced.animator(blink_seed=SEED).snapshot()
    (length,) = struct.unpack_from("<I", data, 12)
    header = json.loads(data[48 : 48 + length])["header"]
    assert header["identity"]["blinks"] == [SEED, 15.0]
