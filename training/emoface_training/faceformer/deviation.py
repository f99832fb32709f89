"""How far a streaming FaceFormer lies from the original, which hears whole clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.faceformer.published_file import FaceFormerFile, Mode
from emoface_training.nn.faceformer import FaceFormer


@dataclass(frozen=True)
class Deviation:
    """One mode against the original: RMS and largest distance of a vertex in mm, over all frames of all clips."""

    mode: Mode
    look_ahead_ms: int
    rms_mm: float
    largest_mm: float
    motion_mm: float


def deviations(
    file: FaceFormerFile, modes: Sequence[Mode], clips: Sequence[Tensor], calibration: Sequence[Tensor] = ()
) -> Iterator[Deviation]:
    """Every mode against offline mode on the clips (each float32 [N] at 16 kHz), style: the mean of all.

    motion_mm is the RMS distance of the original's vertices from the template, to compare with. calibration: as of
    `FaceFormerFile.model`.
    """
    original = [offsets(file.model(Mode("offline")), clip) for clip in clips]
    scale = 1000.0 * file.variant.unit_in_metres
    motion = scale * _rms(np.concatenate([rows.reshape(-1, 3) for rows in original]))
    for mode in modes:
        model = file.model(mode, calibration=calibration)
        differences = [offsets(model, clip) - rows for clip, rows in zip(clips, original, strict=True)]
        flat = np.concatenate([rows.reshape(-1, 3) for rows in differences])
        largest = float(np.sqrt(np.square(flat, dtype=np.float64).sum(-1)).max(initial=0.0))
        delay = 20 * model.config.content_encoder.delay_features
        yield Deviation(mode, delay, scale * _rms(flat), scale * largest, motion)


@torch.no_grad()
def offsets(model: FaceFormer, clip: Tensor) -> np.ndarray:
    """Offsets float32 [M, V, 3] of a clip with the mean of the styles."""
    style = torch.full((1, len(model.config.styles)), 1.0 / len(model.config.styles))
    return model(clip[None], style)[0].numpy()


def _rms(rows: np.ndarray) -> float:
    """Root mean square length of [N, 3]."""
    return float(np.sqrt(np.square(rows, dtype=np.float64).sum(-1).mean())) if len(rows) else 0.0


def table(rows: Sequence[Deviation]) -> str:
    """The rows as text."""
    lines = [f"{'mode':<8} {'sees':>28} {'look-ahead':>11} {'RMS mm':>9} {'max mm':>9} {'of motion':>10}"]
    for row in rows:
        m = row.mode
        sees = f"{20 * m.window} ms, {20 * m.block} ms blocks" if m.name == "window" else f"{m.left} rows per layer"
        share = row.rms_mm / row.motion_mm if row.motion_mm else float("nan")
        lines.append(
            f"{m.name:<8} {sees:>28} {row.look_ahead_ms:>8} ms {row.rms_mm:>9.4f} {row.largest_mm:>9.4f} {share:>10.1%}"
        )
    return "\n".join(lines)
