"""What an animator of a character turns: how strongly and how smoothly the upper and lower face move, and when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError

if TYPE_CHECKING:
    from emoface.package import Face

Floats = npt.NDArray[np.float32]
Blend = Callable[[Floats, Floats, Floats], Floats]

_LIMITS = {
    "upper_strength": (0.0, 3.0),
    "lower_strength": (0.0, 3.0),
    "upper_smoothing": (0.0, 1.0),
    "lower_smoothing": (0.0, 1.0),
    "sync_offset": (-1.0, 1.0),
}
_UPPER_MASKS = ("eyes_forehead", "eyeballs")
_BLUR_ROUNDS = 24


@dataclass(frozen=True)
class RigControls:
    """Controls of a stream. The defaults leave every bit as it is.

    Attributes:
        upper_strength, lower_strength: factor 0 to 3 on the motion of brows and eyes, and of everything else. The
            factors blend smoothly between the regions.
        upper_smoothing, lower_smoothing: time constant in seconds, 0 to 1, of a one-pole low-pass filter.
        sync_offset: seconds, -1 to 1, that the face moves later than the sound (negative: earlier). A stream shifts the
            `time` of its frames; a finished clip is resampled, so that its frames stay at m / fps.

    Raises:
        RigError: a value out of its range.
    """

    upper_strength: float = 1.0
    lower_strength: float = 1.0
    upper_smoothing: float = 0.0
    lower_smoothing: float = 0.0
    sync_offset: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise RigError(f"{name}={value!r}", f"a number from {low:g} to {high:g}", "Choose a value in range.")

    @property
    def moves(self) -> bool:
        """Whether offsets change: a shift in time alone leaves them."""
        return replace(self, sync_offset=0.0) != RigControls()

    @property
    def identity(self) -> list[float]:
        """The values in the order of the attributes."""
        return [float(getattr(self, name)) for name in _LIMITS]


def upper_share(face: Face) -> Floats:
    """Share (V,) of the upper face in each vertex: 1 on brows, forehead and eyes, 0 below, smooth between.

    Raises:
        RigError: the face has no mask `eyes_forehead`.
    """
    if _UPPER_MASKS[0] not in face.masks:
        raise RigError(
            "a face without the mask 'eyes_forehead'",
            "the mask that parts the upper from the lower face",
            "Give both halves the same strength and smoothing, or export the package with the mask.",
        )
    share = np.zeros(len(face.template), np.float64)
    for name in _UPPER_MASKS:
        share[face.masks.get(name, np.zeros(0, np.int32))] = 1.0
    edges = np.concatenate([face.faces[:, [0, 1]], face.faces[:, [1, 2]], face.faces[:, [2, 0]]])
    start, end = np.concatenate([edges, edges[:, ::-1]]).T
    count = np.maximum(np.bincount(start, minlength=len(share)), 1)
    for _ in range(_BLUR_ROUNDS):
        share = 0.5 * share + 0.5 * np.bincount(start, share[end], len(share)) / count
    return share.astype(np.float32)


class ControlFilter:
    """Strength and smoothing of one stream's offsets. The same frames give the same bits for any cut into batches."""

    def __init__(self, controls: RigControls, face: Face, fps: int) -> None:
        c = controls
        self._gain: Floats | None = None
        self._follow: Floats | None = None
        pairs = ((c.upper_strength, c.lower_strength), (c.upper_smoothing, c.lower_smoothing))
        parted = any(upper != lower for upper, lower in pairs)
        share = upper_share(face)[:, None] if parted else np.zeros((len(face.template), 1), np.float32)
        if (c.upper_strength, c.lower_strength) != (1.0, 1.0):
            self._gain = _blend(c.upper_strength, c.lower_strength, share)
        if c.upper_smoothing or c.lower_smoothing:
            self._follow = _blend(follow(c.upper_smoothing, fps), follow(c.lower_smoothing, fps), share)
        self._held = np.zeros(face.template.shape, np.float32)
        self._started = False

    def apply(self, offsets: Floats) -> None:
        """Change offsets (n, V, 3) of the next frames in place. The first frame of a stream passes unsmoothed."""
        if self._gain is not None:
            offsets *= self._gain
        if self._follow is None:
            return
        for frame in offsets:
            if self._started:
                frame -= self._held
                frame *= self._follow
                frame += self._held
            self._held[:] = frame
            self._started = True

    def reset(self) -> None:
        """Begin a new stream."""
        self._started = False
        self._held[:] = 0

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What the next frame depends on; nothing without smoothing."""
        if self._follow is None:
            return {}
        return {"held": self._held.copy(), "started": np.array([self._started], np.int32)}

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Continue from `state`."""
        if self._follow is not None:
            self._held[:] = state["held"]
            self._started = bool(state["started"][0])


def _blend(upper: float, lower: float, share: Floats) -> Floats:
    return np.asarray(np.float32(lower) + np.float32(upper - lower) * share, np.float32)


def follow(seconds: float, fps: int) -> float:
    """Share of the way to a new value that one frame goes: a low-pass filter of one pole, all of it for 0 seconds."""
    return 1.0 - math.exp(-1.0 / (fps * seconds)) if seconds else 1.0


def _linear(first: Floats, second: Floats, share: Floats) -> Floats:
    part = share.reshape(-1, *[1] * (first.ndim - 1))
    return np.asarray(first * (1 - part) + second * part, np.float32)


class ClipShift:
    """A clip's values (T, ...) some frames later, piece by piece; its first and last frames hold at the ends.

    The clip keeps its length; between frames the values are interpolated linearly. Any cut gives the same bits. As many
    frames are held back as the values come earlier.

    Args:
        frames: by how many, or a fraction; negative is earlier.
        blend: (first, second, share (n,)) -> the values between neighbouring frames, instead of linearly.
    """

    def __init__(self, frames: float, blend: Blend | None = None) -> None:
        self._late = frames
        self._blend = blend or _linear
        self._held: Floats | None = None
        self._start = 0  # index of the first value held
        self._made = 0

    def push(self, values: Floats, last: bool) -> Floats:
        """Take the next values (n, ...); returns those that are complete, after the last ones all that are left."""
        if not self._late:
            return values
        held = values if self._held is None else np.concatenate([self._held, values])
        end = self._start + len(held)
        at = np.clip(np.arange(self._made, end) - self._late, 0, max(end - 1, 0))
        before = np.floor(at).astype(np.int64)
        after = np.minimum(before + 1, end - 1)
        if not last:
            # A value is complete when the one after it is here, since the end may still move.
            ready = int(np.searchsorted(before, end - 1))
            at, before, after = at[:ready], before[:ready], after[:ready]
        part = (at - before).astype(np.float32)
        made = self._blend(held[before - self._start], held[after - self._start], part)
        self._made += len(made)
        keep = min(max(0, math.floor(self._made - self._late)), max(0, end - 1))
        self._held, self._start = held[keep - self._start :].copy(), keep
        return np.asarray(made, np.float32)
