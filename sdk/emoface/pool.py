"""Several voices in one batch: `step_all(chunks)` -> frames of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from emoface.animator import Animator
from emoface.backends import Array, BatchingEngine, BatchStream, Engine, StageStream
from emoface.errors import ClosedError, EmoFaceError, UsageError, VoiceError
from emoface.frames import FrameBatch
from emoface.manifest import StageSpec
from emoface.options import AnimatorOptions, VoiceOptions, complete, refuse_unknown
from emoface.package import Package
from emoface.stream.driver import Calls, StageCall
from emoface.stream.guard import Guard
from emoface.stream.together import run_together
from emoface.timing import Clock

MOST_VOICES = 4096
"""The largest batch that exported graphs are declared for."""


class AnimatorPool:
    """Voices of one package that run together: one call of a graph serves all voices that wait for it.

    Each voice is a stream of its own, with its own conditions, sample rate and pace: `pool[voice]` is its Animator,
    with `latency`, `set_emotion`, `flush`, `reset`, `snapshot`, `restore` and so on. A snapshot is interchangeable with
    one of an animator alone.

    On the CPU a voice has the same bits in the pool as alone, in every precision: graphs run in a batch only where that
    keeps each voice's bits (tried when the pool is made); int8 graphs, whose activations would share a scale, run voice
    by voice. Backends that cannot batch (those of GPUs, and `native`) run the voices one after another.

    Not thread-safe, its voices included.

    Args:
        package: the loaded package.
        voices: number of voices that join at once, numbered from 0.
        capacity: number of voices at most, up to 4096; None is `voices`.
        engine: graphs already loaded, in place of `backend`, `precision` and `threads`.
        **options: see `emoface.options.AnimatorOptions`. `block_ms`, `backend`, `precision` and `threads` are those of
            all voices; with the others a voice begins unless `join` says otherwise. Voices of one seed blink together:
            `join(blinks=seed)` gives a voice its own.

    Raises:
        UsageError: `voices` or `capacity` out of range; and what `emoface.Animator` raises.
    """

    def __init__(
        self,
        package: Package,
        voices: int,
        *,
        capacity: int | None = None,
        engine: Engine | None = None,
        **options: Unpack[AnimatorOptions],
    ) -> None:
        if not package.manifest.streams:
            raise UsageError(
                f"a pool of package {package.manifest.name!r}, which hears clips as a whole",
                "a package that streams",
                "Animate whole clips with `emoface.animate`, or export the model with a band or a window.",
            )
        joining = _count("voices", voices, MOST_VOICES)
        self.capacity = _count("capacity", joining if capacity is None else capacity, MOST_VOICES)
        _count("voices", voices, self.capacity)
        self.package = package
        self._options = chosen = complete(options)
        if engine is None:
            engine = package.engine(chosen["backend"], chosen["precision"], chosen["threads"])
        self.engine = engine
        self.backend = self.engine.backend
        self.precision = self.engine.precision
        self.guard = Guard("AnimatorPool", "Feed all voices from one thread, or guard the pool with a lock.")
        self._closed = False
        self._voices: dict[int, Voice] = {}
        self._next = 0
        self._free = list(range(self.capacity - 1, -1, -1))  # slots of the batches
        stages = package.manifest.stages
        self._order = {stage.name: place for place, stage in enumerate(stages)}
        self.batches = {stage.name: _open_batch(self.engine, stage, self.capacity) for stage in stages}
        for _ in range(joining):
            self.join()
        self._prepare()

    @property
    def voices(self) -> tuple[int, ...]:
        """The voices there are, in the order in which they joined."""
        return tuple(self._voices)

    def __len__(self) -> int:
        return len(self._voices)

    def __getitem__(self, voice: int) -> Animator:
        """A voice as an Animator. Its own `step` and `flush` run it alone; UsageError for an unknown voice."""
        self._check_open()
        return self._voice(voice)

    def join(self, sample_rate: int | None = None, **options: Unpack[VoiceOptions]) -> int:
        """Add a voice; returns its number, which no other voice of this pool ever has.

        Args:
            sample_rate: rate of the voice's audio; None is the pool's.
            **options: see `emoface.options.VoiceOptions`; they replace the pool's for this voice.

        Raises:
            UsageError: the pool is full, or an option that all voices share; and what `emoface.Animator` raises.
        """
        with self.guard.held():
            self._check_open()
            if not self._free:
                raise UsageError(
                    f"{len(self._voices) + 1} voices",
                    f"at most {self.capacity}, the capacity of the pool",
                    "Call leave(voice) for one that is done, or make the pool with a larger capacity.",
                )
            slot = self._free[-1]
            number = self._next
            refuse_unknown(options, VoiceOptions.__annotations__)
            rate = self._options["sample_rate"] if sample_rate is None else sample_rate
            voice = Voice(self, number, slot, {**self._options, **options, "sample_rate": rate})
            self._free.pop()
            self._next += 1
            self._voices[number] = voice
            return number

    def leave(self, voice: int) -> None:
        """Close a voice and free its place. Frames still due are lost: `pool[voice].flush()` first."""
        self[voice].close()

    def step_all(
        self,
        chunks: Mapping[int, Any] | Sequence[Any],
        sample_rate: int | None = None,
        dtype: object = None,
    ) -> list[FrameBatch]:
        """Feed the next audio of several voices and return the frames that are complete.

        Args:
            chunks: voice -> chunk, or a sequence with one chunk per voice in the order of `voices`. Chunks are as for
                `Animator.step` and may differ in length, dtype and channels. Voices left out of a mapping wait.
            sample_rate: rate of all the chunks where the caller knows it; checked against each voice's.
            dtype: what chunks of raw bytes hold; see `Animator.step`.

        Returns:
            One FrameBatch of n >= 0 frames per chunk, in the order of `chunks`.

        Raises:
            UsageError: an unknown voice, or a sequence of another length than `voices`.
            AudioError, AudioFormatError, StreamEndedError, RuntimeFailure: the voice that was refused is named; no
                voice has changed.
            VoiceError: voices failed while running; the others went on.
        """
        with self.guard.held():
            self._check_open()
            given = self._named(chunks)
            streams = []
            for number, chunk in given.items():
                with _naming(number):
                    streams.append(self._voices[number].begin_step(chunk, sample_rate, dtype))
            return self._run(given, streams)

    def flush_all(self, voices: Iterable[int] | None = None, tail_s: float = 0.0) -> list[FrameBatch]:
        """End the audio of `voices` (None: all) and return the frames still due of each; see `Animator.flush`."""
        with self.guard.held():
            self._check_open()
            numbers = list(self._voices) if voices is None else list(dict.fromkeys(voices))
            streams = []
            for number in numbers:
                voice = self._voice(number)
                with _naming(number):
                    streams.append(voice.begin_flush(tail_s))
            return self._run(numbers, streams)

    def close(self) -> None:
        """Close all voices; every later call raises ClosedError. Closing twice is harmless."""
        if not self._closed:
            with self.guard.held():
                for voice in list(self._voices.values()):
                    voice.release()
                self.batches.clear()
                self._closed = True

    def __enter__(self) -> AnimatorPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def forget(self, number: int, slot: int) -> None:
        """Drop a voice that was closed; voices call it, callers use `leave`."""
        del self._voices[number]
        self._free.append(slot)

    def _run(self, numbers: Iterable[int], streams: list[Calls[FrameBatch]]) -> list[FrameBatch]:
        results = run_together(streams, self._order, self._run_group)
        failures: dict[int, EmoFaceError] = {}
        frames: dict[int, FrameBatch] = {}
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, EmoFaceError):
                failures[number] = result
            else:
                frames[number] = result
        if failures:
            raise VoiceError(failures, frames)
        return list(frames.values())

    def _run_group(self, calls: Sequence[StageCall]) -> Sequence[Mapping[str, Array]]:
        stages = [call.stage.stream for call in calls]
        slots = [stage.slot for stage in stages if isinstance(stage, VoiceStage)]
        return self.batches[calls[0].stage.spec.name].run(slots, [call.inputs for call in calls], calls[0].n)

    def _prepare(self) -> None:
        """Let the backend do once, for every n there will be, what is slow."""
        clock = next(iter(self._voices.values())).clock
        frames = [clock.frames_after_blocks(block) for block in range(clock.fps + clock.delay_features + 2)]
        counts = {"block": {clock.block_features}, "frame": {1}}
        counts["frames"] = {after - before for before, after in pairwise(frames)} - {0}
        for stage in self.package.manifest.stages:
            for n in sorted(counts[stage.cadence]):
                self.batches[stage.name].prepare(n)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("a call after close()", "an open pool", "Make a new one: package.pool(voices=...).")

    def _voice(self, number: int) -> Voice:
        voice = self._voices.get(number)
        if voice is None:
            known = ", ".join(map(str, self._voices)) or "none: call join()"
            raise UsageError(f"voice {number!r}", f"a voice of the pool ({known})", "join() returns a voice's number.")
        return voice

    def _named(self, chunks: Any) -> dict[int, npt.ArrayLike]:
        if isinstance(chunks, Mapping):
            for number in chunks:
                self._voice(number)
            return dict(chunks)
        if isinstance(chunks, np.ndarray) or not isinstance(chunks, Sequence) or len(chunks) != len(self._voices):
            got = f"{len(chunks)} chunks" if isinstance(chunks, (Sequence, np.ndarray)) else type(chunks).__name__
            raise UsageError(
                got,
                f"a list of {len(self._voices)} chunks, one per voice, or a dict of voice -> chunk",
                "Use a dict to feed some of the voices.",
            )
        return dict(zip(self._voices, chunks, strict=True))


class Voice(Animator):
    """One voice of a pool: an Animator whose graphs run in the pool's batches."""

    def __init__(self, pool: AnimatorPool, number: int, slot: int, options: AnimatorOptions) -> None:
        super().__init__(pool.package, engine=_VoiceEngine(pool, slot), **options)
        self._guard = pool.guard
        self._engine = pool.engine  # calibration runs beside the batches
        self._pool = pool
        self._number = number
        self._slot = slot

    @property
    def clock(self) -> Clock:
        """The voice's relations between samples, blocks and frames."""
        return self._driver.clock

    def begin_step(self, chunk: Any, sample_rate: int | None, dtype: object = None) -> Calls[FrameBatch]:
        """A step that checks its chunk now and runs later."""
        self._check_usable()
        return self._stepping(*self._accepted(chunk, sample_rate, dtype))

    def begin_flush(self, tail_s: float) -> Calls[FrameBatch]:
        """A flush that checks its arguments now and runs later."""
        self._check_usable()
        return self._flushing(self._tail_frames(tail_s))

    def release(self) -> None:
        """Close the voice from within the pool's own guard."""
        self._release()

    def _release(self) -> None:
        super()._release()
        self._pool.forget(self._number, self._slot)


