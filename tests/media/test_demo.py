"""The bundled speech and what the demo makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from emoface.audio.files import read_sound
from emoface.cli import demo


def test_bundled_speech() -> None:
    sound = read_sound(demo.SPEECH)
    assert sound.rate == 16000 and sound.samples.shape[1] == 1
    assert 6 < sound.seconds < 12
    assert 0.5 < np.abs(sound.samples).max() < 0.9


@pytest.mark.parametrize("at", [start for start, _ in demo.SCHEDULE])
def test_emotions_change_in_pauses(at: float) -> None:
    sound = read_sound(demo.SPEECH)
    start = int(at * sound.rate)
    level = np.sqrt(np.mean(sound.samples[start : start + 800] ** 2))
    assert level < 0.1 * np.sqrt(np.mean(sound.samples**2))
