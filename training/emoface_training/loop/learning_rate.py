"""The learning rate over a stage."""

from __future__ import annotations

import math

PEAK_AT = 0.1  # where the learning rate of `one_cycle` peaks


START_DIVISOR = 25.0


END_DIVISOR = 1e4


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate: cosine up from peak / 25 over the first tenth, cosine down to peak / 1e4 at the end."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < PEAK_AT:
        low, high, share = peak / START_DIVISOR, peak, progress / PEAK_AT
    else:
        low, high, share = peak, peak / END_DIVISOR, (progress - PEAK_AT) / (1.0 - PEAK_AT)
    return high + (low - high) * 0.5 * (1.0 + math.cos(math.pi * share))
