"""Running a package and taking the figures."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.animator import Animator
from emoface.audio.files import read_sound
from emoface.audio.resampler import Resampler
from emoface.package import Package
from emoface.pool import AnimatorPool
from emoface.profile.machine import peak_resident_mb, resident_mb
from emoface.profile.settings import Settings
from emoface.profile.timed_engine import Recorder, timed
from emoface.verification import Check, verify_golden

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
_WARM_UP_S = 2.0
_FIRST_FRAME_CHUNK_MS = 10
_FIRST_FRAME_TRIALS = 3


@dataclass(frozen=True)
class Measured:
    """The figures of one run; times in seconds.

    Attributes:
        package: the package that ran.
        settings: what was asked.
        backend, precision, block_ms: what ran.
        stages: stage names in the manifest's order; `cadences` beside them.
        load, build, open: Package.load, loading the graphs, making the stream.
        declared_latency: in seconds.
        first_frame: (audio that had to arrive, computing on the way), medians.
        begin: (k,) start of each step; `wall` (k,) its duration.
        stage: (k, stages) time in each stage per step; `counts` calls and `voices` voices served, the same shape.
        cpu: CPU time of all steps.
        frames: frames returned, all voices.
        memory: MiB at "start", "loaded", "warm", "end" and "peak"; None where the system does not tell.
        checks: golden vectors; None where they were not compared.
        calls: (c, 5) of stage index, begin, end, n, voices; empty unless a trace was asked for.
    """

    package: Package
    settings: Settings
    backend: str
    precision: str
    block_ms: float
    stages: tuple[str, ...]
    cadences: tuple[str, ...]
    load: float
    build: float
    open: float
    declared_latency: float
    first_frame: tuple[float, float]
    begin: Numbers
    wall: Numbers
    stage: Numbers
    counts: Numbers
    voices: Numbers
    cpu: float
    frames: int
    memory: dict[str, float | None]
    checks: list[Check] | None
    calls: Numbers


def measure(
    path: str | Path,
    settings: Settings,
    keep_calls: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Profile a package: one block of audio per step, steps back to back.

    Args:
        path: package folder, .emoface file or name.
        settings: what to measure.
        keep_calls: keep the time of every call, for a trace.
        on_progress: called with steps done and steps in all.

    Raises:
        What loading the package, making the stream and reading the audio raise.
    """
    memory: dict[str, float | None] = {"start": resident_mb()}
    begin = time.perf_counter()
    package = Package.load(path)
    loaded = time.perf_counter()
    engine = package.engine(settings.backend, settings.precision, settings.threads)
    built = time.perf_counter()
    memory["loaded"] = resident_mb()
    # Before the long part: what cannot be compared should not cost a minute first.
    checks = None
    if settings.accuracy:
        checks = verify_golden(package, settings.backend, settings.precision, settings.threads)

    manifest = package.manifest
    stages = tuple(stage.name for stage in manifest.stages)
    block_ms = settings.block_ms or 1000 * manifest.block_features / manifest.feature_rate
    sound = _sound(settings)
    first_frame = _first_frame(package, settings, sound)
    recorder = Recorder(stages, keep_calls, expected_calls=_expected_calls(package, settings) if keep_calls else 1)
    stream: dict[str, Any] = {"block_ms": settings.block_ms, "sample_rate": settings.sample_rate}
    opening = time.perf_counter()
    runner: _One | _Many
    if settings.voices == 1:
        runner = _One(Animator(package, engine=timed(engine, recorder), **stream), sound, block_ms)
    else:
        pool = AnimatorPool(package, settings.voices, engine=timed(engine, recorder), **stream)
        runner = _Many(pool, sound, block_ms)
    opened = time.perf_counter()
    with runner.animator:
        steps = max(1, int(settings.seconds * 1000 / block_ms))
        for _ in range(max(2, int(_WARM_UP_S * 1000 / block_ms))):
            runner.step()
        recorder.clear()
        table = _Table(steps, len(stages))
        gc.collect()
        memory["warm"] = resident_mb()
        cpu = time.process_time()
        table.fill(runner, recorder, on_progress)
        cpu = time.process_time() - cpu
        memory["end"] = resident_mb()
        memory["peak"] = peak_resident_mb()
        return Measured(
            package=package,
            settings=settings,
            backend=engine.backend,
            precision=engine.precision,
            block_ms=block_ms,
            stages=stages,
            cadences=tuple(stage.cadence for stage in manifest.stages),
            load=loaded - begin,
            build=built - loaded,
            open=opened - opening,
            declared_latency=runner.latency_s,
            first_frame=first_frame,
            begin=table.begin,
            wall=table.wall,
            stage=table.stage,
            counts=table.counts,
            voices=table.voices,
            cpu=cpu,
            frames=table.frames,
            memory=memory,
            checks=checks,
            calls=recorder.calls.copy(),
        )


