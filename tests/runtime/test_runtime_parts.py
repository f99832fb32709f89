"""Controls of parts of the face and emotion keys of the C interface: those of Python, from one table of cases."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64

import c_interface as abi
import numpy as np
import pytest
from c_interface import Controls, EmotionBlending, EmotionKey, StatusError, joined, same_bits

from emoface import FrameBatch, Package
from emoface.rig import Blinks, EmotionTimeline, RigControls
from emoface.rig import EmotionBlending as PythonBlending


@pytest.fixture(scope="module")
def parts_path(tmp_path_factory):
    import handmade
    import handmade_controls

    folder = tmp_path_factory.mktemp("parts")
    return handmade.write_zip(folder / "parts.emoface", handmade_controls.package_files())


@pytest.fixture(scope="module")
def parts(api, parts_path):
    return api.open(parts_path)


@pytest.fixture(scope="module")
def parts_python(parts_path):
    return Package.load(parts_path)


def cases() -> dict[str, dict[str, float]]:
    from handmade_controls import CONTROLS

    return CONTROLS


def voice(package: abi.Package, controls: Controls, **options) -> abi.Voice:
    return package.animator(controls=ctypes.addressof(controls), blendshapes=1, blink_seed=3, blink_rate=40, **options)


def close(got, expected: FrameBatch, package: abi.Package) -> None:
    tolerance = 1e-4 * package.info.motion_range / package.info.unit_in_metres
    np.testing.assert_array_equal(got["time"], expected.time)
    np.testing.assert_allclose(got["vertices"], expected.vertices, rtol=0, atol=tolerance)
    if expected.blendshape_weights.size:
        np.testing.assert_allclose(got["blendshapes"], expected.blendshape_weights, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", cases())
def test_controls_equal_pythons_under_any_cut(parts, parts_python, sound, name):
    audio, values = sound(1.4), cases()[name]
    options = {"blinks": Blinks(3, 40), "blendshapes": True, "controls": RigControls(**values)}
    with parts_python.animator(backend="ort-cpu", **options) as python:
        expected = FrameBatch.concat([python.step(audio), python.flush(0.4)])
    controls = Controls(**values)
    animator = voice(parts, controls)
    got = animator.run(audio, tail=0.4)
    close(got, expected, parts)
    animator.api.call("reset", animator.handle)
    cuts = np.sort(np.random.default_rng(4).integers(0, len(audio), 25))
    same_bits(animator.run(*np.split(audio, cuts), tail=0.4), got)


def test_snapshots_cross_over(parts, parts_python, sound):
    audio, values = sound(1.2), cases()["all"]
    controls = Controls(**values)
    animator = voice(parts, controls)
    whole = animator.run(audio)
    animator.api.call("reset", animator.handle)
    head = animator.step(audio[:7000])
    data = animator.snapshot()
    other = voice(parts, controls)
    other.restore(data)
    same_bits(joined([head, other.step(audio[7000:]), other.flush()]), whole)
    options = {"blinks": Blinks(3, 40), "blendshapes": True, "controls": RigControls(**values)}
    with parts_python.animator(backend="ort-cpu", channels=1, **options) as python:
        python.restore(data)
        rest = FrameBatch.concat([python.step(audio[7000:]), python.flush()])
    tolerance = 1e-4 * parts.info.motion_range / parts.info.unit_in_metres
    np.testing.assert_allclose(rest.vertices, whole["vertices"][len(head["time"]) :], rtol=0, atol=tolerance)


def test_eyes_that_are_shut_without_blinks(parts, parts_python, sound):
    audio = sound(0.8)
    controls = Controls(blink_offset=0.7)
    got = voice(parts, controls, blinks=-1).run(audio)
    with parts_python.animator(
        backend="ort-cpu", blinks=False, blendshapes=True, controls=RigControls(blink_offset=0.7)
    ) as python:
        close(got, FrameBatch.concat([python.step(audio), python.flush()]), parts)


@pytest.mark.parametrize("name", list(RigControls.limits())[5:])
@pytest.mark.parametrize("value", [-9.0, 9.0, float("nan")])
def test_values_out_of_range(parts, name, value):
    controls = Controls(**{name: value})
    with pytest.raises(StatusError, match=f"{name} = .*expected a number from") as caught:
        voice(parts, controls)
    assert caught.value.name == "ARGUMENT"


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"tongue_strength": 2.0}, "mask_tongue"),
        ({"tongue_depth_offset": 1.0}, "mask_teeth_lower"),
        ({"lip_open_offset": -0.1}, "mask_upper_lip_inner"),
        ({"lip_open_offset": 0.1}, "mouthUpperUpRight"),
        ({"eyelid_open_offset": 0.1}, "eyeWideLeft"),
        ({"eyelid_open_offset": -0.1}, "eyeBlinkLeft"),
        ({"blink_offset": 0.1}, "eyeBlinkRight"),
    ],
)
def test_what_a_face_does_not_have_is_named(api, tmp_path, values, missing):
    import handmade
    import handmade_controls

    arrays = handmade_controls.face_arrays()
    if missing.startswith("mask_"):
        del arrays[missing]
    else:
        arrays["blendshape_names"] = np.where(
            arrays["blendshape_names"] == missing, "other", arrays["blendshape_names"]
        )
    files = handmade.with_file(handmade.package_files(), "face.npz", handmade.npz(**arrays))
    package = api.open(handmade.write_zip(tmp_path / "lacking.emoface", files))
    controls = Controls(**values)
    with pytest.raises(StatusError, match=missing.removeprefix("mask_")) as caught:
        package.animator(controls=ctypes.addressof(controls))
    assert caught.value.name == "PACKAGE"


def keys_of(package: Package, keys) -> tuple[ctypes.Array, list[np.ndarray]]:
    choices, held, made = package.manifest.choices("emotion"), [], []
    for time, emotion in keys:
        weights = {emotion: 1.0} if isinstance(emotion, str) else emotion
        vector = np.array([weights.get(name, 0.0) for name in choices], np.float32)
        held.append(vector)
        made.append(EmotionKey(time, vector.ctypes.data if weights else None, len(vector) if weights else 0))
    return (EmotionKey * len(made))(*made), held


def blending_of(api: abi.Api, values) -> EmotionBlending:
    blending = EmotionBlending()
    assert api.call("emotion_blending_init", byref(blending), ctypes.sizeof(blending)) == "OK"
    names = {"transition_s": "transition_seconds"}
    for name, value in values.items():
        setattr(blending, names.get(name, name), value.encode() if isinstance(value, str) else value)
    return blending


def timeline_cases():
    from emotion_cases import BLENDING

    return BLENDING


@pytest.mark.parametrize("name", timeline_cases())
def test_emotion_keys_equal_pythons(package, python_package, sound, name):
    from emotion_cases import KEYS

    audio, values = sound(1.6), timeline_cases()[name]
    timeline = EmotionTimeline(KEYS, PythonBlending(**values))
    with python_package.animator(backend="ort-cpu", emotion=timeline) as python:
        expected = FrameBatch.concat([python.step(audio), python.flush()])
        python.reset()
        python.step(audio[:1000])
        changes = snapshot_conditions(python.snapshot())
    keys, held = keys_of(python_package, KEYS)
    blending = blending_of(package.api, values)
    animator = package.animator()
    assert animator.api.call("set_emotion_keys", animator.handle, keys, c_int64(len(keys)), byref(blending)) == "OK"
    got = animator.run(*np.split(audio, [1000, 9000]))
    close(got, expected, package)
    animator.api.call("reset", animator.handle)
    animator.api.call("set_emotion_keys", animator.handle, keys, c_int64(len(keys)), byref(blending))
    animator.step(audio[:1000])
    assert snapshot_conditions(animator.snapshot()) == changes and len(held) == len(KEYS)


def snapshot_conditions(data: bytes) -> list:
    """The changes that a snapshot announces, with the bits of their vectors."""
    from emoface.stream.snapshot import unpack

    header, arrays = unpack(data)
    return sorted(
        (name, at or -1.0, arrays[f"condition.{index}"].tobytes())
        for index, (name, at) in enumerate(header["conditions"])
    )


def test_keys_that_are_refused_change_nothing(package, python_package, sound):
    animator = package.animator()
    animator.step(sound(1.0))
    before, api = animator.snapshot(), animator.api
    good, _held = keys_of(python_package, [(2.0, "happy"), (3.0, "sad")])
    disordered, _ = keys_of(python_package, [(3.0, "happy"), (2.0, "sad")])
    past, _past = keys_of(python_package, [(0.1, "happy"), (2.0, "sad")])
    heavy, _heavy = keys_of(python_package, [(2.0, {"happy": 11.0})])
    short, _short = keys_of(python_package, [(2.0, "happy")])
    short[0].count = 1
    for keys, count, values, status, match in (
        (disordered, 2, {}, "CONDITION", r"keys\[1\].time = 2"),
        (past, 2, {}, "CONDITION", "earlier frames were already computed"),
        (heavy, 1, {}, "CONDITION", "numbers from 0 to 10"),
        (short, 1, {}, "CONDITION", "emotion of 1 values"),
        (good, -1, {}, "ARGUMENT", "count = -1"),
        (good, 10001, {}, "ARGUMENT", "count = 10001"),
        (None, 2, {}, "ARGUMENT", "keys = NULL"),
        (good, 2, {"transition_s": 11.0}, "ARGUMENT", "transition_seconds = 11"),
        (good, 2, {"strength": float("nan")}, "ARGUMENT", "strength = "),
        (good, 2, {"contrast": 0.1}, "ARGUMENT", "contrast = 0.1"),
        (good, 2, {"max_emotions": 0}, "ARGUMENT", "max_emotions = 0"),
        (good, 2, {"neutral_after": 1e7}, "ARGUMENT", "neutral_after"),
        (good, 2, {"struct_size": 8}, "ARGUMENT", "struct_size = 8"),
        (good, 2, {"rest": "bored"}, "CONDITION", "emotion 'bored'"),
    ):
        blending = blending_of(api, values)
        with pytest.raises(StatusError, match=match) as caught:
            api.call("set_emotion_keys", animator.handle, keys, c_int64(count), byref(blending))
        assert caught.value.name == status
        assert animator.snapshot() == before
    assert api.call("set_emotion_keys", animator.handle, None, c_int64(0), None) == "OK"
    assert api.call("set_emotion_keys", animator.handle, good, c_int64(2), None) == "OK"
    with pytest.raises(StatusError, match="struct_size"):
        api.call("emotion_blending_init", byref(EmotionBlending()), 8)
