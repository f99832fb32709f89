"""The plan of a corpus and its making: which shard holds what, in which order, by how many processes.

Every shard has its own random generator, seeded with (seed, split, number). So a shard does not depend on which process
makes it or whether others exist: an interrupted run continues where it stopped, a longer corpus contains the shorter
one of the same seed, and the same seed gives the same bytes.
"""

import math
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emoface_training.errors import CorpusError, OptionsError
from emoface_training.vocabulary import EMOTIONS, LEVELS, SAMPLE_RATE

from ..corpus import DESCRIPTION, FORMAT, FPS, read_description, write_description, write_shard
from . import (
    clip_lines,
    kokoro_files,
    kokoro_graphs,
    recording_codecs,
    speech_espeak,
    speech_festival,
    speech_flite,
    text,
    text_lexicon,
    voice,
)
from .clips import make_clips
from .parameters import RIG_PARAMETERS
from .voice_actors import ACTORS, SPLITS, TRAIN_ACTORS, Actor, actors_of, neural, stranger
from .workers import each

# The shards of one turn of a training actor, and what they last on average.
TURN = ("mirror", "rich", "stranger", "neural", "neural")
_SECONDS = {"mirror": 51.0, "rich": 66.0, "stranger": 68.0, "neural": 67.0}
# Shards of each kind are numbered from here, so that more of one kind leave the others alone.
FIRST = {"mirror": 0, "rich": 50_000, "stranger": 100_000, "neural": 150_000}
_HELD_OUT_SHARE = 1 / 30  # of the hours, for each split besides train


class Job(NamedTuple):
    """One shard."""

    split: str
    number: int
    kind: str  # mirror, rich, stranger or neural
    actor: Actor
    statement: int

    def path(self, root: Path) -> Path:
        """Where the shard lies."""
        return root / self.split / self.actor.name / f"{self.number:05d}.npz"


def _training_jobs() -> Iterator[Job]:
    """Endless: for one actor after the other the mirror of a statement, varied sentences, and other people's voices."""
    made = dict.fromkeys(FIRST, 0)
    for turn in count():
        actor, statement = TRAIN_ACTORS[turn % len(TRAIN_ACTORS)], turn // len(TRAIN_ACTORS)
        for kind in TURN:
            number = FIRST[kind] + made[kind]
            made[kind] += 1
            yield Job("train", number, kind, actor, statement % len(text.STATEMENTS) if kind == "mirror" else -1)


def _held_out_jobs(split: str) -> Iterator[Job]:
    actors = actors_of(split)
    for number in count():
        yield Job(split, number, "rich", actors[number % len(actors)], -1)


def _rounded(seconds: float, shard: float) -> int:
    return max(1, round(seconds / shard))


