"""The driver: runs a manifest's stages over a stream of audio, whatever the model's family.

Audio is gathered into a fixed grid of blocks, so the caller's cuts cannot reach the graphs: every graph sees the same
arrays in the same order for the same audio, and gives the same bits. A block yields new features; features that
complete new frames are interpolated to the frame rate; `frames` stages run once over them and `frame` stages frame by
frame.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from emoface.audio.offset import OffsetRemover
from emoface.audio.resampler import Resampler
from emoface.backends import Array, DrivingEngine, Engine
from emoface.manifest import ROLES, Manifest
from emoface.stream.choices import change_moment
from emoface.stream.conditions import ConditionTimeline, Vector
from emoface.stream.expansion import OF_STAGES, OffsetSource
from emoface.stream.features import FeatureTrack, Floats, Interpolation
from emoface.stream.motion import Motion
from emoface.stream.noise import NoiseSource
from emoface.stream.plan import PlannedStage, make_plan
from emoface.stream.state import driver_state, restore_driver
from emoface.timing import Clock

Probe = Callable[[str, str, int, Floats], None]


class StageCall(NamedTuple):
    """A stage that a stream wants run next.

    Attributes:
        stage: the stage; `stage.stream` holds its state.
        inputs: its arrays (1, ...).
        n: new features or frames.
        block: the block the call belongs to.
    """

    stage: PlannedStage
    inputs: Mapping[str, Array]
    n: int
    block: int


_T = TypeVar("_T")
Calls = Generator[StageCall, Mapping[str, Array], _T]
"""A stream at work: it names the stages to run, is sent their outputs, and ends with its result. Whoever runs the calls
decides how: one by one (`run_alone`), or those of several streams together."""


def run_alone(calls: Calls[_T]) -> _T:
    """Run every call as it comes."""
    try:
        call = next(calls)
        while True:
            call = calls.send(call.stage.stream.run(call.inputs, call.n))
    except StopIteration as stop:
        result: _T = stop.value
        return result


class StreamDriver(Protocol):
    """What an animator needs of a stream, whoever runs its stages."""

    clock: Clock

    @property
    def fed(self) -> int:
        """Samples fed."""

    @property
    def latency(self) -> int:
        """Declared latency in samples at the caller's rate, the resampler's delay included."""

    def reset(self) -> None:
        """Back to the start of a stream; conditions too."""

    def set_condition(self, name: str, vector: Vector, at: float | None) -> None:
        """Let `vector` hold from audio time `at` on (None: the audio fed so far); ConditionError for the past."""

    def feed(self, samples: Floats) -> Calls[Motion]:
        """Add mono samples and run every block that is due."""

    def finish(self, extra_frames: int = 0) -> Calls[Motion]:
        """Feed zeros until all promised frames, and `extra_frames` more, are out."""

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What a snapshot's header and arrays say about the stream."""

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()`; SnapshotError, and nothing changed, where a field does not fit."""


def open_driver(
    manifest: Manifest,
    engine: Engine,
    clock: Clock,
    rate: int,
    timeline: ConditionTimeline,
    probe: Probe | None = None,
    noise_seed: int = 0,
    source: OffsetSource = OF_STAGES,
) -> StreamDriver:
    """A stream on `engine`, run by the engine itself where it can; arguments as of `Driver`."""
    if not manifest.streams:
        # Imported here: few packages need it, and it is built on this module.
        from emoface.stream.clip import ClipDriver

        return ClipDriver(manifest, engine, clock, rate, timeline, probe)
    if isinstance(engine, DrivingEngine):
        return engine.open_driver(manifest, clock, rate, timeline, probe, noise_seed, source)
    return Driver(manifest, engine, clock, rate, timeline, probe, noise_seed, source)


class Driver:
    """One stream.

    Args:
        manifest: the package's manifest.
        engine: loaded graphs.
        clock: the manifest's clock at the stream's block size.
        rate: sample rate of the audio fed, in Hz.
        timeline: the conditions.
        probe: called with (stage, output, first index, array (k, ...)) after every stage call: for verification. The
            index counts features after the dropped look-ahead, or frames. Stages then hear the audio as it was fed, its
            offset included, as in golden vectors and in PyTorch.
        noise_seed: of the noise that stages read.
        source: where vertex offsets come from.
    """

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        clock: Clock,
        rate: int,
        timeline: ConditionTimeline,
        probe: Probe | None = None,
        noise_seed: int = 0,
        source: OffsetSource = OF_STAGES,
    ) -> None:
        self.manifest = manifest
        self.clock = clock
        self.plan = make_plan(manifest, engine, source.graphs, probed=probe is not None)
        self.timeline = timeline
        self.noise = NoiseSource(manifest.noise, noise_seed)
        self.resampler = Resampler(rate, clock.sample_rate)
        self.offset = OffsetRemover(clock.hop, clock.overlap)
        self._probe = probe
        self._expansion = source.expansion
        shapes = manifest.role_shapes
        self._shapes = {role: shapes[role] if role in self.plan.results else (0,) * len(shapes[role]) for role in ROLES}
        self._shapes["offsets"] = (manifest.vertices if source.any else 0, 3)
        self.reset()

    def reset(self) -> None:
        """Back to the start of a stream; conditions too."""
        self.fed = 0
        self.blocks = 0
        self.frames = 0
        self.overlap = np.zeros(0, np.float32)
        self.tracks = {key: FeatureTrack() for key in self.plan.interpolated}
        self.resampler.reset()
        self.offset.reset()
        self.timeline.reset()
        for stage in self.plan.stages:
            stage.stream.reset()

    @property
    def latency(self) -> int:
        """Declared latency in samples at the caller's rate, the resampler's delay included."""
        return self.clock.latency(self.resampler.rate, self.resampler.needed)

    def set_condition(self, name: str, vector: Vector, at: float | None) -> None:
        """Let `vector` hold from audio time `at` on (None: the audio fed so far); ConditionError for the past."""
        now = self.fed / self.resampler.rate
        self.timeline.set(name, vector, change_moment(name, at, now, self._earliest_change(name)))

    def _earliest_change(self, condition: str) -> float:
        """The earliest audio time, in seconds, from which `condition` can still change."""
        moments = [0.0]
        if self.plan.reads_in_frames(condition):
            moments.append(np.nextafter((self.frames - 1) / self.clock.fps, np.inf) if self.frames else -np.inf)
        if self.plan.reads_in_blocks(condition) and self.blocks:
            moments.append(np.nextafter(self.block_time(self.blocks - 1), np.inf))
        return float(max(moments))

    def feed(self, samples: Floats) -> Calls[Motion]:
        """Add mono samples and run every block that is due."""
        self.resampler.append(samples)
        self.fed += len(samples)
        blocks = self.blocks
        while self.clock.due(blocks, self.resampler.rate, self.resampler.needed) <= self.fed:
            blocks += 1
        return (yield from self._run(blocks, self.clock.frames_after_blocks(blocks)))

    def finish(self, extra_frames: int = 0) -> Calls[Motion]:
        """Feed zeros until all promised frames, and `extra_frames` more, are out."""
        total = self.clock.frames_of(self.fed, self.resampler.rate) + extra_frames
        blocks = self.blocks
        while self.clock.frames_after_blocks(blocks) < total:
            blocks += 1
        if blocks > self.blocks:
            needed = self.resampler.needed(self.clock.samples_for_block(blocks - 1))
            self.resampler.append_silence(max(0, needed - self.resampler.received))
        return (yield from self._run(blocks, total))

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What a snapshot's header and arrays say about the stream."""
        return driver_state(self)

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()`; SnapshotError, and nothing changed, where a field does not fit."""
        restore_driver(self, header, arrays)

    def _run(self, blocks: int, total_frames: int) -> Calls[Motion]:
        """Run blocks up to `blocks` and return frames up to `total_frames`."""
        first = self.frames
        count = max(0, total_frames - first)
        results = {role: np.empty((count, *shape), np.float32) for role, shape in self._shapes.items()}
        motion = Motion(first=first, others_fade=True, **results)
        while self.blocks < blocks:
            yield from self._run_block(motion)
        motion.settle(self.manifest.unit_in_metres, self._expansion)
        return motion

    def _run_block(self, motion: Motion) -> Calls[None]:
        block, clock = self.blocks, self.clock
        already = clock.samples_for_block(block - 1) if block else 0
        fresh = self._without_offset(self.resampler.read(clock.samples_for_block(block) - already), already)
        audio = np.concatenate((self.overlap, fresh))
        self.overlap = audio[len(audio) - clock.overlap :]
        yield from self._run_block_stages(block, audio[None])
        first, last = self.frames, clock.frames_after_blocks(block + 1)
        if last > first:
            yield from self._run_frames(first, last, motion)
        self.blocks, self.frames = block + 1, last
        next_feature = clock.feature_rate * last // clock.fps
        for track in self.tracks.values():
            track.forget_before(next_feature)
        self.timeline.forget_before(min(last / clock.fps, self.block_time(block + 1)))

    def _without_offset(self, samples: Floats, at: int) -> Floats:
        """Samples of the model's rate, `at` their first in the stream; what lies beyond the audio fed is silence."""
        if self._probe is not None:
            return samples
        return self.offset.remove(samples, at, self.resampler.outputs_of(self.fed))

    def block_time(self, block: int) -> float:
        """Seconds of audio at which a block begins."""
        return block * self.clock.block_features / self.clock.feature_rate

    def _run_block_stages(self, block: int, audio: Floats) -> Calls[None]:
        size, values = self.clock.block_features, dict[str, Array]()
        first = block * size - self.clock.delay_features
        for stage in self.plan.block:
            inputs: dict[str, Array] = {name: audio for name in stage.audio}
            for name, condition in stage.conditions:
                inputs[name] = self.timeline.value(condition, self.block_time(block))[None]
            for name, noise in stage.noise:
                inputs[name] = self.noise.values(noise, block * size, size)
            for name, key in stage.links:
                inputs[name] = values[key]
            outputs = yield StageCall(stage, inputs, size, block)
            for name, key in stage.outputs:
                values[key] = outputs[name]
                if key in self.tracks and first + size > 0:
                    self.tracks[key].append(outputs[name][0, max(0, -first) :])  # type: ignore[arg-type]
            self._report(stage, outputs, max(0, first), max(0, -first))

    def _run_frames(self, first: int, last: int, motion: Motion) -> Calls[None]:
        """Run the stages of frame cadence over frames [first, last) and store the results `motion` has room for."""
        interpolation = Interpolation(self.clock, first, last)
        values: dict[str, npt.NDArray[np.generic]] = {
            key: interpolation.apply(track) for key, track in self.tracks.items()
        }
        yield from self._run_frame_values(first, last, values, motion)

    def _run_frame_values(self, first: int, last: int, values: dict[str, Array], motion: Motion) -> Calls[None]:
        """The same from what earlier stages gave for these frames, (1, last - first, ...) by "stage.output"."""
        for stage in self.plan.frames:
            yield from self._run_frames_stage(stage, first, last, values)
        begin = first - motion.first
        wanted = min(last - first, len(motion.offsets) - begin)
        for index in range(wanted):
            latest = yield from self._run_frame_stages(first + index, index, values)
            for role, key in self.plan.results.items():
                if key in latest:
                    getattr(motion, role)[begin + index] = latest[key][0, 0]
        for role, key in self.plan.results.items():
            if key in values:
                getattr(motion, role)[begin : begin + wanted] = values[key][0, :wanted]

    def _run_frames_stage(self, stage: PlannedStage, first: int, last: int, values: dict[str, Array]) -> Calls[None]:
        """One call for all frames, or one per stretch of frames between condition changes."""
        parts: list[dict[str, Array]] = []
        begin = first
        while begin < last:
            held = [self.timeline.value(condition, begin / self.clock.fps) for _, condition in stage.conditions]
            end = begin + 1
            while end < last and all(
                self.timeline.value(condition, end / self.clock.fps) is vector
                for (_, condition), vector in zip(stage.conditions, held, strict=True)
            ):
                end += 1
            inputs: dict[str, Array] = {key: values[link][:, begin - first : end - first] for key, link in stage.links}
            inputs.update((name, vector[None]) for (name, _), vector in zip(stage.conditions, held, strict=True))
            inputs.update((name, self.noise.values(noise, begin, end - begin)) for name, noise in stage.noise)
            outputs = yield StageCall(stage, inputs, end - begin, self.blocks)
            self._report(stage, outputs, begin, 0)
            # A second call overwrites the buffers of the first but one.
            whole = begin == first and end == last
            parts.append({key: outputs[name] if whole else outputs[name].copy() for name, key in stage.outputs})
            begin = end
        for _, key in stage.outputs:
            values[key] = parts[0][key] if len(parts) == 1 else np.concatenate([part[key] for part in parts], axis=1)

    def _run_frame_stages(self, frame: int, index: int, values: dict[str, Array]) -> Calls[dict[str, Array]]:
        """All autoregressive stages for one frame; returns their outputs (1, 1, ...)."""
        latest: dict[str, Array] = {}
        time = frame / self.clock.fps
        for stage in self.plan.frame:
            inputs: dict[str, Array] = {
                name: latest[key] if key in latest else values[key][:, index : index + 1] for name, key in stage.links
            }
            for name, condition in stage.conditions:
                inputs[name] = self.timeline.value(condition, time)[None]
            for name, noise in stage.noise:
                inputs[name] = self.noise.values(noise, frame, 1)
            outputs = yield StageCall(stage, inputs, 1, self.blocks)
            for name, key in stage.outputs:
                latest[key] = outputs[name]
            self._report(stage, outputs, frame, 0)
        return latest

    def _report(self, stage: PlannedStage, outputs: object, first: int, skip: int) -> None:
        if self._probe is not None:
            for name, _ in stage.outputs:
                array = outputs[name][0, skip:]  # type: ignore[index]
                if len(array):
                    self._probe(stage.spec.name, name, first, array.copy())
