"""Persons at the C interface and in the backend `native`: the table that Python runs as well, and Python's bits."""

from __future__ import annotations

import ctypes
import time
from contextlib import nullcontext

import c_interface as abi
import handmade
import handmade_person
import numpy as np
import pytest
from handmade_person import MODEL_SHA256, PERSONS
from person_cases import ACCEPTED, REFUSED, UNFIT, changed, weighing
from test_runtime_conditions import Condition

from emoface import FrameBatch, Package
from emoface.backends import available_backends


@pytest.fixture(scope="module")
def persons_path(tmp_path_factory):
    """The package with real golden vectors."""
    folder, files = tmp_path_factory.mktemp("persons"), handmade_person.package_files()
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="module")
def persons(api, persons_path) -> abi.Package:
    return api.open(persons_path)


@pytest.fixture(scope="module")
def python_package(persons_path) -> Package:
    return Package.load(persons_path)


def read(api, package, data: bytes, condition: str = "person", room: int = 8) -> list[float]:
    """The vector that emoface_read_person() gives."""
    values, count = np.full(room, np.nan, np.float32), ctypes.c_int64()
    arguments = (data, len(data), values.ctypes.data, room, ctypes.byref(count))
    api.call("read_person", package.handle, condition.encode(), *arguments)
    assert np.isnan(values[count.value :]).all()
    return values[: count.value].tolist()


def test_names_and_hash(api, persons, package):
    names, count = api.library.emoface_package_name, api.library.emoface_package_name_count
    assert [names(persons.handle, 10, place).decode() for place in range(count(persons.handle, 10))] == list(PERSONS)
    assert api.library.emoface_package_text(persons.handle, 8).decode() == MODEL_SHA256
    assert count(package.handle, 10) == 0 and api.library.emoface_package_text(package.handle, 8) == b""


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_files(api, persons, case):
    data, vector = ACCEPTED[case]
    assert read(api, persons, data) == np.float32(vector).tolist()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_files(api, persons, case):
    data, place = REFUSED[case]
    with pytest.raises(abi.StatusError) as raised:
        read(api, persons, data)
    assert raised.value.name == "CONDITION" and raised.value.text.startswith(f"got the person: {place}")


@pytest.mark.parametrize("case", UNFIT)
def test_files_that_do_not_fit(api, persons, case):
    data, condition, said = UNFIT[case]
    with pytest.raises(abi.StatusError) as raised:
        read(api, persons, data, condition)
    assert raised.value.name == "CONDITION" and said in raised.value.text


def test_packages_and_conditions_that_take_no_person(api, persons, package):
    for condition in ("emotion", "level", "speaker_mean", "age"):
        with pytest.raises(
            abi.StatusError, match=f"a person for the condition '{condition}'; expected style or person"
        ):
            read(api, persons, changed(), condition)
    with pytest.raises(abi.StatusError, match="condition 'person'; expected one of"):
        read(api, package, changed())
    with pytest.raises(abi.StatusError, match=r"a package without model_sha256.*format 2"):
        read(api, package, changed(), "style")


def test_room_for_the_vector(api, persons):
    count, data = ctypes.c_int64(), changed()
    api.call("read_person", persons.handle, b"person", data, len(data), None, 0, ctypes.byref(count))
    assert count.value == 3
    with pytest.raises(abi.StatusError, match=r"room for 2 value\(s\); expected 3") as raised:
        read(api, persons, data, room=2)
    assert raised.value.name == "BUFFER_TOO_SMALL"
    for arguments in ((None, 0, None), (None, 3, ctypes.byref(count))):
        with pytest.raises(abi.StatusError, match="NULL"):
            api.call("read_person", persons.handle, b"person", data, len(data), *arguments)
    with pytest.raises(abi.StatusError, match="size = -1"):
        api.call("read_person", persons.handle, b"person", data, -1, None, 0, ctypes.byref(count))