class _Table:
    """Rows of steps. All memory is taken, and touched, before the first row."""

    def __init__(self, steps: int, stages: int) -> None:
        self.begin, self.wall = np.ones(steps), np.ones(steps)
        self.stage, self.counts, self.voices = (np.ones((steps, stages)) for _ in range(3))
        self.frames = 0

    def fill(self, runner: Any, recorder: Recorder, on_progress: Callable[[int, int], None] | None) -> None:
        steps = len(self.wall)
        for row in range(steps):
            recorder.begin_step()
            begin = time.perf_counter()
            frames = runner.step()
            self.wall[row] = time.perf_counter() - begin
            self.begin[row] = begin
            self.stage[row] = recorder.seconds
            self.counts[row] = recorder.counts
            self.voices[row] = recorder.voices
            self.frames += frames
            if on_progress is not None and (row + 1 == steps or row % 25 == 0):
                on_progress(row + 1, steps)


class _One:
    """An animator fed block by block."""

    def __init__(self, animator: Animator, sound: Floats, block_ms: float) -> None:
        self.animator = animator
        self.latency_s = animator.latency.seconds
        self._size = round(animator.sample_rate * block_ms / 1000)
        self._sound = _Loop(sound, self._size)
        self._at = 0

    def step(self) -> int:
        chunk = self._sound.cut(self._at)
        self._at += self._size
        return len(self.animator.step(chunk))


class _Many:
    """A pool fed block by block; every voice is at another place of the sound."""

    def __init__(self, pool: AnimatorPool, sound: Floats, block_ms: float) -> None:
        self.animator = pool
        voice = pool[pool.voices[0]]
        self.latency_s = voice.latency.seconds
        self._size = round(voice.sample_rate * block_ms / 1000)
        self._sound = _Loop(sound, self._size)
        self._at = [voice * len(sound) // len(pool) for voice in range(len(pool))]

    def step(self) -> int:
        chunks = [self._sound.cut(at) for at in self._at]
        self._at = [at + self._size for at in self._at]
        return sum(map(len, self.animator.step_all(chunks)))


class _Loop:
    """A sound without end, in pieces of one size."""

    def __init__(self, sound: Floats, size: int) -> None:
        self._sound = np.concatenate((sound, np.resize(sound, size)))
        self._length = len(sound)
        self._size = size

    def cut(self, at: int) -> Floats:
        begin = at % self._length
        return self._sound[begin : begin + self._size]


def _sound(settings: Settings) -> Floats:
    """The settings' sound, mono at their rate."""
    sound = read_sound(settings.audio)
    mono = np.ascontiguousarray(sound.samples.mean(axis=1), np.float32)
    resampler = Resampler(sound.rate, settings.sample_rate)
    resampler.append(mono)
    count = max(1, len(mono) * settings.sample_rate // sound.rate)
    resampler.append_silence(max(0, resampler.needed(count) - resampler.received))
    return resampler.read(count)


def _first_frame(package: Package, settings: Settings, sound: Floats) -> tuple[float, float]:
    """Seconds of audio fed in 10 ms chunks until a frame came, and seconds of computing on the way."""
    arrived, spent = [], []
    size = settings.sample_rate * _FIRST_FRAME_CHUNK_MS // 1000
    loop = _Loop(sound, size)
    for _ in range(_FIRST_FRAME_TRIALS):
        with package.animator(
            sample_rate=settings.sample_rate,
            block_ms=settings.block_ms,
            backend=settings.backend,
            precision=settings.precision,
            threads=settings.threads,
        ) as animator:
            chunks, busy, frames = 0, 0.0, 0
            while not frames:
                chunk = loop.cut(chunks * size)
                begin = time.perf_counter()
                frames = len(animator.step(chunk))
                busy += time.perf_counter() - begin
                chunks += 1
            arrived.append(chunks * size / settings.sample_rate)
            spent.append(busy)
    return float(np.median(arrived)), float(np.median(spent))


def _expected_calls(package: Package, settings: Settings) -> int:
    """Calls of a run, roughly from above: one per block stage and block, one per frame stage and frame."""
    blocks = settings.seconds * package.manifest.feature_rate
    frames = settings.seconds * package.manifest.fps
    per_cadence = {"block": blocks, "frames": frames, "frame": frames}
    return int(sum(per_cadence[stage.cadence] for stage in package.manifest.stages)) + 1024
