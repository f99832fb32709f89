"""Sound files through soundfile (wav, flac, ogg, mp3, ...), whole or in blocks, with typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from emoface.audio.chunk import check_rate
from emoface.audio.containers import Part, find_parts
from emoface.audio.source import View, open_source
from emoface.errors import AudioFileError

Floats = npt.NDArray[np.float32]

_REMEDY = "Convert it to 16-bit WAV, for example with `ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav`."
_RAW_REMEDY = (
    f"{_REMEDY} Samples without a header say neither rate nor format: `ffmpeg -f s16le -ar 16000 -ac 1 -i INPUT "
    'OUTPUT.wav`, or Animator.step(chunk, dtype="int16").'
)
_LARGEST_SAMPLES = 1 << 31
_BLOCK = 1 << 16
# Containers whose end can be told: by a length, by a last page or frame, or since they lay no claim to a length.
_CONTAINERS = frozenset(
    (
        "WAV",
        "WAVEX",
        "RF64",
        "W64",
        "AIFF",
        "AU",
        "CAF",
        "SVX",
        "NIST",
        "FLAC",
        "OGG",
        "MP3",
        "MPEG",
        "HTK",
        "IRCAM",
        "PVF",
        "PAF",
    )
)
# A decoder may swallow the first frames of an MP3, which lean on others that a cut took away.
_MPEG_SLACK = 2 * 1152
_LAST_WORDS = 4096
_NEVER = 1 << 62


@dataclass(frozen=True)
class Sound:
    """Decoded audio: samples float32 (n, channels) in +-1, rate in Hz."""

    samples: Floats
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


class SoundReader:
    """An open sound file, read in blocks; `open_sound` makes it.

    Attributes:
        name: for messages.
        rate: in Hz.
        channels: number of channels.
        frames: samples per channel there will be; None where only reading to the end can tell.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._file = file
        try:
            size = file.seek(0, 2)
            if size == 0:
                raise AudioFileError(f"{name}: no bytes", "a sound file", "Check what wrote it.")
            self._parts = find_parts(file, size, name)
            self._first = _Decoder(file, self._parts[0], name)
        except OSError as error:
            file.close()
            raise AudioFileError(f"{name}: {error}", "a readable sound file", "Check the disk.") from None
        except AudioFileError:
            file.close()
            raise
        self.rate = check_rate(self._first.rate)
        self.channels = self._first.channels
        self.frames = self._first.frames if len(self._parts) == 1 else None
        self._begun = False

    def blocks(self, size: int = _BLOCK) -> Iterator[Floats]:
        """The sound from its start, float32 (n, channels) with 1 <= n <= size; once per reader.

        Raises:
            AudioFileError: the file turns out shorter than its header promises, damaged, or made of recordings of
                different rates or channels. What came before is sound that was there.
        """
        if self._begun:
            raise AudioFileError(
                f"{self.name}: blocks() a second time", "one reading per open_sound()", "Open it again."
            )
        self._begun = True
        decoder = self._first
        for index, part in enumerate(self._parts):
            if index:
                decoder = _Decoder(self._file, part, self.name)
                if (decoder.rate, decoder.channels) != (self.rate, self.channels):
                    raise AudioFileError(
                        f"{self.name}: recordings of {self.rate} Hz, {self.channels} channel(s) and of {decoder.rate} "
                        f"Hz, {decoder.channels} channel(s) in a row",
                        "one rate and number of channels",
                        _REMEDY,
                    )
            yield from decoder.blocks(size)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._first.close()
        self._file.close()

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Decoder:
    """One stream of a file through libsndfile, from its start to its end."""

    def __init__(self, file: BinaryIO, part: Part, name: str) -> None:
        # Imported here: `import emoface` must stay fast and work where libsndfile is missing.
        import soundfile

        class Forward(soundfile.SoundFile):  # type: ignore[misc]
            """Read from start to end. Otherwise soundfile seeks after every read, which some formats cannot."""

            def seekable(self) -> bool:
                return False

        self._view = View(file, part.pieces)
        self._name = name
        self._errors = (soundfile.SoundFileError, RuntimeError, OSError, TypeError)
        try:
            self._sound: Any = Forward(self._view)
        except self._errors as error:
            raise self._failure(error) from None
        if self._sound.format not in _CONTAINERS:
            self._sound.close()
            raise AudioFileError(
                f"{name}: a file of format {self._sound.format}", f"one of {', '.join(sorted(_CONTAINERS))}", _REMEDY
            )
        self.rate = int(self._sound.samplerate)
        self.channels = int(self._sound.channels)
        promised = int(self._sound.frames)
        self.frames = promised if promised < _NEVER else None
        self._slack = _MPEG_SLACK if part.frames is not None else 0

    def blocks(self, size: int) -> Iterator[Floats]:
        done = 0
        if self._sound.format == "FLAC":
            size = min(size, _LAST_WORDS)  # what precedes damage is lost with the read that meets it
        try:
            while True:
                try:
                    block: Floats = self._sound.read(size, dtype="float32", always_2d=True)
                except self._errors as error:
                    raise self._failure(error, done) from None
                if self._view.error is not None:
                    raise self._failure(self._view.error, done)
                if not len(block):
                    break
                done += len(block)
                yield block
        finally:
            self.close()
        if self.frames is not None and done < self.frames - self._slack:
            raise AudioFileError(
                f"{self._name}: {done} of {self.frames} promised frames",
                "a complete file",
                "Copy or record the file again.",
            )

    def close(self) -> None:
        self._sound.close()

    def _failure(self, error: BaseException, done: int | None = None) -> AudioFileError:
        error = self._view.error or error
        if not isinstance(error, Exception):
            raise error  # an interruption that arrived within libsndfile
        if done is None:
            return AudioFileError(f"{self._name}: {_reason(error)}", "a sound file (wav, flac, ogg, ...)", _RAW_REMEDY)
        promised = "" if self.frames is None else f" of {self.frames} promised frames"
        return AudioFileError(
            f"{self._name}: {_reason(error)} after {done}{promised} ({done / self.rate:.3f} s)",
            "a complete file",
            "Copy or record the file again, or keep what is there with `ffmpeg -i INPUT OUTPUT.wav`.",
        )


