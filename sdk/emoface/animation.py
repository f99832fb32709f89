"""A whole clip: the same stream, fed in pieces; as an `AnimationStream`, or gathered into one `Animation`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from emoface.animator import Animator
from emoface.audio.chunk import as_samples, check_policy, check_rate, to_mono
from emoface.audio.files import open_sound
from emoface.errors import StreamEndedError
from emoface.frames import FRAME_ARRAYS, Animation, Floats, FrameBatch, Piece
from emoface.head_pose import between
from emoface.options import ClipOptions, complete
from emoface.package import DEFAULT, Face, Package
from emoface.rig.basis import Blendshapes
from emoface.rig.controls import ClipShift
from emoface.stream.choices import tail_frames

_PIECE_S = 1.0


class AnimationStream:
    """A clip that is animated while its `pieces` are taken: writers write it in memory that does not grow with it.

    `stream_file` opens one; use it as a context manager. A package that cannot stream gives one piece at the end.

    Attributes:
        face, fps, audio_rate, blendshapes, has_vertices: as of `Animation`.
        expected: frames that will come; None where only the end of the sound can tell.
        frames, samples: frames and samples handed out so far.

    Args:
        blocks: the sound, arrays (n,) or (n, channels).
        sample_rate: its rate in Hz.
        package: the package.
        samples: number of samples that will come, or None.
        tail_s, changes, **options: as of `animate`.
    """

    def __init__(
        self,
        blocks: Iterable[npt.NDArray[Any]],
        sample_rate: int,
        package: Package,
        *,
        samples: int | None = None,
        tail_s: float = 0.0,
        changes: Iterable[tuple[float, str, Any]] = (),
        **options: Unpack[ClipOptions],
    ) -> None:
        chosen = complete(options)
        self._policy, self._channels = check_policy(chosen["on_bad_audio"]), chosen["channels"]
        self._blocks, self._package, self._tail_s = blocks, package, tail_s
        tail = tail_frames(tail_s, package.manifest.fps)
        self._animator = Animator(package, sample_rate=sample_rate, **options)
        for at, condition, value in changes:
            self._animator.set_condition(condition, value, at)
        self.face: Face = self._animator.face
        self.fps: int = self._animator.fps
        self.audio_rate: int = self._animator.sample_rate
        self.blendshapes: Blendshapes | None = self._animator.blendshapes
        self.has_vertices: bool = self._animator.has_vertices
        self.expected: int | None = None
        if samples is not None:
            self.expected = package.manifest.clock().frames_of(samples, self.audio_rate) + tail
        self.frames = self.samples = 0
        self._elapsed = 0.0
        self._begun = False

    def pieces(self) -> Iterator[Piece]:
        """Sound and frames in order; once per stream.

        Raises:
            StreamEndedError: a second time. AudioError, AudioFileError, RuntimeFailure: as of `Animator.step` and of
            the sound.
        """
        if self._begun:
            raise StreamEndedError("pieces() a second time", "one pass over a stream", "Open another stream.")
        self._begun = True
        # A file's frames lie at m / fps: the clip moves, not its clock.
        late = self._animator.sync_offset * self.fps
        blends = {"head_rotation": between}
        shifts = {name: ClipShift(late, blends.get(name)) for name in FRAME_ARRAYS if name != "time"}
        for mono, batch, last in self._batches():
            values = {name: shift.push(getattr(batch, name), last) for name, shift in shifts.items()}
            first, count = self.frames, len(values["vertices"])
            self.frames += count
            self.samples += len(mono)
            yield Piece(mono, FrameBatch(time=np.arange(first, first + count) / self.fps, **values))

    def _batches(self) -> Iterator[tuple[Floats, FrameBatch, bool]]:
        """Sound, the frames that came with it, and whether these are the last."""
        if self._package.manifest.streams:
            for block in self._blocks:
                yield self._mono(block), self._timed(self._animator.step, block), False
            yield np.zeros(0, np.float32), self._timed(self._animator.flush, self._tail_s), True
        else:
            blocks = list(self._blocks)
            whole = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
            yield self._mono(whole), self._timed(self._animator.whole, whole, self._tail_s), True

    def _mono(self, block: npt.NDArray[Any]) -> Floats:
        mono, self._channels = to_mono(block, self._channels, self._policy)
        return np.asarray(mono, np.float32)

    def _timed(self, call: Callable[..., FrameBatch], *arguments: Any) -> FrameBatch:
        started = time.perf_counter()
        frames = call(*arguments)
        self._elapsed += time.perf_counter() - started
        return frames

    @property
    def metadata(self) -> dict[str, Any]:
        """As of `Animation`; the cost is that of the pieces taken so far."""
        seconds = self.samples / self.audio_rate
        return {
            "synthetic": True,
            "generator": "emoface",
            "package": self._package.manifest.name,
            "package_sha256": self._package.digest,
            "backend": self._animator.backend,
            "precision": self._animator.precision,
            "latency_ms": self._animator.latency.ms,
            "real_time_factor": self._elapsed / seconds if seconds else 0.0,
        }

    def close(self) -> None:
        """Release the animator; closing twice is harmless."""
        self._animator.close()

    def __enter__(self) -> AnimationStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def stream_file(
    path: str | Path,
    package: Package | str | Path = DEFAULT,
    *,
    tail_s: float = 0.0,
    changes: Iterable[tuple[float, str, Any]] = (),
    **options: Unpack[ClipOptions],
) -> Iterator[AnimationStream]:
    """A sound file of any length as an `AnimationStream`, for `emoface.writers.write_all`; closed at the block's end.

    Arguments and errors: as of `animate_file`. What is wrong with the arguments is told before the first frame; what is
    wrong with the sound, where it is reached.
    """
    loaded = package if isinstance(package, Package) else Package.load(package)
    with open_sound(path) as sound:
        blocks = sound.blocks(max(1, int(_PIECE_S * sound.rate)))
        arguments: dict[str, Any] = {"samples": sound.frames, "tail_s": tail_s, "changes": changes, **options}
        with AnimationStream(blocks, sound.rate, loaded, **arguments) as stream:
            yield stream


def animate(
    audio: npt.ArrayLike,
    sample_rate: int,
    package: Package | str | Path = DEFAULT,
    *,
    tail_s: float = 0.0,
    changes: Iterable[tuple[float, str, Any]] = (),
    on_progress: Callable[[float], None] | None = None,
    **options: Unpack[ClipOptions],
) -> Animation:
    """Animate a whole clip.

    Args:
        audio: (N,) or (N, channels), any supported dtype.
        sample_rate: its rate in Hz.
        package: a loaded package, a path or a name.
        tail_s: seconds of frames, after the sound, in which the face returns to its template.
        changes: (seconds, condition, value) of conditions that change in the clip; see `Animator.set_condition`.
        on_progress: called with the fraction done.
        **options: see `emoface.options.ClipOptions`: style, emotion, level, template, ...

    Returns:
        Animation of floor(N fps / sample_rate) frames plus the tail. `metadata` holds what was used and the cost:
        `latency_ms`, `real_time_factor` (processing time / audio time).
    """
    loaded = package if isinstance(package, Package) else Package.load(package)
    whole = as_samples(audio)
    chosen = complete(options)
    # Of the wrong shape or with bad samples anywhere: refused before the work.
    to_mono(whole, chosen["channels"], check_policy(chosen["on_bad_audio"]))
    piece = max(1, int(_PIECE_S * check_rate(sample_rate)))
    blocks = (whole[start : start + piece] for start in range(0, len(whole), piece))
    arguments: dict[str, Any] = {"samples": len(whole), "tail_s": tail_s, "changes": changes, **options}
    with AnimationStream(blocks, sample_rate, loaded, **arguments) as stream:
        return gathered(stream, on_progress)


def animate_file(
    path: str | Path,
    package: Package | str | Path = DEFAULT,
    *,
    tail_s: float = 0.0,
    changes: Iterable[tuple[float, str, Any]] = (),
    on_progress: Callable[[float], None] | None = None,
    **options: Unpack[ClipOptions],
) -> Animation:
    """Animate a sound file (wav, flac, ogg, ...); arguments as for `animate`."""
    with stream_file(path, package, tail_s=tail_s, changes=changes, **options) as stream:
        return gathered(stream, on_progress)


def gathered(stream: AnimationStream, on_progress: Callable[[float], None] | None = None) -> Animation:
    """The whole clip in memory: 12 V bytes a frame and more."""
    pieces = []
    for piece in stream.pieces():
        pieces.append(piece)
        if on_progress is not None and stream.expected:
            on_progress(min(1.0, stream.frames / stream.expected))
    frames = FrameBatch.concat(piece.frames for piece in pieces)
    return Animation(
        **vars(frames),
        face=stream.face,
        fps=stream.fps,
        audio=np.concatenate([piece.audio for piece in pieces]),
        audio_rate=stream.audio_rate,
        metadata=stream.metadata,
        blendshapes=stream.blendshapes,
    )
