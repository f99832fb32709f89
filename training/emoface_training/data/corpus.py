"""The corpus on disk: shards of clips without pickles, and the reader that training and evaluation use.

Folder: ``corpus.json`` (format, rates, names, actors, counts) and ``<split>/<actor>/<index>.npz``, each a shard of
sixteen clips. A shard holds concatenated arrays and offsets: ``audio`` int16 at 16 kHz, ``parameters`` float16 [T, P]
at 30 fps, ``segment_*`` (phoneme number, start and end in seconds, clip), and per clip ``emotion``, ``level``,
``statement``, ``text``, ``speaker`` (empty where unknown), ``way`` of acting the emotion. ``energy`` float16 [T], the
loudness of the clean speech, and ``motion_seed`` are what the motion can be made again from. Shards are complete or
absent, so a corpus can be read while it is still being made.
"""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emoface_training.errors import CorpusError
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

from .sample import Clip
from .synthetic.parameters import RIG_PARAMETERS
from .synthetic.phonemes import PHONEME_INDEX, PHONEMES, Segment

FORMAT = 3
FPS = 30
DESCRIPTION = "corpus.json"


class RawClip(NamedTuple):
    """A clip as it is stored: int16 audio and float16 parameters.

    ``energy`` float16 [T] and ``motion_seed`` are only needed where the motion shall be made again by other rules.
    """

    audio: np.ndarray
    parameters: np.ndarray
    segments: Sequence[Segment]
    emotion: int
    level: int
    statement: int
    text: str
    speaker: str = ""
    way: str = ""
    energy: np.ndarray = np.zeros(0, np.float16)
    motion_seed: int = 0


def frame_count(samples: int) -> int:
    """Frames of a clip of so many samples: floor(N * 30 / 16000)."""
    return samples * FPS // SAMPLE_RATE


def write_shard(path: Path, clips: Sequence[RawClip]) -> None:
    """Write a shard, whole or not at all; the same clips give the same bytes."""
    for clip in clips:
        if len(clip.parameters) != frame_count(len(clip.audio)):
            raise CorpusError(
                f"{len(clip.parameters)} frames for {len(clip.audio)} samples",
                f"{frame_count(len(clip.audio))}",
                "Make parameters with frame_count().",
            )
    segments = [(i, segment) for i, clip in enumerate(clips) for segment in clip.segments]
    arrays = {
        "audio": np.concatenate([clip.audio for clip in clips]).astype(np.int16),
        "audio_offsets": np.cumsum([0] + [len(clip.audio) for clip in clips]).astype(np.int64),
        "parameters": np.concatenate([clip.parameters for clip in clips]).astype(np.float16),
        "energy": np.concatenate([clip.energy for clip in clips]).astype(np.float16),
        "energy_offsets": np.cumsum([0] + [len(clip.energy) for clip in clips]).astype(np.int64),
        "motion_seed": np.array([clip.motion_seed for clip in clips], np.int64),
        "parameter_offsets": np.cumsum([0] + [len(clip.parameters) for clip in clips]).astype(np.int64),
        "segment_phoneme": np.array([PHONEME_INDEX[s.phoneme] for _, s in segments], np.int16),
        "segment_start": np.array([s.start for _, s in segments], np.float32),
        "segment_end": np.array([s.end for _, s in segments], np.float32),
        "segment_clip": np.array([i for i, _ in segments], np.int32),
        "emotion": np.array([clip.emotion for clip in clips], np.int8),
        "level": np.array([clip.level for clip in clips], np.int8),
        "statement": np.array([clip.statement for clip in clips], np.int32),
        "text": np.array([clip.text for clip in clips], np.str_),
        "speaker": np.array([clip.speaker for clip in clips], np.str_),
        "way": np.array([clip.way for clip in clips], np.str_),
    }
    write_arrays(path, arrays)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a shard's arrays under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_description(root: Path) -> dict[str, Any]:
    """A corpus' description; raises CorpusError when there is none or it is damaged."""
    path = root / DESCRIPTION
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CorpusError(f"{path} ({error})", "the description of a corpus", "Check the folder.") from None
    except (TypeError, ValueError) as error:
        raise CorpusError(
            f"{path}, which is no JSON ({error})", "the description of a corpus", "Run `emoface data synth` again."
        ) from error


def write_description(root: Path, description: dict[str, Any]) -> None:
    """Write a corpus' description, whole or not at all."""
    temporary = root / f".{DESCRIPTION}.{os.getpid()}.part"
    temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, root / DESCRIPTION)


