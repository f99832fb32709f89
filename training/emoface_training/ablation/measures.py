"""What a trained row is measured by: the papers' errors on every split, and on validation clips what explains them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emoface_training.ablation.region_motion import RegionMotion
from emoface_training.ablation.task import (
    Split,
    emotion_weights,
    free_running,
    one_step_ahead,
    weighs_branches,
)
from emoface_training.clips.store import StoredClip
from emoface_training.evaluation.baselines import MeanBaseline
from emoface_training.measures.vertices import VertexMetrics, mask_hash
from emoface_training.motion.targets import Face, clip_offsets, codes_to_offsets
from emoface_training.nn.talking_model import TalkingModel

REGIONS = ("lips", "eyes_forehead")


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
    """Free running against one step ahead, error per branch, and how lips and upper face move, on one split.

    free_*, one_step_*: LVE and EVE in m^2, fed with its own output and with the true motion. *_branch_lve and
    *_branch_eve: of each branch's own offsets, one step ahead. lips_* and eyes_forehead_*: see `RegionMotion.figures`,
    free running. resting_lve, resting_eve: free running with both branches at one half in place of Mesh Attention;
    weight_*: its mean w_e in a region; weight_spread: standard deviation of w_e over vertices and frames. What a model
    without it, or a face without these masks or motion, cannot give is absent.
    """
    free, one_step = VertexMetrics.of(face), VertexMetrics.of(face)
    branches: dict[str, VertexMetrics] = {}
    unit = getattr(face, "unit_in_metres", 1.0)
    regions = {name: RegionMotion(face.masks[name], unit) for name in REGIONS if name in face.masks}
    for index, offsets in free_running(model, split, emotion):
        target = clip_offsets(face, split.store.clips[index])
        free.add(offsets, target)
        for region in regions.values():
            region.add(offsets, target)
    for index, outputs in one_step_ahead(model, split, face, emotion):
        target = clip_offsets(face, split.store.clips[index])
        one_step.add(outputs.fused.numpy(), target)
        for name in ("emotion_branch", "content_branch"):
            if (branch := getattr(outputs, name)) is not None:
                branches.setdefault(name, VertexMetrics.of(face)).add(branch.numpy(), target)
    whole = {"free": free, "one_step": one_step} | branches
    out = _weights(model, split, face) if weighs_branches(model) else {}
    if out:
        whole["resting"] = VertexMetrics.of(face)
        for index, offsets in free_running(model, split, emotion, resting=True):
            whole["resting"].add(offsets, clip_offsets(face, split.store.clips[index]))
    out |= {f"{name}_{key}": value for name, region in regions.items() for key, value in region.figures().items()}
    for name, metrics in whole.items():
        figures = metrics.figures()
        out |= {f"{name}_{key}": figures[f"{key}_m2"] for key in ("lve", "eve") if f"{key}_m2" in figures}
    return {key: value for key, value in out.items() if math.isfinite(value)}


def _weights(model: TalkingModel, split: Split, face: Face) -> dict[str, float]:
    weights = np.concatenate([rows for _, rows in emotion_weights(model, split)])
    means = {f"weight_{name}": float(weights[:, face.masks[name]].mean()) for name in REGIONS if name in face.masks}
    return means | {"weight_spread": float(weights.std())}


def masks_of(face: Face) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of the masks that the errors are measured in."""
    names = [name for name in REGIONS if name in face.masks]
    return {name: {"vertices": len(face.masks[name]), "sha256": mask_hash(face.masks[name])} for name in names}