@pytest.mark.parametrize(
    ("name", "accepted"), [("mia", True), ("zoë", True), (None, True), ("", True), ("Mia", False), ("anna", False)]
)
def test_names_of_persons(api, persons, name, accepted):
    given = None if name is None else name.encode()
    voice = persons.animator()
    for call in (
        lambda: api.call("set_person", voice.handle, given, ctypes.c_double(-1)),
        lambda: persons.animator(person=given),
    ):
        with nullcontext() if accepted else pytest.raises(abi.StatusError, match="one of mia, noah"):
            call()


def test_a_package_without_persons(api, package):
    voice = package.animator()
    package.animator(person=b"")
    for call in (
        lambda: api.call("set_person", voice.handle, b"mia", ctypes.c_double(-1)),
        lambda: package.animator(person=b"mia"),
    ):
        with pytest.raises(abi.StatusError, match="condition 'person'") as raised:
            call()
        assert raised.value.name == "CONDITION"


def test_pythons_bits(api, persons, python_package, sound):
    audio, data = sound(0.8), weighing(mia=0.25, zoë=1.5)
    vector = np.array(read(api, persons, data), np.float32)
    item = Condition(b"person", vector.ctypes.data, len(vector))
    with python_package.animator(backend="ort-cpu", person={"mia": 0.25, "zoë": 1.5}) as animator:
        animator.set_person("noah", at=0.4)
        expected = FrameBatch.concat([animator.step(audio), animator.flush()]).vertices
        state = animator.snapshot()
    for options in ({"conditions": ctypes.addressof(item), "condition_count": 1}, {"person": b"mia"}):
        voice = persons.animator(**options)
        if "person" in options:
            api.call("set_condition", voice.handle, b"person", vector.ctypes.data, 3, ctypes.c_double(0))
        api.call("set_person", voice.handle, b"noah", ctypes.c_double(0.4))
        assert voice.run(audio)["vertices"].tobytes() == expected.tobytes()
    voice = persons.animator()
    voice.restore(state)
    if "native" in available_backends():
        with python_package.animator(backend="native", person={"mia": 0.25, "zoë": 1.5}) as animator:
            animator.set_person("noah", at=0.4)
            native = FrameBatch.concat([animator.step(audio), animator.flush()]).vertices
        np.testing.assert_allclose(native, expected, atol=1e-6)


def test_persons_in_real_time(api, persons, sound):
    audio = sound(1.0)
    ahead, live = persons.animator(), persons.animator(person=b"mia")
    for voice in (ahead, live):
        api.call("set_person", voice.handle, b"mia", ctypes.c_double(0))
        api.call("set_person", voice.handle, b"noah", ctypes.c_double(0.5))
    frames = ahead.run(audio)
    config = abi.RealtimeConfig(history_ms=10000, queue_ms=10000)
    api.call("start", live.handle, ctypes.byref(config))
    with pytest.raises(abi.StatusError, match="one of mia, noah"):
        api.call("set_person", live.handle, b"nobody", ctypes.c_double(0.6))
    api.call("push", live.handle, audio.ctypes.data, len(audio))
    api.call("flush", live.handle, 0.0, None, 0, None)
    end = time.monotonic() + 60
    while live.statistics().frames < 30 and time.monotonic() < end:
        time.sleep(0.01)
    for index in (10, 14, 15, 25):
        assert live.sample(index / 30)[1]["vertices"][0].tobytes() == frames["vertices"][index].tobytes()


def test_programs_made_before_there_were_persons(api, persons, sound):
    config = abi.AnimatorConfig(backend=b"ort-cpu")
    config.struct_size = abi.AnimatorConfig.noise_seed.offset
    config.person = b"nobody"
    handle = ctypes.c_void_p()
    api.call("animator_create", persons.handle, ctypes.byref(config), ctypes.byref(handle))
    api.library.emoface_animator_release(handle)
