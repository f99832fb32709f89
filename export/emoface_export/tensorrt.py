"""A package to TensorRT engines in the cache: TensorRT for RTX on any machine, full TensorRT on the GPU it is for.

TensorRT for RTX compiles ahead of time for the compute capabilities that are named, without a GPU; the player's card
finishes the work in its first seconds. Full TensorRT measures kernels, so it must build on the GPU that will run them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from emoface.backends.cuda_device import CudaDevice
from emoface.backends.engine_cache import EngineKey, cache_root, platform_name, write_engine
from emoface.backends.tensorrt_library import load_plugin, load_tensorrt
from emoface.errors import BackendError, PackageError, UsageError
from emoface.manifest import StageSpec
from emoface.package import Package
from emoface_export import spiral_onnx
from emoface_export.tensorrt_graph import StepLengths, engine_graph, step_lengths

# What TensorRT for RTX can be told to compile for, oldest first. Turing (sm75) only on request.
TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
DEFAULT_TARGETS = ("sm80", "sm86", "sm89", "sm120")
_WORTH_SAYING = ("ERROR", "INTERNAL_ERROR")


@dataclass(frozen=True)
class EngineOptions:
    """What to build.

    Attributes:
        flavour: "rtx" or "full".
        precision: "fp32", "fp16", "int8" (8-bit weights, computed in float) or None, the package's default.
        targets: compute capabilities for rtx; empty takes `DEFAULT_TARGETS`. Must be empty for full.
        plugin: compile SpiralConv3D as our plugin instead of as the graph's function body.
        block_ms: block of the streams; None takes the package's.
        stages: names of stages; empty takes all.
        root: the cache; None takes $EMOFACE_CACHE or the user's cache folder.
    """

    flavour: str = "rtx"
    precision: str | None = None
    targets: tuple[str, ...] = ()
    plugin: bool = False
    block_ms: int | None = None
    stages: tuple[str, ...] = ()
    root: Path | None = None


@dataclass(frozen=True)
class BuiltEngine:
    """One engine in the cache: its key, place, size, lengths n, seconds of its build and layers by kind."""

    key: EngineKey
    path: Path
    bytes: int
    lengths: StepLengths
    seconds: float
    layers: int
    plugins: int


def build_engines(
    package: Package, options: EngineOptions, progress: Callable[[str], None] = lambda message: None
) -> list[BuiltEngine]:
    """Build and store the engines of `package`, stage by stage; what is stored is whole even if a later one fails.

    Raises:
        UsageError, PackageError: options or a package that cannot be built; before anything is built.
        BackendError: TensorRT, its plugin or (full) a GPU is missing, or TensorRT refused a graph.
    """
    manifest = package.manifest
    stages = _chosen_stages(package, options.stages)
    clock = manifest.clock(_block_features(package, options.block_ms))
    precision = options.precision or manifest.default_precision
    sources = {stage.name: source_precision(stage, precision) for stage in stages}
    targets = _targets(options)
    trt = load_tensorrt(options.flavour)
    gpus = targets if options.flavour == "rtx" else _this_gpu()
    plugin = load_plugin(trt, options.flavour) if options.plugin else ""
    root = cache_root(options.root)
    built = []
    for stage in stages:
        progress(f"building {stage.name}")
        lengths = step_lengths(manifest, stage, clock)
        graph = engine_graph(package.file(sources[stage.name]), stage, lengths, half=precision == "fp16")
        nodes = sum(
            (node.domain, node.op_type) == (spiral_onnx.DOMAIN, spiral_onnx.OPERATOR) for node in graph.graph.node
        )
        begin = time.perf_counter()
        data, kinds = build_engine(trt, graph, stage.name, lengths, targets)
        seconds = time.perf_counter() - begin
        plugins = kinds["PLUGIN_V3"]
        if plugin and plugins != nodes:
            raise BackendError(
                f"stage {stage.name}: TensorRT used the plugin for {plugins} of {nodes} nodes",
                "all of them",
                "The package may ask for another version of the plugin: export it again, or leave out --plugin.",
            )
        key = EngineKey(
            package=package.digest,
            stage=stage.name,
            flavour=options.flavour,
            version=str(trt.__version__),
            precision=precision,
            gpus=gpus,
            plugin=plugin if nodes else "",
            block_ms=clock.block_features * 1000 // manifest.feature_rate,
            platform=platform_name(),
        )
        path = write_engine(root, key, (lengths.low, lengths.high), data, seconds)
        built.append(BuiltEngine(key, path, len(data), lengths, seconds, kinds.total(), plugins))
    return built


def build_engine(
    trt: Any, graph: onnx.ModelProto, name: str, lengths: StepLengths, targets: Iterable[str]
) -> tuple[bytes, Counter[str]]:
    """Compile one graph: the serialised engine and its layers by kind. `targets` is empty for full TensorRT.

    Raises:
        BackendError: with TensorRT's own words.
    """
    logger = _logger(trt)
    builder = trt.Builder(logger)
    # Types are the graph's own; where there is no such flag (TensorRT 11 may drop it) nothing else is possible.
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph.SerializeToString()):
        errors = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise _refused(trt, name, errors)
    config = builder.create_builder_config()
    if lengths.low != lengths.high:
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            shapes = [
                tuple(n if extent < 0 else extent for extent in tensor.shape) for n in (lengths.low, lengths.high)
            ]
            if shapes[0] != shapes[1]:
                profile.set_shape(tensor.name, shapes[0], shapes[1], shapes[1])
        config.add_optimization_profile(profile)
    capabilities = [getattr(trt.ComputeCapability, target.upper()) for target in targets]
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for index, capability in enumerate(capabilities):
            if config.set_compute_capability(capability, index) is False:
                raise _refused(trt, name, f"compute capability {capability}")
    kinds = Counter(str(network.get_layer(i).type).rpartition(".")[2] for i in range(network.num_layers))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise _refused(trt, name, "; ".join(logger.messages[-3:]) or "no reason given")
    return bytes(engine), kinds


def _logger(trt: Any) -> Any:
    """TensorRT keeps the first logger of a process for good, so there is one, which remembers what went wrong."""
    found = _LOGGERS.get(trt.__name__)
    if found is None:

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.messages: list[str] = []

            def log(self, severity: Any, message: str) -> None:
                if str(severity).rpartition(".")[2] in _WORTH_SAYING:
                    self.messages.append(message)

        found = _LOGGERS[trt.__name__] = Logger()
    found.messages.clear()
    return found


_LOGGERS: dict[str, Any] = {}


def _refused(trt: Any, name: str, reason: str) -> BackendError:
    return BackendError(
        f"stage {name}: {reason[:1000]}",
        f"a graph that {trt.__name__} {trt.__version__} compiles",
        "Export the package again with this version of EmoFace; if it stays, report the message.",
    )


def _chosen_stages(package: Package, names: tuple[str, ...]) -> list[StageSpec]:
    stages = {stage.name: stage for stage in package.manifest.stages}
    unknown = [name for name in names if name not in stages]
    if unknown:
        raise UsageError(f"--stage {unknown[0]}", f"one of {', '.join(stages)}", "`emoface inspect` lists the stages.")
    return [stage for stage in stages.values() if not names or stage.name in names]


def _block_features(package: Package, block_ms: int | None) -> int:
    manifest = package.manifest
    if block_ms is None:
        return manifest.block_features
    unit = 1000 // manifest.feature_rate
    low, high = manifest.allowed_block_features
    if block_ms % unit or not low <= block_ms // unit <= high:
        raise UsageError(
            f"--block-ms {block_ms}",
            f"a multiple of {unit} from {low * unit} to {high * unit}",
            f"The package's own block is {manifest.block_features * unit} ms.",
        )
    return block_ms // unit


def source_precision(stage: StageSpec, precision: str) -> str:
    """The file to build from: that of the precision, else the most exact one there is."""
    if precision not in ("fp32", "fp16", "int8"):
        raise UsageError(f"precision {precision!r}", "fp32, fp16 or int8", "Choose one of them.")
    order = {"fp32": ("fp32",), "fp16": ("fp16", "fp32", "int8"), "int8": ("int8", "fp32")}[precision]
    for candidate in order:
        if candidate in stage.files:
            return stage.files[candidate]
    raise PackageError(
        f"stage {stage.name} with {', '.join(stage.files)} alone",
        f"a graph to build {precision} engines from",
        "Choose another precision, or export the package with this one.",
    )


def _targets(options: EngineOptions) -> tuple[str, ...]:
    if options.flavour == "full":
        if options.targets:
            raise UsageError(
                f"--targets {','.join(options.targets)} with --flavour full",
                "no targets: full TensorRT builds for the GPU at hand",
                "Leave --targets out, or use --flavour rtx.",
            )
        return ()
    unknown = [target for target in options.targets if target not in TARGETS]
    if unknown:
        raise UsageError(f"--targets {unknown[0]}", f"some of {', '.join(TARGETS)}", "Separate them by commas.")
    return tuple(target for target in TARGETS if target in (options.targets or DEFAULT_TARGETS))


def _this_gpu() -> tuple[str, ...]:
    device = CudaDevice()
    return (device.capability, device.name)
