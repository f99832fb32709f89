"""What is done to the sound, and that a model's answer to it is measured."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hand_made_mouth import FPS, TUCKED, HandMadeFace, moved, spoken

from emoface_training.clips.store import StoredClip
from emoface_training.evaluation import disturbances
from emoface_training.evaluation.disturbances import disturbed, under_disturbances
from emoface_training.measures.mouth import MouthGauge

SAID = [("SIL", 0.0, 1.0), ("AA", 1.0, 3.0), ("SIL", 3.0, 4.0)]


def clip(seed: int = 0) -> StoredClip:
    """Four seconds; a tone is said in the middle two."""
    time = np.arange(64000) / 16000
    tone = np.where((time > 1) & (time < 3), 0.2 * np.sin(2 * np.pi * (150 + 40 * seed) * time), 0.0)
    return replace(spoken(120, SAID), audio=np.round(32767 * tone).astype(np.int16))


def levels(clips: list[StoredClip]) -> tuple[float, float]:
    """RMS of the first clip's pause, and of its speech."""
    sound = clips[0].waveform().astype(np.float64)
    return float(sound[:16000].std()), float(sound[16000:48000].std())


def test_offset_and_level_are_what_they_say() -> None:
    plain = clip().waveform().astype(np.float64)
    np.testing.assert_allclose(disturbed([clip()], "offset of 5 %")[0].waveform(), plain + 0.05, atol=1e-4)
    np.testing.assert_allclose(disturbed([clip()], "level -40 dB")[0].waveform(), 0.01 * plain, atol=1e-4)


@pytest.mark.parametrize("name", ["babble 10 dB below", "music 10 dB below"])
def test_what_is_behind_is_10_db_below_the_speech_and_the_same_for_a_seed(name: str) -> None:
    clips = [clip(seed) for seed in range(3)]
    heard = disturbed(clips, name)
    added = heard[0].waveform().astype(np.float64) - clips[0].waveform()
    assert 20 * np.log10(levels(clips)[1] / np.sqrt((added**2).mean())) == pytest.approx(10.0, abs=0.1)
    assert np.array_equal(heard[0].audio, disturbed(clips, name)[0].audio)
    assert not np.array_equal(heard[0].audio, disturbed(clips, name, seed=1)[0].audio)
    assert not np.array_equal(heard[0].audio, heard[1].audio)


class Listening:
    """A mouth that opens as loud as the last frame's sound is, in mm."""

    fps = FPS

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold

    def animate(self, clips: list[StoredClip], emotion: str) -> Iterator[tuple[int, np.ndarray]]:
        for index, each in reversed(list(enumerate(clips))):  # in any order
            frames = each.waveform().astype(np.float64)[: each.frames * 533].reshape(each.frames, 533)
            loud = np.sqrt((frames**2).mean(1))
            yield index, moved(np.where(loud > self.threshold, 100.0 * loud, 0.0))


def test_a_model_that_hears_everything_is_found_out_and_one_with_a_threshold_is_not() -> None:
    clips = [clip(seed) for seed in range(2)]

    def found(model: Listening) -> dict:
        rules = moved(np.where((np.arange(120) > 30) & (np.arange(120) < 90), 12.0, 0.0))
        gauge = MouthGauge(HandMadeFace())
        return under_disturbances(model, clips, "auto", gauge, TUCKED, lambda _: rules)

    open_mouthed, careful = found(Listening()), found(Listening(0.1))
    assert list(open_mouthed) == list(disturbances.DISTURBANCES)
    assert open_mouthed["level -40 dB"]["gap_correlation"] == pytest.approx(1.0, abs=1e-3)  # smaller, but alike
    assert open_mouthed["level -40 dB"]["worst_mm"] == pytest.approx(0.99 * 14.14, rel=0.02)
    assert open_mouthed["offset of 5 %"]["pauses_closed"] == 0.0
    for name in ("babble 10 dB below", "music 10 dB below"):
        assert open_mouthed[name]["silence_closed"] < 0.5 < careful[name]["silence_closed"]
        assert careful[name]["pauses"] == 4
    assert careful["offset of 5 %"]["pauses_closed"] == 1.0
    assert careful["level -40 dB"]["gap_correlation"] == 0.0  # nothing moves any more
    assert all("undisturbed" in line and "of 4 pauses" in line for line in disturbances.lines(careful))
