"""Speech without labels: clips of a corpus, or of a folder of sound files, with some of them held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emoface_training.clips.store import heard
from emoface_training.errors import SpeechError
from emoface_training.vocabulary import SAMPLE_RATE

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_SHORTEST = SAMPLE_RATE // 2
_HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class SpeechClips:
    """Mono clips float32 [N] at 16 kHz as a model hears them, of at least half a second each."""

    train: list[np.ndarray]
    held_out: list[np.ndarray]
    description: str

    def spread(self, part: str, count: int) -> list[np.ndarray]:
        """At most `count` clips of "train" or "held out", evenly spread over it."""
        clips = self.train if part == "train" else self.held_out
        return [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int))]

    def crop(self, random: np.random.Generator, size: int) -> np.ndarray:
        """`size` samples from a random place of a random training clip; silence behind one that is shorter."""
        clip = self.train[random.integers(len(self.train))]
        begin = int(random.integers(max(1, len(clip) - size + 1)))
        out = np.zeros(size, np.float32)
        part = clip[begin : begin + size]
        out[: len(part)] = part
        return out


def load_speech(source: Path) -> SpeechClips:
    """A corpus of `emoface data synth` (validation held out), or a folder of sound files (every tenth held out).

    Raises SpeechError for a folder with less than two usable files, and the SDK's AudioFileError for a broken one.
    """
    from emoface_training.data.corpus import DESCRIPTION, Corpus

    source = Path(source)
    if (source / DESCRIPTION).is_file():
        corpus = Corpus.open(source)
        train, held_out = (
            [heard(ref.load().audio) for ref in corpus.clips(split)] for split in ("train", "validation")
        )
    else:
        files = sorted(f for f in source.rglob("*") if f.suffix.lower() in SUFFIXES) if source.is_dir() else []
        clips = [heard(read_clip(file)) for file in files]
        held_out, train = clips[::_HELD_OUT_EVERY], [c for i, c in enumerate(clips) if i % _HELD_OUT_EVERY]
    train, held_out = ([clip for clip in part if len(clip) >= _SHORTEST] for part in (train, held_out))
    if not train or not held_out:
        raise SpeechError(
            f"{source} with {len(train)} clips to learn from and {len(held_out)} to hold out",
            f"a corpus, or a folder with at least two sound files ({', '.join(SUFFIXES)}) of half a second or more",
            "Give such a folder with --data.",
        )
    seconds = sum(len(clip) for clip in train) / SAMPLE_RATE
    return SpeechClips(train, held_out, f"{source.name}: {len(train)} clips, {seconds / 60:.1f} min")


def read_clip(path: Path) -> np.ndarray:
    """A sound file as float32 [N] at 16 kHz, mono. Raises the SDK's AudioFileError for a broken one."""
    from emoface.audio.files import read_sound
    from emoface.audio.resampler import Resampler

    sound = read_sound(path)
    resampler = Resampler(sound.rate, SAMPLE_RATE)
    resampler.append(np.ascontiguousarray(sound.samples.mean(axis=1)))
    count = len(sound.samples) * SAMPLE_RATE // sound.rate
    resampler.append_silence(max(0, resampler.needed(count) - resampler.received))
    return resampler.read(count)
