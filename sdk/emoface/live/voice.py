"""One voice of a conversation: audio in, numbered frames out, and what conversations do besides.

Frames are numbered from 0 on one timeline that never goes back: frame m is shown at m / fps of the voice's audio time.
A voice that is interrupted goes on counting; see `LiveVoice.interrupt`.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface import head_pose
from emoface.animator import Animator
from emoface.errors import StreamEndedError
from emoface.frames import FRAME_ARRAYS, FrameBatch
from emoface.live.codes import LiveError
from emoface.options import AnimatorOptions
from emoface.package import Package
from emoface.rig.timeline import Change, given_timeline
from emoface.stream.conditions import condition_vector
from emoface.stream.snapshot import integer, pack, refused, unpack

REST_S = 0.2
"""Seconds in which an interrupted face returns to rest."""
KEPT_S = 10.0
"""Seconds of frames that are kept for those who ask again."""
_LENGTH = struct.Struct("<Q")  # of the voice's own part of a snapshot; the animator's follows
_HELD = tuple(name for name in FRAME_ARRAYS if name != "time")  # of the last frame, which is held at later times
_FADING = ("blendshape_weights", "coefficients", "emotion_coefficients", "head_translation")


@dataclass(frozen=True)
class LiveFrames:
    """n >= 0 consecutive frames of a voice.

    Attributes:
        first: number of the first of them; frame m is shown at m / fps of the voice's audio time.
        batch: what is shown; `batch.time` (n,) are seconds of the voice's audio time (plus the `sync_offset` of the
            controls), `batch.blendshape_weights` the weights, and so on: see `emoface.FrameBatch`.
    """

    first: int
    batch: FrameBatch

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def end(self) -> int:
        """Number of the frame after the last."""
        return self.first + len(self.batch)

    def part(self, first: int, end: int) -> LiveFrames:
        """Those of the frames [first, end) that are among them."""
        begin = min(max(first, self.first), self.end)
        stop = max(begin, min(end, self.end))
        cut = slice(begin - self.first, stop - self.first)
        return LiveFrames(begin, FrameBatch(**{name: getattr(self.batch, name)[cut] for name in FRAME_ARRAYS}))

    @staticmethod
    def joined(parts: list[LiveFrames]) -> LiveFrames:
        """Parts that follow one another as one; ValueError for none at all."""
        return LiveFrames(parts[0].first, FrameBatch.concat(part.batch for part in parts))


class LiveVoice:
    """One voice: no clock, no thread, no socket; not thread-safe.

    Without interruptions its frames are those of an `Animator` with the same options, bit for bit, however the audio is
    cut.

    Args:
        package: the loaded package.
        kept_s: seconds of frames that `frames_from` can repeat.
        **options: see `emoface.options.AnimatorOptions`.

    Raises:
        What `Animator` raises.
    """

    def __init__(self, package: Package, *, kept_s: float = KEPT_S, **options: Any) -> None:
        chosen: AnimatorOptions = {**options}  # type: ignore[typeddict-item]
        # Keys in time are the voice's: an animator would begin with them anew after an interruption.
        keys = given_timeline(chosen.get("emotion"), package.manifest.choices("emotion"))
        self._keys: list[Change] = []
        if keys is not None:
            chosen["emotion"] = keys.start
            self._keys = keys.changes(package.manifest, condition_vector(package.manifest, "emotion", keys.start))
        self.animator = Animator(package, **chosen)
        self.fps, self.sample_rate = self.animator.fps, self.animator.sample_rate
        self._kept_frames = max(1, math.ceil(kept_s * self.fps))
        self._nothing = self.animator.step(np.zeros(0, np.float32))
        self.animator.reset()  # the empty chunk has said nothing of the channels to come
        self._begin()

    def _begin(self) -> None:
        self._start = 0  # number of this stretch's first frame
        self._rising = 0  # frames over which a stretch after an interruption rises from rest
        self._samples = 0  # fed in this stretch
        self.next_frame = 0
        # Conditions by voice's time, in the order of setting.
        self._set: dict[str, list[tuple[float, Any]]] = {"emotion": [*self._keys]} if self._keys else {}
        for at, emotion in self._keys:
            self.animator.set_condition("emotion", emotion, at)
        self._last: FrameBatch | None = None
        self._ended = False
        self._kept: deque[LiveFrames] = deque()

    @property
    def position(self) -> float:
        """Seconds of the voice's audio time up to which audio was heard: where the next chunk begins."""
        return self._start / self.fps + self._samples / self.sample_rate

    @property
    def ended(self) -> bool:
        """Whether `finish` was called."""
        return self._ended

    @property
    def blendshape_names(self) -> tuple[str, ...]:
        """Names of the weights, in order; empty without `blendshapes`."""
        return self.animator.blendshape_names

    def feed(self, chunk: Any, dtype: object = None) -> LiveFrames:
        """Hear the next audio; the frames that are complete.

        Args and errors: as of `Animator.step`. A chunk that is refused changes nothing.
        """
        if self._ended:
            raise StreamEndedError("audio after the end", "reset() first", "Call reset() to begin anew.")
        before = self.animator.fed
        batch = self.animator.step(chunk, dtype=dtype)
        self._samples += self.animator.fed - before
        return self._numbered(batch)

    def finish(self, tail_s: float = 0.0) -> LiveFrames:
        """End the audio: the frames still due, then `tail_s` seconds in which the face returns to rest."""
        batch = self.animator.flush(tail_s)
        self._ended = True
        return self._numbered(batch)

    def set(self, name: str, value: Any, at: float | None = None) -> None:
        """Change a condition (emotion, style, level, person) from second `at` of the voice's audio time on.

        Args and errors: as of `Animator.set_condition`; None is the audio heard so far. It outlasts interruptions.
        """
        at = self.position if at is None else at
        self.animator.set_condition(name, value, max(0.0, at - self._start / self.fps))
        changes = self._set.setdefault(name, [])
        # Of what was changed before the kept frames only the last still matters
        shown = (self.next_frame - self._kept_frames) / self.fps
        past = [change for change in changes if change[0] <= shown]
        changes[:] = past[-1:] + [change for change in changes if shown < change[0] < at] + [(at, value)]

    def set_changes(self, name: str, changes: Iterable[tuple[float, Any]]) -> None:
        """`set` for several (seconds, value), in the order of their times: see `emoface.rig.EmotionBlend`."""
        for at, value in changes:
            self.set(name, value, at)

    def interrupt(self, at: int | None = None, rest_s: float = REST_S) -> LiveFrames:
        """Barge-in: forget what was heard and not yet shown; the face returns to rest within `rest_s` seconds.

        The frames returned lead there from the last one that was shown (a smoothstep, the last is the neutral face) and
        are numbered on; whatever is heard next begins behind them: see `position`. An ended voice hears again.
        Conditions stay as they are. Where nothing was shown yet there are no frames: the face is at rest.

        Args:
            at: number of the first frame that was handed out and not shown, where frames were handed out ahead of their
                time: it and the later ones are withdrawn, and their numbers used again. None: all were shown.
            rest_s: 0 for a face that is at rest already, as after `finish` with a tail: no frames.

        Raises:
            LiveError: code "out_of_order" for a frame that was not handed out, "not_kept" where it is older than
                `kept_s`; nothing changes.
        """
        heard = self.position
        if at is not None and at != self.next_frame:
            self._withdraw(at)
        count = 0 if self._last is None else math.ceil(max(0.0, rest_s) * self.fps)
        first = self.next_frame
        batch = self._to_rest(count) if count else self._nothing
        self.animator.reset()
        self._start, self._samples, self._rising = first + count, 0, count
        self._ended = False
        now = self._start / self.fps
        for name, changes in self._set.items():
            past = [(min(when, now), value) for when, value in changes if when <= max(now, heard)]
            changes[:] = past[-1:] + [change for change in changes if change[0] > max(now, heard)]
            for when, value in changes:
                self.animator.set_condition(name, value, max(0.0, when - now))
        return self._shown(LiveFrames(first, self._timed(first, batch)))

    def _withdraw(self, at: int) -> None:
        """Take back the frames from number `at` on."""
        self._require_kept(at)
        if at:
            self._require_kept(at - 1)
        self._kept = deque(part.part(part.first, at) for part in self._kept if part.first < at)
        self._last = self._kept[-1].part(at - 1, at).batch if at else None
        self.next_frame = at

    def reset(self) -> None:
        """Begin anew at frame 0 with the options that the voice was made with."""
        self.animator.reset()
        self._begin()

    def frames_from(self, frame: int) -> LiveFrames:
        """The frames from number `frame` up to the last that was handed out, with the same bits as then.

        Raises:
            LiveError: code "not_kept" where they are older than `kept_s`, "out_of_order" for a frame that was not
                handed out yet.
        """
        self._require_kept(frame)
        if frame == self.next_frame:
            return LiveFrames(frame, self._nothing)
        return LiveFrames.joined([part.part(frame, part.end) for part in self._kept if part.end > frame])

    def _require_kept(self, frame: int) -> None:
        if not 0 <= frame <= self.next_frame:
            raise LiveError(
                "out_of_order", f"frame {frame}", f"0 to {self.next_frame}", "Ask from a frame that was sent."
            )
        oldest = self._kept[0].first if self._kept else self.next_frame
        if frame < oldest:
            raise LiveError(
                "not_kept", f"frame {frame}", f"one from {oldest} on", "Begin anew: older frames are not kept."
            )

    def snapshot(self) -> bytes:
        """The whole state but the kept frames: `restore` goes on here or on another machine.

        Conditions that were set hold numbers and names alone; arrays are stored as lists.
        """
        header = {
            "start": self._start,
            "rising": self._rising,
            "samples": self._samples,
            "next": self.next_frame,
            "ended": self._ended,
            "set": {name: [[at, _plain(value)] for at, value in changes] for name, changes in self._set.items()},
        }
        last = {} if self._last is None else {name: getattr(self._last, name) for name in _HELD}
        mine = pack(header, last)
        return _LENGTH.pack(len(mine)) + mine + self.animator.snapshot()

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. Raises SnapshotError for one that is damaged or of other options; nothing changes."""
        if not isinstance(data, bytes) or len(data) < _LENGTH.size:
            raise refused("data", "no bytes of a voice", "what LiveVoice.snapshot() returned")
        (size,) = _LENGTH.unpack_from(data)
        header, arrays = unpack(data[_LENGTH.size : _LENGTH.size + size])
        try:
            start, rising, samples, following = (
                integer(header[name], name, 0, 1 << 53) for name in ("start", "rising", "samples", "next")
            )
            changes = {name: [(float(at), value) for at, value in rows] for name, rows in header["set"].items()}
            ended = bool(header["ended"])
            last = FrameBatch(time=np.zeros(1), **arrays) if arrays else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise refused("header", f"another one ({error})", "what LiveVoice.snapshot() wrote") from None
        self.animator.restore(data[_LENGTH.size + size :])
        self._start, self._rising, self._samples = start, rising, samples
        self.next_frame, self._ended, self._last, self._set = following, ended, last, changes
        self._kept.clear()

    def close(self) -> None:
        """Release the stream; closing twice is harmless."""
        self.animator.close()

    def _numbered(self, batch: FrameBatch) -> LiveFrames:
        first = self.next_frame
        if self._start:
            batch = self._timed(first, self._risen(first, batch))
        return self._shown(LiveFrames(first, batch))

    def _shown(self, frames: LiveFrames) -> LiveFrames:
        self.next_frame = frames.end
        if len(frames):
            self._last = frames.part(frames.end - 1, frames.end).batch
            self._kept.append(frames)
            while len(self._kept) > 1 and self.next_frame - self._kept[0].end >= self._kept_frames:
                self._kept.popleft()
        return frames

    def _timed(self, first: int, batch: FrameBatch) -> FrameBatch:
        return replace(batch, time=np.arange(first, first + len(batch)) / self.fps + self.animator.sync_offset)

    def _to_rest(self, count: int) -> FrameBatch:
        """`count` frames from the last one to the neutral face."""
        if self._last is None:
            return self._nothing
        shares = (1.0 - _smoothstep(np.arange(1, count + 1) / count)).astype(np.float32)
        held = FrameBatch(**{name: np.repeat(getattr(self._last, name), count, axis=0) for name in FRAME_ARRAYS})
        return self._scaled(held, shares)

    def _risen(self, first: int, batch: FrameBatch) -> FrameBatch:
        """What comes after an interruption begins at rest, so that layers do not jump."""
        numbers = np.arange(first, first + len(batch)) - self._start
        if not self._rising or not (numbers < self._rising).any():
            return batch
        steps = np.minimum(1.0, (numbers + 1) / self._rising)
        return self._scaled(batch, _smoothstep(steps).astype(np.float32))

    def _scaled(self, batch: FrameBatch, shares: np.ndarray) -> FrameBatch:
        """Frames of whose motion a share (n,) is left."""
        changed: dict[str, Any] = {name: getattr(batch, name) * shares[:, None] for name in _FADING}
        if self.animator.has_vertices:
            template = self.animator.face.template
            changed["vertices"] = template + (batch.vertices - template) * shares[:, None, None]
        changed["head_rotation"] = head_pose.towards_rest(batch.head_rotation, shares)
        return replace(batch, **changed)


def _smoothstep(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return steps * steps * (3.0 - 2.0 * steps)


def _plain(value: Any) -> Any:
    """A condition's value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): float(weight) for name, weight in value.items()}
    if value is None or isinstance(value, str):
        return value
    return np.asarray(value, np.float32).tolist()
