"""Values of conditions and what every runtime makes of them: one table for Python and C.

The conditions are those of `handmade`: two styles, three emotions and "auto", two levels, a `speaker_mean`.
"""

from __future__ import annotations

import math

HUGE = 1e39
"""Beyond float32: infinite once it is one."""

# name: (condition, values, accepted)
VECTORS: dict[str, tuple[str, list[float], bool]] = {
    "one style": ("style", [1.0, 0.0], True),
    "a mixture": ("style", [0.25, 0.75], True),
    "a sum below 1": ("style", [0.25, 0.25], True),
    "a sum above 1": ("style", [1.5, 1.0], True),
    "no style at all": ("style", [0.0, 0.0], True),
    "minus zero": ("style", [-0.0, 1.0], True),
    "the heaviest": ("style", [10.0, 0.0], True),
    "heavier": ("style", [math.nextafter(10.0, 11.0) + 1e-6, 0.0], False),
    "a little negative": ("style", [-1e-7, 1.0], False),
    "negative": ("style", [-0.5, 1.5], False),
    "1e30": ("style", [1e30, 0.0], False),
    "1e39": ("style", [0.0, HUGE], False),
    "NaN": ("style", [math.nan, 0.0], False),
    "infinite": ("style", [math.inf, 0.0], False),
    "minus infinite": ("style", [0.0, -math.inf], False),
    "too few": ("style", [1.0], False),
    "too many": ("style", [1.0, 0.0, 0.0], False),
    "emotion and auto": ("emotion", [0.5, 0.0, 0.0, 0.5], True),
    "emotion negative": ("emotion", [0.0, -1.0, 0.0, 0.0], False),
    "emotion 1e39": ("emotion", [0.0, 0.0, 0.0, HUGE], False),
    "level between": ("level", [0.5, 0.5], True),
    "level NaN": ("level", [0.5, math.nan], False),
    "level too strong": ("level", [0.0, 11.0], False),
    "mean negative": ("speaker_mean", [-2.0] * 6, True),
    "mean at the bounds": ("speaker_mean", [1e4, -1e4] + [0.0] * 4, True),
    "mean beyond": ("speaker_mean", [1.001e4] + [0.0] * 5, False),
    "mean 1e30": ("speaker_mean", [0.0] * 5 + [-1e30], False),
    "mean 1e39": ("speaker_mean", [HUGE] * 6, False),
    "mean NaN": ("speaker_mean", [math.nan] * 6, False),
    "unknown condition": ("age", [1.0], False),
    "a person where there are none": ("person", [1.0], False),
}

# name: (condition, choice, accepted)
NAMES: dict[str, tuple[str, str, bool]] = {
    "style": ("style", "anna", True),
    "auto": ("emotion", "auto", True),
    "level": ("level", "strong", True),
    "capital letter": ("style", "Anna", False),
    "a space": ("style", "anna ", False),
    "of another condition": ("style", "happy", False),
    "unknown condition": ("age", "old", False),
    "a condition without names": ("speaker_mean", "anna", False),
    "a person where there are none": ("person", "anna", False),
}

# name: (seconds, accepted)
MOMENTS: dict[str, tuple[float, bool]] = {
    "the beginning": (0.0, True),
    "an hour": (3600.0, True),
    "31 years": (1e9, True),
    "1e30 s": (1e30, False),
    "1e39 s": (HUGE, False),
    "NaN s": (math.nan, False),
    "infinite": (math.inf, False),
}
