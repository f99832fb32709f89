"""Recorded datasets: sequences of vertices with their sound, subjects and splits. The layouts build on this class."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from emoface_training.data.resampling import at_sample_rate
from emoface_training.errors import DatasetError, SpeechError
from emoface_training.vocabulary import SAMPLE_RATE, UNKNOWN_EMOTION

from .masks import find_masks, read_masks
from .sample import Clip, DatasetFace, VertexMotion

# Sound and motion of one take may differ by this much; the longer one is cut. More means that they do not belong
# together, or that a rate is not what the layout says.
LENGTH_TOLERANCE_S = 0.25
# A head measures about a quarter of a metre; millimetres, centimetres or another unit are far outside
HEAD_M = (0.1, 0.8)
LIKELY_RATES = (24, 25, 30, 50, 60, 120)

Sound = Callable[[], tuple[np.ndarray, int]]


@dataclass(frozen=True)
class SplitRule:
    """Which takes belong to a split: subjects, sentence numbers (None: all)."""

    subjects: tuple[str, ...]
    sentences: range | None = None

    def takes(self, subject: str, sentence: int) -> bool:
        return subject in self.subjects and (self.sentences is None or sentence in self.sentences)


@dataclass(frozen=True)
class Take:
    """One sequence as it lies on disk. `sound` gives float32 [N] mono and its rate; `sound_s` is its length."""

    name: str
    subject: str
    sentence: int
    motion: VertexMotion
    sound: Sound
    sound_s: float
    sound_file: Path
    emotion: int = UNKNOWN_EMOTION
    level: int = 0


@dataclass(frozen=True)
class Problem:
    """What is wrong. scope: "take" (that take could be left out), "subject" (missing or extra), or "dataset"."""

    error: DatasetError | SpeechError
    scope: Literal["take", "subject", "dataset"] = "dataset"
    take: str = ""


@dataclass
class Scan:
    """What a layout's folder holds: takes, the subjects' neutral faces, triangles, and what is wrong with it.

    notes: what was left out without harm, such as sound without motion (published copies have some).
    """

    takes: list[Take] = field(default_factory=list)
    templates: dict[str, np.ndarray] = field(default_factory=dict)
    faces: np.ndarray | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VertexClip:
    """A reference to one take as the trainer sees it."""

    take: Take
    fps: int
    source_fps: int
    split: str
    actor_index: int

    @property
    def frames(self) -> int:
        """Frames that both motion and sound have."""
        return min(self.take.motion.frames, int(self.take.sound_s * self.fps))

    def load(self) -> Clip:
        """Sound at 16 kHz in memory, vertices left in their file; both cut to the shorter of them.

        Raises DatasetError when their lengths differ by more than LENGTH_TOLERANCE_S.
        """
        take = self.take
        if problem := length_problem(take, self.fps, self.source_fps):
            raise problem
        audio = at_16_khz(*take.sound())
        frames = min(take.motion.frames, len(audio) * self.fps // SAMPLE_RATE)
        motion = VertexMotion(take.motion.path, take.motion.rows[:frames], take.motion.template)
        return Clip(
            audio=audio[: math.ceil(frames * SAMPLE_RATE / self.fps)],
            parameters=np.zeros((frames, 0), np.float32),
            phonemes=[],
            emotion=take.emotion,
            level=take.level,
            actor=take.subject,
            actor_index=self.actor_index,
            statement=take.sentence,
            text="",
            vertices=motion,
        )


class VertexDataset:
    """A recorded dataset, opened for reading: `fps`, `actors`, `splits`, `face`, `clips(split)`.

    A layout states the constants and `scan`. source_fps: rate of the files, of which every (source_fps / fps)-th row
    is used. published_*: what the published copy holds, shown beside the found counts by `emoface data check`.
    """

    kind: str
    title: str
    layout: str
    fps: int
    source_fps: int
    unit: str = "m"
    unit_in_metres: float = 1.0
    rules: dict[str, SplitRule]
    published_vertices: int
    published_takes: int

    def __init__(self, root: Path, scan: Scan, masks: Path | None = None) -> None:
        self.root, self.takes, self.templates, self.triangles = root, scan.takes, scan.templates, scan.faces
        self.problems, self.notes = list(scan.problems), list(scan.notes)
        self.splits = tuple(self.rules)
        self.actors = list(self.rules["train"].subjects)
        lengths = [(take.name, length_problem(take, self.fps, self.source_fps)) for take in self.takes]
        self.problems += [Problem(error, "take", name) for name, error in lengths if error]
        self._check_subjects()
        self.face = self._face(masks)
        self._check_splits()

    @classmethod
    def survey(cls, root: str | Path, masks: str | Path | None = None) -> VertexDataset:
        """Open a folder with all its problems in `problems`. Raises DatasetError when it is not this layout."""
        return cls(Path(root), cls.scan(Path(root)), None if masks is None else Path(masks))

    @classmethod
    def open(cls, root: str | Path, masks: str | Path | None = None, partial: bool = False) -> VertexDataset:
        """Open a folder for training. partial: leave out what has problems (takes, missing and extra subjects).

        Raises DatasetError with the first problem and their number; with `partial`, only for the dataset's own.
        """
        dataset = cls.survey(root, masks)
        if partial:
            bad = {problem.take for problem in dataset.problems if problem.scope == "take"}
            dataset.takes = [take for take in dataset.takes if take.name not in bad]
            dataset.problems = [problem for problem in dataset.problems if problem.scope == "dataset"]
            dataset._check_splits()
        if dataset.problems:
            first, count = dataset.problems[0].error, len(dataset.problems) - 1
            first.remedy += f" ({count} more: `emoface data check {root}` lists them)" if count else ""
            raise first
        return dataset

    @classmethod
    def scan(cls, root: Path) -> Scan:
        """Read the folder's lists and headers, no vertices."""
        raise NotImplementedError

    def clips(self, split: str) -> list[VertexClip]:
        """References of a split in the order of their names. Raises DatasetError for an unknown split."""
        if split not in self.rules:
            raise DatasetError(f"the split {split!r}", f"one of {', '.join(self.rules)}", "Choose one of them.")
        rule = self.rules[split]
        index = {name: i for i, name in enumerate(self.actors)}
        return [
            VertexClip(take, self.fps, self.source_fps, split, index.get(take.subject, -1))
            for take in sorted(self.takes, key=lambda take: take.name)
            if rule.takes(take.subject, take.sentence)
        ]

    @classmethod
    def gender(cls, subject: str) -> str | None:
        """ "f" or "m" where the subject's name says it."""
        return None

    def _check_splits(self) -> None:
        for name in self.splits:
            wanted = f"takes of {', '.join(self.rules[name].subjects)}"
            error = DatasetError(f"{self.root}: split {name!r} without takes", wanted, "Complete the dataset.")
            if not self.clips(name) and error.args not in {problem.error.args for problem in self.problems}:
                # A held-out split may be absent where parts are left out, training and validation may not
                scope = "subject" if name.startswith("test_") else "dataset"
                self.problems.append(Problem(error, scope))

    def _check_subjects(self) -> None:
        expected = {subject for rule in self.rules.values() for subject in rule.subjects}
        present = {take.subject for take in self.takes}
        for subject in sorted(expected - present):
            got, wanted = f"{self.root}: subject {subject} is missing", f"all {len(expected)} of the papers' splits"
            self.problems.append(Problem(DatasetError(got, wanted, "Add its files."), "subject"))
        for subject in sorted(present - expected):
            got, wanted = f"{self.root}: subject {subject} is in no split", f"one of {', '.join(sorted(expected))}"
            self.problems.append(Problem(DatasetError(got, wanted, "Move its files away."), "subject"))

    def _face(self, masks: Path | None) -> DatasetFace | None:
        """The mean of the training subjects' neutral faces with the topology's triangles; None where they lack."""
        templates = [self.templates[name] for name in self.actors if name in self.templates]
        if self.triangles is None or not templates:
            return None
        template = np.mean(templates, 0).astype(np.float32)
        size = float(np.ptp(template, axis=0).max()) * self.unit_in_metres
        if not HEAD_M[0] <= size <= HEAD_M[1]:
            self.problems.append(
                Problem(
                    DatasetError(
                        f"{self.root}: templates that measure {size:.4g} m",
                        f"{HEAD_M[0]} to {HEAD_M[1]} m",
                        f"They are not in this layout's unit ({self.unit}): convert them.",
                    )
                )
            )
        path = masks or find_masks(self.root)
        found = read_masks(path, len(template)) if path is not None else {}
        return DatasetFace(template, self.triangles, found, self.unit_in_metres)


