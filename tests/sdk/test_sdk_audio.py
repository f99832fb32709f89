"""Chunks, resampling, sound files."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface.audio.chunk import check_rate, to_mono
from emoface.audio.files import read_sound
from emoface.audio.kernel import build_kernel, load_kernel, write_kernel
from emoface.audio.resampler import Resampler
from emoface.errors import AudioError, AudioFileError, AudioFormatError

RATES = (8000, 11025, 12345, 16000, 22050, 44100, 48000, 96000)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int16", [-32768, 0, 16384], [-1, 0, 0.5]),
        ("int32", [-(2**31), 0, 2**30], [-1, 0, 0.5]),
        ("uint8", [0, 128, 192], [-1, 0, 0.5]),
        ("float32", [-1, 0, 0.5], [-1, 0, 0.5]),
        ("float64", [-1, 0, 0.5], [-1, 0, 0.5]),
    ],
)
def test_every_dtype_means_the_same_sound(dtype, values, expected):
    mono, channels = to_mono(np.array(values, dtype), None)
    assert mono.dtype == np.float32
    assert channels == 1
    np.testing.assert_array_equal(mono, np.array(expected, np.float32))


def test_channels_are_averaged():
    mono, channels = to_mono(np.array([[1.0, 0.0], [0.5, -0.5]]), None)
    np.testing.assert_array_equal(mono, [0.5, 0.0])
    assert channels == 2


def test_mono_is_a_copy():
    chunk = np.zeros(4, np.float32)
    mono, _ = to_mono(chunk, None)
    chunk[:] = 1
    assert not mono.any()


@pytest.mark.parametrize("empty", [[], np.zeros((0, 2), np.int16), np.zeros(0, np.float64), np.zeros((0, 5))])
def test_empty_chunk_is_a_pause_in_any_layout(empty):
    mono, channels = to_mono(empty, 2)
    assert mono.shape == (0,)
    assert channels == 2


@pytest.mark.parametrize("rate", [0, -1, 3999, 400000, 16000.5, float("nan"), float("inf"), "16000", None, True])
def test_impossible_sample_rate(rate):
    with pytest.raises(AudioFormatError, match="4000 to 384000"):
        check_rate(rate)


def test_stored_kernel_is_the_built_one(tmp_path):
    stored, built = load_kernel(), build_kernel()
    np.testing.assert_allclose(stored.table, built.table, rtol=0, atol=1e-12)
    assert (stored.zero_crossings, stored.points_per_crossing, stored.rolloff) == (16, 512, 0.92)
    write_kernel(tmp_path / "a.npz")
    write_kernel(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def _all(resampler: Resampler, audio: np.ndarray) -> np.ndarray:
    resampler.append(audio)
    resampler.append_silence(resampler.half)
    count = (len(audio) * 16000 - 1) // resampler.rate + 1
    return resampler.read(count)


def test_model_rate_passes_bit_exactly(sound):
    audio = sound(0.3)
    assert _all(Resampler(16000), audio).tobytes() == audio.tobytes()


@pytest.mark.parametrize("rate", RATES)
def test_tone_keeps_its_time_and_amplitude(rate):
    time_in = np.arange(rate // 4) / rate
    out = _all(Resampler(rate), np.sin(2 * np.pi * 1000 * time_in).astype(np.float32))
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / 16000)
    np.testing.assert_allclose(out[200:-200], expected[200:-200], atol=1e-4)


def test_tone_above_the_new_nyquist_is_removed():
    time_in = np.arange(12000) / 48000
    out = _all(Resampler(48000), np.sin(2 * np.pi * 10000 * time_in).astype(np.float32))
    assert np.abs(out[200:-200]).max() < 10 ** (-70 / 20)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(RATES), seed=st.integers(0, 1000), longest=st.sampled_from([1, 3, 50, 1000]), data=st.data()
)
def test_resampling_does_not_depend_on_cuts(rate, seed, longest, data):
    random = np.random.default_rng(seed)
    audio = random.standard_normal(data.draw(st.integers(1, 900))).astype(np.float32)
    whole = _all(Resampler(rate), audio)
    resampler, parts, start, done = Resampler(rate), [], 0, 0
    while start < len(audio):
        length = int(random.integers(0, longest + 1))
        resampler.append(audio[start : start + length])
        start += length
        ready = 0
        while resampler.needed(done + ready + 1) <= resampler.received and done + ready < len(whole):
            ready += 1
        parts.append(resampler.read(ready))
        done += ready
    resampler.append_silence(resampler.half)
    parts.append(resampler.read(len(whole) - done))
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_position_does_not_drift_after_hours():
    """Start at hour 20 of 44.1 kHz audio: the same window, the same bits as at the start."""
    audio = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    early, late = Resampler(44100), Resampler(44100)
    hours = 20 * 3600
    early.append(audio)
    early.read(160)
    late.restore(hours * 44100 - late.half, hours * 16000, np.concatenate([np.zeros(late.half, np.float32), audio]))
    late.read(160)
    assert early.read(1000).tobytes() == late.read(1000).tobytes()


def test_resampler_state_continues(sound):
    audio = sound(0.2, 44100)
    one, two = Resampler(44100), Resampler(44100)
    one.append(audio[:5000])
    first = one.read(1000)
    two.restore(*one.state())
    for resampler in (one, two):
        resampler.append(audio[5000:])
    assert len(first) == 1000
    assert one.read(1500).tobytes() == two.read(1500).tobytes()


def test_24_bit_stereo_file(tmp_path):
    samples = np.linspace(-0.5, 0.5, 200).reshape(100, 2)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="PCM_24")
    sound = read_sound(tmp_path / "a.wav")
    assert sound.rate == 44100
    np.testing.assert_allclose(sound.samples, samples, atol=2**-22)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_wav_subtype(tmp_path, subtype):
    samples = np.linspace(-0.5, 0.5, 100)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype=subtype)
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav").samples[:, 0], samples, atol=2**-6)


def test_flac_file(tmp_path, sound):
    soundfile.write(tmp_path / "a.flac", sound(0.1), 16000)
    assert read_sound(tmp_path / "a.flac").samples.shape == (1600, 1)


def test_text_file_named_wav(tmp_path):
    (tmp_path / "a.wav").write_text("This is not a sound.\n" * 20)
    with pytest.raises(AudioFileError, match=r"a\.wav.*ffmpeg"):
        read_sound(tmp_path / "a.wav")


@pytest.mark.parametrize("keep", [3000, 100, 45, 20, 0])
def test_truncated_wav(tmp_path, sound, keep):
    soundfile.write(tmp_path / "whole.wav", sound(0.5), 16000, subtype="PCM_16")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:keep])
    with pytest.raises(AudioFileError, match=r"cut\.wav"):
        read_sound(tmp_path / "cut.wav")


def test_streamed_wav_without_a_length_is_read_to_its_end(tmp_path, sound):
    soundfile.write(tmp_path / "a.wav", sound(0.1), 16000, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert len(read_sound(tmp_path / "a.wav").samples) == 1600


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(AudioFileError, match="no such file"):
        read_sound(tmp_path / "none.wav")
    with pytest.raises(AudioFileError, match="a folder"):
        read_sound(tmp_path)


def test_wav_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    assert read_sound(tmp_path / "a.wav").samples.shape == (0, 1)


def test_bad_samples_are_counted_and_shown():
    with pytest.raises(AudioError, match=r"2 unusable.*nan"):
        to_mono(np.array([0.0, np.nan, np.inf]), None)
