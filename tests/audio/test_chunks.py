"""Chunks of raw bytes, and channels that cancel."""

from __future__ import annotations

import array
import warnings

import numpy as np
import pytest

from emoface.audio.antiphase import AntiphaseWarning, PhaseWatch
from emoface.audio.chunk import as_samples, to_mono
from emoface.errors import AudioError

PCM = np.array([0, 16384, -32768, 32767], "<i2")
RAW = [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("b")]


@pytest.mark.parametrize("kind", RAW)
def test_bytes_whose_kind_is_said(kind):
    mono, channels = to_mono(kind(PCM.tobytes()), None, dtype="int16")
    assert mono.tobytes() == to_mono(PCM, None)[0].tobytes()
    assert channels == 1
    stereo, channels = to_mono(kind(PCM.tobytes()), 2, dtype=np.int16)
    assert stereo.tobytes() == to_mono(PCM.reshape(2, 2), None)[0].tobytes()
    assert channels == 2


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32", "uint8"])
def test_every_kind(dtype):
    values = np.array([0, 1, 1, 0], dtype)
    assert to_mono(values.tobytes(), None, dtype=dtype)[0].tobytes() == to_mono(values, None)[0].tobytes()


@pytest.mark.parametrize("kind", RAW)
def test_bytes_of_no_kind_are_refused(kind):
    with pytest.raises(AudioError, match=r'8 raw bytes.*dtype="int16"'):
        to_mono(kind(PCM.tobytes()), None)
    assert len(to_mono(kind(b""), None)[0]) == 0


@pytest.mark.parametrize(("size", "channels"), [(7, None), (6, 2), (1, 1), (10, 3)])
def test_unfinished_samples_are_refused(size, channels):
    with pytest.raises(AudioError, match="a multiple of"):
        to_mono(bytes(size), channels, dtype="int16")


@pytest.mark.parametrize("dtype", ["int8", ">i2", "float16", "s16le", object, "nonsense", 16, "int16,int16"])
def test_kinds_that_are_none(dtype):
    with pytest.raises(AudioError, match="little-endian"):
        to_mono(b"abcd", None, dtype=dtype)


def test_what_has_a_type_keeps_it():
    expected = to_mono(PCM, None)[0].tobytes()
    for typed in (array.array("h", PCM.tolist()), memoryview(PCM), PCM.astype(">i2")):
        assert to_mono(typed, None)[0].tobytes() == expected
        assert to_mono(typed, None, dtype="int16")[0].tobytes() == expected
    with pytest.raises(AudioError, match="int16 and dtype='float32'"):
        as_samples(PCM, dtype="float32")
    assert to_mono([0.0, 0.5], None)[0].tolist() == [0.0, 0.5]


def test_clips_of_bytes_are_refused():
    import emoface

    for clip in (bytes(3200), bytearray(3200), memoryview(bytes(3200))):
        with pytest.raises(AudioError, match="3200 raw bytes"):
            emoface.animate(clip, 16000)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


def warned(sound: np.ndarray, chunk: int, rate: int = 16000) -> int:
    watch = PhaseWatch(rate)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for start in range(0, len(sound), chunk):
            to_mono(sound[start : start + chunk], None, watch=watch)
        watch.end()
    assert all(issubclass(item.category, AntiphaseWarning) for item in found)
    return len(found)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Noise in syllables, 6 s, with pauses."""
    random = np.random.default_rng(0)
    time = np.arange(6 * 16000) / 16000
    return 0.2 * random.standard_normal(len(time)) * np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1)


@pytest.mark.parametrize("chunk", [480, 16000, 16001, 1 << 20])
@pytest.mark.parametrize("gain", [1.0, 0.9, 0.75])
def test_antiphase_is_told_once(voice, chunk, gain):
    assert warned(stereo(voice, -gain * voice), chunk) == 1


@pytest.mark.parametrize("seconds", [0.3, 0.9, 1.1, 1.9])
def test_short_antiphase_is_told(voice, seconds):
    part = voice[: int(seconds * 16000)]
    assert warned(stereo(part, -part), 480) == 1


def test_antiphase_with_noise_of_each_microphone_is_told(voice):
    noise = 0.01 * np.random.default_rng(1).standard_normal((2, len(voice)))
    assert warned(stereo(voice + noise[0], noise[1] - voice), 480) == 1


@pytest.mark.parametrize("chunk", [480, 1 << 20])
def test_other_sound_is_not(voice, chunk):
    random = np.random.default_rng(2)
    other = 0.2 * random.standard_normal(len(voice))
    delayed = {f"{d} samples late": stereo(voice, np.roll(voice, d)) for d in (1, 3, 8, 40)}
    late_and_turned = {f"{d} late, turned": stereo(voice, -np.roll(voice, d)) for d in (8, 40)}
    sounds = (
        delayed
        | late_and_turned
        | {
            "equal": stereo(voice, voice),
            "one side": stereo(voice, 0 * voice),
            "independent": stereo(voice, other),
            "turned, half as loud": stereo(voice, -0.5 * voice),
            "wide": stereo(voice + other, voice - other),
            "silence": stereo(0 * voice, 0 * voice),
            "inaudible": stereo(1e-4 * voice, -1e-4 * voice),
            "six channels, one speaks": np.stack([voice, *([0 * voice] * 5)], axis=1).astype(np.float32),
            "half a second of it": stereo(voice, np.where(np.arange(len(voice)) < 8000, -voice, voice)),
        }
    )
    assert [name for name, sound in sounds.items() if warned(sound, chunk)] == []
