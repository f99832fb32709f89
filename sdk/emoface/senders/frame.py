"""What senders know of a frame, and the angles of a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface import head_pose
from emoface.errors import SenderError
from emoface.rig.names import ARKIT_52

if TYPE_CHECKING:
    from emoface.live.voice import LiveFrames

Floats = npt.NDArray[np.float32]


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


def split(frames: LiveFrames, names: tuple[str, ...], emotions: tuple[str, ...]) -> Iterator[SentFrame]:
    """The frames of a live voice one by one.

    Args:
        frames: n frames.
        names: of their blendshape weights.
        emotions: names of their probabilities.
    """
    batch = frames.batch
    moved = batch.has_head_pose
    for place, time in enumerate(batch.time.tolist()):
        yield SentFrame(
            frames.first + place,
            time,
            dict(zip(names, batch.blendshape_weights[place].tolist(), strict=True)),
            dict(zip(emotions, batch.emotion[place].tolist(), strict=False)),
            batch.head_rotation[place] if moved else None,
            batch.head_translation[place] if moved else None,
        )


def require_shapes(names: tuple[str, ...]) -> None:
    """SenderError where none of ARKit's shapes is among the names."""
    if not set(names) & set(ARKIT_52):
        raise SenderError(
            f"a package whose blendshapes are {', '.join(names[:3]) + ', ...' if names else 'none'}",
            "some of ARKit's 52 by name",
            "Send with a package that has them, or pass blendshapes of your own that are named so.",
        )


def angles(rotation: Floats | None) -> tuple[float, ...]:
    """Yaw, pitch and roll of `emoface.head_pose.euler_angles`, radians; (0, 0, 0) for None."""
    return (0.0, 0.0, 0.0) if rotation is None else tuple(head_pose.euler_angles(rotation[None])[0].tolist())


def quaternion(rotation: Floats | None) -> tuple[float, ...]:
    """x, y, z, w of a rotation, w >= 0; that of no rotation for None."""
    return (0.0, 0.0, 0.0, 1.0) if rotation is None else tuple(head_pose.quaternions(rotation[None])[0].tolist())
