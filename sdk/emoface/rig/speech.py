"""What the seeded layers hear of the speech: where phrases begin and end, and what is stressed.

It is read off the model's own motion, frame by frame, so that it costs no graph and knows nothing of the future: the
lips' distance from rest rises and falls with the syllables, and stays where it is in a pause. As
csrc/runtime/speech.cpp, bit for bit: float64 with + - * / and square roots in this order, what is remembered as
float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.rig.controls import follow
from emoface.rig.seeded import single

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.layers import LayerFrames, State

# Vertices of the lips that are looked at; a power of two, since sums are folded in halves.
_PROBES = 32
_LIPS = "lips"
# Of the mouth's width per second: lips that move faster speak, and rest when they have become slower.
_SPEAKS, _RESTS = 0.5, 0.2
_RISE_S, _FALL_S = 0.03, 0.2  # how fast the speed is followed up and down
_USUAL, _USUAL_S = 1.0, 1.5  # the speed of speech at the start, and how fast that is learnt
_STRESSED, _MOST_STRESS = 1.1, 3.0  # an opening that is so much faster than usual; most that is made of it
_REST_MS = 450  # between two stresses
_MOST = 1000.0
_MOST_FRAMES = 1 << 40


@dataclass(frozen=True)
class Speech:
    """Of frames (n,): what is heard.

    Attributes:
        stress: float64, 0 or how strongly the frame is stressed, up to 1.
        speaking: bool, whether a phrase is going on.
        since: int64, frames since it began, or has ended; 0 in the frame of the change.
    """

    stress: npt.NDArray[np.float64]
    speaking: npt.NDArray[np.bool_]
    since: npt.NDArray[np.int64]


class SpeechLayer:
    """Follows the lips; a face without the mask `lips` never speaks.

    Args:
        face: that is animated.
        fps: frames per second.
    """

    place = "speech"
    identity = None
    _moved_before: float
    _speed: float
    _usual: float
    _started: bool
    _speaking: bool
    _since: int
    _rested: int

    def __init__(self, face: Face, fps: int) -> None:
        lips = face.masks.get(_LIPS, np.zeros(0, np.int32))
        self._width = 0.0
        if len(lips):
            self._probes = lips[np.arange(_PROBES) * len(lips) // _PROBES]
            points = face.template[lips].astype(np.float64)
            self._width = float((points.max(axis=0) - points.min(axis=0)).max())
        self._fps = fps
        self._rise, self._fall, self._learn = (follow(s, fps) for s in (_RISE_S, _FALL_S, _USUAL_S))
        self.reset()

    def apply(self, frames: LayerFrames) -> None:
        count = len(frames.offsets)
        frames.speech = Speech(np.zeros(count), np.zeros(count, np.bool_), np.ones(count, np.int64))
        if not self._width > 0:
            return
        for index, moved in enumerate(self._moved(frames.offsets).tolist()):
            frames.speech.stress[index] = self._hear(moved)
            frames.speech.speaking[index] = self._speaking
            frames.speech.since[index] = self._since

    def _moved(self, offsets: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Root mean square distance (n,) of the lips from rest, in widths of the mouth."""
        probes = offsets[:, self._probes].astype(np.float64)
        squares = probes[..., 0] * probes[..., 0] + probes[..., 1] * probes[..., 1] + probes[..., 2] * probes[..., 2]
        while squares.shape[1] > 1:
            half = squares.shape[1] // 2
            squares = squares[:, :half] + squares[:, half:]
        return np.minimum(np.sqrt(squares[:, 0] / _PROBES) / self._width, _MOST)

    def _hear(self, moved: float) -> float:
        """Take in the next frame; returns its stress."""
        rise = (moved - self._moved_before) * self._fps if self._started else 0.0
        speed = abs(rise)
        fast = self._speed + (speed - self._speed) * (self._rise if speed > self._speed else self._fall)
        speaking = fast > (_RESTS if self._speaking else _SPEAKS)
        self._since = 0 if speaking != self._speaking else min(self._since + 1, _MOST_FRAMES)
        self._rested = min(self._rested + 1, _MOST_FRAMES)
        stress = 0.0
        if speaking:
            if rise > _STRESSED * self._usual and self._rested * 1000 >= _REST_MS * self._fps:
                stress = min(rise / self._usual, _MOST_STRESS) / _MOST_STRESS
                self._rested = 0
            self._usual = single(max(self._usual + (fast - self._usual) * self._learn, _RESTS))
        self._started, self._speaking = True, speaking
        self._moved_before, self._speed = single(moved), single(fast)
        return stress

    def reset(self) -> None:
        self._moved_before, self._speed, self._usual = 0.0, 0.0, _USUAL
        self._started = self._speaking = False
        self._since = self._rested = 0

    def state(self) -> State:
        return {
            "lips": np.array([self._moved_before, self._speed, self._usual], np.float32),
            "phrase": np.array([self._started, self._speaking, self._since, self._rested], np.int64),
        }

    def restore(self, state: State) -> None:
        moved, speed, usual = (min(max(value, 0.0), _MOST * 1000) for value in state["lips"].tolist())
        self._moved_before, self._speed, self._usual = moved, speed, max(usual, single(_RESTS))
        started, speaking, since, rested = state["phrase"].tolist()
        self._started, self._speaking = started == 1, speaking == 1
        self._since, self._rested = (min(max(count, 0), _MOST_FRAMES) for count in (since, rested))
