"""`emoface data check`: what a dataset's folder holds, and every problem in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emoface_training.errors import CorpusError, DatasetError, SpeechError
from emoface_training.vocabulary import EMOTIONS

from .corpus import Corpus, frame_count, read_shard
from .opening import RECORDED, detect_kind
from .vertex_dataset import VertexDataset

CHUNK = 256

Progress = Callable[[Iterable], Iterable]


@dataclass
class Report:
    """counts: the columns of P1's Table 1 and more; splits: clips, subjects and seconds by name."""

    kind: str
    title: str
    root: str
    counts: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ok": self.ok}


def check(
    root: str | Path,
    kind: str | None = None,
    masks: str | Path | None = None,
    progress: Progress = lambda items: items,
) -> Report:
    """Read the whole dataset, every vertex included. Raises DatasetError when it is no known layout at all."""
    kind = kind or detect_kind(root)
    if kind == "synthetic":
        return _check_synthetic(Path(root), progress)
    dataset = RECORDED[kind].survey(root, masks)
    report = Report(kind, dataset.title, str(root))
    report.notes += dataset.notes
    report.problems += [str(problem.error) for problem in dataset.problems]
    _recorded_counts(report, dataset)
    largest = 0.0
    for take in progress(dataset.takes):
        try:
            for start in range(0, take.motion.frames, CHUNK):
                largest = max(largest, float(np.abs(take.motion.offsets(start, start + CHUNK)).max()))
            take.sound()
        except (DatasetError, SpeechError) as error:
            report.problems.append(str(error))
    report.counts["largest_offset_mm"] = round(1000.0 * largest * dataset.unit_in_metres, 3)
    return report


def _recorded_counts(report: Report, dataset: VertexDataset) -> None:
    takes = dataset.takes
    subjects = sorted({take.subject for take in takes})
    genders = [dataset.gender(subject) for subject in subjects]
    emotions = sorted({take.emotion for take in takes})
    report.counts = {
        "subjects": len(subjects),
        "gender_ratio": f"{genders.count('m')}:{genders.count('f')}" if all(genders) and genders else "not stated",
        "texts": len({take.sentence for take in takes}),
        "emotions": [EMOTIONS[emotion] if emotion < len(EMOTIONS) else "unknown" for emotion in emotions],
        "sequences": len(takes),
        "published_sequences": dataset.published_takes,
        "fps": dataset.fps,
        "source_fps": dataset.source_fps,
        "unit": dataset.unit,
        "unit_in_metres": dataset.unit_in_metres,
    }
    for name in dataset.splits:
        clips = dataset.clips(name)
        report.splits[name] = {
            "clips": len(clips),
            "subjects": len({clip.take.subject for clip in clips}),
            "seconds": round(sum(clip.frames for clip in clips) / dataset.fps, 2),
        }
    report.counts["split_ratio"] = ":".join(str(split["clips"]) for split in report.splits.values())
    rates = sorted({round(take.motion.frames / take.sound_s * dataset.source_fps / dataset.fps, 1) for take in takes})
    if rates:
        report.counts["measured_source_fps"] = [rates[0], rates[-1]]
    if dataset.face is None:
        return
    face = dataset.face
    extent = (np.ptp(face.template, axis=0) * face.unit_in_metres).astype(float)
    report.counts |= {
        "vertices": len(face.template),
        "published_vertices": dataset.published_vertices,
        "triangles": len(face.faces),
        "template_shape": list(face.template.shape),
        "template_extent_mm": [round(1000.0 * value, 1) for value in extent],
        "masks": {name: len(indices) for name, indices in face.masks.items()},
    }
    if not face.masks:
        report.notes.append("no masks: LVE and EVE need them, give --masks (docs/datasets.md)")
    if len(face.template) != dataset.published_vertices:
        report.notes.append(f"{len(face.template)} vertices; the published data has {dataset.published_vertices}")


def _check_synthetic(root: Path, progress: Progress) -> Report:
    corpus = Corpus.open(root)
    report = Report("synthetic", "synthetic corpus", str(root))
    actors, texts, emotions = set(), set(), set()
    for name in corpus.splits:
        clips = corpus.clips(name)
        report.splits[name] = {
            "clips": len(clips),
            "subjects": len({clip.actor for clip in clips}),
            "seconds": round(sum(clip.frames for clip in clips) / corpus.description["fps"], 2),
        }
        actors |= {clip.actor for clip in clips}
        texts |= {clip.text for clip in clips}
        emotions |= {clip.emotion for clip in clips}
        if not clips:
            report.problems.append(_synthetic(f"{root}: split {name!r} without clips", "some"))
        for path in progress(sorted({clip.path for clip in clips})):
            report.problems += _shard_problems(path)
    report.counts = {
        "subjects": len(actors),
        "texts": len(texts),
        "emotions": [EMOTIONS[emotion] for emotion in sorted(emotions)],
        "sequences": sum(split["clips"] for split in report.splits.values()),
        "fps": corpus.description["fps"],
        "rig_parameters": len(corpus.description["parameters"]),
        "split_ratio": ":".join(str(split["clips"]) for split in report.splits.values()),
    }
    for actor in sorted(set(corpus.actors) - actors):
        report.problems.append(_synthetic(f"{root}: training actor {actor} without clips", "some"))
    return report


def _synthetic(got: str, expected: str) -> str:
    return str(CorpusError(got, expected, "Remove what is damaged and run `emoface data synth` again."))


def _shard_problems(path: Path) -> list[str]:
    try:
        shard = read_shard(path)
    except CorpusError as error:
        return [str(error)]
    found = []
    if not np.isfinite(shard["parameters"]).all():
        found.append(_synthetic(f"{path}: NaN or infinite rig parameters", "finite ones"))
    samples, frames = np.diff(shard["audio_offsets"]), np.diff(shard["parameter_offsets"])
    for i, (count, rows) in enumerate(zip(samples.tolist(), frames.tolist(), strict=True)):
        if rows != frame_count(count):
            found.append(
                _synthetic(f"{path}: clip {i} with {rows} frames for {count} samples", f"{frame_count(count)}")
            )
    return found


def as_text(report: Report) -> str:
    """The report as lines for a terminal."""
    lines = [f"{report.title} ({report.kind}) in {report.root}"]
    for name, value in report.counts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
        elif isinstance(value, list):
            value = ", ".join(str(item) for item in value)
        lines.append(f"  {name.replace('_', ' '):22} {value}")
    lines.append(f"  {'split':22} {'clips':>7} {'subjects':>9} {'minutes':>8}")
    for name, split in report.splits.items():
        lines.append(f"  {name:22} {split['clips']:7d} {split['subjects']:9d} {split['seconds'] / 60:8.2f}")
    lines += [f"note: {note}" for note in report.notes]
    lines += [f"problem: {problem}" for problem in report.problems]
    lines.append("no problem found" if report.ok else f"{len(report.problems)} problems found")
    return "\n".join(lines)
