"""What an animator of a character turns: how strongly and how smoothly parts of the face move, what is added, and when.

csrc/runtime/controls.cpp does the same in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError
from emoface.rig.face_parts import INNER, EyelidOffset, LipOffset, Tongue

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.blinks import Lid

Floats = npt.NDArray[np.float32]
Blend = Callable[[Floats, Floats, Floats], Floats]

_LIMITS = {
    "upper_strength": (0.0, 3.0),
    "lower_strength": (0.0, 3.0),
    "upper_smoothing": (0.0, 1.0),
    "lower_smoothing": (0.0, 1.0),
    "sync_offset": (-1.0, 1.0),
    "mask_level": (0.0, 1.0),
    "mask_softness": (0.0, 0.5),
    "skin_strength": (0.0, 2.0),
    "blink_strength": (0.0, 2.0),
    "blink_offset": (0.0, 1.0),
    "eyelid_open_offset": (-1.0, 1.0),
    "lip_open_offset": (-0.2, 0.2),
    "tongue_strength": (0.0, 3.0),
    "tongue_height_offset": (-3.0, 3.0),
    "tongue_depth_offset": (-3.0, 3.0),
}
_FIRST = 5  # that snapshots always had; the others are told where one of them is not as it was before there were any
_UPPER_MASKS = ("eyes_forehead", "eyeballs")
_LOWER_MASKS = ("jaw", "lips")
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
        mask_level, mask_softness: where the upper face begins, 0 (chin) to 1 (top of the forehead), and over how much
            of that height it blends into the lower: 0.001 to 0.5. A softness of 0 takes the package's own mask instead,
            which follows brows and eyes.
        skin_strength: factor 0 to 2 on the motion of all but teeth, tongue and eyeballs.
        blink_strength: factor 0 to 2 on how far blinks close the eyes; they close no farther than shut.
        blink_offset: 0 to 1, by how much the lids are closed all the time, on top of what they do: 1 is shut.
        eyelid_open_offset: -1 to 1, a weight of `eyeWide` that is added; below 0 the lids close by so much of what is
            between them.
        lip_open_offset: -0.2 to 0.2, a weight of the shapes that part the lips; below 0 it closes lips that are apart,
            until they touch.
        tongue_strength: factor 0 to 3 on the tongue's own motion, beside that of the jaw which carries it.
        tongue_height_offset, tongue_depth_offset: -3 to 3 cm by which the tip of the tongue is higher and farther out;
            its root stays.

    Raises:
        RigError: a value out of its range.
    """

    upper_strength: float = 1.0
    lower_strength: float = 1.0
    upper_smoothing: float = 0.0
    lower_smoothing: float = 0.0
    sync_offset: float = 0.0
    mask_level: float = 0.5
    mask_softness: float = 0.0
    skin_strength: float = 1.0
    blink_strength: float = 1.0
    blink_offset: float = 0.0
    eyelid_open_offset: float = 0.0
    lip_open_offset: float = 0.0
    tongue_strength: float = 1.0
    tongue_height_offset: float = 0.0
    tongue_depth_offset: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise RigError(f"{name}={value!r}", f"a number from {low:g} to {high:g}", "Choose a value in range.")
        if 0 < self.mask_softness < _LEAST_SOFTNESS:
            expected = f"0 for the package's mask, or a number from {_LEAST_SOFTNESS:g} to 0.5"
            raise RigError(f"mask_softness={self.mask_softness!r}", expected, "Choose a value in range.")

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """The least and the largest value of every attribute, in their order."""
        return dict(_LIMITS)

    @property
    def moves(self) -> bool:
        """Whether offsets change before the blinks: a shift in time, a mask and what blinks do leave them."""
        return replace(self, **{name: getattr(_PLAIN, name) for name in _UNMOVED}) != _PLAIN

    @property
    def needs_axes(self) -> bool:
        """Whether up and front must be known."""
        if self.mask_softness or self.tongue_height_offset or self.tongue_depth_offset:
            return True
        return self.lip_open_offset < 0

    @property
    def identity(self) -> list[float]:
        """The values in the order of the attributes; the first five where all others are as they were always."""
        values = [float(getattr(self, name)) for name in _LIMITS]
        plain = [float(getattr(_PLAIN, name)) for name in _LIMITS]
        return values[:_FIRST] if values[_FIRST:] == plain[_FIRST:] else values


_LEAST_SOFTNESS = 0.001
_UNMOVED = ("sync_offset", "mask_level", "mask_softness", "blink_strength", "blink_offset")
_PLAIN = RigControls()