def plan(hours: float) -> list[Job]:
    """All shards of a corpus with so many hours of training speech, in the order in which they are made.

    Validation comes first, the test splits are spread over the rest: training may start before the end.
    """
    if not hours > 0 or not math.isfinite(hours):
        raise OptionsError(f"{hours} hours", "a positive number", "Give for example --hours 3.")
    seconds = hours * 3600
    training = list(islice(_training_jobs(), len(TURN) * _rounded(seconds, sum(_SECONDS[kind] for kind in TURN))))
    each = _rounded(seconds * _HELD_OUT_SHARE, _SECONDS["rich"])
    jobs = list(islice(_held_out_jobs("validation"), each))
    groups = zip(*(islice(_held_out_jobs(split), each) for split in SPLITS[2:]), strict=True)
    tests = [job for group in groups for job in group]
    gap = max(1, len(training) // (len(tests) + 1))
    for i, job in enumerate(training):
        jobs.append(job)
        if (i + 1) % gap == 0 and tests:
            jobs.append(tests.pop(0))
    return jobs + tests


def _speaker(job: Job) -> str:
    """Whose voice a whole shard has; empty where every clip has another."""
    if job.split != "train":
        return job.actor.name
    return "" if job.kind == "rich" else f"{job.actor.name}-{job.number}"


def make(job: Job, root: Path, seed: int, voices: Path) -> float:
    """Make one shard unless it is there; returns the seconds of audio that were made."""
    path = job.path(root)
    if path.exists():
        return 0.0
    rng = np.random.default_rng([seed, SPLITS.index(job.split), job.number])
    actor = job.actor
    if job.kind == "stranger":
        actor = stranger(actor, rng)
    elif job.kind == "neural":
        actor = neural(actor, job.number, rng)
    if job.kind == "mirror":
        lines = clip_lines.mirror(job.statement, rng)
    elif job.kind == "rich":
        lines = clip_lines.rich(job.split, actor, rng)
    else:
        lines = clip_lines.of_one_voice(rng)
    clips = make_clips(actor, lines, rng, voices)
    write_shard(path, [clip._replace(speaker=_speaker(job)) for clip in clips])
    return sum(len(clip.audio) for clip in clips) / SAMPLE_RATE


def describe(root: Path, hours: float, seed: int, jobs: list[Job]) -> dict[str, Any]:
    """The contents of corpus.json, with what is on disk now."""
    splits: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        shards = [job.path(root) for job in jobs if job.split == split]
        present = [path for path in shards if path.exists()]
        clips, samples = 0, 0
        for path in present:
            with np.load(path, allow_pickle=False) as shard:
                offsets = shard["audio_offsets"]
            clips, samples = clips + len(offsets) - 1, samples + int(offsets[-1])
        splits[split] = {
            "shards": len(shards), "shards_present": len(present), "clips": clips,
            "seconds": round(samples / SAMPLE_RATE, 1),
        }  # fmt: skip
    return {
        "format": FORMAT,
        "fps": FPS,
        "sample_rate": SAMPLE_RATE,
        "seed": seed,
        "hours": hours,
        "complete": all(s["shards"] == s["shards_present"] for s in splits.values()),
        "parameters": list(RIG_PARAMETERS),
        "emotions": list(EMOTIONS),
        "levels": list(LEVELS),
        "statements": list(text.STATEMENTS),
        "actors": [{"name": a.name, "engine": a.engine, "voice": a.voice, "split": a.split} for a in ACTORS],
        "splits": splits,
    }


def _check_existing(root: Path, seed: int) -> None:
    if not (root / DESCRIPTION).exists():
        return
    old = read_description(root)
    if (old.get("format"), old.get("seed")) != (FORMAT, seed):
        raise CorpusError(
            f"{root}, a corpus of format {old.get('format')} and seed {old.get('seed')}",
            f"format {FORMAT} and seed {seed}",
            "Choose another folder or the same seed.",
        )


class _Progress:
    """A progress bar on a terminal, else a line every five per cent."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._seconds, self._start = total, 0, 0.0, time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="shard", desc="synthesising")

    def advance(self, seconds: float) -> None:
        """One more shard, with so many seconds of newly made audio."""
        self._done += 1
        self._seconds += seconds
        speed = self._seconds / max(time.monotonic() - self._start, 1e-3)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._seconds / 60:.0f} min, {speed:.0f}x real time")
            self._bar.update(1)
        elif self._done * 20 // self._total != (self._done - 1) * 20 // self._total:
            print(
                f"{self._done}/{self._total} shards, {self._seconds / 60:.1f} min made, {speed:.1f}x real time",
                flush=True,
            )

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()


def generate(
    root: str | Path, hours: float, seed: int, workers: int = 1, voices: str | Path = kokoro_files.FOLDER
) -> dict[str, Any]:
    """Make, or finish making, a corpus; returns the contents of its corpus.json.

    ``voices`` is the folder of the neural voices' files. Raises SpeechEngineError when an engine is not installed or
    these are missing, CorpusError when the folder holds another corpus.
    """
    root, voices = Path(root), Path(voices).resolve()
    jobs = plan(hours)
    if seed < 0 or workers < 1:
        raise OptionsError(
            f"seed {seed} and {workers} workers",
            "a seed of at least 0 and at least one worker",
            "Correct --seed or --workers.",
        )
    for module in (speech_flite, speech_espeak, speech_festival, text_lexicon, voice, recording_codecs):
        module.check()
    kokoro_graphs.prepare(voices)
    root.mkdir(parents=True, exist_ok=True)
    _check_existing(root, seed)
    write_description(root, describe(root, hours, seed, jobs))
    progress = _Progress(len(jobs))
    try:
        for seconds in each(make, workers, jobs, *([same] * len(jobs) for same in (root, seed, voices))):
            progress.advance(seconds)
    finally:
        progress.close()
    description = describe(root, hours, seed, jobs)
    write_description(root, description)
    return description