def read_shard(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The named arrays of a shard (all by default); raises CorpusError when the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(
            f"{path}, which cannot be read ({error})",
            "a shard of a corpus",
            "Delete it and run `emoface data synth` again.",
        ) from error


@functools.lru_cache(maxsize=8)
def _recent_shard(path: Path) -> dict[str, np.ndarray]:
    return read_shard(path)


@dataclass(frozen=True)
class ClipRef:
    """Where a clip is, and what is known of it without loading it. ``frames`` and ``samples`` are its length."""

    path: Path
    index: int
    split: str
    actor: str
    actor_index: int
    emotion: int
    level: int
    statement: int
    text: str
    speaker: str
    samples: int

    @property
    def frames(self) -> int:
        """Number of animation frames."""
        return frame_count(self.samples)

    def load(self) -> Clip:
        """Read the clip from its shard (the last few shards stay in memory)."""
        shard = _recent_shard(self.path)
        i = self.index
        a0, a1 = shard["audio_offsets"][i : i + 2]
        p0, p1 = shard["parameter_offsets"][i : i + 2]
        rows = np.flatnonzero(shard["segment_clip"] == i)
        phonemes = [
            Segment(
                PHONEMES[shard["segment_phoneme"][row]],
                float(shard["segment_start"][row]),
                float(shard["segment_end"][row]),
            )
            for row in rows
        ]
        return Clip(
            audio=shard["audio"][a0:a1].astype(np.float32) / 32768.0,
            parameters=shard["parameters"][p0:p1].astype(np.float32),
            phonemes=phonemes,
            emotion=self.emotion,
            level=self.level,
            actor=self.actor,
            actor_index=self.actor_index,
            statement=self.statement,
            text=self.text,
            speaker=self.speaker,
        )


class Corpus:
    """A corpus folder, opened for reading."""

    def __init__(self, root: Path, description: dict[str, Any]) -> None:
        self.root = root
        self.description = description
        self.actors: list[str] = [actor["name"] for actor in description["actors"] if actor["split"] == "train"]
        self.splits: tuple[str, ...] = tuple(description["splits"])

    @classmethod
    def open(cls, root: str | Path) -> Corpus:
        """Open a folder made by ``emoface data synth``; raises CorpusError when it is none or does not fit."""
        root = Path(root)
        path = root / DESCRIPTION
        if not path.is_file():
            raise CorpusError(
                f"{root} without {DESCRIPTION}",
                "the folder of a corpus",
                f"Make one with `emoface data synth --out {root}`.",
            )
        description = read_description(root)
        wanted = {"format": FORMAT, "fps": FPS, "sample_rate": SAMPLE_RATE}
        for field, expected in (*wanted.items(), ("parameters", list(RIG_PARAMETERS)), ("emotions", list(EMOTIONS))):
            if description.get(field) != expected:
                raise CorpusError(
                    f"{path}, field {field!r}: {description.get(field)!r}",
                    repr(expected),
                    "Make the corpus again with this version of emoface, or its motion alone: "
                    "`emoface data synth --motion`.",
                )
        return cls(root, description)

    def clips(self, split: str) -> list[ClipRef]:
        """All clips of a split that are on disk, in the order in which they were made."""
        if split not in self.splits:
            raise CorpusError(f"the split {split!r}", f"one of {', '.join(self.splits)}", "Choose one of them.")
        indices = {name: i for i, name in enumerate(self.actors)}
        refs: list[ClipRef] = []
        for path in sorted((self.root / split).glob("*/[0-9]*.npz"), key=lambda p: (p.stem, p.parent.name)):
            actor = path.parent.name
            shard = read_shard(path, ("audio_offsets", "emotion", "level", "statement", "text", "speaker"))
            samples = np.diff(shard["audio_offsets"])
            labels = (shard[name] for name in ("emotion", "level", "statement", "text", "speaker"))
            facts = zip(*labels, samples, strict=True)
            refs += [
                ClipRef(
                    path=path,
                    index=i,
                    split=split,
                    actor=actor,
                    actor_index=indices.get(actor, -1),
                    emotion=int(emotion),
                    level=int(level),
                    statement=int(statement),
                    text=str(text),
                    speaker=str(speaker),
                    samples=int(count),
                )
                for i, (emotion, level, statement, text, speaker, count) in enumerate(facts)
            ]
        return refs

    def pairs(self, split: str) -> list[tuple[int, int]]:
        """Pairs (i, j), i < j, of indices into ``clips(split)``: one actor, one statement, different emotions."""
        groups: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for i, ref in enumerate(self.clips(split)):
            if ref.statement >= 0:
                groups.setdefault((ref.actor, ref.statement), []).append((i, ref.emotion))
        return [
            (i, j)
            for members in groups.values()
            for position, (i, emotion) in enumerate(members)
            for j, other in members[position + 1 :]
            if other != emotion
        ]
