"""How a speaker's head moves: slow sway, small nods on stressed syllables, lower at a phrase's end.

The sway is a function of a seed and the frame's number; nods follow the speech (`emoface.rig.speech`) through a damped
spring, which is what is remembered. csrc/runtime/head_sway.cpp gives the same bits: float64 with + - * / in this order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emoface.counter_hash import mixed
from emoface.errors import RigError
from emoface.head_pose import turned_about
from emoface.rig.controls import follow
from emoface.rig.seeded import Seeded, SmoothNoise, part, single

if TYPE_CHECKING:
    from emoface.package import Face, Package
    from emoface.rig.layers import LayerFrames, State

AXES = "+Y up, +Z front"
"""The axes of faces whose heads can sway: about X a head nods, about Y it turns, about Z it tilts."""

_SALT = 0x73776179  # of what is drawn here, so that no other layer draws the same
# Degrees about X, Y, Z, slow and less slow, and how many milliseconds lie between what is drawn.
_SWAY = ((1.5, 0.4), (2.2, 0.6), (1.2, 0.3))
_SWAY_MS = (2600, 900)
_QUIET, _LIVELIER_S, _CALMER_S = 0.25, 0.8, 2.5  # share of the sway in silence, and how fast it changes
_NOD, _NOD_SPREAD, _NOD_S = 2.2, 1.6, 0.22  # degrees that the strongest stress pushes, and how long it lasts
_LOWER, _LOWER_SPREAD, _RAISED, _LOWER_S = 0.8, 0.7, -0.5, 0.9  # at the end of a phrase, and at its beginning
_MOST = 2.2  # degrees, of nods and lowering together
_FASTEST = 7.0  # degrees per second, of both
_SPRING = 9.0  # radians per second, critically damped
_RADIANS = 0.017453292519943295


@dataclass(frozen=True)
class HeadSway(Seeded):
    """A head that sways and nods with the speech.

    Attributes:
        strength: factor 0.1 to 2 on all angles.
        seed: 0 to 2^32 - 1; 0 takes the seed of the blinks. Characters that are seen together need different ones.

    Raises:
        RigError: a value out of its range.
    """

    what: ClassVar[str] = "head sway"
    option: ClassVar[str] = "head_sway"


def check_head(package: Package) -> None:
    """RigError where there is nothing that the package's head could turn about."""
    if package.face.pivots is None:
        raise RigError(
            "a face without pivots",
            "the point that the head turns about, which head sway needs",
            "Pass head_sway=False, or export the package with `pivots`.",
        )
    if package.manifest.axes != AXES:
        raise RigError(
            f"a face with the axes {package.manifest.axes!r}",
            f"{AXES!r}, which head sway needs",
            "Pass head_sway=False, or export the package with these axes.",
        )


class SwayLayer:
    """Turns the head about its pivot, on top of the model's own pose where there is one.

    Args:
        sway: how; its seed is resolved.
        face: that is animated, with pivots.
        fps: frames per second.
    """

    place = "head_sway"
    _push: float
    _lower: float
    _pitch: float
    _speed: float
    _lively: float

    def __init__(self, sway: HeadSway, face: Face, fps: int) -> None:
        assert face.pivots is not None
        self.sway, self._pivot = sway, face.pivots[0]
        seed = mixed(mixed(sway.seed) + _SALT)
        self._nods = mixed(seed)
        self._noises = tuple(
            tuple(SmoothNoise(mixed(seed + 1 + 2 * axis + octave), _SWAY_MS[octave], fps) for octave in range(2))
            for axis in range(3)
        )
        self._livelier, self._calmer = follow(_LIVELIER_S, fps), follow(_CALMER_S, fps)
        self._nod_kept, self._lower_kept = 1.0 - follow(_NOD_S, fps), 1.0 - follow(_LOWER_S, fps)
        self._step, self._most_step = 1.0 / fps, _FASTEST / fps
        self._damping = math.exp(-_SPRING / fps)
        self.reset()

    @property
    def identity(self) -> list[float]:
        return self.sway.identity

    def apply(self, frames: LayerFrames) -> None:
        count = len(frames.offsets)
        turns = np.zeros((count, 3))
        for index in range(count):
            self._follow(frames, index)
            for axis, (slow, fast) in enumerate(self._noises):
                far, farther = _SWAY[axis]
                frame = frames.first + index
                turns[index, axis] = self._lively * (far * slow.at(frame) + farther * fast.at(frame))
            turns[index, 0] += self._pitch
        turns *= self.sway.strength * _RADIANS
        if frames.shares is not None:
            turns *= frames.shares[:, None]
        frames.head_rotation, frames.head_translation = turned_about(
            turns, self._pivot, frames.head_rotation, frames.head_translation
        )

    def _follow(self, frames: LayerFrames, index: int) -> None:
        """Let the spring take its next step."""
        speech = frames.speech
        speaking, stress = bool(speech.speaking[index]), float(speech.stress[index])
        random = mixed(self._nods ^ (frames.first + index))
        self._push, self._lower = self._push * self._nod_kept, self._lower * self._lower_kept
        if stress > 0:
            self._push += (_NOD + _NOD_SPREAD * part(random, 0)) * stress
        if speech.since[index] == 0:
            self._lower = _RAISED if speaking else _LOWER + _LOWER_SPREAD * part(random, 16)
        aim = min(max(self._push + self._lower, -_MOST), _MOST)
        apart = self._pitch - aim
        pull = self._speed + _SPRING * apart
        pitch = aim + (apart + pull * self._step) * self._damping
        pitch = self._pitch + min(max(pitch - self._pitch, -self._most_step), self._most_step)
        speed = (self._speed - _SPRING * pull * self._step) * self._damping
        lively = self._lively + ((1.0 if speaking else _QUIET) - self._lively) * (
            self._livelier if speaking else self._calmer
        )
        self._push, self._lower, self._pitch = single(self._push), single(self._lower), single(pitch)
        self._speed, self._lively = single(speed), single(lively)

    def reset(self) -> None:
        self._push = self._lower = self._pitch = self._speed = 0.0
        self._lively = _QUIET

    def state(self) -> State:
        return {"nod": np.array([self._push, self._lower, self._pitch, self._speed, self._lively], np.float32)}

    def restore(self, state: State) -> None:
        push, lower, pitch, speed, lively = state["nod"].tolist()
        self._push, self._lower, self._pitch = (min(max(value, -10.0), 10.0) for value in (push, lower, pitch))
        self._speed, self._lively = min(max(speed, -100.0), 100.0), min(max(lively, 0.0), 1.0)