def length_problem(take: Take, fps: int, source_fps: int) -> DatasetError | None:
    """What is wrong between the lengths of motion and sound, or None."""
    motion_s = take.motion.frames / fps
    if abs(motion_s - take.sound_s) <= LENGTH_TOLERANCE_S:
        return None
    rate = take.motion.frames * source_fps / fps / take.sound_s if take.sound_s > 0 else 0.0
    likely = next((known for known in LIKELY_RATES if abs(rate / known - 1) < 0.03), None)
    hint = "They do not belong together, or one of them is cut off."
    if likely not in (None, source_fps):
        hint = f"The file seems to have {likely} fps where this layout has {source_fps}."
    return DatasetError(
        f"{take.motion.path} ({take.name}): {motion_s:.2f} s of motion and {take.sound_s:.2f} s of sound in "
        f"{take.sound_file}",
        f"equal lengths within {LENGTH_TOLERANCE_S} s",
        hint,
    )


def at_16_khz(samples: np.ndarray, rate: int) -> np.ndarray:
    """float32 [N] mono at 16 kHz, floor(N 16000 / rate) samples."""
    resampled = at_sample_rate(np.asarray(samples, np.float32), rate)
    return resampled[: len(samples) * SAMPLE_RATE // rate].astype(np.float32, copy=False)
