"""A counter hash: random bits that are a function of their place alone, so that a stream can be cut, restored or run
elsewhere without a generator's state. SplitMix64's output function, in integers that C++ and JavaScript have, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEP = 0x9E3779B97F4A7C15
"""How far apart the counters of consecutive draws lie."""
_MASK = (1 << 64) - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mixed(value: int) -> int:
    """Neighbouring inputs give unrelated 64 bits."""
    value &= _MASK
    value = (value ^ value >> 30) * _FIRST & _MASK
    value = (value ^ value >> 27) * _SECOND & _MASK
    return value ^ value >> 31


def draws(bases: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.uint64]:
    """`count` draws (n, count) of each base (n,): draw k, from 1 on, is `mixed(base + k STEP)`."""
    # Arrays of unsigned integers wrap, as the arithmetic wants it.
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(STEP)
    value = bases[:, None] + steps
    value = (value ^ value >> np.uint64(30)) * np.uint64(_FIRST)
    value = (value ^ value >> np.uint64(27)) * np.uint64(_SECOND)
    return np.asarray(value ^ value >> np.uint64(31))
