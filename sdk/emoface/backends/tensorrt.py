"""TensorRT and TensorRT for RTX: engines that `emoface engine` built, from the cache, never built behind one's back.

Building takes seconds to minutes, so a missing engine is an error with the command that builds it. `threads` has no
effect: the GPU does the work. Engines compiled with the plugin are preferred where its library is here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emoface.backends.cuda_device import CudaDevice, Device
from emoface.backends.engine_cache import (
    ENVIRONMENT,
    EngineHeader,
    EngineKey,
    cache_root,
    differences,
    platform_name,
    read_engine,
    stored_engines,
)
from emoface.backends.tensorrt_library import load_plugin, load_tensorrt, plugin_path
from emoface.backends.tensorrt_stage import Context, TensorRTStage
from emoface.errors import BackendError
from emoface.manifest import StageSpec, concrete_shape

if TYPE_CHECKING:
    from emoface.package import Package

Entry = tuple[Path, EngineHeader]
BACKENDS = {"tensorrt": "full", "tensorrt-rtx": "rtx"}
# Files named in a message about engines that do not fit
_SHOWN = 3


class TensorRTEngine:
    """The engines of one package for one GPU; deserialised once, shared by all streams.

    Args:
        package: the package.
        precision: "fp32", "fp16" or "int8".
        backend: "tensorrt" or "tensorrt-rtx".
        root: the cache; None takes $EMOFACE_CACHE or the user's cache folder.
        device: the GPU; None takes the first.
    """

    def __init__(
        self,
        package: Package,
        precision: str,
        backend: str,
        root: Path | None = None,
        device: Device | None = None,
    ) -> None:
        self.backend = backend
        self.precision = precision
        self._flavour = BACKENDS[backend]
        self._trt = load_tensorrt(self._flavour)
        self._device: Device = CudaDevice() if device is None else device
        self._stages = package.manifest.stages
        unit_ms = 1000 // package.manifest.feature_rate
        self._block_ms = package.manifest.block_features * unit_ms
        root = cache_root(root)
        wanted = EngineKey(
            package=package.digest,
            stage="",
            flavour=self._flavour,
            version=str(self._trt.__version__),
            precision=precision,
            gpus=(self._device.capability,),
            plugin="",
            block_ms=self._block_ms,
            platform=platform_name(),
        )
        self._entries = choose_engines(
            root, wanted, [stage.name for stage in self._stages], self._device.name, plugin_path().is_file()
        )
        self._lock = threading.Lock()
        self._engines: dict[Path, Any] = {}
        logger = self._trt.Logger(self._trt.Logger.ERROR)
        if any(header.key.plugin for entries in self._entries.values() for _, header in entries):
            load_plugin(self._trt, self._flavour)
        self._runtime = self._trt.Runtime(logger)
        for stage in self._stages:  # fail now rather than in the middle of a stream
            entries = self._entries[stage.name]
            self._load(stage, next((e for e in entries if e[1].key.block_ms == self._block_ms), entries[0]))

    def open_stage(self, stage: StageSpec) -> TensorRTStage:
        """A stage with fresh state."""
        return TensorRTStage(self._device, self, stage)

    def open_context(self, stage: StageSpec, n: int) -> Context:
        """An execution context for length n; BackendError where no engine runs it."""
        engine = self._load(stage, entry_for(stage, self._entries[stage.name], n, self._flavour))
        context: Context | None = engine.create_execution_context(*_runtime_config(self._trt, self._flavour, engine))
        if context is None:
            raise BackendError(f"stage {stage.name}: no execution context", "GPU memory for one", "Use fewer voices.")
        return context

    def _load(self, stage: StageSpec, entry: Entry) -> Any:
        path, header = entry
        with self._lock:
            if path not in self._engines:
                _, data = read_engine(path, header.key)
                engine = self._runtime.deserialize_cuda_engine(data)
                if engine is None:
                    raise BackendError(
                        f"{path}: TensorRT {self._trt.__version__} cannot load it",
                        f"an engine for this GPU ({self._device.name}, {self._device.capability})",
                        "Build it again with `emoface engine`; TensorRT's log says more.",
                    )
                check_signature(self._trt, path, engine, stage, header.lengths[1])
                self._engines[path] = engine
            return self._engines[path]


def choose_engines(
    root: Path, wanted: EngineKey, stages: list[str], gpu: str, has_plugin: bool
) -> dict[str, list[Entry]]:
    """The engines of every stage that fit, by stage; those with the plugin first, then by length.

    Raises:
        BackendError: a stage has none; the message says what is there and what differs.
    """
    build = f"Build them: `emoface engine PACKAGE --flavour {wanted.flavour}`; ${ENVIRONMENT} names the cache ({root})."
    stored = list(stored_engines(root, wanted.package))
    chosen: dict[str, list[Entry]] = {}
    for stage in stages:
        fitting: list[Entry] = []
        refused: list[str] = []
        for path, header in stored:
            if header.key.stage != stage:
                continue
            reasons = misfits(header.key, wanted, gpu)
            if header.key.plugin and not has_plugin:
                reasons.append("it needs the plugin library, which is not here")
            if path != header.key.path(root):
                reasons.append("it lies at the place of another engine")
            if reasons:
                refused.append(f"{path.relative_to(root)}: {', '.join(reasons)}")
            else:
                fitting.append((path, header))
        if not fitting:
            others = "; ".join(refused[:_SHOWN]) if refused else "none at all"
            raise BackendError(
                f"no engine of stage {stage} for {wanted.gpus[0]} in the cache; there are: {others}",
                f"{wanted.precision} engines of TensorRT ({wanted.flavour}) {wanted.version} for {wanted.gpus[0]}",
                build,
            )
        chosen[stage] = sorted(fitting, key=lambda entry: (not entry[1].key.plugin, entry[1].lengths[1]))
    return chosen


def misfits(key: EngineKey, wanted: EngineKey, gpu: str) -> list[str]:
    """What keeps an engine from running here, in words. Block size, stage and plugin are the caller's choice."""
    same = replace(
        wanted,
        stage=key.stage,
        plugin=key.plugin,
        block_ms=key.block_ms,
        gpus=key.gpus if _fits(key, wanted, gpu) else wanted.gpus,
    )
    return [f"{name} {got}, here {expected}" for name, got, expected in differences(key, same)]


