"""What the seeded layers share: a strength and a seed, and smooth noise that is a function of seed and time alone.

Times are whole milliseconds and frames whole numbers, the rest is float64 with + - * / and square roots in the order
written here: csrc/runtime/seeded.h does the same and gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from emoface.counter_hash import STEP, mixed
from emoface.errors import RigError

if TYPE_CHECKING:
    from emoface.rig.blinks import Blinks

SEEDS = 1 << 32
_STRENGTHS = (0.1, 2.0)


def check_seed(seed: object, what: str) -> None:
    """RigError for what is no seed of `what`."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < SEEDS:
        raise RigError(f"seed={seed!r} of the {what}", f"an integer from 0 to {SEEDS - 1}", "Choose one.")


@dataclass(frozen=True)
class Seeded:
    """How strongly a layer moves, and by which seed.

    Attributes:
        strength: factor 0.1 to 2 on all its motion.
        seed: 0 to 2^32 - 1; 0 takes the seed of the blinks.

    Raises:
        RigError: a value out of its range.
    """

    what: ClassVar[str]
    option: ClassVar[str]

    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed, self.what)
        low, high = _STRENGTHS
        if isinstance(self.strength, bool) or not isinstance(self.strength, Real) or not low <= self.strength <= high:
            raise RigError(
                f"strength={self.strength!r} of the {self.what}",
                f"a number from {low:g} to {high:g}",
                f"1 is what people do; {self.option}=False switches it off.",
            )
        object.__setattr__(self, "strength", float(self.strength))

    @property
    def identity(self) -> list[float]:
        """What a snapshot's stream must share."""
        return [int(self.seed), float(self.strength)]


SomeSeeded = TypeVar("SomeSeeded", bound=Seeded)


def wanted(
    kind: type[SomeSeeded], given: object, blinks: Blinks | None, without: str | None, possible: Callable[[], object]
) -> SomeSeeded | None:
    """What an animator's argument asks for, its seed that of the blinks where it has none of its own; None for none.

    Args:
        kind: the layer's options.
        given: the argument. None, the default, asks for the layer where it is possible.
        blinks: of the same stream, or None.
        without: why the layer is not possible, whatever the face can do, or None.
        possible: raises RigError where the face cannot do it.

    Raises:
        RigError: it is asked for and not possible; another type of argument, or a value out of its range.
    """
    if given is False or (given is None and without is not None):
        return None
    if without is not None:
        what = f"Leave {kind.option} out, or pass {kind.option}=False."
        raise RigError(f"{kind.option}={given!r} and {without}", "one of the two", what)
    asked = given
    if given is None or given is True:
        given = kind()
    elif isinstance(given, Real):
        given = kind(strength=given)  # type: ignore[arg-type]
    elif not isinstance(given, kind):
        expected = f"True, False, a strength, or emoface.rig.{kind.__name__}"
        raise RigError(f"{kind.option}={given!r}", expected, "Pass one of these.")
    try:
        possible()
    except RigError:
        if asked is None:
            return None
        raise
    return kind(given.strength, given.seed or (0 if blinks is None else blinks.seed))


class SmoothNoise:
    """Noise around 0, within -1 and 1: a uniform cubic spline through drawn values, so many milliseconds apart.

    Any frame may be asked for; the drawn values are kept for the frames that follow.

    Args:
        base: what the values are drawn from.
        spacing: milliseconds.
        fps: frames per second.
    """

    def __init__(self, base: int, spacing: int, fps: int) -> None:
        self._base, self._unit = base, spacing * fps
        self._index = -1
        self._held = (0.0, 0.0, 0.0, 0.0)

    def at(self, frame: int) -> float:
        """The value of a frame."""
        # Time in units of 1 / fps ms: whole numbers at any frame rate.
        index, rest = divmod(1000 * frame, self._unit)
        if index != self._index:
            self._index = index
            a, b, c, d = (signed(mixed(self._base + (index + place) * STEP)) for place in (1, 2, 3, 4))
            self._held = (a, b, c, d)
        t = rest / self._unit
        s = 1.0 - t
        a, b, c, d = self._held
        first, last = s * s * s * a, t * t * t * d
        second, third = ((3.0 * t - 6.0) * t * t + 4.0) * b, ((3.0 * s - 6.0) * s * s + 4.0) * c
        return (first + second + third + last) / 6.0


def signed(random: int) -> float:
    """64 random bits as a number from -1 to 1."""
    return (random >> 11) / (1 << 52) - 1.0


def part(random: int, bits: int) -> float:
    """The 16 random bits from bit `bits` on as a number from 0 to 1."""
    return (random >> bits & 0xFFFF) / 65536


def single(value: float) -> float:
    """As a snapshot keeps it: rounded to float32."""
    return float(np.float32(value))
