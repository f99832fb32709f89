"""Sounds and the bytes of sound files."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from emoface.audio.files import read_sound

RATE = 16000


@pytest.fixture(scope="session")
def tone():
    """seconds, rate -> a sum of tones with an envelope: something that codecs keep."""

    def make(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
        time = np.arange(round(seconds * rate)) / rate
        wave = np.sin(2 * np.pi * 220 * time) + 0.5 * np.sin(2 * np.pi * 660 * time)
        return (0.2 * wave * (1 + 0.3 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def encoded(tone):
    """format, subtype, seconds -> file bytes."""

    def make(format: str, subtype: str | None = None, seconds: float = 1.0, rate: int = RATE) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, tone(seconds, rate), rate, format=format, subtype=subtype)
        return buffer.getvalue()

    return make


@pytest.fixture
def read(tmp_path):
    """File bytes -> the sound that is read."""

    def run(data: bytes, name: str = "sound"):
        (tmp_path / name).write_bytes(data)
        return read_sound(tmp_path / name)

    return run


@pytest.fixture(scope="session")
def put():
    """Replace bytes at the place of a marker plus an offset."""

    def run(data: bytes, marker: bytes, offset: int, value: bytes) -> bytes:
        at = data.index(marker) + offset
        return data[:at] + value + data[at + len(value) :]

    return run
