"""Noise that stages read: standard normal values, each a function of seed, noise, item and index alone.

The item is a frame, or a feature for block stages, so that a value does not depend on how the audio was cut, on which
voices run beside this one, or on what was restored. The bits come from a counter hash; the normal quantile is
algorithm AS 241 (PPND16), whose logarithm is our own: + - * / and sqrt of float64 in a fixed order, so that Python, C++
(csrc/runtime/noise.cpp) and JavaScript give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from emoface.counter_hash import draws, mixed
from emoface.errors import UsageError
from emoface.manifest import NoiseSpec
from emoface.stream.features import Floats

Doubles = npt.NDArray[np.float64]
SEEDS = 1 << 64

# Coefficients of AS 241, numerators and denominators, the highest power first.
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_SIDE = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip
# log m = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) with s = (m - 1) / (m + 1), m between sqrt(1/2) and sqrt(2).
_ATANH = tuple(1.0 / odd for odd in range(23, 0, -2))
_SQRT_HALF, _LN2 = 0.7071067811865476, 0.6931471805599453


class NoiseSource:
    """The noise of one stream.

    Args:
        specs: the manifest's noise.
        seed: 0 to 2^64 - 1.
    """

    def __init__(self, specs: Mapping[str, NoiseSpec], seed: int) -> None:
        self.seed = seed
        begin = mixed(seed)
        # Numbered by name: no reader depends on the order of a JSON object.
        self._begin = {name: (mixed(begin ^ number), specs[name].shape) for number, name in enumerate(sorted(specs))}

    def values(self, name: str, first: int, count: int) -> Floats:
        """Noise `name` of items [first, first + count): (1, count, *shape)."""
        begin, shape = self._begin[name]
        bases = np.array([mixed(begin ^ item) for item in range(first, first + count)], np.uint64)
        values = standard_normal(draws(bases, int(np.prod(shape)))).astype(np.float32)
        return np.asarray(values.reshape(1, count, *shape))


def check_noise_seed(seed: object) -> int:
    """A seed of noise; UsageError for what is none."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < SEEDS:
        raise UsageError(f"noise_seed={seed!r}", f"an integer from 0 to {SEEDS - 1}", "Choose one.")
    return int(seed)


def standard_normal(bits: npt.NDArray[np.uint64]) -> Doubles:
    """Standard normal values for uniform bits, of the same shape."""
    # 52 bits and a half: exact, and never 0 or 1.
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    q = uniform - 0.5
    central = np.abs(q) <= 0.425
    values = np.empty_like(uniform)
    inner = q[central]
    values[central] = inner * _ratio(_CENTRE, 0.180625 - inner * inner)
    left = uniform[~central]
    r = np.sqrt(-_log(np.minimum(left, 1.0 - left)))
    size = np.where(r <= 5.0, _ratio(_SIDE, r - 1.6), _ratio(_TAIL, r - 5.0))
    values[~central] = np.where(left < 0.5, -size, size)
    return values


def _log(x: Doubles) -> Doubles:
    """The natural logarithm of positive normal numbers."""
    m, exponent = np.frexp(x)
    low = m < _SQRT_HALF
    m = np.where(low, m * 2.0, m)
    exponent = np.where(low, exponent - 1, exponent).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    return np.asarray(exponent * _LN2 + 2.0 * s * _horner(_ATANH, s * s))


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Doubles) -> Doubles:
    return np.asarray(_horner(coefficients[0], x) / _horner(coefficients[1], x))


def _horner(coefficients: Sequence[float], x: Doubles) -> Doubles:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
