"""The C++ runtime as a backend: the whole stream runs in C++, as it does in an engine, over ONNX Runtime on the CPU.

It loads ONNX Runtime's shared library privately, beside whatever ONNX Runtime Python uses, with EmoFace's kernels where
this build has them. Where stages have to run one by one, as in an `AnimatorPool`, they run as those of
`ort-cpu-native`, or without the kernels of `ort-cpu`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.backends import Engine, create_engine
from emoface.backends.native_library import library_path
from emoface.errors import (
    AudioError,
    BackendError,
    ConditionError,
    PackageError,
    RuntimeFailure,
    SnapshotError,
    UsageError,
)
from emoface.manifest import MANIFEST_NAME, Manifest, StageSpec
from emoface.stream.conditions import ConditionTimeline
from emoface.stream.driver import Calls, Motion, Probe
from emoface.stream.features import Floats
from emoface.stream.snapshot import pack, unpack
from emoface.timing import Clock

if TYPE_CHECKING:
    from emoface.backends import StageStream
    from emoface.package import Package

_ENVIRONMENT = "EMOFACE_ONNXRUNTIME"
# Statuses of emoface.h; whatever is not listed is a failure of the runtime.
_ERRORS = {
    -1: UsageError,
    -3: ConditionError,
    -10: PackageError,
    -20: AudioError,
    -32: SnapshotError,
    -33: BackendError,
}


class NativeEngine:
    """The graphs of one package in the C++ runtime; shared by all its streams."""

    backend = "native"

    def __init__(self, package: Package, precision: str, threads: int = 1) -> None:
        self.precision = precision
        self._given = (package, precision, threads)
        self._stages: Engine | None = None
        runtime = _runtime()
        names = package.manifest.files
        files = {MANIFEST_NAME: package.manifest.to_text().encode(), **{name: package.file(name) for name in names}}
        with _errors(runtime):
            runtime.load_onnxruntime(_library())
            runtime.set_kernel_library(str(library_path()))
            self._package = runtime.Package(files)
            self._single = self._package.prepare(precision, threads)

    def open_stage(self, stage: StageSpec) -> StageStream:
        """A stage alone."""
        if self._stages is None:
            package, precision, threads = self._given
            self._stages = create_engine(package, self._single, precision, threads)
        return self._stages.open_stage(stage)

    def open_driver(
        self, manifest: Manifest, clock: Clock, rate: int, timeline: ConditionTimeline, probe: Probe | None
    ) -> NativeDriver:
        """A whole stream."""
        runtime = _runtime()
        conditions = [vector.tolist() for _, _, vector in timeline.state()]
        with _errors(runtime):
            stream = runtime.Stream(
                self._package, self.precision, self._given[2], clock.block_features, rate, conditions
            )
            if probe is not None:
                stream.set_probe(probe)
        return NativeDriver(runtime, stream, clock, rate, timeline)

    def mean_feature(self, clock: Clock, rate: int, samples: Floats) -> tuple[npt.NDArray[np.float32], int]:
        """As `emoface.stream.calibrate.mean_feature`."""
        runtime, (_, precision, threads) = _runtime(), self._given
        with _errors(runtime):
            mean, count = runtime.mean_feature(self._package, precision, threads, clock.block_features, rate, samples)
        return np.asarray(mean, np.float32), int(count)


class NativeDriver:
    """One stream in C++; see `emoface.stream.driver.Driver` for its methods."""

    def __init__(self, runtime: Any, stream: Any, clock: Clock, rate: int, timeline: ConditionTimeline) -> None:
        self.clock = clock
        self.timeline = timeline
        self._rate = rate
        self._runtime = runtime
        self._stream = stream

    @property
    def fed(self) -> int:
        """Samples fed."""
        return int(self._stream.fed)

    @property
    def latency(self) -> int:
        """Declared latency in samples at the caller's rate."""
        return int(self._stream.latency)

    def reset(self) -> None:
        """Back to the start of a stream; conditions too."""
        self.timeline.reset()
        self._stream.reset()

    def earliest_change(self, condition: str) -> float:
        """The earliest audio time, in seconds, from which `condition` can still change."""
        with _errors(self._runtime):
            return float(self._stream.earliest_change(condition))

    def feed(self, samples: Floats) -> Calls[Motion]:
        """Add mono samples and run every block that is due."""
        yield from ()
        return self._run(lambda: self._stream.feed(samples))

    def finish(self, extra_frames: int = 0) -> Calls[Motion]:
        """Feed zeros until all promised frames, and `extra_frames` more, are out."""
        yield from ()
        return self._run(lambda: self._stream.finish(extra_frames))

    def _run(self, run: Any) -> Motion:
        with _errors(self._runtime):
            self._send_conditions()
            motion = Motion(*run())
        blocks = self._stream.blocks
        begin = blocks * self.clock.block_features / self.clock.feature_rate
        self.timeline.forget_before(min(self._stream.frames / self.clock.fps, begin))
        return motion

    def _send_conditions(self) -> None:
        changes = [(name, at, vector.tolist()) for name, at, vector in self.timeline.state()]
        self._stream.set_conditions(changes)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What a snapshot's header and arrays say about the stream."""
        with _errors(self._runtime):
            self._send_conditions()
            header, arrays = unpack(self._stream.snapshot(False))
        for key in ("identity", "ended", "channels"):
            del header[key]
        return header, arrays

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()`, of this or of Python's driver; SnapshotError where it is damaged."""
        mine = {**header, "identity": dict(self._stream.identity), "channels": None}
        with _errors(self._runtime):
            self._stream.restore(pack(mine, {k: v for k, v in arrays.items() if not k.startswith("rig.")}))
        self.timeline.restore(
            [
                (name, -np.inf if at is None else at, arrays[f"condition.{index}"])
                for index, (name, at) in enumerate(header["conditions"])
            ]
        )


def _runtime() -> Any:
    try:
        # Compiled with the package, or absent.
        return importlib.import_module("emoface._runtime")
    except ImportError as error:
        raise BackendError(
            f"emoface._runtime cannot be imported ({error})",
            "a build with a C++ compiler, zlib, nlohmann-json and ONNX Runtime's headers",
            "Install from source with ONNXRUNTIME_ROOT set, or use backend='ort-cpu'.",
        ) from None


def _library() -> str:
    """ONNX Runtime's shared library: named in the environment, or that of the installed wheel."""
    if named := os.environ.get(_ENVIRONMENT):
        return named
    found = importlib.util.find_spec("onnxruntime")
    folder = Path(found.origin).parent / "capi" if found is not None and found.origin else Path()
    for pattern in ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll"):
        for path in sorted(folder.glob(pattern)):
            return str(path)
    raise BackendError(
        f"no ONNX Runtime library in {folder}",
        "the wheel of onnxruntime",
        f"Run `pip install onnxruntime`, or name a library in {_ENVIRONMENT}.",
    )


@contextmanager
def _errors(runtime: Any) -> Iterator[None]:
    """Failures of the C++ runtime as the SDK's errors."""
    try:
        yield
    except runtime.Fault as fault:
        status, got, expected, remedy = fault.args
        raise _ERRORS.get(status, RuntimeFailure)(got, expected, remedy) from None
