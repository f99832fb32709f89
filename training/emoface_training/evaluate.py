"""`emoface eval`: the papers' metrics and speech measures of a checkpoint, beside two baselines that know less.

"mean" shows the training split's mean face all the time; "energy" maps the sound's short-time energy linearly to the
motion. A model that does not beat both has learned nothing about speech. On the synthetic corpus every figure shows
recovery of this project's own rig, not fidelity to human motion.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from emoface_training.batches import SAMPLE_RATE, ClipStore, StoredClip
from emoface_training.data.sample import DatasetFace
from emoface_training.inference import Rollout, animate
from emoface_training.metrics import VertexMetrics
from emoface_training.motion_targets import Face, clip_codes, clip_offsets, codes_to_offsets
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.spiral import build_spirals
from emoface_training.options import OptionsError
from emoface_training.speech_measures import MouthGauge, SpeechMeasures

BASELINE_CLIPS = 300
ENERGY_CONTEXT = 4  # frames to each side that the energy baseline sees
ENERGY_FLOOR_DB = -50.0
RIDGE = 1e-2


class MeanBaseline:
    """The mean offsets of the training split, always."""

    def __init__(self, face: Face, train: list[StoredClip]) -> None:
        total = sum(clip_codes(face, clip).sum(0, dtype=np.float64) for clip in train)
        self.coefficients = total / sum(clip.frames for clip in train)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Motion codes [T, K]."""
        return np.repeat(self.coefficients[None], clip.frames, 0)


class EnergyBaseline:
    """Ridge regression from log energy around each frame to the motion's codes."""

    def __init__(self, face: Face, train: list[StoredClip], fps: int) -> None:
        self.fps = fps
        width = 2 * ENERGY_CONTEXT + 2
        system, known, frames = np.zeros((width, width)), 0.0, 0
        for clip in train:  # sums over clips: vertices of a whole split would not fit in memory
            sound = self._features(clip)
            system += sound.T @ sound
            known = known + sound.T @ clip_codes(face, clip)
            frames += len(sound)
        system += RIDGE * frames * np.diag([1.0] * (width - 1) + [0.0])
        self.map = np.linalg.solve(system, known)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Motion codes [T, K]."""
        return self._features(clip) @ self.map

    def _features(self, clip: StoredClip) -> np.ndarray:
        level = log_energy(clip, self.fps)
        padded = np.pad(level, ENERGY_CONTEXT, mode="edge")
        columns = [padded[i : i + len(level)] for i in range(2 * ENERGY_CONTEXT + 1)]
        return np.stack([*columns, np.ones(len(level))], 1)


def log_energy(clip: StoredClip, fps: int) -> np.ndarray:
    """Energy per frame relative to the clip's loud parts, in units of 50 dB, [T] in -1..about 0."""
    squares = np.concatenate([[0.0], np.cumsum(clip.waveform().astype(np.float64) ** 2)])
    centre = np.arange(clip.frames) * SAMPLE_RATE // fps
    half = SAMPLE_RATE // fps // 2
    low, high = np.clip(centre - half, 0, len(squares) - 1), np.clip(centre + half, 0, len(squares) - 1)
    energy = (squares[high] - squares[low]) / np.maximum(high - low, 1)
    level = 10.0 * np.log10(energy / (np.percentile(energy, 95) + 1e-12) + 10.0 ** (ENERGY_FLOOR_DB / 10.0))
    return level / -ENERGY_FLOOR_DB


class _Row:
    """All measures of one predictor over the split; speech measures need a rig's gauge."""

    def __init__(self, face: Face, gauge: MouthGauge | None, fps: int) -> None:
        self.vertices = VertexMetrics.of(face)
        self.speech = None if gauge is None else SpeechMeasures(gauge, fps)

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        self.vertices.add(offsets, target)
        if self.speech is not None:
            self.speech.add(clip, offsets, target)

    def figures(self) -> dict[str, Any]:
        return self.vertices.figures() | ({} if self.speech is None else self.speech.figures())


