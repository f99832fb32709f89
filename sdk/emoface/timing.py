"""The clock of a stream, in integers: audio samples, feature blocks, frames.

Features lie on a fixed grid from the start of the stream: feature i covers samples [hop i, hop i + hop + overlap).
Encoders run on blocks of C features; block b needs the first `hop C (b + 1) + overlap` samples and yields features up
to index C (b + 1) - R - 1, R being the encoders' look-ahead (`delay_features`). Frame m is shown at m / fps and reads
features floor(m q) and, where m q is not whole, the next one (q = feature_rate / fps). All of it is exact: nothing
drifts, however long the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SHORTEST_CLIP = 800
"""Samples of a whole clip. Shorter ones are padded with silence: an encoder needs two features (720) for a frame."""
MOST_CLIP_FRAMES = 50
"""Frames of a whole clip that a `frames` stage is called for at once."""


@dataclass(frozen=True)
class Clock:
    """Integer relations between samples (at the model's rate), features, blocks and frames."""

    fps: int
    sample_rate: int
    feature_rate: int
    hop: int
    overlap: int
    block_features: int
    delay_features: int

    def last_feature_of_frame(self, frame: int) -> int:
        """Index of the last feature that frame `frame` reads."""
        return -(-self.feature_rate * frame // self.fps)

    def block_of_frame(self, frame: int) -> int:
        """Index of the block whose output completes frame `frame`."""
        return (self.last_feature_of_frame(frame) + self.delay_features) // self.block_features

    def features_after_blocks(self, blocks: int) -> int:
        """Number of features (delay dropped) known after `blocks` blocks."""
        return max(0, blocks * self.block_features - self.delay_features)

    def frames_after_blocks(self, blocks: int) -> int:
        """Number of frames complete after `blocks` blocks: frame m needs features up to ceil(feature_rate m / fps)."""
        features = self.features_after_blocks(blocks)
        if features == 0:
            return 0
        return (features - 1) * self.fps // self.feature_rate + 1

    def samples_for_block(self, block: int) -> int:
        """Number of samples, at the model's rate, that must exist before block `block` can run."""
        return self.hop * self.block_features * (block + 1) + self.overlap

    def frames_of(self, samples: int, rate: int) -> int:
        """The promised number of frames of a stream of `samples` samples at `rate`: floor(samples fps / rate)."""
        return samples * self.fps // rate

    def due(self, block: int, rate: int, needed: Callable[[int], int]) -> int:
        """Number of caller samples at `rate` after which block `block` runs.

        `needed(k)` is the number of caller samples that determine the first k samples at the model's rate. A block
        also waits until the promised frame count covers its last frame, so that a stream which ends at any moment
        never has returned more than floor(N fps / rate) frames.
        """
        frames = self.frames_after_blocks(block + 1)
        promised = -(-frames * rate // self.fps)
        return max(needed(self.samples_for_block(block)), promised)

    def latency(self, rate: int, needed: Callable[[int], int]) -> int:
        """Declared latency in caller samples at `rate`, rounded up.

        The maximum over frames m of due(block of m) - rate m / fps. `block_features` seconds hold a whole number of
        frames, features, blocks and samples, so one such period (after the look-ahead) is every case there is; of a
        block's frames the first waits longest.
        """
        worst, first = 0, self.delay_features // self.block_features
        for block in range(first, first + self.feature_rate + 1):
            frame = self.frames_after_blocks(block)
            if self.block_of_frame(frame) == block and frame < self.fps * self.block_features:
                due = self.due(block, rate, needed)
                worst = max(worst, -(-(due * self.fps - rate * frame) // self.fps))
        return worst


@dataclass(frozen=True)
class Latency:
    """Declared latency: frame m is returned once m / fps + `seconds` of audio have been fed.

    Attributes:
        samples: at the stream's own sample rate, resampler included.
        seconds, ms: the same as time.
    """

    samples: int
    seconds: float
    ms: float


def declared_latency_samples(
    block_features: int,
    delay_features: int,
    fps: int,
    *,
    sample_rate: int = 16000,
    feature_rate: int = 50,
    overlap: int = 80,
) -> int:
    """Latency of a package in samples at the model's own rate, without a resampler.

    max over frames m of hop C (floor((i' + R) / C) + 1) + overlap - sample_rate m / fps, i' being the last feature
    that frame m reads, rounded up; never below one frame, since frame m is promised only after (m + 1) / fps seconds.
    """
    clock = Clock(
        fps=fps,
        sample_rate=sample_rate,
        feature_rate=feature_rate,
        hop=sample_rate // feature_rate,
        overlap=overlap,
        block_features=block_features,
        delay_features=delay_features,
    )
    return clock.latency(sample_rate, lambda samples: samples)