def _fits(key: EngineKey, wanted: EngineKey, gpu: str) -> bool:
    # Full TensorRT tunes for one model of GPU; TensorRT for RTX compiles for whichever it meets of the targets.
    return wanted.gpus[0] in key.gpus and (key.flavour == "rtx" or gpu in key.gpus)


def entry_for(stage: StageSpec, entries: list[Entry], n: int, flavour: str) -> Entry:
    """The first engine that runs length n."""
    for entry in entries:
        low, high = entry[1].lengths
        if low <= n <= high:
            return entry
    have = ", ".join(
        f"{header.key.block_ms} ms (n {header.lengths[0]} to {header.lengths[1]})" for _, header in entries
    )
    raise BackendError(
        f"stage {stage.name} called with n = {n}",
        f"a block size that engines were built for: {have}",
        f"Make the animator with that block_ms, or run `emoface engine PACKAGE --flavour {flavour} --block-ms MS`.",
    )


def check_signature(trt: Any, path: Path, engine: Any, stage: StageSpec, n: int) -> None:
    """Compare an engine's tensors with the manifest: names, direction, type and extents (open ones are below 0)."""
    wanted: dict[str, tuple[str, tuple[int, ...], str]] = {}
    for item in stage.inputs:
        wanted[item.name] = ("INPUT", concrete_shape(item.shape, n), item.dtype)
    for output in stage.outputs:
        wanted[output.name] = ("OUTPUT", concrete_shape(output.shape, n), output.dtype)
    for state in stage.state:
        shape = concrete_shape(state.shape, n)
        wanted[f"state.{state.name}"] = ("INPUT", shape, state.dtype)
        wanted[f"new_state.{state.name}"] = ("OUTPUT", shape, state.dtype)
    remedy = "Build the engines again with `emoface engine`."
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    if sorted(names) != sorted(wanted):
        raise BackendError(f"{path}: tensors {', '.join(names)}", ", ".join(wanted), remedy)
    for name, (mode, shape, dtype) in wanted.items():
        got = (
            str(engine.get_tensor_mode(name)).rpartition(".")[2],
            tuple(engine.get_tensor_shape(name)),
            np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name,
        )
        fits = len(got[1]) == len(shape) and all(a in (b, -1) for a, b in zip(got[1], shape, strict=True))
        if got[0] != mode or got[2] != dtype or not fits:
            raise BackendError(f"{path}: {name} is {got}", f"{(mode, shape, dtype)}", remedy)


def _runtime_config(trt: Any, flavour: str, engine: Any) -> tuple[Any, ...]:
    """TensorRT for RTX would swap kernels while a stream runs, and a frame's bits with them: compile them first."""
    if flavour != "rtx":
        return ()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    return (config,)


def factory(backend: str) -> Callable[[Package, str, int], TensorRTEngine]:
    """`factory(package, precision, threads)` of a backend, as `register_backend` takes it."""

    def make(package: Package, precision: str, threads: int) -> TensorRTEngine:
        return TensorRTEngine(package, precision, backend)

    return make
