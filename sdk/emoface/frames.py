"""What the SDK hands out: batches of frames, and whole animations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.basis import Blendshapes

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]

_NO_WEIGHTS: Floats = np.zeros((0, 0), np.float32)
_PIECE_FRAMES = 64


@dataclass(frozen=True)
class FrameBatch:
    """n >= 0 consecutive frames.

    Attributes:
        time: (n,) float64, seconds of audio time; frame m lies at m / fps.
        vertices: (n, V, 3) float32 in the package's unit (metres for the bundled face), +Y up, +Z front.
        emotion: (n, E) float32, running probabilities of the package's emotions; E = 0 where it has none.
        emotion_weight: (n, V) float32, share of the emotion branch per vertex; (n, 0) where the package has none.
        blendshape_weights: (n, K) float32 in 0..1, in the order of `Animator.blendshape_names`; (n, 0) where the
            animator was made without `blendshapes`.
    """

    time: Times
    vertices: Floats
    emotion: Floats
    emotion_weight: Floats
    blendshape_weights: Floats = field(default_factory=lambda: _NO_WEIGHTS)

    def __post_init__(self) -> None:
        if self.blendshape_weights is _NO_WEIGHTS:
            object.__setattr__(self, "blendshape_weights", np.zeros((len(self.time), 0), np.float32))

    def __len__(self) -> int:
        return len(self.time)

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
        return cls(
            time=np.concatenate([batch.time for batch in items]),
            vertices=np.concatenate([batch.vertices for batch in items]),
            emotion=np.concatenate([batch.emotion for batch in items]),
            emotion_weight=np.concatenate([batch.emotion_weight for batch in items]),
            blendshape_weights=np.concatenate([batch.blendshape_weights for batch in items]),
        )


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
        face, fps, audio_rate, blendshapes: as in Animation, known before the first piece.
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
    def expected(self) -> int | None: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...
    def pieces(self) -> Iterator[Piece]:
        """Sound and frames in order, at least one piece."""
        ...


@dataclass(frozen=True)
class Animation:
    """A finished clip with its face and sound: what writers turn into files.

    Attributes:
        time, vertices, emotion, emotion_weight: as in FrameBatch, T frames.
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
    blendshape_weights: Floats = field(default_factory=lambda: _NO_WEIGHTS)

    def __post_init__(self) -> None:
        if self.blendshape_weights is _NO_WEIGHTS:
            object.__setattr__(self, "blendshape_weights", np.zeros((len(self.time), 0), np.float32))

    def __len__(self) -> int:
        return len(self.time)

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
            frames = FrameBatch(
                time=self.time[part],
                vertices=self.vertices[part],
                emotion=self.emotion[part],
                emotion_weight=self.emotion_weight[part],
                blendshape_weights=self.blendshape_weights[part],
            )
            yield Piece(self.audio[heard:end], frames)
            heard = end
