"""Packages that cannot stream: their first stage hears a clip as a whole, and everything runs at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.audio.offset import without_offset
from emoface.backends import Array
from emoface.errors import RuntimeFailure
from emoface.manifest import ROLES
from emoface.stream.driver import Calls, Driver, StageCall
from emoface.stream.features import Floats
from emoface.stream.motion import Motion
from emoface.timing import MOST_CLIP_FRAMES, SHORTEST_CLIP


class ClipDriver(Driver):
    """A "stream" that gives all of its frames at once: `feed` gathers, `finish` runs."""

    def feed(self, samples: Floats) -> Calls[Motion]:
        """Keep mono samples; no frames yet."""
        self.resampler.append(samples)
        self.fed += len(samples)
        return self._motion(0)
        yield  # a generator, as everywhere

    def finish(self, extra_frames: int = 0) -> Calls[Motion]:
        """Run the stages over the whole clip; frames beyond a clip stage's last row read that row again."""
        resampler, clock = self.resampler, self.clock
        promised = clock.frames_of(self.fed, resampler.rate)
        motion = self._motion(promised + extra_frames)
        if not len(motion.offsets):
            return motion
        count = self.fed * clock.sample_rate // resampler.rate
        resampler.append_silence(max(0, resampler.needed(count) - resampler.received))
        audio = resampler.read(count)
        if self._probe is None:
            audio = without_offset(audio, clock.hop, clock.overlap)
        audio = np.concatenate((audio, np.zeros(max(0, SHORTEST_CLIP - count), np.float32)))[None]
        values: dict[str, Array] = {}
        for stage in self.plan.clip:
            inputs: dict[str, Array] = {name: audio for name in stage.audio}
            for name, condition in stage.conditions:
                inputs[name] = self.timeline.value(condition, 0.0)[None]
            for name, key in stage.links:
                inputs[name] = values[key]
            outputs = yield StageCall(stage, inputs, audio.shape[1], 0)
            self._report(stage, outputs, 0, 0)
            values.update((key, outputs[name].copy()) for name, key in stage.outputs)
        # In pieces: what a stage of a dense face makes of all frames at once would be gigabytes.
        for first in range(0, len(motion.offsets), MOST_CLIP_FRAMES):
            last = min(first + MOST_CLIP_FRAMES, len(motion.offsets))
            held = np.arange(first, last)
            some: dict[str, Array] = {key: rows[:, np.minimum(held, rows.shape[1] - 1)] for key, rows in values.items()}
            yield from self._run_frame_values(first, last, some, motion)
        self.frames = len(motion.offsets)
        motion.settle(self.manifest.unit_in_metres, self._expansion)
        return motion

    @property
    def latency(self) -> int:
        """No latency can be declared: nothing comes before the clip has ended."""
        return 0

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Whole clips have no state between calls."""
        raise self._no_stream("a snapshot")

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """As `state`."""
        raise self._no_stream("a snapshot")

    @staticmethod
    def _no_stream(got: str) -> RuntimeFailure:
        return RuntimeFailure(
            f"{got} of a package that hears whole clips",
            "a package that streams",
            "Export the model with a band or a window.",
        )

    def _motion(self, count: int) -> Motion:
        results = {role: np.empty((count, *self._shapes[role]), np.float32) for role in ROLES}
        return Motion(first=0, others_fade=True, **results)
