"""What senders know of a frame, and the angles of a head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emoface.errors import SenderError
from emoface.rig.names import ARKIT_52

Floats = npt.NDArray[np.float32]
_SIZE = 9


@dataclass(frozen=True)
class SentFrame:
    """One frame as it is sent.

    Attributes:
        index: its number in the stream.
        time: seconds of audio.
        weights: by the name of the shape; ARKit's are what senders look for.
        emotion: probabilities by name; empty where there are none.
        head_rotation, head_translation: (3, 3) orthonormal and (3,) metres, axes +Y up, +Z front; None where nothing
            moves the head.
    """

    index: int
    time: float
    weights: Mapping[str, float]
    emotion: Mapping[str, float] = field(default_factory=dict)
    head_rotation: Floats | None = None
    head_translation: Floats | None = None


class SomeFrames(Protocol):
    """What senders need of a batch, as `emoface.frames.FrameBatch` and the frames of a live voice have it."""

    @property
    def time(self) -> npt.NDArray[np.float64]: ...
    @property
    def emotion(self) -> Floats: ...
    @property
    def head_rotation(self) -> Floats: ...
    @property
    def head_translation(self) -> Floats: ...


def split(
    frames: SomeFrames, weights: Floats, names: tuple[str, ...], emotions: tuple[str, ...], first: int
) -> Iterator[SentFrame]:
    """The frames of a batch one by one.

    Args:
        frames: n frames.
        weights: (n, K) of `names`.
        names: of the shapes.
        emotions: names of `frames.emotion`.
        first: number of the first frame.
    """
    moved = frames.head_rotation.size == _SIZE * len(frames.time)
    for place, time in enumerate(frames.time.tolist()):
        yield SentFrame(
            first + place,
            time,
            dict(zip(names, weights[place].tolist(), strict=True)),
            dict(zip(emotions, frames.emotion[place].tolist(), strict=False)),
            frames.head_rotation[place] if moved else None,
            frames.head_translation[place] if moved else None,
        )


def require_shapes(names: tuple[str, ...]) -> None:
    """SenderError where none of ARKit's shapes is among the names."""
    if not set(names) & set(ARKIT_52):
        raise SenderError(
            f"a package whose blendshapes are {', '.join(names[:3]) + ', ...' if names else 'none'}",
            "some of ARKit's 52 by name",
            "Send with a package that has them, or pass blendshapes of your own that are named so.",
        )


def angles(rotation: Floats | None) -> tuple[float, float, float]:
    """Yaw (about +Y, to the face's left), pitch (about +X, down) and roll (about +Z, to its right shoulder), radians.

    Turned by yaw first, then about the turned axes by pitch and roll; (0, 0, 0) for None.
    """
    if rotation is None:
        return 0.0, 0.0, 0.0
    r = np.asarray(rotation, np.float64)
    pitch = math.asin(min(max(-float(r[1, 2]), -1.0), 1.0))
    yaw = math.atan2(float(r[0, 2]), float(r[2, 2]))
    roll = math.atan2(float(r[1, 0]), float(r[1, 1]))
    return yaw, pitch, roll


def quaternion(rotation: Floats | None) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation, w >= 0; that of no rotation for None."""
    if rotation is None:
        return 0.0, 0.0, 0.0, 1.0
    r = np.asarray(rotation, np.float64)
    # The largest of the four is found first, so that nothing is divided by what is near 0.
    squares = [1 + r[0, 0] - r[1, 1] - r[2, 2], 1 - r[0, 0] + r[1, 1] - r[2, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2]]
    squares.append(1 + r[0, 0] + r[1, 1] + r[2, 2])
    largest = int(np.argmax(squares))
    q = np.zeros(4)
    q[largest] = math.sqrt(max(squares[largest], 0.0)) / 2
    scale = 1 / (4 * q[largest])
    if largest == 3:
        q[:3] = (r[2, 1] - r[1, 2]) * scale, (r[0, 2] - r[2, 0]) * scale, (r[1, 0] - r[0, 1]) * scale
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q[j], q[k], q[3] = (r[j, i] + r[i, j]) * scale, (r[k, i] + r[i, k]) * scale, (r[k, j] - r[j, k]) * scale
    q = q if q[3] >= 0 else -q
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])
