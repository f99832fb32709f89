"""Engines that note when each stage ran. They wrap another engine, so a stream that is not profiled pays nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import numpy.typing as npt

from emoface.backends import Array, BatchingEngine, BatchStream, DrivingEngine, Engine, StageStream
from emoface.manifest import StageSpec

FIELDS = 5


class Recorder:
    """Times of stage calls.

    Args:
        stages: names in the manifest's order.
        keep_calls: whether every call is kept, for a trace; else only sums per step.
        expected_calls: calls to make room for at once, so that the notes do not look like growth of the stream.
    """

    def __init__(self, stages: Sequence[str], keep_calls: bool, expected_calls: int = 1024) -> None:
        self.stages = tuple(stages)
        self._place = {name: index for index, name in enumerate(self.stages)}
        self._keep = keep_calls
        self._calls = np.ones((max(1, expected_calls) if keep_calls else 1, FIELDS))
        self.clear()

    def clear(self) -> None:
        """Forget everything noted so far."""
        self._count = 0
        self.begin_step()

    def begin_step(self) -> None:
        """Start the sums of the next step at zero."""
        self.seconds = [0.0] * len(self.stages)
        self.counts = [0] * len(self.stages)
        self.voices = [0] * len(self.stages)

    def note(self, stage: str, begin: float, end: float, n: int, voices: int) -> None:
        """One call of a stage: `perf_counter` times, new features or frames per voice, number of voices."""
        place = self._place[stage]
        self.seconds[place] += end - begin
        self.counts[place] += 1
        self.voices[place] += voices
        if self._keep:
            if self._count == len(self._calls):
                self._calls = np.concatenate((self._calls, np.ones_like(self._calls)))
            self._calls[self._count] = place, begin, end, n, voices
            self._count += 1

    @property
    def calls(self) -> npt.NDArray[np.float64]:
        """Kept calls: (k, 5) of stage index, begin, end, n, voices."""
        return self._calls[: self._count]


class TimedEngine:
    """An engine whose stages note their times."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self.backend = engine.backend
        self.precision = engine.precision
        self._engine = engine
        self._recorder = recorder

    def open_stage(self, stage: StageSpec) -> StageStream:
        return TimedStage(self._engine.open_stage(stage), stage.name, self._recorder)


class TimedBatchingEngine(TimedEngine):
    """The same for an engine that runs several voices in one call."""

    def __init__(self, engine: BatchingEngine, recorder: Recorder) -> None:
        super().__init__(engine, recorder)
        self._batching = engine

    def open_batch(self, stage: StageSpec, slots: int) -> BatchStream:
        return TimedBatch(self._batching.open_batch(stage, slots), stage.name, self._recorder)


def timed(engine: Engine, recorder: Recorder) -> Engine:
    """`engine`, noting its times; it batches where `engine` does.

    An engine that runs whole streams itself is returned as it is: what its stages take is not to be seen from outside.
    """
    if isinstance(engine, DrivingEngine):
        return engine
    if isinstance(engine, BatchingEngine):
        return TimedBatchingEngine(engine, recorder)
    return TimedEngine(engine, recorder)


class TimedStage:
    """A stage of one stream that notes its times."""

    def __init__(self, stream: StageStream, name: str, recorder: Recorder) -> None:
        self._stream = stream
        self._name = name
        self._note = recorder.note
        self.reset, self.state, self.restore = stream.reset, stream.state, stream.restore

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        begin = perf_counter()
        outputs = self._stream.run(inputs, n)
        self._note(self._name, begin, perf_counter(), n, 1)
        return outputs


class TimedBatch:
    """A stage of several voices that notes its times."""

    def __init__(self, batch: BatchStream, name: str, recorder: Recorder) -> None:
        self._batch = batch
        self._name = name
        self._note = recorder.note
        self.prepare, self.reset, self.state, self.restore = batch.prepare, batch.reset, batch.state, batch.restore

    def run(self, slots: Sequence[int], inputs: Sequence[Mapping[str, Array]], n: int) -> Sequence[Mapping[str, Array]]:
        begin = perf_counter()
        outputs = self._batch.run(slots, inputs, n)
        self._note(self._name, begin, perf_counter(), n, len(slots))
        return outputs
