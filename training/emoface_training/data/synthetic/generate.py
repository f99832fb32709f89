"""The plan of a corpus and its making: which shard holds what, in which order, by how many processes.

Every shard has its own random generator, seeded with (seed, split, number). So a shard does not depend on which process
makes it or whether others exist: an interrupted run continues where it stopped, a longer corpus contains the shorter
one of the same seed, and the same seed gives the same bytes.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emoface_training.errors import CorpusError, OptionsError
from emoface_training.vocabulary import EMOTIONS, LEVELS, SAMPLE_RATE

from ..corpus import DESCRIPTION, FORMAT, FPS, write_shard
from . import recording_codecs, speech_espeak, speech_festival, speech_flite, text, text_lexicon, voice
from .clips import Line, make_clips
from .parameters import RIG_PARAMETERS
from .voice_actors import ACTORS, ESPEAK_VARIANTS, SPLITS, TRAIN_ACTORS, Actor, actors_of, stranger

RICH_CLIPS = 16
_SECONDS = {"mirror": 46.0, "rich": 76.0, "strangers": 2 * 84.0}  # what the shards of each kind last on average
FIRST_STRANGER = 100_000  # shards of strangers are numbered from here, so that more of them leave the others alone
_HELD_OUT_SHARE = 1 / 30  # of the hours, for each split besides train
_ROUGH, _PAUSES, _NO_SPEECH, _PLAIN = 0.5, 0.7, 0.03, 0.4
_STRANGER_ROUGH, _SALAD = 0.3, 0.6
_NEUTRAL_EVERY = 4  # of a stranger's clips: what calibration learns from


class Job(NamedTuple):
    """One shard."""

    split: str
    number: int
    kind: str  # mirror, rich or stranger
    actor: Actor
    statement: int

    def path(self, root: Path) -> Path:
        """Where the shard lies."""
        return root / self.split / self.actor.name / f"{self.number:05d}.npz"


def _training_jobs() -> Iterator[Job]:
    """Endless: for one actor after the other the mirror of a statement, varied sentences, and two strangers."""
    number, statement = 0, 0
    while True:
        for actor in TRAIN_ACTORS:
            yield Job("train", number, "mirror", actor, statement % len(text.STATEMENTS))
            yield Job("train", number + 1, "rich", actor, -1)
            yield Job("train", FIRST_STRANGER + number, "stranger", actor, -1)
            yield Job("train", FIRST_STRANGER + number + 1, "stranger", actor, -1)
            number += 2
        statement += 1


def _held_out_jobs(split: str) -> Iterator[Job]:
    number = 0
    while True:
        for actor in actors_of(split):
            yield Job(split, number, "rich", actor, -1)
            number += 1


def _rounded(seconds: float, shard: float) -> int:
    return max(1, round(seconds / shard))


def plan(hours: float) -> list[Job]:
    """All shards of a corpus with so many hours of training speech, in the order in which they are made.

    Validation comes first, the test splits are spread over the rest: training may start before the end.
    """
    if not hours > 0 or not math.isfinite(hours):
        raise OptionsError(f"{hours} hours", "a positive number", "Give for example --hours 3.")
    seconds = hours * 3600
    training = list(islice(_training_jobs(), 4 * _rounded(seconds, sum(_SECONDS.values()))))
    count = _rounded(seconds * _HELD_OUT_SHARE, _SECONDS["rich"])
    jobs = list(islice(_held_out_jobs("validation"), count))
    groups = zip(*(islice(_held_out_jobs(split), count) for split in SPLITS[2:]), strict=True)
    tests = [job for group in groups for job in group]
    gap = max(1, len(training) // (len(tests) + 1))
    for i, job in enumerate(training):
        jobs.append(job)
        if (i + 1) % gap == 0 and tests:
            jobs.append(tests.pop(0))
    return jobs + tests


def _mirror_lines(job: Job, rng: np.random.Generator) -> list[Line]:
    sentence = text.STATEMENTS[job.statement]
    return [
        Line(sentence, emotion, level, job.statement, rough=rng.random() < _ROUGH, pauses=rng.random() < _PAUSES)
        for emotion in EMOTIONS
        for level in range(len(LEVELS))
    ]


def _sentences(family: str, rng: np.random.Generator) -> str:
    first = text.sentence(family, 4.5, rng)
    left = 5.0 - text.estimated_seconds(first)
    if left > 1.5 and rng.random() < 0.6:
        second = text.sentence(family, left, rng)
        if text.estimated_seconds(second) <= left:
            return f"{first} {second}"
    return first


def _rich_lines(job: Job, rng: np.random.Generator) -> list[Line]:
    family = "test" if job.split.startswith("test_") else job.split
    training = job.split == "train"
    lines = []
    for i in range(RICH_CLIPS):
        if rng.random() < _NO_SPEECH:
            lines.append(Line("", "neutral", 0))
            continue
        if training:
            emotion = "neutral" if rng.random() < _PLAIN else EMOTIONS[1 + rng.integers(len(EMOTIONS) - 1)]
        else:
            emotion = EMOTIONS[i % len(EMOTIONS)]
        line = Line(_sentences(family, rng), emotion, int(rng.integers(2)), pauses=rng.random() < _PAUSES)
        if training:
            # Many voices for one way of moving: what the model hears must not depend on the timbre.
            other = job.actor.engine == "espeak" and rng.random() < 0.6
            natural = emotion == "neutral" and job.actor.formants == 1.0 and rng.random() < 0.6
            line = line._replace(
                voice=f"{job.actor.voice.split('+')[0]}+{rng.choice(ESPEAK_VARIANTS)}" if other else "",
                pitch=float(np.exp(rng.normal(0, 0.12))),
                formants=float(rng.uniform(0.92, 1.08)),
                rough=bool(rng.random() < _ROUGH),
                vocoder=not natural,
            )
        lines.append(line)
    return lines


def _stranger_lines(rng: np.random.Generator) -> list[Line]:
    """One unknown voice in every emotion; most of what it says is word salad."""
    lines = []
    for i in range(RICH_CLIPS):
        if rng.random() < _NO_SPEECH:
            lines.append(Line("", "neutral", 0))
            continue
        emotion = "neutral" if i % _NEUTRAL_EVERY == 0 else EMOTIONS[1 + rng.integers(len(EMOTIONS) - 1)]
        words = text_lexicon.sentence(4.5, rng) if rng.random() < _SALAD else _sentences("train", rng)
        rough, pauses = rng.random() < _STRANGER_ROUGH, rng.random() < _PAUSES
        lines.append(Line(words, emotion, int(rng.integers(2)), rough=bool(rough), pauses=bool(pauses)))
    return lines


def _speaker(job: Job) -> str:
    """Whose voice a whole shard has; empty where every clip has another."""
    if job.kind == "stranger":
        return f"{job.actor.name}-{job.number}"
    return "" if job.split == "train" and job.kind == "rich" else job.actor.name


def make(job: Job, root: Path, seed: int) -> float:
    """Make one shard unless it is there; returns the seconds of audio that were made."""
    path = job.path(root)
    if path.exists():
        return 0.0
    rng = np.random.default_rng([seed, SPLITS.index(job.split), job.number])
    actor = stranger(job.actor, rng) if job.kind == "stranger" else job.actor
    if job.kind == "stranger":
        lines = _stranger_lines(rng)
    else:
        lines = _mirror_lines(job, rng) if job.kind == "mirror" else _rich_lines(job, rng)
    clips = make_clips(actor, lines, rng)
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


def _write_description(root: Path, description: dict[str, Any]) -> None:
    temporary = root / f".{DESCRIPTION}.{os.getpid()}.part"
    temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, root / DESCRIPTION)


def _check_existing(root: Path, seed: int) -> None:
    path = root / DESCRIPTION
    if not path.exists():
        return
    old = json.loads(path.read_text(encoding="utf-8"))
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


def generate(root: str | Path, hours: float, seed: int, workers: int = 1) -> dict[str, Any]:
    """Make, or finish making, a corpus; returns the contents of its corpus.json.

    Raises SpeechEngineError when an engine is not installed, CorpusError when the folder holds another corpus.
    """
    root = Path(root)
    jobs = plan(hours)
    if seed < 0 or workers < 1:
        raise OptionsError(
            f"seed {seed} and {workers} workers",
            "a seed of at least 0 and at least one worker",
            "Correct --seed or --workers.",
        )
    for module in (speech_flite, speech_espeak, speech_festival, text_lexicon, voice, recording_codecs):
        module.check()
    root.mkdir(parents=True, exist_ok=True)
    _check_existing(root, seed)
    _write_description(root, describe(root, hours, seed, jobs))
    progress = _Progress(len(jobs))
    try:
        if workers == 1:
            for job in jobs:
                progress.advance(make(job, root, seed))
        else:
            with ProcessPoolExecutor(workers) as pool:
                for seconds in pool.map(make, jobs, [root] * len(jobs), [seed] * len(jobs)):
                    progress.advance(seconds)
    finally:
        progress.close()
    description = describe(root, hours, seed, jobs)
    _write_description(root, description)
    return description
