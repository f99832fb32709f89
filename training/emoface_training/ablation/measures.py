"""What a trained row is measured by: the papers' errors on every split, and on validation clips what explains them."""

from __future__ import annotations

from typing import Any

import numpy as np

from emoface_training.ablation.task import Split, free_running, one_step_ahead
from emoface_training.baselines import MeanBaseline
from emoface_training.batches import StoredClip
from emoface_training.metrics import VertexMetrics, mask_hash
from emoface_training.motion_targets import Face, clip_offsets, codes_to_offsets
from emoface_training.nn.talking_model import TalkingModel

SILENT_SHARE = 0.02  # of a clip's loudest frame: what counts as silence


def split_figures(model: TalkingModel, split: Split, face: Face, emotion: str) -> dict[str, Any]:
    """LVE, EVE, FDD of free running, see `VertexMetrics.figures`."""
    metrics = VertexMetrics.of(face)
    for index, offsets in free_running(model, split, emotion):
        metrics.add(offsets, clip_offsets(face, split.store.clips[index]))
    return metrics.figures()


def mean_face_figures(train: list[StoredClip], split: Split, face: Face) -> dict[str, Any]:
    """The same of the training split's mean offsets, always: what a model of nothing scores."""
    mean = MeanBaseline(face, train)
    metrics = VertexMetrics.of(face)
    for index in split.chosen:
        clip = split.store.clips[index]
        metrics.add(codes_to_offsets(face, mean.predict(clip)), clip_offsets(face, clip))
    return metrics.figures()


def explanations(model: TalkingModel, split: Split, face: Face, emotion: str) -> dict[str, float]:
    """Free running against one step ahead, error per branch, and jitter, on one split.

    free_*, one_step_*: LVE and EVE in m^2, fed with its own output and with the true motion. *_branch_lve and
    *_branch_eve: of each branch's own offsets, one step ahead. jitter: RMS over lip vertices and frames of the
    predicted offsets' second difference over that of the true ones (free running); silent_jitter_mm: RMS frame-to-frame
    change of lip vertices in silent frames, in mm.
    """
    free, one_step = VertexMetrics.of(face), VertexMetrics.of(face)
    branches: dict[str, VertexMetrics] = {}
    shake, true_shake, silent, silent_count = 0.0, 0.0, 0.0, 0
    lips = face.masks["lips"] if "lips" in face.masks else np.arange(len(face.template))
    unit = getattr(face, "unit_in_metres", 1.0)
    for index, offsets in free_running(model, split, emotion):
        clip = split.store.clips[index]
        target = clip_offsets(face, clip)
        free.add(offsets, target)
        shake += float((np.diff(offsets[:, lips], 2, axis=0) ** 2).sum())
        true_shake += float((np.diff(target[:, lips], 2, axis=0) ** 2).sum())
        quiet = _silent_changes(clip, split.store.fps)
        silent += float((np.diff(offsets[:, lips], axis=0)[quiet] ** 2).sum(-1).mean(-1).sum())
        silent_count += int(quiet.sum())
    for index, outputs in one_step_ahead(model, split, face, emotion):
        target = clip_offsets(face, split.store.clips[index])
        one_step.add(outputs.fused.numpy(), target)
        for name in ("emotion_branch", "content_branch"):
            if (branch := getattr(outputs, name)) is not None:
                branches.setdefault(name, VertexMetrics.of(face)).add(branch.numpy(), target)
    out = {"jitter": (shake / true_shake) ** 0.5, "silent_jitter_mm": 0.0}
    if silent_count:
        out["silent_jitter_mm"] = 1000.0 * unit * (silent / silent_count) ** 0.5
    for name, metrics in ({"free": free, "one_step": one_step} | branches).items():
        figures = metrics.figures()
        out |= {f"{name}_{key}": figures[f"{key}_m2"] for key in ("lve", "eve") if f"{key}_m2" in figures}
    return out


def masks_of(face: Face) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of the masks that the errors are measured in."""
    names = [name for name in ("lips", "eyes_forehead") if name in face.masks]
    return {name: {"vertices": len(face.masks[name]), "sha256": mask_hash(face.masks[name])} for name in names}


def _silent_changes(clip: StoredClip, fps: int) -> np.ndarray:
    """Bool [T - 1]: changes between two frames whose sound is below a share of the clip's loudest frame."""
    edges = np.arange(clip.frames + 1) * 16000 // fps
    padded = np.pad(clip.waveform(), (0, max(0, int(edges[-1]) - len(clip.audio))))
    loudness = np.sqrt(np.add.reduceat(padded[: edges[-1]].astype(np.float64) ** 2, edges[:-1]) / np.diff(edges))
    quiet = loudness < SILENT_SHARE * loudness.max()
    return quiet[1:] & quiet[:-1]
