"""The animator: one voice's stream, `step(audio chunk)` -> frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from emoface.audio.antiphase import PhaseWatch
from emoface.audio.chunk import check_policy, check_rate, to_mono
from emoface.calibration import Calibration, calibration_for
from emoface.errors import AudioFormatError, ClosedError, EmoFaceError, RuntimeFailure, StreamEndedError, UsageError
from emoface.frames import FrameBatch
from emoface.options import AnimatorOptions, complete
from emoface.package import DEFAULT, Package
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import Blinks
from emoface.rig.choices import open_rig
from emoface.rig.gaze import Gaze
from emoface.rig.head_sway import HeadSway
from emoface.rig.layers import LayerFrames
from emoface.stream.calibrate import CONDITION, calibrated_output, learn_voice
from emoface.stream.choices import (
    announce,
    block_features,
    check_channels,
    chosen_face,
    initial_conditions,
    tail_frames,
    weakened,
    with_emotion_keys,
)
from emoface.stream.conditions import ConditionTimeline, condition_vector
from emoface.stream.driver import Calls, Probe, open_driver, run_alone
from emoface.stream.expansion import offset_source
from emoface.stream.features import Floats
from emoface.stream.guard import Guard
from emoface.stream.motion import Motion
from emoface.stream.noise import check_noise_seed
from emoface.stream.state import load_state, save_state
from emoface.timing import Latency

if TYPE_CHECKING:
    from emoface.backends import Engine

__all__ = ["Animator", "Latency"]


class Animator:
    """Audio of one voice in, frames out. Cheap to make; not thread-safe; weights are shared through the package.

    Args:
        package: the loaded package.
        probe: called with every stage's outputs, for verification; see `emoface.stream.driver.Driver`.
        engine: graphs already loaded, in place of `backend`, `precision` and `threads`: for pools and measurements.
        **options: see `emoface.options.AnimatorOptions`: style, emotion, level, template, sample_rate, ...

    Raises:
        ConditionError, CalibrationError, TemplateError, RigError, UsageError, AudioFormatError, BackendError,
        PackageError.
    """

    def __init__(
        self,
        package: Package,
        *,
        probe: Probe | None = None,
        engine: Engine | None = None,
        **options: Unpack[AnimatorOptions],
    ) -> None:
        chosen, self._planned = with_emotion_keys(package.manifest, complete(options))
        manifest = package.manifest
        self.package = package
        self.sample_rate = check_rate(chosen["sample_rate"])
        self._given_channels = self._channels = check_channels(chosen["channels"])
        self._on_bad_audio = check_policy(chosen["on_bad_audio"])
        self.face = chosen_face(package, chosen["template"], chosen["identity"])
        source = offset_source(manifest, self.face, chosen["vertices"], chosen["identity"])
        self._rig = open_rig(package, self.face, chosen, source.any)
        self._layers = self._rig.layers
        clock = manifest.clock(block_features(package, chosen["block_ms"]))
        initial = initial_conditions(package, chosen)
        self._auto_strength = float(chosen["auto_strength"])
        if engine is None:
            engine = package.engine(chosen["backend"], chosen["precision"], chosen["threads"])
        self._engine = engine
        self.backend = engine.backend
        self.precision = engine.precision
        self.fps = manifest.fps
        timeline = ConditionTimeline(initial)
        self.noise_seed = check_noise_seed(chosen["noise_seed"])
        self._driver = open_driver(manifest, engine, clock, self.sample_rate, timeline, probe, self.noise_seed, source)
        announce(self._driver, self._planned)
        self.latency = Latency(n := self._driver.latency, n / self.sample_rate, 1000 * n / self.sample_rate)
        self._template = self.face.template if source.any else self.face.template[:0]
        self._ended = self._failed = self._closed = False
        self._phases = PhaseWatch(self.sample_rate)
        self._guard = Guard(
            "Animator", "Make one animator per voice (weights are shared), or guard it with a lock of your own."
        )

    @classmethod
    def load(cls, path_or_name: str | Path = DEFAULT, **options: Unpack[AnimatorOptions]) -> Animator:
        """`Package.load(path_or_name).animator(**options)`; load the package once where there are many voices."""
        return cls(Package.load(path_or_name), **options)

    @property
    def blendshapes(self) -> Blendshapes | None:
        """What `FrameBatch.blendshape_weights` are weights of, or None."""
        return self._rig.blendshapes

    @property
    def blendshape_names(self) -> tuple[str, ...]:
        """Names of `FrameBatch.blendshape_weights`, in order."""
        return () if self.blendshapes is None else self.blendshapes.names

    @property
    def blinks(self) -> Blinks | None:
        """The blinks that are added, or None."""
        return self._rig.blinks

    @property
    def gaze(self) -> Gaze | None:
        """How the eyes are turned, or None."""
        return self._rig.gaze

    @property
    def head_sway(self) -> HeadSway | None:
        """How the head is moved, or None."""
        return self._rig.head_sway

    @property
    def has_vertices(self) -> bool:
        """Whether the frames hold vertices."""
        return len(self._template) > 0

    @property
    def fed(self) -> int:
        """Samples heard since the stream began, at `sample_rate`."""
        return self._driver.fed

    @property
    def sync_offset(self) -> float:
        """Seconds by which the frames' `time` is shifted; see `RigControls`."""
        return self._rig.controls.sync_offset

    def step(self, chunk: Any, sample_rate: int | None = None, dtype: object = None) -> FrameBatch:
        """Feed the next audio and return the frames that are complete.

        Args:
            chunk: (n,) or (n, channels), n >= 0; float32, float64, int16, int32 or uint8. Or raw bytes, interleaved,
                with `dtype`.
            sample_rate: the chunk's rate where the caller knows it; checked against the stream's.
            dtype: what raw bytes hold, little-endian: "int16" for the usual PCM; see `emoface.audio.chunk`.

        Returns:
            FrameBatch of n >= 0 frames.

        Raises:
            AudioError, AudioFormatError: the chunk is refused; the stream's state is untouched.
            StreamEndedError, ClosedError, ConcurrentUseError, RuntimeFailure.
        """
        self._check_streams("step()")
        with self._use():
            return run_alone(self._stepping(*self._accepted(chunk, sample_rate, dtype)))

    def whole(self, audio: Any, tail_s: float = 0.0, dtype: object = None) -> FrameBatch:
        """All frames of a whole clip, as `step` and `flush` give them; the only way where a package cannot stream.

        Arguments and errors: as of `step` and `flush`.
        """
        with self._use():
            tail = self._tail_frames(tail_s)
            fed = run_alone(self._stepping(*self._accepted(audio, None, dtype)))
            return FrameBatch.concat([fed, run_alone(self._flushing(tail))])

    def _check_streams(self, call: str) -> None:
        if not self.package.manifest.streams:
            raise UsageError(
                f"{call} with package {self.package.manifest.name!r}, which hears clips as a whole",
                "a package that streams",
                "Animate whole clips with `emoface.animate` or `Animator.whole`, or export the model with a band or a "
                "window.",
            )

    def _accepted(self, chunk: Any, sample_rate: int | None, dtype: object = None) -> tuple[Floats, int | None]:
        """The chunk as mono samples, and the stream's channels after it; refuses what does not fit the stream."""
        if self._ended:
            raise StreamEndedError("step() after flush()", "reset() first", "Call reset() to begin a new stream.")
        if sample_rate is not None and check_rate(sample_rate) != self.sample_rate:
            raise AudioFormatError(
                f"a chunk at {sample_rate} Hz",
                f"{self.sample_rate} Hz, as the animator was made",
                f"Make another animator with sample_rate={sample_rate}.",
            )
        return to_mono(chunk, self._channels, self._on_bad_audio, dtype, self._phases)

    def _stepping(self, samples: Floats, channels: int | None) -> Calls[FrameBatch]:
        with self._running():
            motion = yield from self._driver.feed(samples)
        self._channels = channels
        return self._batch(motion)

    def flush(self, tail_s: float = 0.0) -> FrameBatch:
        """End the audio and return the frames still due: in all floor(samples fps / rate), as promised.

        Args:
            tail_s: seconds of further frames in which the face returns to the template, 0 to 60.
        """
        self._check_streams("flush()")
        with self._use():
            return run_alone(self._flushing(self._tail_frames(tail_s)))

    def _tail_frames(self, tail_s: float) -> int:
        """Frames of a tail; refuses a second flush."""
        count = tail_frames(tail_s, self.fps)
        if self._ended:
            raise StreamEndedError("a second flush()", "reset() first", "Call reset() to begin a new stream.")
        return count

    def _flushing(self, tail: int) -> Calls[FrameBatch]:
        self._phases.end()
        promised = self._driver.clock.frames_of(self._driver.fed, self.sample_rate)
        with self._running():
            motion = yield from self._driver.finish(tail)
        self._ended = True
        return self._batch(motion, motion.fade(promised, tail))

    def reset(self) -> None:
        """Begin a new stream with the conditions the animator was made with; the same audio gives the same bits."""
        with self._use(failed_too=True):
            self._driver.reset()
            announce(self._driver, self._planned)
            self._phases.reset()
            self._layers.reset()
            self._channels = self._given_channels
            self._ended = self._failed = False

    def snapshot(self) -> bytes:
        """The stream's whole state: continue with `restore` here or on another machine, bit for bit."""
        with self._use():
            extra = {"ended": self._ended, "channels": self._channels}
            return save_state(self._driver, self._identity(), extra, self._layers.state())

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot.

        Raises:
            SnapshotError: damaged, or of another package, backend, precision, rate, block size or number of channels;
                nothing changes.
        """
        with self._use(failed_too=True):
            rig = self._layers.state()
            header, layers = load_state(data, self._driver, self._identity(), self._given_channels, rig)
            self._layers.restore(layers)
            self._ended, self._failed = header["ended"], False
            self._channels = header["channels"] or self._given_channels

    def set_style(self, value: Any, at: float | None = None) -> None:
        """Change the style from audio time `at` (seconds; None: the audio fed so far) on. See `set_condition`."""
        self.set_condition("style", value, at)

    def set_emotion(self, value: Any, at: float | None = None) -> None:
        """Change the emotion ("auto" follows the voice) from audio time `at` on. See `set_condition`."""
        self.set_condition("emotion", value, at)

    def set_level(self, value: Any, at: float | None = None) -> None:
        """Change the emotional level from audio time `at` on. See `set_condition`."""
        self.set_condition("level", value, at)

    def set_person(self, value: Any, at: float | None = None) -> None:
        """Change the person (a name, weights, an `emoface.Person` or its file) from audio time `at` on."""
        self.set_condition("person", value, at)

    def set_condition(self, name: str, value: Any, at: float | None = None) -> None:
        """Let a condition hold for all frames with time >= `at`, the same frames however the audio is cut.

        Args:
            name: a condition of the package.
            value: a name, a dict of name -> weight, an array, or None for the package's default; of `style` and
                `person` also an `emoface.Person` or its .json file.
            at: seconds of audio time; None means the audio fed so far.

        Raises:
            ConditionError: unknown name, wrong shape, or `at` lies before a frame that was already computed.
        """
        with self._use():
            vector = condition_vector(self.package.manifest, name, value)
            self._driver.set_condition(name, weakened(self.package.manifest, name, vector, self._auto_strength), at)

    def calibrate(
        self,
        neutral_speech: npt.ArrayLike | Calibration | None,
        sample_rate: int | None = None,
        at: float | None = None,
    ) -> Calibration | None:
        """Learn a voice: the mean emotion feature of its neutral speech becomes the condition `speaker_mean`.

        For voices that the model was not trained on. The stream itself is not disturbed. See
        `emoface.stream.calibrate` for how it works and what counts as speech.

        Args:
            neutral_speech: (n,) or (n, channels) as for `step`: the voice speaking calmly, about 10 s, at least 2 s; or
                a calibration made before; or None, back to the package's default.
            sample_rate: of the speech; None is the stream's.
            at: as for `set_condition`. It holds until `reset`; `package.animator(calibration=...)` keeps it beyond.

        Returns:
            The calibration, or None.

        Raises:
            AudioError, AudioFormatError: speech that is too short, silent, too long, or as for `step`.
            PackageError, CalibrationError: a package that cannot be calibrated; a calibration of another package.
            ConditionError: `at` lies before a frame that was already computed.
        """
        with self._use():
            calibrated_output(manifest := self.package.manifest)
            calibration = None
            if isinstance(neutral_speech, Calibration):
                calibration = calibration_for(self.package, neutral_speech)
            elif neutral_speech is not None:
                rate = self.sample_rate if sample_rate is None else check_rate(sample_rate)
                samples = to_mono(neutral_speech, None)[0]
                calibration = learn_voice(self.package, self._engine, self._driver.clock, rate, samples)
            mean = None if calibration is None else calibration.speaker_mean
            self._driver.set_condition(CONDITION, condition_vector(manifest, CONDITION, mean), at)
            return calibration

    def close(self) -> None:
        """Release the stream's buffers; every later call raises ClosedError. Closing twice is harmless."""
        if not self._closed:
            with self._use(failed_too=True):
                self._release()

    def _release(self) -> None:
        self._closed = True
        del self._driver

    def __enter__(self) -> Animator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _use(self, failed_too: bool = False) -> Iterator[None]:
        """Guard every call: closed, failed, or used by two threads at once."""
        with self._guard.held():
            self._check_usable(failed_too)
            yield

    def _check_usable(self, failed_too: bool = False) -> None:
        if self._closed:
            raise ClosedError("a call after close()", "an open animator", "Make a new one: package.animator().")
        if self._failed and not failed_too:
            raise RuntimeFailure(
                "a call after a failed step: the state is incomplete", "a sound state", "Call reset() or restore()."
            )

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Mark the stream as failed if it is interrupted between blocks."""
        self._failed = True
        try:
            yield
        except EmoFaceError:
            raise
        except MemoryError:
            raise RuntimeFailure("out of memory", "room for the frames of one chunk", "Feed shorter chunks.") from None
        self._failed = False

    def _batch(self, motion: Motion, shares: Floats | None = None) -> FrameBatch:
        frames = LayerFrames.of(motion, shares)
        self._layers.apply(frames)
        vertices = np.add(frames.offsets, self._template, out=frames.offsets)
        time = np.arange(motion.first, motion.first + len(vertices)) / self.fps + self.sync_offset
        pose = {"head_rotation": frames.head_rotation, "head_translation": frames.head_translation}
        weights = {} if frames.weights is None else {"blendshape_weights": frames.weights}
        return FrameBatch(time=time, vertices=vertices, **{**motion.beside_offsets, **pose, **weights})

    def _identity(self) -> dict[str, Any]:
        return {
            "package": self.package.digest,
            "backend": self.backend,
            "precision": self.precision,
            "sample_rate": self.sample_rate,
            "block_features": self._driver.clock.block_features,
            **self._layers.identity,
            **({"noise_seed": self.noise_seed} if self.package.manifest.noise else {}),
        }
