"""`emoface eval`: the papers' metrics and speech measures of a checkpoint, beside two baselines that know less.

"mean" shows the training split's mean face all the time; "energy" maps the sound's short-time energy linearly to the
motion. A model that does not beat both has learned nothing about speech. On the synthetic corpus every figure shows
recovery of this project's own rig, not fidelity to human motion.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from emoface_training.batches import SAMPLE_RATE, ClipStore, StoredClip
from emoface_training.inference import Rollout, animate
from emoface_training.metrics import VertexMetrics
from emoface_training.motion_basis import MotionRig
from emoface_training.nn.emoface import EmoFace
from emoface_training.speech_measures import MouthGauge, SpeechMeasures

BASELINE_CLIPS = 300
ENERGY_CONTEXT = 4  # frames to each side that the energy baseline sees
ENERGY_FLOOR_DB = -50.0
RIDGE = 1e-2


class MeanBaseline:
    """The mean offsets of the training split, always."""

    def __init__(self, rig: MotionRig, train: list[StoredClip]) -> None:
        rows = np.concatenate([clip.parameters for clip in train]).astype(np.float32)
        self.coefficients = rig.coefficients(rows).mean(0)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Field coefficients [T, K]."""
        return np.repeat(self.coefficients[None], clip.frames, 0)


class EnergyBaseline:
    """Ridge regression from log energy around each frame to the rig's field coefficients."""

    def __init__(self, rig: MotionRig, train: list[StoredClip], fps: int) -> None:
        self.fps = fps
        sound = np.concatenate([self._features(clip) for clip in train])
        motion = np.concatenate([rig.coefficients(clip.parameters.astype(np.float32)) for clip in train])
        system = sound.T @ sound + RIDGE * len(sound) * np.diag([1.0] * (sound.shape[1] - 1) + [0.0])
        self.map = np.linalg.solve(system, sound.T @ motion)

    def predict(self, clip: StoredClip) -> np.ndarray:
        """Field coefficients [T, K]."""
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
    """All measures of one predictor over the split."""

    def __init__(self, rig: MotionRig, gauge: MouthGauge, fps: int) -> None:
        self.vertices = VertexMetrics(rig.masks["lips"], rig.masks["eyes_forehead"])
        self.speech = SpeechMeasures(gauge, fps)

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        self.vertices.add(offsets, target)
        self.speech.add(clip, offsets, target)

    def figures(self) -> dict[str, Any]:
        return self.vertices.figures() | self.speech.figures()


def evaluate(
    model: EmoFace,
    corpus: Any,
    rig: MotionRig,
    split: str = "test_voice",
    emotion: Literal["auto", "given"] = "auto",
    clips: int | None = None,
) -> dict[str, Any]:
    """Figures of the model, of both baselines, and of the ground truth itself under the speech measures.

    corpus: as `Corpus` offers it. clips: at most that many, evenly spread. Raises ValueError when the face of the
    rig is not the model's.
    """
    if len(rig.template) != model.config.vertices:
        raise ValueError(
            f"got a face of {len(rig.template)} vertices for a model of {model.config.vertices}, expected equal "
            "counts: evaluate with the face that the model was trained on"
        )
    fps, styles = model.config.fps, len(model.config.styles)
    store = ClipStore.load(corpus.clips(split), fps, styles)
    train_references = corpus.clips("train")
    step = max(1, len(train_references) // BASELINE_CLIPS)
    train = ClipStore.load(train_references[::step], fps, styles).clips
    gauge = MouthGauge(rig)
    chosen = store.spread(clips) if clips is not None else store.clips
    names = ("model", "mean", "energy", "ground_truth")
    rows = {name: _Row(rig, gauge, fps) for name in names}
    baselines = {"mean": MeanBaseline(rig, train), "energy": EnergyBaseline(rig, train, fps)}
    for index, offsets in animate(model, store, chosen, Rollout(emotion)):
        clip = chosen[index]
        target = rig.offsets(clip.parameters.astype(np.float32))
        rows["model"].add(clip, offsets, target)
        rows["ground_truth"].add(clip, target, target)
        for name, baseline in baselines.items():
            shown = (baseline.predict(clip).astype(np.float32) @ rig.fields).reshape(target.shape)
            rows[name].add(clip, shown, target)
    return {
        "split": split,
        "emotion": emotion,
        "clips": len(chosen),
        "closed_below_mm": 1000.0 * gauge.closed_below,
        "tucked_below_mm": 1000.0 * gauge.tucked_below,
        "rows": {name: row.figures() for name, row in rows.items()},
    }


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
    head = [title for _, title, _ in COLUMNS]
    lines = [
        f"{report['split']}: {report['clips']} clips, {model['frames']} frames, emotion {report['emotion']}; "
        f"{model['bilabials']} p b m, {model['open_vowels']} open vowels, {model['labiodentals']} f v",
        f"lips mask {model['lips_mask_sha256'][:12]}, eyes and forehead {model['eyes_forehead_mask_sha256'][:12]}; "
        f"closed below {report['closed_below_mm']:.2f} mm",
        " ".join(f"{title:>13}" for title in ["", *head]),
    ]
    for name, row in report["rows"].items():
        cells = [form.format(row[key]) for key, _, form in COLUMNS]
        lines.append(" ".join(f"{cell:>13}" for cell in [name, *cells]))
    return "\n".join(lines)