class VoiceStage:
    """One stage of one voice: its slot in the pool's batch."""

    def __init__(self, batch: BatchStream, slot: int) -> None:
        self._batch = batch
        self.slot = slot

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        """The voice alone: a batch of one."""
        return self._batch.run((self.slot,), (inputs,), n)[0]

    def reset(self) -> None:
        self._batch.reset(self.slot)

    def state(self) -> dict[str, Array]:
        return self._batch.state(self.slot)

    def restore(self, state: Mapping[str, Array]) -> None:
        self._batch.restore(self.slot, state)


class _VoiceEngine:
    """The pool's engine as one voice sees it."""

    def __init__(self, pool: AnimatorPool, slot: int) -> None:
        self.backend = pool.backend
        self.precision = pool.precision
        self._batches = pool.batches
        self._slot = slot

    def open_stage(self, stage: StageSpec) -> StageStream:
        return VoiceStage(self._batches[stage.name], self._slot)


class OneByOne:
    """The batch of an engine that has none: every slot is a stream of its own."""

    def __init__(self, engine: Engine, stage: StageSpec) -> None:
        self._engine = engine
        self._stage = stage
        self._streams: dict[int, StageStream] = {}

    def prepare(self, n: int) -> None:
        """Nothing is slow once here."""

    def run(self, slots: Sequence[int], inputs: Sequence[Mapping[str, Array]], n: int) -> Sequence[Mapping[str, Array]]:
        return [self._stream(slot).run(given, n) for slot, given in zip(slots, inputs, strict=True)]

    def reset(self, slot: int) -> None:
        self._stream(slot).reset()

    def state(self, slot: int) -> dict[str, Array]:
        return self._stream(slot).state()

    def restore(self, slot: int, state: Mapping[str, Array]) -> None:
        self._stream(slot).restore(state)

    def _stream(self, slot: int) -> StageStream:
        if slot not in self._streams:
            self._streams[slot] = self._engine.open_stage(self._stage)
        return self._streams[slot]


class _naming:
    """Puts the voice's number into an error."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, EmoFaceError):
            raise type(error)(f"voice {self._number}: {error.got}", error.expected, error.remedy) from None


def _open_batch(engine: Engine, stage: StageSpec, slots: int) -> BatchStream:
    if isinstance(engine, BatchingEngine):
        return engine.open_batch(stage, slots)
    return OneByOne(engine, stage)


def _count(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= most:
        raise UsageError(
            f"{name}={value!r}", f"an integer from 1 to {most}", "Several pools on one package share its weights."
        )
    return int(value)
