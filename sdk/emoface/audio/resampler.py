"""Streaming rational resampler: a polyphase FIR with integer positions and a state that can be saved.

Output sample k lies at time k / target: the filter's delay is compensated by waiting for `half` more input samples,
which the declared latency includes. Each output sample is its own dot product over the same window of input, so its
bits do not depend on how the input was cut. At the target rate samples pass through bit-exactly.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emoface.audio.kernel import load_kernel

Samples = npt.NDArray[np.float32]
_LARGEST_TAP_MATRIX = 1 << 18


def half_length(rate: int, target: int) -> int:
    """Input samples on either side of a window: 0 at the target rate."""
    if rate == target:
        return 0
    kernel = load_kernel()
    return math.ceil(kernel.zero_crossings / (min(1.0, target / rate) * kernel.rolloff))


def tap_rows(phases: npt.NDArray[np.int64], up: int, rate: int, target: int) -> Samples:
    """Filter taps of output phases: float32 (len(phases), 2 half).

    Phase p of `up` places the output p / up input samples after window position half - 1. Weights come from the
    stored table by linear interpolation: plain float64 arithmetic, the same in any language.
    """
    kernel = load_kernel()
    scale = min(1.0, target / rate) * kernel.rolloff
    half = half_length(rate, target)
    distance = np.abs(np.arange(1 - half, half + 1)[None, :] - (phases / up)[:, None])
    position = np.minimum(distance * (scale * kernel.points_per_crossing), float(len(kernel.table) - 2))
    index = position.astype(np.int64)
    weight = position - index
    left, right = kernel.table[index], kernel.table[index + 1]
    return ((left + (right - left) * weight) * scale).astype(np.float32)


@lru_cache(maxsize=16)
def _tap_matrix(up: int, rate: int, target: int) -> Samples | None:
    """All phases at once, or None where that would be large (unusual rates)."""
    if up * 2 * half_length(rate, target) > _LARGEST_TAP_MATRIX:
        return None
    return tap_rows(np.arange(up, dtype=np.int64), up, rate, target)


class Resampler:
    """Input samples in, any number at a time; output samples out, any number at a time.

    Args:
        rate: input rate in Hz.
        target: output rate in Hz.
    """

    def __init__(self, rate: int, target: int = 16000) -> None:
        divisor = math.gcd(rate, target)
        self.rate = rate
        self.target = target
        self._up = target // divisor
        self._down = rate // divisor
        self.half = half_length(rate, target)
        self.reset()

    def reset(self) -> None:
        """Back to the start of a stream: silence before the first sample."""
        # Held samples are buffer[begin:end]; buffer[begin] is input sample number `base` (negative: silence).
        self._buffer = np.zeros(max(4096, 4 * self.half), np.float32)
        self._begin = 0
        self._end = self.half
        self._base = -self.half
        self._produced = 0

    def needed(self, outputs: int) -> int:
        """Number of input samples that determine the first `outputs` output samples."""
        if outputs <= 0:
            return 0
        return (outputs - 1) * self._down // self._up + self.half + 1

    def first_held(self, produced: int) -> int:
        """Index of the first input sample that is held after `produced` outputs: no later output reads one before."""
        keep_from = produced * self._down // self._up - self.half + (1 if self.half and produced else 0)
        return max(-self.half, keep_from)

    def outputs_of(self, inputs: int) -> int:
        """Number of output samples that lie within the first `inputs` input samples."""
        return -(-inputs * self._up // self._down)

    @property
    def received(self) -> int:
        """Number of input samples so far."""
        return self._base + self._end - self._begin

    def append(self, samples: Samples) -> None:
        """Add input samples (n,)."""
        held = self._end - self._begin
        if self._end + len(samples) > len(self._buffer):
            size = len(self._buffer)
            while size < held + len(samples):
                size *= 2
            moved = np.empty(size, np.float32)
            moved[:held] = self._buffer[self._begin : self._end]
            self._buffer, self._begin, self._end = moved, 0, held
        self._buffer[self._end : self._end + len(samples)] = samples
        self._end += len(samples)

    def append_silence(self, count: int) -> None:
        """Add `count` zero samples."""
        self.append(np.zeros(count, np.float32))

    def read(self, count: int) -> Samples:
        """The next `count` output samples; `received` must be at least `needed` for them."""
        if self.received < self.needed(self._produced + count):
            raise ValueError(f"{count} output samples asked for, {self.received} input samples received")
        if count == 0:
            return np.zeros(0, np.float32)
        held = self._buffer[self._begin : self._end]
        if self.half == 0:
            offset = self._produced - self._base
            output = held[offset : offset + count].copy()
        else:
            output = self._filter(held, count)
        self._produced += count
        self._discard()
        return output

    def _filter(self, held: Samples, count: int) -> Samples:
        width, step = 2 * self.half, held.strides[0]
        # Input position of output k is k down / up, in integers.
        position = (self._produced + np.arange(count, dtype=np.int64)) * self._down
        first = position // self._up - self.half + 1 - self._base
        matrix = _tap_matrix(self._up, self.rate, self.target)
        if self._up == 1 and matrix is not None:
            strides = (self._down * step, step)
            windows = np.lib.stride_tricks.as_strided(held[int(first[0]) :], (count, width), strides, writeable=False)
            return np.asarray(np.einsum("kt,t->k", windows, matrix[0]))
        phases = position % self._up
        taps = matrix[phases] if matrix is not None else tap_rows(phases, self._up, self.rate, self.target)
        every = np.lib.stride_tricks.as_strided(held, (len(held) - width + 1, width), (step, step), writeable=False)
        return np.asarray(np.einsum("kt,kt->k", every[first], taps))

    def _discard(self) -> None:
        """Forget samples that no later output reads."""
        drop = min(self.first_held(self._produced) - self._base, self._end - self._begin)
        self._begin += drop
        self._base += drop

    def state(self) -> tuple[int, int, Samples]:
        """What a snapshot holds: index of the first held sample, outputs produced, held samples (copied)."""
        return self._base, self._produced, self._buffer[self._begin : self._end].copy()

    def restore(self, base: int, produced: int, held: Samples) -> None:
        """Continue from `state()` of a resampler of the same rates."""
        self.reset()
        self._begin, self._end = 0, 0
        self.append(held)
        self._base, self._produced = base, produced
