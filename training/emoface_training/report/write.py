"""The whole report: gathers while `evaluate` runs, then draws and writes the folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emoface.writers import progress_line
from emoface_training.errors import OptionsError
from emoface_training.evaluation.measured_models import Emotion
from emoface_training.evaluation.on_dataset import Progress
from emoface_training.measures.mouth import CLOSED_M
from emoface_training.motion.targets import Face
from emoface_training.report.curves import branch_curves, clip_title, lip_curves
from emoface_training.report.emotions import confusion, emotion_bars
from emoface_training.report.folder import FIGURES, PAGE, PICTURES, appearing
from emoface_training.report.gather import Gathered
from emoface_training.report.grid import face_grid
from emoface_training.report.inside import Inside, look_inside
from emoface_training.report.maps import error_map, weight_map
from emoface_training.report.mouth import instants, jitter_mm, lip_distance, silent_frames
from emoface_training.report.page import Section, page
from emoface_training.report.style import MEAN_FACE, Picture
from emoface_training.report.video import write_video

NEEDED = ("matplotlib", "jinja2", "PIL", "av")
VIDEO = "video.mp4"
COLUMNS = 6


@dataclass
class ReportWriter(Gathered):
    """A `Watcher` of `evaluate` that writes a report of what it saw. count: clips in curves and pictures."""

    folder: str | Path = "report"
    overwrite: bool = False
    emotion: Emotion = "auto"
    _inside: dict[tuple[str, int], Inside] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import importlib.util

        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise OptionsError(
                f"--report without {', '.join(missing)}", "the extra [report]", "pip install 'emoface[report]'"
            )
        if self.count < 1:
            raise OptionsError(f"--report-clips {self.count}", "at least 1 clip to show", "Correct it.")

    def write(self, report: dict[str, Any], face: Face, video: bool, progress: Progress) -> None:
        """Draw everything and let the folder appear. Raises OutputError when it cannot; nothing is left then."""
        fps = next(iter(self.models.values())).fps
        with appearing(self.folder, self.overwrite) as fresh:
            inside = [(row, index) for row in self.models for index in self.clips]
            for row, index in progress("inside the models", inside, len(inside)):
                self._inside[row, index] = look_inside(
                    self.models[row],
                    self.driven(row, index),
                    self.rows[row][index],
                    self.emotion,
                    self.voice(row, index),
                )
            sections = [
                self._errors(face),
                self._curves(face, fps),
                self._grids(face, fps, progress),
                self._weights(face),
                self._heard(report),
                self._branches(face, fps),
            ]
            if video:
                index = min(self.clips)
                rows = self._shown(index)
                write_video(fresh / VIDEO, face, self.clips[index], fps, rows, progress_line("video", sys.stderr))
                words = f"{clip_title(self.clips[index])}. The file lies beside this page as well: {VIDEO}."
                sections.append(Section("video", "Side by side", [words], video=(fresh / VIDEO).read_bytes()))
            else:
                sections.append(Section("video", "Side by side", ["Left out (--no-video)."]))
            (fresh / FIGURES).write_text(json.dumps(report, indent=1))
            (fresh / PICTURES).mkdir()
            bars = emotion_bars(report, {row: self._label(row) for row in (*self.models, "mean")})
            drawn = [picture for section in sections for picture in section.pictures]
            for picture in drawn if bars is None else [bars, *drawn]:
                (fresh / PICTURES / f"{picture.name}.png").write_bytes(picture.png)
                if picture.pdf is not None:
                    (fresh / PICTURES / f"{picture.name}.pdf").write_bytes(picture.pdf)
            (fresh / PAGE).write_text(page(report, sections, bars), encoding="utf-8")

    def _label(self, row: str) -> str:
        return self.models[row].label if row in self.models else MEAN_FACE

    def _shown(self, index: int) -> dict[str, np.ndarray]:
        """Ground truth, then every model: offsets by title."""
        return {"ground truth": self.targets[index]} | {self._label(row): self.rows[row][index] for row in self.models}

    def _errors(self, face: Face) -> Section:
        mm = 1000.0 * getattr(face, "unit_in_metres", 1.0)
        errors = {
            self._label(row): (mm * seen.mean, mm * seen.largest)
            for row, seen in self.errors.items()
            if row in self.models or row == "mean"
        }
        return Section("errors", "Where the error is", [], [error_map(face, errors)])

    def _curves(self, face: Face, fps: int) -> Section:
        distance = lip_distance(face)
        if distance is None:
            return Section("lips", "Lips over time", ["Missing: the face has no mask of the lips (--masks)."])
        closed = None if hasattr(face, "unit_in_metres") else 1000.0 * CLOSED_M
        pictures = []
        for index, clip in self.clips.items():
            rows = {self._label(row): distance(self.rows[row][index]) for row in (*self.models, "mean")}
            pictures.append(lip_curves(clip, fps, distance(self.targets[index]), rows, closed, f"lips_{index}"))
        return Section("lips", "Lips over time", [], pictures)

    def _grids(self, face: Face, fps: int, progress: Progress) -> Section:
        distance = lip_distance(face)
        moments = {
            index: instants(clip, None if distance is None else distance(self.targets[index]), fps, COLUMNS)
            for index, clip in self.clips.items()
        }
        total = sum(1 + (1 + len(self.models)) * len(some) for some in moments.values())

        def draw() -> Iterator[Picture | None]:
            for index, clip in self.clips.items():
                yield from face_grid(face, clip, fps, moments[index], self._shown(index), f"faces_{index}")

        pictures = [picture for picture in progress("faces", draw(), total) if picture is not None]
        return Section("faces", "Faces side by side", [], pictures)

    def _weights(self, face: Face) -> Section:
        weights, words = {}, []
        for row in self.models:
            found = [self._inside[row, index] for index in self.clips]
            maps = [seen.emotion_weight for seen in found if seen.emotion_weight is not None]
            if maps:
                weights[self._label(row)] = np.concatenate(maps).mean(0)
            else:
                words.append(f"{self._label(row)}: {found[0].missing}.")
        return Section("weights", "What emotion moves", words, [weight_map(face, weights)] if weights else [])

    def _heard(self, report: dict[str, Any]) -> Section:
        words, matrices = [], {}
        for row, heard in report["emotion_recognition"].items():
            if not heard["clips"]:
                words.append("No clip of this split has a known emotion.")
                break
            share = f"{self._label(row)}: {100 * heard['emotion_accuracy']:.1f} % of {heard['clips']} clips"
            if "calibrated_clips" in heard:
                share += (
                    f"; calibrated on the voice {100 * heard['emotion_accuracy_calibrated']:.1f} % of "
                    f"{heard['calibrated_clips']}, before {100 * heard['emotion_accuracy_before']:.1f} %"
                )
            words.append(f"{share}.")
            matrices[self._label(row)] = np.array(heard["confusion"])
        if not words:
            words.append("No model here names emotions.")
        return Section("heard", "Which emotion is heard", words, [confusion(matrices)] if matrices else [])

    def _branches(self, face: Face, fps: int) -> Section:
        """Content-only, emotion-only and Add outputs with the jitter of the lips in silence (section 4.5)."""
        title, distance = "Branches in silence", lip_distance(face)
        words, pictures, table = [], [], []
        if distance is None:
            return Section("branches", title, ["Missing: the face has no mask of the lips (--masks)."])
        silent = {index: silent_frames(clip, fps) for index, clip in self.clips.items()}
        index = max(silent, key=lambda i: int(silent[i].sum()))
        table.append(("ground truth", "", self._jitter(face, silent, self.targets)))
        for number, row in enumerate(self.models):
            label, seen = self._label(row), self._inside[row, index]
            table.append((label, "output", self._jitter(face, silent, self.rows[row])))
            if seen.branches is None:
                words.append(f"{label}: {seen.missing}.")
                continue
            for name in seen.branches:
                motion = {i: self._inside[row, i].branches[name] for i in self.clips}
                table.append((label, name, self._jitter(face, silent, motion)))
            curves = {name: distance(motion) for name, motion in seen.branches.items()}
            clip, truth = self.clips[index], distance(self.targets[index])
            pictures.append(branch_curves(clip, fps, silent[index], truth, curves, label, f"branches_{number}"))
        frames = sum(int(some.sum()) for some in silent.values())
        words.append(
            f"Jitter of the lips in {frames} silent frames: the RMS second difference of the lips' vertices, in mm per "
            "frame squared. A still mouth has 0."
        )
        return Section("branches", title, words, pictures, jitter=table)

    def _jitter(self, face: Face, silent: dict[int, np.ndarray], motion: dict[int, np.ndarray]) -> float | None:
        """Over all shown clips together; None without silence."""
        unit = getattr(face, "unit_in_metres", 1.0)
        found = [jitter_mm(motion[i], face.masks["lips"], silent[i], unit) for i in self.clips]
        weights = [int(silent[i][1:-1].sum()) for i in self.clips]
        pairs = [(value, weight) for value, weight in zip(found, weights, strict=True) if value is not None]
        if not pairs:
            return None
        return float(np.sqrt(sum(w * v**2 for v, w in pairs) / sum(w for _, w in pairs)))
