"""What the SDK hands out: batches of frames, and whole animations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from emoface import head_pose

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.basis import Blendshapes

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]

_NOTHING: Floats = np.zeros((0, 0), np.float32)
# What few animations have, and the shape of a frame's part where there is nothing.
_OPTIONAL: Mapping[str, tuple[int, ...]] = {
    "blendshape_weights": (0,),
    "head_rotation": (0, 0),
    "head_translation": (0,),
    "arousal": (0,),
    "valence": (0,),
    "confidence": (0,),
    "coefficients": (0,),
    "emotion_coefficients": (0,),
}
_PIECE_FRAMES = 64


class FrameArrays:
    """What a `FrameBatch` and an `Animation` have in common: frames as arrays, and views of them."""

    if TYPE_CHECKING:

        @property
        def time(self) -> Times: ...
        @property
        def vertices(self) -> Floats: ...
        @property
        def head_rotation(self) -> Floats: ...
        @property
        def head_translation(self) -> Floats: ...

    def __post_init__(self) -> None:
        for name, shape in _OPTIONAL.items():
            if getattr(self, name) is _NOTHING:
                object.__setattr__(self, name, np.zeros((len(self.time), *shape), np.float32))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def has_head_pose(self) -> bool:
        """Whether the head moves as a whole, by the model or by `head_sway`."""
        return self.head_rotation.shape[1:] == (3, 3)

    @property
    def head_quaternion(self) -> Floats:
        """The rotations as unit quaternions (n, 4) x, y, z, w with w >= 0; (n, 0) where there are none."""
        if not self.has_head_pose:
            return np.zeros((len(self), 0), np.float32)
        return head_pose.quaternions(self.head_rotation).astype(np.float32)

    @property
    def head_euler(self) -> Floats:
        """The rotations as yaw, pitch, roll (n, 3) in radians; (n, 0) where there are none.

        R = Ry(yaw) Rx(pitch) Rz(roll), right-handed about the axes: with +Y up and +Z front, positive yaw turns the
        face to its own left, positive pitch lowers it, positive roll tilts it to its own right.
        """
        if not self.has_head_pose:
            return np.zeros((len(self), 0), np.float32)
        return head_pose.euler_angles(self.head_rotation).astype(np.float32)

    @property
    def posed_vertices(self) -> Floats:
        """The vertices (n, V, 3) with the head's pose applied, R v + T; `vertices` where there is none."""
        return head_pose.posed(self.vertices, self.head_rotation, self.head_translation)


@dataclass(frozen=True)
class FrameBatch(FrameArrays):
    """n >= 0 consecutive frames.

    Attributes:
        time: (n,) float64, seconds of audio time; frame m lies at m / fps.
        vertices: (n, V, 3) float32 in the package's unit (metres for the bundled face), +Y up, +Z front; (n, 0, 3)
            where the animator was made with `vertices=False`.
        emotion: (n, E) float32, running probabilities of the package's emotions; E = 0 where it has none.
        emotion_weight: (n, V) float32, share of the emotion branch per vertex; (n, 0) where the package has none.
        blendshape_weights: (n, K) float32 in 0..1, in the order of `Animator.blendshape_names`; (n, 0) where the
            animator was made without `blendshapes`.
        head_rotation: (n, 3, 3) float32, the head's rotation as matrices R, orthonormal to 1e-6 with determinant +1;
            (n, 0, 0) where neither the package nor `head_sway` moves the head. A posed vertex is R v + T about the
            origin; `vertices` never hold it.
        head_translation: (n, 3) float32, T in the package's unit; (n, 0) where there is none.
        arousal, valence, confidence: (n, 1) float32, what the model hears in the voice, in its own scale; (n, 0) where
            the package does not say.
        coefficients: (n, R) float32, the motion in the basis `Face.basis` of the package; (n, 0) where it gives none.
        emotion_coefficients: (n, R) float32, of the emotion branch, whose share of a vertex is its `emotion_weight`;
            (n, 0) where the package has no such branch.
    """

    time: Times
    vertices: Floats
    emotion: Floats
    emotion_weight: Floats
    blendshape_weights: Floats = field(default_factory=lambda: _NOTHING)
    head_rotation: Floats = field(default_factory=lambda: _NOTHING)
    head_translation: Floats = field(default_factory=lambda: _NOTHING)
    arousal: Floats = field(default_factory=lambda: _NOTHING)
    valence: Floats = field(default_factory=lambda: _NOTHING)
    confidence: Floats = field(default_factory=lambda: _NOTHING)
    coefficients: Floats = field(default_factory=lambda: _NOTHING)
    emotion_coefficients: Floats = field(default_factory=lambda: _NOTHING)

    @classmethod
    def empty(cls, vertices: int, emotions: int, weights: int) -> FrameBatch:
        """A batch of no frames: vertices (0, V, 3)."""
        return cls(
            time=np.zeros(0, np.float64),
            vertices=np.zeros((0, vertices, 3), np.float32),
            emotion=np.zeros((0, emotions), np.float32),
            emotion_weight=np.zeros((0, weights), np.float32),
        )

    @classmethod
    def concat(cls, batches: Iterable[FrameBatch]) -> FrameBatch:
        """Consecutive batches as one; ValueError for none at all."""
        items = list(batches)
        if len(items) == 1:
            return items[0]
        return cls(**{name: np.concatenate([getattr(batch, name) for batch in items]) for name in FRAME_ARRAYS})


