"""Sound as it comes: raw samples on standard input, a microphone, a file in blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from emoface.audio.chunk import check_rate
from emoface.audio.files import open_sound
from emoface.errors import AudioError, AudioFileError, UsageError

_BYTES = {"int16": 2, "float32": 4}
_BLOCK_S = 0.05


@dataclass(frozen=True)
class LiveSource:
    """Sound in pieces.

    Attributes:
        rate: in Hz.
        channels: of raw bytes; None where the pieces are arrays, which say it.
        dtype: what raw bytes hold, or None for arrays.
        pieces: bytes of whole samples of all channels, or arrays (n, channels).
    """

    rate: int
    channels: int | None
    dtype: str | None
    pieces: Iterator[Any]


def raw_input(rate: int, channels: int = 1, dtype: str = "int16") -> LiveSource:
    """Samples without a header from standard input, as they come, until it ends.

    Raises:
        UsageError: an unknown format. AudioFormatError: a rate that is none. AudioFileError while reading: a last
            sample that is cut.
    """
    if dtype not in _BYTES:
        raise UsageError(f"samples of {dtype!r}", " or ".join(_BYTES), "Say what standard input holds.")
    return LiveSource(check_rate(rate), channels, dtype, _raw_pieces(channels * _BYTES[dtype]))


def _raw_pieces(size: int) -> Iterator[bytes]:
    held = b""
    while data := os.read(0, 1 << 16):
        held += data
        whole = len(held) - len(held) % size
        if whole:
            yield held[:whole]
            held = held[whole:]
    if held:
        raise AudioFileError(
            f"standard input: {len(held)} bytes after the last whole sample",
            f"samples of {size} bytes, all channels together",
            "Check format and channels.",
        )


@contextmanager
def microphone(device: str | int | None = None, rate: int = 16000) -> Iterator[LiveSource]:
    """A microphone, mono.

    Args:
        device: name or number of PortAudio's; None is the system's.
        rate: in Hz.

    Raises:
        UsageError: the library sounddevice is missing. AudioError: no such device, or it does not open.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UsageError(
            f"a microphone without the library sounddevice ({error})",
            "sounddevice and PortAudio",
            'pip install "emoface[microphone]"; on Debian apt-get install libportaudio2.',
        ) from None
    count = round(check_rate(rate) * _BLOCK_S)
    try:
        stream = sounddevice.RawInputStream(samplerate=rate, channels=1, dtype="int16", device=device, blocksize=count)
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(
            f"the microphone {'of the system' if device is None else device!r}: {error}",
            "an input that opens",
            "`python -m sounddevice` lists what there is.",
        ) from None
    try:
        yield LiveSource(rate, 1, "int16", (bytes(stream.read(count)[0]) for _ in iter(int, 1)))
    finally:
        stream.close()


@contextmanager
def file_source(path: str) -> Iterator[LiveSource]:
    """A sound file in blocks; errors as of `emoface.audio.files.open_sound`."""
    with open_sound(path) as sound:
        yield LiveSource(sound.rate, sound.channels, None, iter(sound.blocks(round(sound.rate * _BLOCK_S))))
