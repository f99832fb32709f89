"""Backends by name. Each turns a package's graphs into an engine; engines open per-stream stages.

A backend that is asked for and cannot run here is an error that says why; nothing falls back silently. `auto` takes
the first available of `AUTO_ORDER`, and the engine says which one it was.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from emoface.backends.native_library import left_out, library_path
from emoface.errors import BackendError
from emoface.manifest import StageSpec

if TYPE_CHECKING:
    from emoface.manifest import Manifest
    from emoface.package import Package
    from emoface.stream.conditions import ConditionTimeline
    from emoface.stream.driver import Probe, StreamDriver
    from emoface.stream.expansion import OffsetSource
    from emoface.timing import Clock

Array = npt.NDArray[np.generic]


class StageStream(Protocol):
    """One stage with the state of one stream."""

    def run(self, inputs: Mapping[str, Array], n: int) -> Mapping[str, Array]:
        """One step over n features or frames. The returned arrays hold until the second next call."""

    def reset(self) -> None:
        """Initial state."""

    def state(self) -> dict[str, Array]:
        """A copy of every state tensor."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from `state()`."""


class BatchStream(Protocol):
    """One stage with the state of several voices, each in a slot of its own; for `emoface.AnimatorPool`."""

    def prepare(self, n: int) -> None:
        """Called before any stream with every n that calls will have: the place for what is slow once."""

    def run(self, slots: Sequence[int], inputs: Sequence[Mapping[str, Array]], n: int) -> Sequence[Mapping[str, Array]]:
        """One step of the voices in `slots` over n features or frames each; other slots stay as they are.

        `inputs` holds each voice's arrays (1, ...), the result its outputs (1, ...); these hold until the second next
        call with the same slot.
        """

    def reset(self, slot: int) -> None:
        """Initial state of a slot."""

    def state(self, slot: int) -> dict[str, Array]:
        """A copy of every state tensor of a slot, with a batch axis of 1, as a stream alone would have it."""

    def restore(self, slot: int, state: Mapping[str, Array]) -> None:
        """Continue a slot from `state()`."""


class Engine(Protocol):
    """A package's graphs loaded for one backend and precision: shared, immutable, thread-safe."""

    backend: str
    precision: str

    def open_stage(self, stage: StageSpec) -> StageStream:
        """A stage with fresh state."""


@runtime_checkable
class BatchingEngine(Engine, Protocol):
    """An engine that can run several voices in one call. A pool on any other runs its voices one after another."""

    def open_batch(self, stage: StageSpec, slots: int) -> BatchStream:
        """A stage with fresh state for each of `slots` voices."""


@dataclass(frozen=True)
class GoldenCheck:
    """What an engine that runs whole streams found: the largest errors against the golden vectors.

    Attributes:
        offsets_error: of a coordinate, as a share of the motion range.
        stages_error: of any other output of a stage, as a share of that output's range.
        tolerance: of `offsets_error`, in fp32 of `stages_error` too.
        passed: the errors are within it, and the count of frames is right.
    """

    offsets_error: float
    stages_error: float
    tolerance: float
    passed: bool


@runtime_checkable
class DrivingEngine(Engine, Protocol):
    """An engine that runs whole streams itself."""

    def open_driver(
        self,
        manifest: Manifest,
        clock: Clock,
        rate: int,
        timeline: ConditionTimeline,
        probe: Probe | None,
        noise_seed: int = 0,
        source: OffsetSource = ...,
    ) -> StreamDriver:
        """A stream; arguments as of `emoface.stream.driver.Driver`."""

    def mean_feature(
        self, clock: Clock, rate: int, samples: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], int]:
        """As `emoface.stream.calibrate.mean_feature`."""

    def verify(self) -> GoldenCheck:
        """The package's golden vectors, run by the engine itself: nobody else sees its stages."""


EngineFactory = Callable[["Package", str, int], Engine]


def _ort_cpu(package: Package, precision: str, threads: int) -> Engine:
    from emoface.backends.ort import OrtEngine

    return OrtEngine(package, precision, threads)


def _ort_cpu_native(package: Package, precision: str, threads: int) -> Engine:
    from emoface.backends.ort_native import OrtNativeEngine

    return OrtNativeEngine(package, precision, threads)


