"""Random recording conditions: what they change, and that they move nothing in time."""

from __future__ import annotations

import numpy as np
import pytest

from emoface_training.clips.recording_conditions import RecordingConditions


def clicks() -> np.ndarray:
    """Three seconds with a pulse every 0.1 s, float32."""
    audio = np.zeros(48000, np.float32)
    audio[800::1600] = 0.5
    return audio


def test_zeros_change_nothing() -> None:
    audio = clicks()
    assert np.array_equal(RecordingConditions().apply(audio, np.random.default_rng(0)), audio)


@pytest.mark.parametrize(
    "conditions",
    [
        RecordingConditions(equaliser_db=4.0),
        RecordingConditions(noise_probability=1.0),
        RecordingConditions(equaliser_db=3.0, noise_probability=1.0, gain_db=8.0, quiet_probability=0.5),
    ],
)
def test_sound_changes_but_stays_where_it_is(conditions: RecordingConditions) -> None:
    audio = clicks()
    for seed in range(5):
        out = conditions.apply(audio, np.random.default_rng(seed))
        assert out.dtype == np.float32 and out.shape == audio.shape
        assert np.isfinite(out).all() and np.abs(out).max() <= 1.0
        assert not np.allclose(out, audio, atol=1e-4)
        peaks = np.abs(out.reshape(-1, 1600)).argmax(1)
        assert np.median(peaks) == 800


def test_gain_stays_in_its_range() -> None:
    audio = clicks() * 0.1
    gains = [
        20 * np.log10(np.abs(RecordingConditions(gain_db=6.0).apply(audio, np.random.default_rng(seed))).max() / 0.05)
        for seed in range(40)
    ]
    assert -6.001 <= min(gains) < -3 and 3 < max(gains) <= 6.001


def test_silence_stays_silent() -> None:
    conditions = RecordingConditions(3.0, 1.0, 8.0, 0.5, 0.5, 1.0)
    behind = clicks()[:16000]
    assert not conditions.apply(np.zeros(16000, np.float32), np.random.default_rng(0), [behind]).any()


def test_a_quiet_crop_has_a_level_of_its_own() -> None:
    conditions = RecordingConditions(gain_db=6.0, quiet_probability=0.5)
    peaks = [np.abs(conditions.apply(clicks() * 0.1, np.random.default_rng(seed))).max() / 0.05 for seed in range(200)]
    levels = 20 * np.log10(peaks)
    assert -45.01 < levels.min() < -42 and 4 < levels.max() < 6.01
    assert np.mean(levels < -6) == pytest.approx(0.5, abs=0.1)


def test_a_second_voice_is_weaker_and_the_near_one_stays_as_it_is() -> None:
    generator = np.random.default_rng(0)
    near, far = (0.1 * generator.standard_normal(48000).astype(np.float32) for _ in range(2))
    conditions = RecordingConditions(second_voice_probability=1.0)
    levels = []
    for seed in range(40):
        added = conditions.apply(near, np.random.default_rng(seed), [far]) - near
        assert added.dtype == np.float32
        levels.append(20 * np.log10(added.std() / near.std()))
    assert -20.1 < min(levels) < -17 and -7 < max(levels) < -3.8
    silent = np.zeros_like(far)
    assert np.array_equal(conditions.apply(near, np.random.default_rng(0), [silent, silent]), near)
    assert np.array_equal(conditions.apply(near, np.random.default_rng(0)), near)


def test_the_low_end_is_filled_or_cut_and_the_rest_left_alone() -> None:
    generator = np.random.default_rng(1)
    audio = (0.05 * generator.standard_normal(48000)).astype(np.float32)
    frequency = np.fft.rfftfreq(48000, 1 / 16000)
    low, high = (frequency > 5) & (frequency < 30), frequency > 600
    before = np.abs(np.fft.rfft(audio))
    kinds = set()
    for seed in range(30):
        out = RecordingConditions(rumble_probability=0.4).apply(audio, np.random.default_rng(seed))
        after = np.abs(np.fft.rfft(out))
        assert out.dtype == np.float32
        assert np.sqrt((after[high] ** 2).mean()) == pytest.approx(np.sqrt((before[high] ** 2).mean()), rel=0.05)
        ratio = np.sqrt((after[low] ** 2).mean() / (before[low] ** 2).mean())
        kinds.add("cut" if ratio < 0.6 else "filled" if ratio > 1.02 else "left")
    assert kinds == {"cut", "filled", "left"}
