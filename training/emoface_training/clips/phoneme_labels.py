"""Phonemes of a clip as a class per frame."""

from __future__ import annotations

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX

IGNORED = -100


def phoneme_frames(clip: StoredClip, times: np.ndarray) -> np.ndarray:
    """Phoneme index at each time in seconds, int64; IGNORED outside the labels or for unknown names."""
    labels = np.full(len(times), IGNORED, np.int64)
    if not clip.phonemes:
        return labels
    starts = np.array([start for _, start, _ in clip.phonemes])
    ends = np.array([end for _, _, end in clip.phonemes])
    names = np.array([PHONEME_INDEX.get(name.rstrip("012"), IGNORED) for name, _, _ in clip.phonemes])
    position = np.searchsorted(starts, times, side="right") - 1
    inside = (position >= 0) & (times < ends[position])
    labels[inside] = names[position[inside]]
    return labels
