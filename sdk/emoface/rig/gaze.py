"""Where the eyes look: fixations and saccades on a listener's face, glances, drift, and looking away in thought.

Fixations are a function of a seed and the frame's number, as blinks are; where they begin beside a blink they begin
with it, and lead farther. What is remembered from frame to frame is how far the eyes have turned away in thought,
which follows the speech (`emoface.rig.speech`). csrc/runtime/gaze.cpp gives the same bits: float64 with + - * / and
square roots in this order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from emoface.counter_hash import STEP, mixed
from emoface.errors import RigError
from emoface.rig.blinks import Blinks
from emoface.rig.seeded import Seeded, SmoothNoise, part, single

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.layers import LayerFrames, State

Floats = npt.NDArray[np.float32]
Pair = tuple[float, float]

DIRECTIONS = ("In", "Out", "Up", "Down")
SIDES = ("Left", "Right")
SHAPES = tuple(f"eyeLook{direction}{side}" for side in SIDES for direction in DIRECTIONS)
_EYEBALLS = "eyeballs"
_DEGREES = 57.29577951308232
_FARTHEST = 0.7  # half a chord over the radius: a shape that turns the eye farther is none

_SALT = 0x67617A65  # of what is drawn here, so that no other layer draws the same
# Milliseconds. Fixations are drawn cell by cell; two are `_LEAST` apart, in different cells, too.
_CELL, _LEAST = 10_000, 300
# Quantiles 0/32 to 32/32 of a log-normal distribution (median 0.8 s, spread 0.6, ends cut): how long an eye rests.
_FIXATIONS = (
    300, 300, 319, 363, 401, 436, 470, 502, 534, 565, 597, 628, 661, 694, 728, 763, 800,
    839, 879, 922, 969, 1018, 1073, 1132, 1199, 1275, 1362, 1466, 1595, 1764, 2000, 2000, 2000,
)  # fmt: skip
_WITH_BLINK = 150  # a fixation that begins so near a blink begins with it
_GLANCES, _GLANCES_BLINKING = 6554, 32768  # of 65536: how many lead past the listener
_SACCADE_MS, _SACCADE_MS_PER_DEGREE = 21.0, 2.2  # the main sequence
# Degrees, x to the face's left and y up: a listener's eyes and mouth at about a metre, and how widely one looks there.
_LISTENER: tuple[Pair, ...] = ((-1.8, 0.4), (1.8, 0.4), (0.0, -2.6))
_AROUND = 0.7
_DRIFT, _DRIFT_MS, _JITTER, _JITTER_MS = 0.35, 500, 0.1, 70
_NEAR, _FAR, _FAR_AWAY = 1.8, 0.4, 8.0  # how far each eye turns in: for the listener, and in thought so far away
# In a pause: whether one looks away (of 65536), from when on, and for how long.
_AWAY, _AWAY_FROM, _AWAY_LEAST, _AWAY_SPREAD = 39322, 400, 700, 1600
_BACK = 150  # milliseconds into a phrase until one looks back
_UPWARDS = 45875  # of 65536
_AWAY_SPEED = 250.0  # degrees per second
_MOST_AWAY = 30.0
_HEAD = 12.0  # most of the head's turn, in degrees, that the eyes make up for


@dataclass(frozen=True)
class Gaze(Seeded):
    """Eyes that look at a listener, glance elsewhere, and turn away in thought.

    Attributes:
        strength: factor 0.1 to 2 on all angles.
        seed: 0 to 2^32 - 1; 0 takes the seed of the blinks. Characters that are seen together need different ones.

    Raises:
        RigError: a value out of its range.
    """

    what: ClassVar[str] = "gaze"
    option: ClassVar[str] = "gaze"


class LookShape(NamedTuple):
    """A shape that turns an eye.

    Attributes:
        name: of the shape.
        moving: vertices that it moves.
        shape: (len(moving), 3) float32, by how much.
        degrees: how far it turns the eye at weight 1.
    """

    name: str
    moving: npt.NDArray[np.int64]
    shape: Floats
    degrees: float


def find_eyes(face: Face) -> tuple[LookShape, ...]:
    """The shapes that turn the eyes, in the order of `SHAPES`.

    Raises:
        RigError: a shape is missing or does not turn the eye, or the face has no mask `eyeballs`.
    """
    names = () if face.blendshapes is None else face.blendshapes.names
    if missing := [name for name in SHAPES if name not in names]:
        raise RigError(
            f"a face without the blendshape {missing[0]!r}",
            "the eight shapes eyeLook(In|Out|Up|Down)(Left|Right), which gaze needs",
            "Pass gaze=False, or export the package with these shapes.",
        )
    if _EYEBALLS not in face.masks:
        raise RigError(
            "a face without the mask 'eyeballs'",
            "the mask of what turns, which gaze needs",
            "Pass gaze=False, or export the package with the mask.",
        )
    return tuple(_look_shape(face, name) for name in SHAPES)


def _look_shape(face: Face, name: str) -> LookShape:
    assert face.blendshapes is not None
    shape = face.blendshapes[name]
    moves = (shape != 0).any(axis=1)
    ball = face.masks[_EYEBALLS][moves[face.masks[_EYEBALLS]]]
    degrees = 0.0
    if len(ball):
        # A point on the ball goes along a chord; those that go farthest lie at right angles to the axis.
        points, offsets = face.template[ball].astype(np.float64), shape[ball].astype(np.float64)
        size = float((points.max(axis=0) - points.min(axis=0)).max())
        squares = offsets[:, 0] * offsets[:, 0] + offsets[:, 1] * offsets[:, 1] + offsets[:, 2] * offsets[:, 2]
        half = math.sqrt(float(squares.max())) / size if size > 0 else 0.0
        if half <= _FARTHEST:
            # The arcsine's series, which every runtime sums alike; four terms are good to 0.1 degree here.
            square = half * half
            series = 1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0 + square * (15.0 / 336.0)))
            degrees = 2.0 * half * series * _DEGREES
    if not degrees >= 1.0:
        raise RigError(
            f"the blendshape {name!r}, which does not turn the eye",
            "a shape that turns vertices of the mask 'eyeballs' by 1 to 85 degrees",
            "Export the package with this shape at its full weight, or pass gaze=False.",
        )
    return LookShape(name, np.flatnonzero(moves), shape[moves], degrees)


class Fixations:
    """Where the eyes rest, and how they get there.

    Args:
        seed: of the gaze.
        fps: frames per second.
        blinks: of the same face, or None.
    """

    def __init__(self, seed: int, fps: int, blinks: Blinks | None) -> None:
        self._seed, self._fps, self._blinks = mixed(seed + _SALT), fps, blinks
        self._cell = -1
        self._starts: list[int] = []
        self._places: list[Pair] = []

    def drawn(self, cell: int) -> tuple[list[int], list[Pair]]:
        """Milliseconds at which fixations begin in cell `cell` of the stream, ascending, and where they lie."""
        base, begin = mixed(self._seed ^ cell), cell * _CELL
        closing = [] if self._blinks is None else self._blinks.starts(begin // 60_000)
        starts, places, draw = list[int](), list[Pair](), 1
        random = mixed(base + STEP)
        at = begin + (_fixation(random) * (random >> 48) >> 16)
        while at <= begin + _CELL - _LEAST:
            near = next((start for start in closing if abs(start - at) < _WITH_BLINK), None)
            starts.append(at if near is None else near)
            glances = _GLANCES if near is None else _GLANCES_BLINKING
            places.append(_place(mixed(base + (draw + 1) * STEP), random >> 16 & 0xFFFF < glances))
            draw += 2
            random = mixed(base + draw * STEP)
            at += _fixation(random)
        return starts, places

    def at(self, frame: int) -> Pair:
        """Degrees to the face's left and up."""
        # Time in units of 1 / fps ms: whole numbers at any frame rate.
        now, fps = 1000 * frame, self._fps
        cell = now // (_CELL * fps)
        if cell != self._cell:
            before = self.drawn(cell - 1)[1][-1] if cell > 0 else (0.0, 0.0)
            starts, places = self.drawn(cell)
            self._cell, self._starts, self._places = cell, starts, [before, *places]
        index = bisect_right(self._starts, now // fps)
        if index == 0:
            return self._places[0]
        (ax, ay), (bx, by) = self._places[index - 1], self._places[index]
        x, y = bx - ax, by - ay
        whole = _SACCADE_MS + _SACCADE_MS_PER_DEGREE * math.sqrt(x * x + y * y)
        share = min((now - self._starts[index - 1] * fps) / fps / whole, 1.0)
        share = share * share * (3.0 - 2.0 * share)
        return ax + x * share, ay + y * share


def _fixation(random: int) -> int:
    place, rest = random >> 11 & 31, random & 2047
    left = _FIXATIONS[place]
    return left + ((_FIXATIONS[place + 1] - left) * rest >> 11)


def _place(random: int, glance: bool) -> Pair:
    x, y = part(random, 0), part(random, 16)
    if glance:
        far = 4.0 + 5.0 * x
        return (far if random >> 32 & 1 else -far), 5.0 * y - 2.0
    # Three of eight looks go to each eye, two to the mouth.
    which = random >> 33 & 7
    left, up = _LISTENER[0 if which < 3 else 1 if which < 6 else 2]
    return left + _AROUND * (2.0 * x - 1.0), up + _AROUND * (2.0 * y - 1.0)


class GazeLayer:
    """Turns the eyes, and the lids with them.

    Args:
        gaze: how; its seed is resolved.
        eyes: of the face; see `find_eyes`.
        fps: frames per second.
        blinks: of the same stream, or None.
    """

    place = "gaze"

    def __init__(self, gaze: Gaze, eyes: tuple[LookShape, ...], fps: int, blinks: Blinks | None) -> None:
        self.gaze, self._eyes, self._fps = gaze, eyes, fps
        self._fixations = Fixations(gaze.seed, fps, blinks)
        seed = mixed(mixed(gaze.seed) + _SALT)
        self._pauses = mixed(seed)
        bases = [mixed(seed + channel) for channel in range(1, 5)]
        self._drift = tuple(SmoothNoise(base, _DRIFT_MS, fps) for base in bases[:2])
        self._jitter = tuple(SmoothNoise(base, _JITTER_MS, fps) for base in bases[2:])
        self._away: Pair = (0.0, 0.0)

    @property
    def identity(self) -> list[float]:
        return self.gaze.identity

    def apply(self, frames: LayerFrames) -> None:
        added = np.zeros((len(frames.offsets), len(self._eyes)), np.float32)
        for index, frame in enumerate(frames.offsets):
            for place, degrees in enumerate(self._turns(frames, index)):
                if not degrees > 0:
                    continue
                look = self._eyes[place]
                weight = np.float32(min(degrees / look.degrees, 1.0))
                if frames.shares is not None:
                    weight *= frames.shares[index]
                frame[look.moving] += weight * look.shape
                added[index, place] = weight
        frames.added.update((look.name, added[:, place]) for place, look in enumerate(self._eyes))

    def _turns(self, frames: LayerFrames, index: int) -> tuple[float, ...]:
        """Degrees by which a frame's eyes turn, in the order of `SHAPES`; negative is none."""
        frame = frames.first + index
        self._think(frames, index)
        x, y = self._fixations.at(frame)
        away_x, away_y = self._away
        x += _DRIFT * self._drift[0].at(frame) + _JITTER * self._jitter[0].at(frame) + away_x
        y += _DRIFT * self._drift[1].at(frame) + _JITTER * self._jitter[1].at(frame) + away_y
        far = min(math.sqrt(away_x * away_x + away_y * away_y) / _FAR_AWAY, 1.0)
        strength = self.gaze.strength
        inwards = strength * (_NEAR + (_FAR - _NEAR) * far)
        x, y = strength * x, strength * y
        if frames.head_rotation.size:
            # While the head turns the eyes stay where they look.
            to_left, up, front = frames.head_rotation[index, 2].tolist()
            x += _made_up(to_left, front)
            y += _made_up(up, front)
        return inwards - x, x - inwards, y, -y, inwards + x, -x - inwards, y, -y

    def _think(self, frames: LayerFrames, index: int) -> None:
        """Let the eyes go on their way to where a pause turns them, and back."""
        speech, fps = frames.speech, self._fps
        x = y = 0.0
        since = int(speech.since[index])
        if speech.speaking[index]:
            if since * 1000 < _BACK * fps:
                x, y = self._away
        else:
            random = mixed(self._pauses ^ (frames.first + index - since + 1))
            lasts = _AWAY_LEAST + (_AWAY_SPREAD * (random >> 16 & 0xFFFF) >> 16)
            away = random & 0xFFFF < _AWAY
            if away and _AWAY_FROM * fps <= since * 1000 < (_AWAY_FROM + lasts) * fps:
                x, y = _thinking(mixed(random))
        dx, dy = x - self._away[0], y - self._away[1]
        apart, step = math.sqrt(dx * dx + dy * dy), _AWAY_SPEED / fps
        if apart > step:
            x, y = self._away[0] + dx * step / apart, self._away[1] + dy * step / apart
        self._away = single(x), single(y)

    def reset(self) -> None:
        self._away = (0.0, 0.0)

    def state(self) -> State:
        return {"away": np.array(self._away, np.float32)}

    def restore(self, state: State) -> None:
        x, y = (min(max(value, -_MOST_AWAY), _MOST_AWAY) for value in state["away"].tolist())
        self._away = x, y


def _thinking(random: int) -> Pair:
    far = 7.0 + 6.0 * part(random, 0)
    up = 3.0 + 4.0 * part(random, 16) if random >> 32 & 0xFFFF < _UPWARDS else -3.0 - 3.0 * part(random, 16)
    return (far if random >> 48 & 1 else -far), up


def _made_up(aside: float, front: float) -> float:
    return min(max(aside / max(front, 0.5) * _DEGREES, -_HEAD), _HEAD)
