"""Features on their fixed grid, interpolated to the frame rate in integer time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emoface.timing import Clock

Floats = npt.NDArray[np.float32]


class FeatureTrack:
    """The features of one block output that coming frames still read: (k, ...) from index `start` on."""

    def __init__(self) -> None:
        self.start = 0
        self.values: Floats | None = None

    def append(self, features: Floats) -> None:
        """Add the next features (k, ...); the array is copied."""
        held = () if self.values is None else (self.values,)
        self.values = np.concatenate((*held, features))

    def forget_before(self, index: int) -> None:
        """Drop features before `index`, as far as there are any."""
        if self.values is not None:
            drop = min(max(0, index - self.start), len(self.values))
            self.values = self.values[drop:]
            self.start += drop


class Interpolation:
    """For frames [first, last): which two features each reads and the weight of the second.

    Frame m lies at feature position feature_rate m / fps; whole positions read one feature alone. The weight is the
    exact fraction rounded to float32, so results never depend on the length of the stream.
    """

    def __init__(self, clock: Clock, first: int, last: int) -> None:
        position = np.arange(first, last, dtype=np.int64) * clock.feature_rate
        self.left = position // clock.fps
        remainder = position % clock.fps
        self.right = self.left + (remainder > 0)
        self.weight = (remainder / clock.fps).astype(np.float32)

    def apply(self, track: FeatureTrack) -> Floats:
        """Features at the frames: (1, frames, ...), as a + (b - a) w."""
        assert track.values is not None
        a = track.values[self.left - track.start]
        b = track.values[self.right - track.start]
        weight = self.weight.reshape(-1, *(1,) * (a.ndim - 1))
        return np.asarray((a + (b - a) * weight)[None])
