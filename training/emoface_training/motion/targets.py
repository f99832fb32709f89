"""Ground-truth motion as the trainer sees it: compact codes that become vertices only where a loss needs them.

A code is one row of numbers per frame: a rig's field coefficients (synthetic corpus, held in memory), or the vertex
offsets themselves (recorded datasets, read from memory-mapped files a window at a time).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.sample import DatasetFace
from emoface_training.motion.basis import MotionRig, all_parameters, motion_basis, rows_basis

Face = MotionRig | DatasetFace
# Frames of a recorded dataset whose principal components make a motion basis
BASIS_FRAMES = 2000


class MotionTargets(Protocol):
    """Ground truth of one split. `width` is the length of a code.

    `to_basis` [width, rank] maps codes to what a low-rank decoder is fed with; None for the dense head, which is fed
    with offsets.
    """

    width: int
    to_basis: Tensor | None

    def window(self, clip: int, start: int, stop: int) -> Tensor:
        """Codes float32 [stop - start, width] of a clip's frames."""
        ...

    def offsets(self, codes: Tensor, vertices: Tensor | None = None) -> Tensor:
        """codes [..., width] -> offsets [..., V, 3] in the face's unit, or those of the listed vertices int64 [S]."""
        ...


class RigTargets:
    """fields [K, 3V] of a rig, on `device`, and one float32 [T, K] of coefficients per clip, on the CPU."""

    def __init__(
        self, rig: MotionRig, store: ClipStore, basis: Tensor | None = None, device: torch.device | None = None
    ) -> None:
        self.coefficients = [
            torch.from_numpy(rig.coefficients(clip.parameters.astype(np.float32)).astype(np.float32))
            for clip in store.clips
        ]
        self.fields = torch.from_numpy(np.ascontiguousarray(rig.fields, dtype=np.float32)).to(device)
        self.width = len(self.fields)
        # Coefficients to fed-back codes without passing through the vertices
        self.to_basis = None if basis is None else (self.fields @ basis.T) / basis.square().sum(1)

    def window(self, clip: int, start: int, stop: int) -> Tensor:
        return self.coefficients[clip][start:stop]

    def offsets(self, codes: Tensor, vertices: Tensor | None = None) -> Tensor:
        fields = self.fields if vertices is None else self.fields.unflatten(1, (-1, 3))[:, vertices].flatten(1)
        return (codes @ fields).unflatten(-1, (-1, 3))


class VertexTargets:
    """Offsets [T, 3V] read from the clips' files."""

    def __init__(self, face: DatasetFace, store: ClipStore, basis: Tensor | None = None) -> None:
        self.clips = store.clips
        self.width = face.template.size
        self.to_basis = None if basis is None else basis.T / basis.square().sum(1)

    def window(self, clip: int, start: int, stop: int) -> Tensor:
        return torch.from_numpy(self.clips[clip].vertices.offsets(start, stop)).flatten(1)

    def offsets(self, codes: Tensor, vertices: Tensor | None = None) -> Tensor:
        offsets = codes.unflatten(-1, (-1, 3))
        return offsets if vertices is None else offsets[..., vertices, :]


def motion_targets(
    face: Face, store: ClipStore, basis: Tensor | None = None, device: torch.device | None = None
) -> MotionTargets:
    """The targets of a split in the form that the face allows; codes on `device`, the basis', become offsets there."""
    if isinstance(face, DatasetFace):
        return VertexTargets(face, store, basis)
    return RigTargets(face, store, basis, device)


def clip_codes(face: Face, clip: StoredClip) -> np.ndarray:
    """Codes float32 [T, width] of one clip."""
    if isinstance(face, DatasetFace):
        return clip.vertices.offsets(0, clip.frames).reshape(clip.frames, -1)
    return face.coefficients(clip.parameters.astype(np.float32))


def codes_to_offsets(face: Face, codes: np.ndarray) -> np.ndarray:
    """codes [T, width] -> offsets float32 [T, V, 3] in the face's unit."""
    flat = codes if isinstance(face, DatasetFace) else codes.astype(np.float32) @ face.fields
    return np.asarray(flat, np.float32).reshape(len(codes), *face.template.shape)


def clip_offsets(face: Face, clip: StoredClip) -> np.ndarray:
    """Ground-truth offsets float32 [T, V, 3] of one clip, in the face's unit."""
    return codes_to_offsets(face, clip_codes(face, clip))


def face_basis(face: Face, train: ClipStore, rank: int, seed: int) -> np.ndarray:
    """Motion basis float32 [rank, 3V] of the training split's motion (all frames of a rig, a sample of recorded ones).

    Raises ValueError when the split has fewer frames, or the rig fewer fields, than the rank.
    """
    if not isinstance(face, DatasetFace):
        return motion_basis(face, all_parameters(train), rank)[0]
    per_clip = max(1, BASIS_FRAMES // len(train.clips))
    generator = np.random.default_rng(seed)
    rows = []
    for clip in train.clips:
        first = int(generator.integers(0, max(1, clip.frames - per_clip + 1)))
        rows.append(clip.vertices.offsets(first, min(clip.frames, first + per_clip)))
    return rows_basis(np.concatenate(rows).reshape(-1, face.template.size), rank)