def upper_share(face: Face, level: float = 0.5, softness: float = 0.0) -> Floats:
    """Share (V,) of the upper face in each vertex: 1 on brows, forehead and eyes, 0 below, smooth between.

    With a softness above 0 it depends on the height alone; see `RigControls`.

    Raises:
        RigError: the face has no mask `eyes_forehead`.
    """
    if _UPPER_MASKS[0] not in face.masks:
        raise RigError(
            "a face without the mask 'eyes_forehead'",
            "the mask that parts the upper from the lower face",
            "Give both halves the same strength and smoothing, or export the package with the mask.",
        )
    if softness:
        return _share_by_height(face, level, softness)
    share = np.zeros(len(face.template), np.float64)
    for name in _UPPER_MASKS:
        share[face.masks.get(name, np.zeros(0, np.int32))] = 1.0
    edges = np.concatenate([face.faces[:, [0, 1]], face.faces[:, [1, 2]], face.faces[:, [2, 0]]])
    start, end = np.concatenate([edges, edges[:, ::-1]]).T
    count = np.maximum(np.bincount(start, minlength=len(share)), 1)
    for _ in range(_BLUR_ROUNDS):
        share = 0.5 * share + 0.5 * np.bincount(start, share[end], len(share)) / count
    return share.astype(np.float32)


def _share_by_height(face: Face, level: float, softness: float) -> Floats:
    heights = face.template[:, 1].astype(np.float64)
    below = [face.masks[name] for name in _LOWER_MASKS if name in face.masks]
    bottom = min((float(heights[mask].min()) for mask in below), default=float(heights.min()))
    top = float(heights[face.masks[_UPPER_MASKS[0]]].max())
    if not top > bottom:
        raise RigError("a face whose forehead is not above its jaw", "+Y up", "Leave mask_softness at 0.")
    t = np.clip(((heights - bottom) / (top - bottom) - (level - softness)) / (2.0 * softness), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


class ControlFilter:
    """Controls of one stream's offsets. The same frames give the same bits for any cut into batches.

    The tongue's own motion is scaled first, then all motion, which then is smoothed; what is added at last is constant.

    Args:
        controls: of the stream.
        face: that is animated.
        fps: frames per second.
        unit_in_metres: of its vertices.
        lids: gives the lids of the face's eyes.

    Raises:
        RigError: the face lacks a mask or a shape that a control needs.
    """

    def __init__(
        self, controls: RigControls, face: Face, fps: int, unit_in_metres: float, lids: Callable[[], tuple[Lid, ...]]
    ) -> None:
        c = controls
        self._gain: Floats | None = None
        self._follow: Floats | None = None
        pairs = ((c.upper_strength, c.lower_strength), (c.upper_smoothing, c.lower_smoothing))
        parted = any(upper != lower for upper, lower in pairs)
        share = np.zeros((len(face.template), 1), np.float32)
        if parted:
            share = upper_share(face, c.mask_level, c.mask_softness)[:, None]
        if (c.upper_strength, c.lower_strength) != (1.0, 1.0):
            self._gain = _blend(c.upper_strength, c.lower_strength, share)
        if c.skin_strength != 1.0:
            skin = np.ones(len(face.template), np.bool_)
            for name in INNER:
                skin[face.masks.get(name, np.zeros(0, np.int32))] = False
            if self._gain is None:
                self._gain = np.ones_like(share)
            self._gain[skin] *= np.float32(c.skin_strength)
        if c.upper_smoothing or c.lower_smoothing:
            self._follow = _blend(follow(c.upper_smoothing, fps), follow(c.lower_smoothing, fps), share)
        self._tongue: Tongue | None = None
        lifted = (c.tongue_height_offset, c.tongue_depth_offset)
        if c.tongue_strength != 1.0 or any(lifted):
            self._tongue = Tongue(face, c.tongue_strength, *(0.01 * cm / unit_in_metres for cm in lifted))
        self._added: list[Tongue | LipOffset | EyelidOffset] = [self._tongue] if self._tongue and any(lifted) else []
        if c.lip_open_offset:
            self._added.append(LipOffset(face, c.lip_open_offset))
        if c.eyelid_open_offset:
            self._added.append(EyelidOffset(face, c.eyelid_open_offset, lids))
        self._held = np.zeros(face.template.shape, np.float32)
        self._started = False

    def apply(self, offsets: Floats, shares: Floats | None = None) -> None:
        """Change offsets (n, V, 3) of the next frames in place. The first frame of a stream passes unsmoothed.

        `shares` (n,): factor on what is added, for a face that returns to rest.
        """
        if self._tongue is not None:
            for frame in offsets:
                self._tongue.scale(frame)
        if self._gain is not None:
            offsets *= self._gain
        if self._follow is not None:
            self._smooth(offsets)
        for part in self._added:
            for index, frame in enumerate(offsets):
                part.add(frame, np.float32(1.0) if shares is None else shares[index])

    def _smooth(self, offsets: Floats) -> None:
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
