"""Sound at any rate to the models' rate."""

from math import gcd

import numpy as np

from emoface_training.vocabulary import SAMPLE_RATE


def at_sample_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples [N] at `rate` -> at 16 kHz, in their own floating-point precision."""
    from scipy.signal import resample_poly

    divisor = gcd(rate, SAMPLE_RATE)
    return samples if rate == SAMPLE_RATE else resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor)
