"""VOCASET (12 subjects, 40 sentences each, 60 fps, FLAME topology, metres): the publisher's files, and FaceFormer's."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from emoface_training.errors import DatasetError

from .folder_layout import FolderLayout, TakeName, read_templates, triangles
from .restricted_pickle import read_pickle
from .sample import VertexMotion, open_rows
from .vertex_dataset import Problem, Scan, SplitRule, Take, VertexDataset

TRAIN = (
    "FaceTalk_170725_00137_TA",
    "FaceTalk_170728_03272_TA",
    "FaceTalk_170811_03274_TA",
    "FaceTalk_170904_00128_TA",
    "FaceTalk_170904_03276_TA",
    "FaceTalk_170912_03278_TA",
    "FaceTalk_170913_03279_TA",
    "FaceTalk_170915_00223_TA",
)
VALIDATION = ("FaceTalk_170811_03275_TA", "FaceTalk_170908_03277_TA")
TEST = ("FaceTalk_170731_00024_TA", "FaceTalk_170809_00138_TA")
# VOCA's split, which FaceFormer and EmoFace keep: 8 / 2 / 2 subjects; the sentences 1 to 20 of the held-out ones are
# partly the training subjects' own and are left out
RULES = {
    "train": SplitRule(TRAIN, range(1, 41)),
    "validation": SplitRule(VALIDATION, range(21, 41)),
    "test_unseen": SplitRule(TEST, range(21, 41)),
}


def sentence_number(text: str) -> int:
    """The number at the end of `sentence07`. Raises DatasetError when there is none."""
    found = re.search(r"(\d+)$", text)
    if found is None:
        raise DatasetError(
            f"a take named {text!r}", "a sentence number: sentence07 or so", "Rename the file, or move it away."
        )
    return int(found.group(1))


class Vocaset(FolderLayout):
    """VOCASET in FaceFormer's layout: `vertices_npy/{subject}_sentence{nn}.npy` at 60 fps, every second frame used."""

    kind, title = "vocaset", "VOCASET"
    layout = "vertices_npy/{subject}_sentence{nn}.npy, wav/, templates.pkl and templates/FLAME_sample.ply"
    fps, source_fps = 30, 60
    rules = RULES
    published_vertices, published_takes = 5023, 480

    @classmethod
    def parse(cls, stem: str) -> TakeName:
        subject, _, sentence = stem.rpartition("_")
        return TakeName(subject, sentence_number(sentence))


class VocasetRaw(VertexDataset):
    """VOCASET as published: all vertices in one memory-mapped file, indexed by subject, sequence and frame.

    `data_verts.npy` [N, 5023, 3], `subj_seq_to_idx.pkl` (subject -> sequence -> frame -> row), `raw_audio_fixed.pkl`
    (subject -> sequence -> {audio, sample_rate}), `templates.pkl`, and the mesh FLAME_sample.ply for the triangles.
    """

    kind, title = "vocaset-raw", "VOCASET (raw)"
    layout = "data_verts.npy, raw_audio_fixed.pkl, subj_seq_to_idx.pkl, templates.pkl and templates/FLAME_sample.ply"
    fps, source_fps = 30, 60
    rules = RULES
    published_vertices, published_takes = 5023, 480

    @classmethod
    def scan(cls, root: Path) -> Scan:
        path = root / "data_verts.npy"
        rows = open_rows(path)
        index, sounds = read_pickle(root / "subj_seq_to_idx.pkl"), read_pickle(root / "raw_audio_fixed.pkl")
        for name, value in (("subj_seq_to_idx.pkl", index), ("raw_audio_fixed.pkl", sounds)):
            if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
                raise DatasetError(
                    f"{root / name} without subjects and sequences", "nested dictionaries", "Copy it again."
                )
        problems: list[Problem] = []
        scan = Scan(templates=read_templates(root, problems), problems=problems)
        scan.faces = triangles(root, scan)
        for subject, sequences in index.items():
            template = scan.templates.get(subject)
            if template is None or rows.shape[1] != template.size:
                got = "no template" if template is None else f"{rows.shape[1] // 3} vertices"
                size = "one in templates.pkl" if template is None else f"{len(template)}, as in its template"
                error = DatasetError(f"{path}: subject {subject} with {got}", size, "Copy the files again.")
                scan.problems.append(Problem(error, "subject"))
                continue
            for sequence, frames in sequences.items():
                sound = sounds.get(subject, {}).get(sequence)
                if sound is None:
                    scan.notes.append(f"{root / 'raw_audio_fixed.pkl'}: no sound of {subject} {sequence}, left out")
                    continue
                name = f"{subject}_{sequence}"
                try:
                    numbers = _rows(frames, len(rows))[:: cls.source_fps // cls.fps]
                    motion = VertexMotion(path, numbers, template)
                    scan.takes.append(cls._take(root, name, subject, sequence, motion, sound))
                except DatasetError as error:
                    named = DatasetError(f"{root}: {name}: {error.got}", error.expected, error.remedy)
                    scan.problems.append(Problem(named, "take", name))
        return scan

    @classmethod
    def _take(cls, root: Path, name: str, subject: str, sequence: str, motion: VertexMotion, sound: Any) -> Take:
        samples, rate = _samples(sound)
        file = root / "raw_audio_fixed.pkl"
        number = sentence_number(sequence)
        load = functools.partial(_given, samples, rate)
        return Take(name, subject, number, motion, load, len(samples) / rate, file)


def _given(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    if samples.dtype.kind in "iu":
        return samples.astype(np.float32) / (np.iinfo(samples.dtype).max + 1.0), rate
    return samples.astype(np.float32), rate


def _samples(sound: Any) -> tuple[np.ndarray, int]:
    if not isinstance(sound, dict) or not {"audio", "sample_rate"} <= set(sound):
        raise DatasetError("a sound that is no {audio, sample_rate}", "both", "Copy raw_audio_fixed.pkl again.")
    samples, rate = np.ravel(sound["audio"]), int(sound["sample_rate"])
    if not len(samples) or rate <= 0 or samples.dtype.kind not in "if" or not np.isfinite(samples).all():
        raise DatasetError(
            f"a sound of {len(samples)} {samples.dtype} samples at {rate} Hz",
            "finite samples",
            "Copy raw_audio_fixed.pkl again.",
        )
    return samples, rate


def _rows(frames: Any, count: int) -> np.ndarray:
    """Row numbers of a sequence in the order of its frames, checked against the file's rows."""
    values = [frames[key] for key in sorted(frames)] if isinstance(frames, dict) else frames
    rows = np.asarray(values, np.int64).ravel()
    if not len(rows) or rows.min() < 0 or rows.max() >= count:
        raise DatasetError(f"rows outside 0..{count - 1}", "rows of data_verts.npy", "Copy subj_seq_to_idx.pkl again.")
    return rows
