"""Procedural blinks: when the eyes close is a function of a seed and the frame's index alone.

Nothing is remembered from frame to frame, so that any cut of a stream, a snapshot, hours of running and a whole clip
give the same bits, and a frame costs the same wherever it lies. Times and the lids' curve are integers; the C++ runtime
(csrc/runtime/blinks.cpp) has the same arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.counter_hash import STEP, mixed
from emoface.errors import RigError
from emoface.rig.seeded import check_seed

if TYPE_CHECKING:
    from emoface.package import Face, Package

Floats = npt.NDArray[np.float32]

SHAPES = ("eyeBlinkLeft", "eyeBlinkRight")
DEFAULT_RATE = 15.0
_RATES = (4.0, 40.0)

# Milliseconds. Lids close in 80 and open in 150. They rest long enough that a frame of 25 fps sees them closed.
_CLOSING, _RESTING, _OPENING = 80, 40, 150
_BLINK = _CLOSING + _RESTING + _OPENING
# Blinks are drawn cell by cell. None crosses the border of its cell, and two of different cells are a second apart.
_CELL, _FIRST, _LAST, _LEAST = 60_000, 500, 59_000, 1000
_DOUBLE_SHARE, _DOUBLE_FROM, _DOUBLE_SPREAD = 8192, 300, 150  # one blink in eight (of 65536) is followed by a second
# Intervals in ms, the quantiles 0/32 to 32/32 of a log-normal distribution (median 3.6 s, spread 0.45, ends cut): 4 s
# in the mean, which is 15 a minute.
_INTERVALS = (
    1200, 1557, 1805, 1989, 2145, 2285, 2415, 2538, 2658, 2774, 2889, 3004, 3119, 3236, 3354, 3475, 3600, 3729, 3864,
    4006, 4155, 4314, 4486, 4672, 4877, 5106, 5366, 5671, 6041, 6515, 7180, 8324, 11000,
)  # fmt: skip
_ONE = 4096


@dataclass(frozen=True)
class Blinks:
    """Gentle blinks of both eyes.

    Attributes:
        seed: 0 to 2^32 - 1. Characters that are seen together need different ones, or they blink together.
        rate: blinks per minute, 4 to 40, about: intervals vary as people's do, and one blink in eight is double.

    Raises:
        RigError: a value out of its range.
    """

    seed: int = 0
    rate: float = DEFAULT_RATE

    def __post_init__(self) -> None:
        check_seed(self.seed, "blinks")
        low, high = _RATES
        if isinstance(self.rate, bool) or not isinstance(self.rate, Real) or not low <= self.rate <= high:
            raise RigError(
                f"rate={self.rate!r} of the blinks",
                f"blinks per minute from {low:g} to {high:g}",
                "People blink about 15 times a minute; blinks=False switches them off.",
            )
        # A narrower float would draw other blinks.
        object.__setattr__(self, "rate", float(self.rate))

    @property
    def identity(self) -> list[float]:
        """What a snapshot's stream must share."""
        return [int(self.seed), float(self.rate)]

    def starts(self, cell: int) -> list[int]:
        """Milliseconds at which blinks of minute `cell` of the stream begin, ascending."""
        base = mixed(mixed(int(self.seed)) ^ cell)
        scale = int(65536.0 * DEFAULT_RATE / self.rate + 0.5)
        begin, draw, starts = cell * _CELL, 1, list[int]()
        random = mixed(base + STEP)
        at = begin + _FIRST + (_interval(random, scale) * (random >> 48) >> 16)
        while at <= begin + _LAST:
            starts.append(at)
            if random >> 16 & 0xFFFF < _DOUBLE_SHARE:
                starts.append(at + _DOUBLE_FROM + ((random >> 32 & 0xFFFF) * _DOUBLE_SPREAD >> 16))
            draw += 1
            random = mixed(base + draw * STEP)
            at = starts[-1] + _interval(random, scale)
        return starts


def _interval(random: int, scale: int) -> int:
    place, part = random >> 11 & 31, random & 2047
    left = _INTERVALS[place]
    plain = left + ((_INTERVALS[place + 1] - left) * part >> 11)
    return max(_LEAST, plain * scale >> 16)


