"""What the manifest says about a model beyond its graphs: sources of inputs, conditions, clock, names."""

from __future__ import annotations

import numpy as np

from emoface_export.errors import ExportError
from emoface_export.family_wiring import wiring_of
from emoface_export.package_manifest import ALLOWED_BLOCKS, Conditions, Streaming
from emoface_export.step_module import Shape
from emoface_training.config import ModelConfig
from emoface_training.nn.wav2vec2 import HOP, OVERLAP

USUAL_BLOCK = 2
AUDIO: Shape = ("B", f"{HOP}*n+{OVERLAP}")


def input_shapes(config: ModelConfig, stage: str) -> dict[str, Shape]:
    """Symbolic shapes of a stage's inputs."""
    wiring = wiring_of(config)
    conditions, extents = wiring.conditions(config), wiring.extents(config)
    shapes: dict[str, Shape] = {}
    for key, source in wiring.sources[stage].items():
        if source == "audio":
            shapes[key] = AUDIO if streams(config) else ("B", "n")
        elif source.startswith("condition."):
            shapes[key] = ("B", len(conditions[source.removeprefix("condition.")]))
        else:
            time = 1 if stage in wiring.frame_stages else "n"
            noise = wiring.noise.get(source.removeprefix("noise."))
            shapes[key] = ("B", time, *(extents[key] if noise is None else noise))
    return shapes


def streams(config: ModelConfig) -> bool:
    """Whether the package streams; False where a stage hears whole clips."""
    return not config.hears_whole_clips


def check_streams(config: ModelConfig) -> int:
    """The look-ahead R in features that all encoders share, 0 for a model that hears whole clips.

    Raises `ExportError` for a model that can do neither.
    """
    if not streams(config):
        return 0
    for name, encoder in config.encoders.items():
        if not encoder.streams:
            raise ExportError(
                f"the {name} encoder has an unlimited band or utterance-level group norm",
                "a band (left, right, position_right) with fixed statistics for a group norm, or a window",
                "Distil the encoder with `emoface distill`, or give it a window; see the documentation of encoders.",
            )
    delays = {name: encoder.delay_features for name, encoder in config.encoders.items()}
    if len(set(delays.values())) > 1:
        raise ExportError(
            "look-ahead " + " and ".join(f"{delay} ({name} encoder)" for name, delay in delays.items()),
            "one look-ahead for both",
            "Give both encoders the same position_right + sum(right).",
        )
    return next(iter(delays.values()))


def default_block(config: ModelConfig) -> int:
    """Features per block where the caller does not choose: the one size there is, or else the usual 40 ms."""
    sizes = _only_sizes(config)
    if not streams(config):
        return 1
    return next(iter(sizes)) if len(sizes) == 1 else max(USUAL_BLOCK, wiring_of(config).block_multiple(config))


def allowed_blocks(config: ModelConfig, block_features: int) -> tuple[int, int]:
    """Least and most features per block: any for band encoders, one size where an encoder works on windows.

    A model whose blocks are groups of features (FaceFormer's) allows one size too, a multiple of the group. Raises
    `ExportError` when `block_features` is not such a size.
    """
    if not streams(config):
        return 1, 1
    sizes, multiple = _only_sizes(config), wiring_of(config).block_multiple(config)
    if block_features % multiple:
        raise ExportError(
            f"a block of {20 * block_features} ms",
            f"a multiple of {20 * multiple} ms, in which whole frames lie",
            f"Use --block-ms {20 * multiple * -(-block_features // multiple)}.",
        )
    if not sizes:
        return ALLOWED_BLOCKS if multiple == 1 else (block_features, block_features)
    if sizes != {block_features}:
        raise ExportError(
            f"a block of {20 * block_features} ms",
            " and ".join(f"{20 * size} ms" for size in sorted(sizes)) + ", for which the windowed encoders are made",
            "Use that block size (--block-ms), one for both encoders: another would change what a window holds.",
        )
    return block_features, block_features


def _only_sizes(config: ModelConfig) -> set[int]:
    return {encoder.window_block for encoder in config.encoders.values() if encoder.window is not None}


def default_conditions(config: ModelConfig) -> dict[str, np.ndarray]:
    """Vectors of the package's conditions where the caller says nothing."""
    return wiring_of(config).conditions(config)


def streaming_of(config: ModelConfig, block_features: int) -> Streaming:
    """Rates, blocks and look-ahead of a model; block_features 0: its default block.

    Raises `ExportError` for a model that neither streams nor hears whole clips, and for a block that does not fit it.
    """
    look_ahead = check_streams(config)
    block = block_features or default_block(config)
    return Streaming(config.fps, block, allowed_blocks(config, block), look_ahead)


def conditions_of(config: ModelConfig) -> Conditions:
    """The package's conditions and the names of their entries."""
    wiring = wiring_of(config)
    return Conditions(default_conditions(config), config.styles, wiring.emotions, wiring.levels)