def _reason(error: BaseException) -> str:
    """libsndfile's own words, without the address of our view of the file."""
    return str(getattr(error, "error_string", None) or error).rstrip(".")


def open_sound(path: str | Path) -> SoundReader:
    """Open a sound file to be read in blocks, whatever its length.

    Args:
        path: a file, a pipe, `/dev/stdin`, or "-" for standard input. What cannot seek is read to its end first.

    Raises:
        AudioFileError: no such file, a folder, a device, not a sound file, or cut short as far as its headers tell.
    """
    file, name = open_source(path)
    return SoundReader(file, name)


def read_sound(path: str | Path) -> Sound:
    """Read a whole sound file.

    24-bit and 32-bit integers and float64 become float32; several channels are kept (the animator averages them). A
    file with a header and no samples is read as zero samples. Recordings that follow each other in one file (chained
    Ogg, concatenated MP3) are read one after the other.

    Raises:
        AudioFileError: as `open_sound`; or shorter than its header promises, damaged, longer than 2^31 samples.
    """
    with open_sound(path) as reader:
        blocks: list[Floats] = []
        count = 0
        for block in reader.blocks():
            count += block.size
            if count > _LARGEST_SAMPLES:
                raise AudioFileError(
                    f"{reader.name}: more than {count // reader.channels} frames of {reader.channels} channels",
                    f"at most {_LARGEST_SAMPLES} samples in one file",
                    "Feed longer audio to Animator.step in chunks, as open_sound() reads it.",
                )
            blocks.append(block)
        samples = np.concatenate(blocks) if blocks else np.zeros((0, reader.channels), np.float32)
        return Sound(samples, reader.rate)
