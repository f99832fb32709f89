"""A folder with a short sound to run examples and documented code in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000
SECONDS = 2.0


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test, holding `speech.wav`: two seconds of a tone that comes and goes.

    `voice.wav` is the same twice.
    """
    time = np.arange(int(SECONDS * RATE)) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 180 * time) * np.sin(2 * np.pi * 2 * time) ** 2
    soundfile.write(tmp_path / "speech.wav", tone.astype(np.float32), RATE)
    soundfile.write(tmp_path / "voice.wav", np.tile(tone, 2).astype(np.float32), RATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path