class BlinkSchedule:
    """How far the lids are closed at a frame."""

    def __init__(self, blinks: Blinks, fps: int) -> None:
        self._blinks = blinks
        self._fps = fps
        self._cell = -1
        self._starts: list[int] = []

    def closure(self, frame: int) -> int:
        """0 (as the model has them) to 4096 (closed)."""
        # Time in units of 1 / fps ms: whole numbers at any frame rate.
        now, fps = 1000 * frame, self._fps
        cell = now // (_CELL * fps)
        if cell != self._cell:
            self._cell, self._starts = cell, self._blinks.starts(cell)
        index = bisect_right(self._starts, now // fps) - 1
        return 0 if index < 0 else _curve(now - self._starts[index] * fps, fps)


def _curve(since: int, fps: int) -> int:
    if since < _CLOSING * fps:
        share = since * _ONE // (_CLOSING * fps)
    elif since < (_CLOSING + _RESTING) * fps:
        share = _ONE
    elif since < _BLINK * fps:
        share = _ONE - (since - (_CLOSING + _RESTING) * fps) * _ONE // (_OPENING * fps)
    else:
        return 0
    return share * share * (3 * _ONE - 2 * share) >> 24


_NO_LIDS = ("eyeballs", "lashes")  # regions that move with the lids, or lie behind them
_LIKE_UPPER = 0.5  # of the largest travel: vertices that move more are the upper lid's
_MEETS = 0.15  # of the distance at rest: pairs that come nearer than this meet when the eye closes
_CENTRAL = 0.7  # of the widest distance at rest: pairs in the corners of the eye are left out
_WIDEST = 1.5  # most of the shape that is added, for eyes that are wide open
_EARLY = 0.9  # of a shape: one whose lids have met by then closes the eye with that much of it


class Lid:
    """One eye of a face: its blink shape, and how much of it closes the eye of a frame.

    The lids' rims are found once: pairs of an upper and a lower vertex that meet when the shape is added to the face at
    rest. In a frame whose rims are apart by another distance, because the eye is narrowed or wide open, so much of the
    shape is added as brings the nearest pair together: the lids never pass through each other. A shape that goes on
    after the lids have met is taken as far as that: `full`, 1 for others.

    Raises:
        RigError: the shape does not close the eye.
    """

    def __init__(self, face: Face, name: str) -> None:
        assert face.blendshapes is not None
        shape, template = face.blendshapes[name], face.template.astype(np.float64)
        self.moving = np.flatnonzero((shape != 0).any(axis=1))
        self.shape: Floats = shape[self.moving]
        offsets = shape.astype(np.float64)
        travel = np.sqrt(_dot(offsets, offsets))
        skin = np.ones(len(travel), np.bool_)
        for region in _NO_LIDS:
            skin[face.masks.get(region, np.zeros(0, np.int32))] = False
        upper = travel >= _LIKE_UPPER * travel.max()
        uppers, lowers = np.flatnonzero(upper & skin & (travel > 0)), np.flatnonzero(~upper & skin)
        self.full = _first_contact(template, offsets, uppers, lowers)
        offsets = offsets * self.full
        nearest = dict[int, tuple[float, int, float]]()
        closed = template + offsets
        for vertex in uppers if len(lowers) else ():
            gaps = closed[lowers] - closed[vertex]
            squares = _dot(gaps, gaps)
            place = int(np.argmin(squares))
            square, other = float(squares[place]), int(lowers[place])
            apart = template[vertex] - template[other]
            rest = float(np.sqrt(_dot(apart, apart)))
            # Skin near the rim comes near, too: a lower vertex meets one upper vertex.
            if np.sqrt(square) <= _MEETS * rest and (other not in nearest or square < nearest[other][0]):
                nearest[other] = (square, int(vertex), rest)
        if not nearest:
            raise RigError(
                f"the blendshape {name!r}, which does not close the eye",
                "a shape that brings the rims of the lids together",
                "Export the package with a blink shape at its full weight, or pass blinks=False.",
            )
        widest = max(rest for _, _, rest in nearest.values())
        pairs = [(upper, lower) for lower, (_, upper, rest) in nearest.items() if rest >= _CENTRAL * widest]
        self._upper, self._lower = np.array(pairs).T
        apart = template[self._upper] - template[self._lower]
        # Change of a pair's distance, as a part of what the shape closes.
        self._per_unit = apart / _dot(offsets[self._lower] - offsets[self._upper], apart)[:, None]

    def opening(self, offsets: Floats) -> float:
        """How much of `full` closes the eye of a frame with offsets (V, 3): 1 at rest, 0 for closed lids."""
        change = offsets[self._upper].astype(np.float64) - offsets[self._lower]
        return float(min(max(1.0 + _dot(change, self._per_unit).min(), 0.0), _WIDEST))


def _first_contact(
    template: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
    uppers: npt.NDArray[np.int64],
    lowers: npt.NDArray[np.int64],
) -> float:
    """The weight at which lids meet that meet before `_EARLY`; 1 where none do."""
    met: list[tuple[float, float]] = []
    for vertex in uppers:
        gaps, closing = template[lowers] - template[vertex], offsets[lowers] - offsets[vertex]
        squares = _dot(closing, closing)
        weights = -_dot(gaps, closing) / np.where(squares > 0, squares, 1.0)
        missed = gaps + weights[:, None] * closing
        rests = np.sqrt(_dot(gaps, gaps))
        meets = (squares > 0) & (weights > 0) & (weights <= 1) & (np.sqrt(_dot(missed, missed)) <= _MEETS * rests)
        met += zip(weights[meets].tolist(), rests[meets].tolist(), strict=True)
    widest = max((rest for _, rest in met), default=0.0)
    first = min((weight for weight, rest in met if rest >= _CENTRAL * widest), default=1.0)
    return first if first < _EARLY else 1.0


def _dot(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Products of vectors (..., 3), summed in the order of the axes."""
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def find_lids(face: Face) -> tuple[Lid, ...]:
    """The left and the right eye of a face.

    Raises:
        RigError: it has no blink shapes, or they do not close the eyes.
    """
    names = () if face.blendshapes is None else face.blendshapes.names
    if missing := [name for name in SHAPES if name not in names]:
        raise RigError(
            f"a face without the blendshape {missing[0]!r}",
            f"{' and '.join(SHAPES)}, which blinks need",
            "Pass blinks=False, or export the package with these shapes.",
        )
    return tuple(Lid(face, name) for name in SHAPES)


class EyeBlinks:
    """Adds blinks to a stream's offsets.

    Args:
        lids: of the package's face; see `find_lids`.
        fps: frames per second.
        blinks: when; None for never.
        strength: factor on how far they close the eyes.
        offset: by how much the eyes are closed all the time.
    """

    def __init__(
        self, lids: tuple[Lid, ...], fps: int, blinks: Blinks | None, strength: float = 1.0, offset: float = 0.0
    ) -> None:
        self.blinks = blinks
        self._schedule = None if blinks is None else BlinkSchedule(blinks, fps)
        self._lids = lids
        self._strength, self._offset = strength, offset

    def add(self, first: int, offsets: Floats, shares: Floats | None = None) -> Floats:
        """Close the eyes in frames [first, first + n) with offsets (n, V, 3), in place.

        `shares` (n,): factor on each frame's blink, for a face that returns to rest. Returns the weights (n, 2) of
        `SHAPES` that were added.
        """
        weights = np.zeros((len(offsets), len(self._lids)), np.float32)
        for index, frame in enumerate(offsets):
            blink = 0 if self._schedule is None else self._schedule.closure(first + index)
            closure = min(blink / _ONE * self._strength + self._offset, 1.0)
            if not closure:
                continue
            for place, lid in enumerate(self._lids):
                weight = np.float32(closure * lid.opening(frame) * lid.full)
                if shares is not None:
                    weight *= shares[index]
                frame[lid.moving] += weight * lid.shape
                weights[index, place] = weight
        return weights


def open_blinks(package: Package, blinks: bool | int | Blinks | None, without: str | None = None) -> Blinks | None:
    """The blinks that an animator's argument asks for; None, the default, asks for them where the face can blink.

    `without` says why none are possible, whatever the face can do.

    Raises:
        RigError: they are asked for and not possible; another type of argument.
    """
    if blinks is False or (blinks is None and without is not None):
        return None
    if without is not None:
        raise RigError(f"blinks={blinks!r} and {without}", "one of the two", "Leave blinks out, or pass blinks=False.")
    if blinks is None:
        try:
            return Blinks() if package.lids else None
        except RigError:
            return None
    if blinks is True:
        blinks = Blinks()
    elif isinstance(blinks, (int, np.integer)):
        blinks = Blinks(int(blinks))
    elif not isinstance(blinks, Blinks):
        raise RigError(f"blinks={blinks!r}", "True, False, a seed, or emoface.rig.Blinks", "Pass one of these.")
    package.lids  # noqa: B018 -- raises where the face cannot blink
    return blinks
