"""Every reader of snapshots holds to one table: the same verdict, the same field, and nothing changed by a refusal."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import c_interface as abi
import numpy as np
import pytest
from snapshot_cases import CASES, END, MIDDLE, NOISE_SEED, NOISY, SHAPED, START
from snapshot_drafts import Draft

from emoface import FrameBatch
from emoface.backends import available_backends
from emoface.errors import EmoFaceError, SnapshotError
from emoface.rig import RigControls

SMOOTHED = {"upper_smoothing": 0.1, "lower_smoothing": 0.1}
READERS = ("python", "native", "c")


class PythonReader:
    """Animators of one backend."""

    def __init__(self, package: Any, noisy: Any, backend: str) -> None:
        self.noisy = noisy.animator(backend=backend, channels=1, noise_seed=NOISE_SEED)
        self.plain = package.animator(backend=backend, channels=1, blinks=False)
        shaped = {"blendshapes": True, "controls": RigControls(**SMOOTHED), "blinks": False}
        self.shaped = package.animator(backend=backend, channels=1, **shaped)

    def voice(self, of: str) -> Any:
        return {SHAPED: self.shaped, NOISY: self.noisy}.get(of, self.plain)

    def refusal(self, voice: Any, data: bytes) -> str | None:
        """What a refusal says it got; None where the snapshot is taken."""
        try:
            voice.restore(data)
        except SnapshotError as error:
            return error.got
        return None

    @staticmethod
    def bits(frames: FrameBatch) -> list[bytes | None]:
        return [
            getattr(frames, field.name).tobytes()
            for field in dataclasses.fields(frames)
            if getattr(frames, field.name) is not None
        ]

    def run_on(self, voice: Any, audio: np.ndarray) -> None:
        """Step and flush, which may fail, but with an error of ours."""
        for call in (lambda: voice.step(audio), voice.flush):
            try:
                call()
            except EmoFaceError:
                voice.reset()


class CReader:
    """Animators of the C interface."""

    def __init__(self, package: Any, noisy: Any) -> None:
        self.noisy = noisy.animator(channels=1, noise_seed=NOISE_SEED)
        self._controls = abi.Controls(upper_strength=1.0, lower_strength=1.0, **SMOOTHED)
        self.plain = package.animator(channels=1, blinks=-1)
        self.shaped = package.animator(channels=1, blinks=-1, blendshapes=1, controls=ctypes.addressof(self._controls))

    def voice(self, of: str) -> Any:
        return {SHAPED: self.shaped, NOISY: self.noisy}.get(of, self.plain)

    def refusal(self, voice: Any, data: bytes) -> str | None:
        try:
            voice.restore(data)
        except abi.StatusError as error:
            assert error.name == "SNAPSHOT", str(error)
            return voice.api.last_error().removeprefix("got ")
        return None

    @staticmethod
    def bits(frames: dict[str, np.ndarray]) -> list[bytes]:
        return [array.tobytes() for array in frames.values()]

    def run_on(self, voice: Any, audio: np.ndarray) -> None:
        for call in (lambda: voice.step(audio), voice.flush):
            try:
                call()
            except abi.StatusError as error:
                assert error.name != "INTERNAL", str(error)
                voice.api.call("reset", voice.handle)


@pytest.fixture(scope="module", params=READERS)
def reader(request, python_package, format2_python):
    if request.param == "c":
        return CReader(request.getfixturevalue("package"), request.getfixturevalue("format2"))
    if request.param == "native" and "native" not in available_backends():
        pytest.skip("no emoface._runtime: build with ONNXRUNTIME_ROOT set, zlib and nlohmann-json")
    return PythonReader(python_package, format2_python, "ort-cpu" if request.param == "python" else "native")


@pytest.fixture(scope="module")
def snapshots(reader, python_package, format2_python, sound) -> dict[str, bytes]:
    """What the table's rows change, of this reader's backend; C reads those of Python."""
    source = reader if isinstance(reader, PythonReader) else PythonReader(python_package, format2_python, "ort-cpu")
    made = {}
    for of in (START, MIDDLE, END, SHAPED, NOISY):
        voice = source.voice(of)
        voice.reset()
        if of != START:
            voice.step(sound(5500 / 16000))
        if of == END:
            voice.flush()
        else:
            voice.set_emotion("sad", at=2.0)
        made[of] = voice.snapshot()
    return made


@pytest.fixture(scope="module")
def continued(reader, snapshots, sound) -> dict[str, list[bytes]]:
    """What follows each snapshot."""
    made = {}
    for of in (START, MIDDLE, SHAPED, NOISY):
        voice = reader.voice(of)
        voice.restore(snapshots[of])
        made[of] = reader.bits(voice.step(sound(0.1, seed=1)))
    return made


def test_the_table_names_each_row_once():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 150


@pytest.mark.parametrize("of", [START, MIDDLE, END, SHAPED, NOISY])
def test_verdict_and_field(reader, snapshots, continued, sound, of):
    wrong = []
    for case in (case for case in CASES if case.of == of):
        draft, voice = Draft(snapshots[of]), reader.voice(of)
        last = len(draft.table) - 1
        case.change(draft)
        data = draft.pack()
        voice.restore(snapshots[of])
        got = reader.refusal(voice, data)
        if got is None:
            reader.run_on(voice, sound(0.3, seed=2))
        elif of in continued and reader.bits(voice.step(sound(0.1, seed=1))) != continued[of]:
            wrong.append((case.name, "refused, and changed all the same"))
        field = None if got is None else got.split(" = ")[0]
        if field != (case.field and case.field.format(last=last)) or not (got or "").isascii() or len(got or "") > 300:
            wrong.append((case.name, got))
    assert not wrong


def test_any_byte_changed_is_refused(reader, snapshots):
    data, random = snapshots[MIDDLE], np.random.default_rng(0)
    for place in (*range(60), *random.integers(0, len(data), 60)):
        changed = bytearray(data)
        changed[place] ^= 1 + random.integers(255)
        assert reader.refusal(reader.plain, bytes(changed))
    for size in (*range(60), *random.integers(0, len(data), 20)):
        assert reader.refusal(reader.plain, data[:size])
