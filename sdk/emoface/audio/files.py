"""Sound files through soundfile (wav, flac, ogg, mp3, ...), with typed errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emoface.audio.chunk import check_rate
from emoface.errors import AudioFileError

_REMEDY = "Convert it to 16-bit WAV, for example with `ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav`."
_LARGEST_SAMPLES = 1 << 31


@dataclass(frozen=True)
class Sound:
    """Decoded audio: samples float32 (n, channels) in +-1, rate in Hz."""

    samples: npt.NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def read_sound(path: str | Path) -> Sound:
    """Read a whole sound file.

    24-bit and 32-bit integers and float64 become float32; several channels are kept (the animator averages them). A
    file with a header and no samples is read as zero samples.

    Raises:
        AudioFileError: no such file, not a sound file, or shorter than its header promises.
    """
    path = Path(path)
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise AudioFileError(f"{path}: {got}", "a readable sound file", "Check the path.")
    # Imported here: `import emoface` must stay fast and work where libsndfile is missing.
    import soundfile

    _refuse_truncated_wav(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames * file.channels > _LARGEST_SAMPLES:
                raise AudioFileError(
                    f"{path}: {file.frames} frames of {file.channels} channels",
                    f"at most {_LARGEST_SAMPLES} samples in one file",
                    "Feed longer audio to Animator.step in chunks.",
                )
            samples = file.read(dtype="float32", always_2d=True)
            promised, rate = file.frames, int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise AudioFileError(f"{path}: {error}", "a sound file (wav, flac, ogg, ...)", _REMEDY) from None
    if len(samples) < promised:
        raise AudioFileError(
            f"{path}: {len(samples)} of {promised} promised frames", "a complete file", "Copy or record the file again."
        )
    return Sound(samples, check_rate(rate))


def _refuse_truncated_wav(path: Path) -> None:
    """Raise if a RIFF file's data chunk is longer than the file.

    libsndfile reads what is there without a word; half a sentence animated in silence is worse than an error. Sizes
    of 0 and 0xFFFFFFFF are what programs write that stream to a pipe: those files are read to their end.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        while True:
            header = file.read(8)
            if len(header) < 8:
                break
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                present = size - file.tell()
                if present < length and length < 0xFFFFFF00:
                    raise AudioFileError(
                        f"{path}: {present} bytes of sound where the header promises {length}",
                        "a complete file",
                        "Copy or record the file again, or repair the header with `ffmpeg -i INPUT OUTPUT.wav`.",
                    )
                return
            file.seek(length + (length & 1), 1)
