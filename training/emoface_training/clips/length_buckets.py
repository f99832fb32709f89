"""Batches of clips of similar length, so that little of a batch is padding."""

from __future__ import annotations

import numpy as np


class LengthBuckets:
    """Clips sorted by length and cut into `count` buckets of about the same total length.

    A batch comes from one bucket, taken with a probability proportional to its total length, and a clip from the bucket
    with one proportional to its own: over many batches every clip is drawn as often as without buckets.
    """

    def __init__(self, frames: list[int], count: int) -> None:
        order = np.argsort(frames, kind="stable")
        ends = np.cumsum(np.asarray(frames)[order])
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count)
        self.members = [part for part in np.split(order, np.unique(cuts)) if len(part)]
        self.cumulative = [np.cumsum(np.asarray(frames)[part]) for part in self.members]
        self.totals = np.cumsum([ends[-1] for ends in self.cumulative])

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Indices int64 [count] of clips of one bucket."""
        bucket = int(np.searchsorted(self.totals, generator.integers(0, self.totals[-1]), side="right"))
        ends = self.cumulative[bucket]
        return self.members[bucket][np.searchsorted(ends, generator.integers(0, ends[-1], count), side="right")]