FRAME_ARRAYS = tuple(item.name for item in fields(FrameBatch))
"""Names of a `FrameBatch`'s arrays."""


@dataclass(frozen=True)
class Piece:
    """The next part of a clip: sound, and frames, which may belong to sound that came before.

    Attributes:
        audio: (n,) float32 mono, n >= 0.
        frames: m >= 0 frames.
    """

    audio: Floats
    frames: FrameBatch


class Clip(Protocol):
    """What writers turn into files: an `Animation`, which is in memory, or an `AnimationStream`, which is being made.

    Attributes:
        face, fps, audio_rate, blendshapes, has_vertices: as in Animation, known before the first piece.
        expected: frames that will come, or None where that is not known yet.
        metadata: as in Animation, complete when the pieces have ended.
    """

    @property
    def face(self) -> Face: ...
    @property
    def fps(self) -> int: ...
    @property
    def audio_rate(self) -> int: ...
    @property
    def blendshapes(self) -> Blendshapes | None: ...
    @property
    def has_vertices(self) -> bool: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...
    def pieces(self) -> Iterator[Piece]:
        """Sound and frames in order, at least one piece."""
        ...


@dataclass(frozen=True)
class Animation(FrameArrays):
    """A finished clip with its face and sound: what writers turn into files.

    Attributes:
        time, vertices, emotion, emotion_weight, head_rotation, head_translation, arousal, valence, confidence,
            coefficients, emotion_coefficients: as in FrameBatch, T frames.
        face: topology, masks and colours; `face.template` is the template that was animated.
        fps: frames per second.
        audio: (N,) float32 mono, the sound the animation belongs to.
        audio_rate: its sample rate in Hz.
        metadata: what a file should say about itself; always holds {"synthetic": True}.
        blendshapes: the shapes that `blendshape_weights` (T, K) belong to, or None and (T, 0).
    """

    time: Times
    vertices: Floats
    emotion: Floats
    emotion_weight: Floats
    face: Face
    fps: int
    audio: Floats
    audio_rate: int
    metadata: Mapping[str, Any] = field(default_factory=lambda: {"synthetic": True})
    blendshapes: Blendshapes | None = None
    blendshape_weights: Floats = field(default_factory=lambda: _NOTHING)
    head_rotation: Floats = field(default_factory=lambda: _NOTHING)
    head_translation: Floats = field(default_factory=lambda: _NOTHING)
    arousal: Floats = field(default_factory=lambda: _NOTHING)
    valence: Floats = field(default_factory=lambda: _NOTHING)
    confidence: Floats = field(default_factory=lambda: _NOTHING)
    coefficients: Floats = field(default_factory=lambda: _NOTHING)
    emotion_coefficients: Floats = field(default_factory=lambda: _NOTHING)

    @property
    def has_vertices(self) -> bool:
        """Whether the frames hold vertices."""
        return bool(self.vertices.shape[1])

    @property
    def expected(self) -> int:
        """The number of frames."""
        return len(self)

    def pieces(self) -> Iterator[Piece]:
        """The animation in parts, each with the sound of its frames; the last has the sound that is left."""
        heard = 0
        for start in range(0, max(1, len(self)), _PIECE_FRAMES):
            part = slice(start, start + _PIECE_FRAMES)
            last = part.stop >= len(self)
            end = len(self.audio) if last else min(len(self.audio), part.stop * self.audio_rate // self.fps + 1)
            frames = FrameBatch(**{name: getattr(self, name)[part] for name in FRAME_ARRAYS})
            yield Piece(self.audio[heard:end], frames)
            heard = end
