"""Channels that cancel when they are averaged: one wired the wrong way round leaves silence, and a still face."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Of independent channels, each as loud as the others, the mean has 1 / channels of the energy of one. Below this part
# of that (stereo: 3 %, -15 dB) the channels are copies of each other, turned round.
_CANCELLED = 0.06
_AUDIBLE = 1e-6  # mean square, -60 dB of full scale
_IN_A_ROW = 2
_LEAST_S = 0.25


class AntiphaseWarning(UserWarning):
    """The channels of a stream cancel each other in the mean that is animated."""


class PhaseWatch:
    """Warns once per stream where channels cancel.

    Sound is looked at by the second. Two audible seconds in a row in which the mean of the channels has less than 3 %
    of a channel's energy (stereo) are a fault; a shorter sound is where all of its audible seconds are.

    Args:
        rate: of the audio in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.reset()

    def reset(self) -> None:
        """Before the first sample of a stream."""
        self._heard, self._channels, self._mean = 0, 0.0, 0.0
        self._row, self._other, self._warned = 0, False, False

    def hear(self, samples: Floats, mono: Floats) -> None:
        """Samples (n, channels) and their mean (n,)."""
        done, count = 0, len(samples)
        while done < count and not self._warned:
            part = slice(done, done + min(count - done, self._rate - self._heard))
            self._channels += float(np.mean(np.square(samples[part], dtype=np.float64), axis=1).sum())
            self._mean += float(np.square(mono[part], dtype=np.float64).sum()) * samples.shape[1]
            self._heard += part.stop - part.start
            done = part.stop
            if self._heard == self._rate:
                self._judge(_IN_A_ROW)

    def end(self) -> None:
        """The stream has ended."""
        if not self._warned and not self._other:
            if self._heard >= _LEAST_S * self._rate:
                self._judge(1)
            elif self._row:
                self._warn()

    def _judge(self, in_a_row: int) -> None:
        if self._channels >= _AUDIBLE * self._heard:
            cancelled = self._mean < _CANCELLED * self._channels
            self._row = self._row + 1 if cancelled else 0
            self._other |= not cancelled
        self._heard, self._channels, self._mean = 0, 0.0, 0.0
        if self._row >= in_a_row:
            self._warn()

    def _warn(self) -> None:
        self._warned = True
        warnings.warn(
            "the channels cancel each other: their mean, which is animated, is nearly silent. One is probably wired "
            "the wrong way round: feed a single channel, for example audio[:, 0], or turn one round",
            AntiphaseWarning,
            stacklevel=2,
        )
