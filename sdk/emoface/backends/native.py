"""The C++ runtime as a backend: the whole stream runs in C++, as it does in an engine, over ONNX Runtime on the CPU.

All of it goes through the C interface, emoface.h. The library loads ONNX Runtime privately, beside whatever ONNX
Runtime Python uses, with EmoFace's kernels where this build has them. Where stages have to run one by one, as in an
`AnimatorPool`, they run as those of `ort-cpu-native`, or without the kernels of `ort-cpu`.
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

from emoface.backends import Engine, GoldenCheck, create_engine
from emoface.backends.native_errors import STATUS_ERRORS
from emoface.errors import BackendError, ManifestError, RuntimeFailure, UsageError
from emoface.manifest import MANIFEST_NAME, Manifest, StageSpec
from emoface.stream.choices import change_moment
from emoface.stream.conditions import ConditionTimeline, Vector
from emoface.stream.driver import Calls, Probe
from emoface.stream.expansion import OF_STAGES, OffsetSource
from emoface.stream.features import Floats
from emoface.stream.motion import Motion
from emoface.stream.snapshot import pack, unpack
from emoface.timing import Clock

if TYPE_CHECKING:
    from emoface.backends import StageStream
    from emoface.package import Package

_ENVIRONMENT = "EMOFACE_ONNXRUNTIME"
_NOW = -1.0  # EMOFACE_NOW


class NativeEngine:
    """The graphs of one package in the C++ runtime; shared by all its streams."""

    backend = "native"

    def __init__(self, package: Package, precision: str, threads: int = 1) -> None:
        self.precision = precision
        self._given = (package, precision, threads)
        self._stages: Engine | None = None
        self._runtime = _runtime()
        manifest = package.manifest
        files = {MANIFEST_NAME: manifest.to_text().encode(), **{name: package.file(name) for name in manifest.files}}
        with _errors(self._runtime):
            self._runtime.load_onnxruntime(_library())
            self._package = self._runtime.Package(files)
        # The first animator loads the graphs.
        self._single = str(self._animator(manifest.clock(manifest.block_features), manifest.sample_rate, ()).backend)

    def open_stage(self, stage: StageSpec) -> StageStream:
        """A stage alone."""
        if self._stages is None:
            package, precision, threads = self._given
            self._stages = create_engine(package, self._single, precision, threads)
        return self._stages.open_stage(stage)

    def open_driver(
        self,
        manifest: Manifest,
        clock: Clock,
        rate: int,
        timeline: ConditionTimeline,
        probe: Probe | None,
        noise_seed: int = 0,
        source: OffsetSource = OF_STAGES,
    ) -> NativeDriver:
        """A stream; BackendError for a probe, since single stages are not seen from outside."""
        if probe is not None:
            raise BackendError(
                "a probe of the stages with backend='native'",
                "a backend whose stages run one by one",
                f"Use backend={self._single!r}: the same graphs with the same bits.",
            )
        conditions = [(name, vector) for name, _, vector in timeline.state()]
        animator = self._animator(clock, rate, conditions, noise_seed, source)
        identity = {
            "package": self._package.digest,
            "backend": self._single,
            "precision": animator.precision,
            "sample_rate": rate,
            "block_features": clock.block_features,
            **({"noise_seed": noise_seed} if manifest.noise else {}),
        }
        return NativeDriver(self._runtime, animator, clock, rate, identity)

    def mean_feature(self, clock: Clock, rate: int, samples: Floats) -> tuple[npt.NDArray[np.float32], int]:
        """As `emoface.stream.calibrate.mean_feature`."""
        with _errors(self._runtime):
            mean, seconds = self._animator(clock, rate, ()).calibrate(samples)
        return mean, round(seconds * clock.feature_rate)

    def verify(self) -> GoldenCheck:
        """The golden vectors, stage by stage, in C++."""
        _, precision, threads = self._given
        with _errors(self._runtime):
            return GoldenCheck(**self._package.verify(precision, threads))

    def _animator(
        self, clock: Clock, rate: int, conditions: Any, noise_seed: int = 0, source: OffsetSource = OF_STAGES
    ) -> Any:
        package, precision, threads = self._given
        block_ms, rest = divmod(1000 * clock.block_features, clock.feature_rate)
        if clock.block_features == package.manifest.block_features:
            block_ms, rest = 0, 0  # the package's own, whatever it is
        if rest:
            raise UsageError(
                f"block_ms={1000 * clock.block_features / clock.feature_rate:g} with backend='native'",
                "whole milliseconds",
                "Choose another block, or backend='ort-cpu'.",
            )
        with _errors(self._runtime):
            return self._runtime.Animator(
                self._package,
                precision,
                threads,
                block_ms,
                rate,
                list(conditions),
                noise_seed,
                not source.any,
                source.identity or "",
            )


class NativeDriver:
    """One stream in C++; see `emoface.stream.driver.StreamDriver` for its methods."""

    def __init__(self, runtime: Any, animator: Any, clock: Clock, rate: int, identity: Mapping[str, Any]) -> None:
        self.clock = clock
        self._rate = rate
        self._runtime = runtime
        self._animator = animator
        self._identity = dict(identity)  # as the library's snapshots have it

    @property
    def fed(self) -> int:
        """Samples fed."""
        return int(self._animator.fed)

    @property
    def latency(self) -> int:
        """Declared latency in samples at the caller's rate."""
        return int(self._animator.latency)

    def reset(self) -> None:
        """Back to the start of a stream; conditions too."""
        with _errors(self._runtime):
            self._animator.reset()

    def set_condition(self, name: str, vector: Vector, at: float | None) -> None:
        """Let `vector` hold from audio time `at` on."""
        moment = _NOW if at is None else change_moment(name, at, 0.0, 0.0)
        with _errors(self._runtime):
            self._animator.set_condition(name, vector, moment)

    def feed(self, samples: Floats) -> Calls[Motion]:
        """Add mono samples and run every block that is due."""
        yield from ()
        with _errors(self._runtime):
            return Motion(**self._animator.step(samples), others_fade=False)

    def finish(self, extra_frames: int = 0) -> Calls[Motion]:
        """Feed zeros until all promised frames, and `extra_frames` more, are out."""
        yield from ()
        with _errors(self._runtime):
            return Motion(**self._animator.flush(extra_frames / self.clock.fps), others_fade=False)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What a snapshot's header and arrays say about the stream."""
        with _errors(self._runtime):
            header, arrays = unpack(self._animator.snapshot())
        for key in ("identity", "ended", "channels"):
            del header[key]
        return header, arrays

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Continue from `state()`, of this or of Python's driver; SnapshotError where it is damaged."""
        mine = {**header, "identity": self._identity, "channels": None}
        with _errors(self._runtime):
            self._animator.restore(pack(mine, {k: v for k, v in arrays.items() if not k.startswith("rig.")}))


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
    """Statuses of the C interface as the SDK's errors."""
    try:
        yield
    except runtime.Fault as fault:
        status, got, expected, remedy, file, field = fault.args
        kind = STATUS_ERRORS.get(status, RuntimeFailure)
        if issubclass(kind, ManifestError):
            raise kind(file, field, got, expected, remedy) from None
        raise kind(got, expected, remedy) from None