def _native(package: Package, precision: str, threads: int) -> Engine:
    from emoface.backends.native import NativeEngine

    return NativeEngine(package, precision, threads)


_FACTORIES: dict[str, EngineFactory] = {"ort-cpu": _ort_cpu}
if importlib.util.find_spec("emoface._runtime") is not None:
    _FACTORIES["native"] = _native
if library_path().is_file():
    _FACTORIES["ort-cpu-native"] = _ort_cpu_native
# Backends that a build provides: its part of the build, the file, and what brings it.
_ABSENT = {
    "ort-cpu-native": (
        library_path().stem,
        library_path().name,
        "Install from source with a C++ compiler and ONNX Runtime's headers (ONNXRUNTIME_ROOT), or use "
        "backend='ort-cpu'.",
    ),
    "native": (
        "_runtime",
        "emoface._runtime",
        "Install from source with a C++ compiler, Python's headers, zlib, nlohmann-json and ONNX Runtime's headers "
        "(ONNXRUNTIME_ROOT), or use backend='ort-cpu'.",
    ),
}
_GPU = ("ort-cuda", "tensorrt", "tensorrt-rtx")
# Our kernels first: the same results to rounding, in about half the time. A library that is here and does not load is
# an error, not a reason to go on without.
AUTO_ORDER = ("ort-cpu-native", "ort-cpu")
WHOLE_CLIP_BACKENDS = ("ort-cpu", "ort-cpu-native")


def register_backend(name: str, factory: EngineFactory) -> None:
    """Make a backend known under `name`: `factory(package, precision, threads)` returns an Engine."""
    _FACTORIES[name] = factory


def available_backends() -> tuple[str, ...]:
    """Names of the backends of this installation and machine."""
    return (*_FACTORIES, *(name for name in _GPU if name not in _FACTORIES and absence(name) is None))


def absent_backends() -> dict[str, str]:
    """Names of known backends that are not here, and why."""
    found = {name: absence(name) for name in (*_ABSENT, *_GPU)}
    return {name: missing[0] for name, missing in found.items() if missing is not None}


def resolve_backend(name: str) -> str:
    """The backend that `name` ("auto" or a backend's name) stands for; BackendError if it is not here."""
    if name == "auto":
        return next(candidate for candidate in AUTO_ORDER if candidate in _FACTORIES)
    if name in _FACTORIES:
        return name
    missing = absence(name)
    if missing is not None:
        raise BackendError(
            f"backend={name!r}: {missing[0]}", f"auto or one of {', '.join(available_backends())}", missing[1]
        )
    if name in _GPU:
        return name
    expected = f"auto or one of {', '.join(available_backends())}"
    raise BackendError(f"backend={name!r}: no such backend", expected, "Check the name; `emoface doctor` lists them.")


def engine_precisions(backend: str, of_package: Sequence[str]) -> tuple[str, ...]:
    """Precisions that a backend runs a package in: its own, and fp16 where engines are built from it."""
    extra = ("fp16",) if backend in ("tensorrt", "tensorrt-rtx") else ()
    return tuple(dict.fromkeys((*of_package, *extra)))


def create_engine(package: Package, backend: str, precision: str, threads: int) -> Engine:
    """Load the graphs; callers use `Package.engine`, which caches."""
    if backend in _FACTORIES:
        return _FACTORIES[backend](package, precision, threads)
    from emoface.backends import gpu

    return gpu.factory(backend)(package, precision, threads)


def absence(name: str) -> tuple[str, str] | None:
    """(why, remedy) of a known backend that is not here; None for one that is, or is not known."""
    if name in _FACTORIES:
        return None
    if name in _GPU:
        from emoface.backends import gpu

        return gpu.missing(name)
    if name not in _ABSENT:
        return None
    part, file, remedy = _ABSENT[name]
    why = left_out().get(part)
    return f"this build has no {file}" + (f": {why}" if why else ""), remedy


def slower_because(backend: str) -> str | None:
    """Why `auto` had to take `backend` instead of its first choice; None where it did not."""
    missing = absence(AUTO_ORDER[0])
    return missing[0] if backend in AUTO_ORDER[1:] and missing is not None else None