def evaluate(
    model: EmoFace,
    corpus: Any,
    rig: Face,
    split: str = "test_voice",
    emotion: Literal["auto", "given"] = "auto",
    clips: int | None = None,
) -> dict[str, Any]:
    """Figures of the model, of both baselines, and of the ground truth itself under the speech measures.

    corpus: as `Corpus` and every dataset class offer it. rig: its rig, or a dataset's face (then without speech
    measures, which need phonemes, and without LVE or EVE where the face has no such mask). clips: at most that many,
    evenly spread. Raises OptionsError when the face or the frame rate is not the model's.
    """
    _check_face(model, rig)
    if isinstance(rig, DatasetFace) and corpus.fps != model.config.fps:
        raise OptionsError(f"got a dataset of {corpus.fps} fps for a model of {model.config.fps}, expected equal rates")
    fps, styles = model.config.fps, len(model.config.styles)
    store = ClipStore.load(corpus.clips(split), fps, styles)
    train_references = corpus.clips("train")
    step = max(1, len(train_references) // BASELINE_CLIPS)
    train = ClipStore.load(train_references[::step], fps, styles).clips
    gauge = None if isinstance(rig, DatasetFace) else MouthGauge(rig)
    chosen = store.spread(clips) if clips is not None else store.clips
    names = ("model", "mean", "energy", "ground_truth")
    rows = {name: _Row(rig, gauge, fps) for name in names}
    baselines = {"mean": MeanBaseline(rig, train), "energy": EnergyBaseline(rig, train, fps)}
    for index, offsets in animate(model, store, chosen, Rollout(emotion)):
        clip = chosen[index]
        target = clip_offsets(rig, clip)
        rows["model"].add(clip, offsets, target)
        rows["ground_truth"].add(clip, target, target)
        for name, baseline in baselines.items():
            rows[name].add(clip, codes_to_offsets(rig, baseline.predict(clip)), target)
    limits = {}
    if gauge is not None:
        limits = {"closed_below_mm": 1000.0 * gauge.closed_below, "tucked_below_mm": 1000.0 * gauge.tucked_below}
    return {
        "split": split,
        "emotion": emotion,
        "clips": len(chosen),
        **limits,
        "rows": {name: row.figures() for name, row in rows.items()},
    }


def _check_face(model: EmoFace, face: Face) -> None:
    """Equal counts do not make a topology: a recorded face must give the spirals that the model was trained with."""
    if len(face.template) != model.config.vertices:
        raise OptionsError(
            f"got a face of {len(face.template)} vertices for a model of {model.config.vertices}, expected equal "
            "counts: evaluate with the face that the model was trained on"
        )
    mesh = model.config.mesh_attention
    if isinstance(face, DatasetFace) and not np.array_equal(
        build_spirals(face.template, face.faces, mesh.kernel, mesh.dilation), model.spiral.numpy()
    ):
        raise OptionsError(
            f"got a dataset whose face has the model's {model.config.vertices} vertices in another topology, expected "
            "the triangles that it was trained on: evaluate it on data of its own topology"
        )


COLUMNS = (
    ("lve_m2", "LVE m2", "{:.3e}"),
    ("lve_rms_mm", "LVE rms mm", "{:.2f}"),
    ("eve_m2", "EVE m2", "{:.3e}"),
    ("eve_rms_mm", "EVE rms mm", "{:.2f}"),
    ("fdd_m2", "FDD m2", "{:+.2e}"),
    ("face_rms_mm", "face mm", "{:.2f}"),
    ("jaw_correlation", "jaw r", "{:.3f}"),
    ("closures", "p b m closed", "{:.3f}"),
    ("false_closures", "false closed", "{:.3f}"),
    ("tucks", "f v tucked", "{:.3f}"),
)


def table(report: dict[str, Any]) -> str:
    """The report as text, one row per predictor."""
    model = report["rows"]["model"]
    columns = [column for column in COLUMNS if column[0] in model]
    lines = [
        f"{report['split']}: {report['clips']} clips, {model['frames']} frames, emotion {report['emotion']}"
        + (
            f"; {model['bilabials']} p b m, {model['open_vowels']} open vowels, {model['labiodentals']} f v"
            if "bilabials" in model
            else ""
        ),
        "; ".join(
            [
                f"{name} mask {model[f'{name}_mask_sha256'][:12]}"
                for name in ("lips", "eyes_forehead")
                if f"{name}_mask_sha256" in model
            ]
            + ([f"closed below {report['closed_below_mm']:.2f} mm"] if "closed_below_mm" in report else [])
        )
        or "no masks: LVE and EVE need them (--masks)",
        " ".join(f"{title:>13}" for title in ["", *(title for _, title, _ in columns)]),
    ]
    for name, row in report["rows"].items():
        cells = [form.format(row[key]) for key, _, form in columns]
        lines.append(" ".join(f"{cell:>13}" for cell in [name, *cells]))
    return "\n".join(lines)
