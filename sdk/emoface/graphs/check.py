"""What a package's graphs are checked for before ONNX Runtime sees a byte of them. See docs/security.md."""

from __future__ import annotations

from collections.abc import Mapping

from emoface.errors import ManifestError
from emoface.graphs.bounds import Bounds, check_operators
from emoface.graphs.call import Tensor
from emoface.graphs.lengths import Number, exactly
from emoface.graphs.model import Function, GraphError, Model, Value, read_model
from emoface.manifest import Manifest, Shape, StageSpec, concrete_shape
from emoface.timing import MOST_CLIP_FRAMES, SHORTEST_CLIP

MOST_PACKAGE_NODES = 60_000
"""Nodes of all graphs of a package, functions written out."""
LONGEST_CLIP_S = 60
"""Seconds up to which graphs that hear whole clips are checked, from `SHORTEST_CLIP` samples on."""
_REMEDY = "Export the package again with `emoface export`; load packages of people you trust only."


def check_graphs(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Check every graph of a package against the manifest and the limits.

    Args:
        manifest: checked.
        files: name -> verified bytes.

    Raises:
        ManifestError: `file` is the graph's, `field` the node, tensor or part at fault.
    """
    functions: dict[bytes, Function] = {}
    rows: dict[str, int] = {}
    nodes = 0
    for stage in manifest.stages:
        for file in dict.fromkeys(stage.files.values()):
            try:
                model = read_model(files[file], functions)
                nodes += check_operators(model)
                if nodes > MOST_PACKAGE_NODES:
                    raise GraphError("nodes", f"more than {MOST_PACKAGE_NODES} in the package", "fewer")
                stage_bounds(manifest, stage, model, rows)
            except GraphError as error:
                raise ManifestError(file, error.field, error.got, error.expected, _REMEDY) from None


def item_range(manifest: Manifest, stage: StageSpec) -> tuple[int, int]:
    """The least and the largest n of one call of a stage."""
    least, most = manifest.allowed_block_features
    if stage.cadence == "block":
        return least, most
    if stage.cadence == "clip":
        return SHORTEST_CLIP, LONGEST_CLIP_S * manifest.sample_rate
    if stage.cadence == "frame":
        return 1, 1
    if not manifest.streams:
        return 1, MOST_CLIP_FRAMES
    # All frames that a block completes.
    return 1, int(most / manifest.feature_rate * manifest.fps) + 2


def stage_bounds(manifest: Manifest, stage: StageSpec, model: Model, rows: dict[str, int] | None = None) -> Bounds:
    """Bounds of every tensor of a stage's graph.

    Args:
        manifest, stage, model: the graph `model` is one of the stage's.
        rows: the most rows of clip stages' outputs "<stage>.<output>" before it; this stage's are added.

    Raises:
        GraphError: the graph is not what the manifest says of the stage, or too large.
    """
    rows = {} if rows is None else rows
    least, most = item_range(manifest, stage)
    states = [(s.name, s.shape, s.dtype) for s in stage.state]
    wanted = [(i.name, i.shape, i.dtype) for i in stage.inputs] + [(f"state.{n}", s, t) for n, s, t in states]
    given = [(o.name, o.shape, o.dtype) for o in stage.outputs] + [(f"new_state.{n}", s, t) for n, s, t in states]
    bounds = Bounds(model, least, most)
    _compare(bounds, "inputs", model.inputs, wanted)
    _compare(bounds, "outputs", model.outputs, given)
    most_rows = {item.name: rows.get(item.source, 1) for item in stage.inputs}
    results = bounds.outputs({name: Tensor(_dims(bounds, shape, most_rows.get(name, 1))) for name, shape, _ in wanted})
    for name, shape, _ in given:
        found = results[name].dims
        if len(found) != len(shape) or not all(
            extent is None or _overlap(bounds, extent, other)
            for extent, other in zip(_extents(bounds, shape), found, strict=True)
        ):
            text = [bounds.lengths.text(extent) for extent in found]
            raise GraphError(f"output {name!r}", f"shape [{', '.join(text)}]", f"{list(shape)} as in the manifest")
        if "m" in shape:
            key = f"{stage.name}.{name}"
            rows[key] = max(rows.get(key, 1), bounds.lengths.high(found[shape.index("m")]))
    return bounds


def _extents(bounds: Bounds, shape: Shape) -> list[Number | None]:
    """Extents with the batch 1; None for the rows that only the graph knows ("m")."""
    extents: list[Number | None] = []
    for extent in shape:
        if extent == "m":
            extents.append(None)
            continue
        offset, next_one = (concrete_shape((extent,), n)[0] for n in (0, 1))
        extents.append(bounds.lengths.symbol(next_one - offset, offset))
    return extents


def _dims(bounds: Bounds, shape: Shape, rows: int) -> tuple[Number, ...]:
    return tuple((0, 1, rows) if extent is None else extent for extent in _extents(bounds, shape))


def _overlap(bounds: Bounds, x: Number, y: Number) -> bool:
    difference = bounds.lengths.subtract(x, y)
    return bounds.lengths.low(difference) <= 0 <= bounds.lengths.high(difference)


def _compare(bounds: Bounds, kind: str, found: tuple[Value, ...], wanted: list[tuple[str, Shape, str]]) -> None:
    """Names, element types, axes and fixed extents of a graph's declared inputs or outputs are the manifest's."""
    values = {value.name: value for value in found}
    names = [name for name, _, _ in wanted]
    if len(values) != len(found) or sorted(values) != sorted(names):
        raise GraphError(kind, ", ".join(v.name for v in found), ", ".join(names))
    for name, shape, dtype in wanted:
        value = values[name]
        fits = value.shape is not None and len(value.shape) == len(shape) and value.dtype == dtype
        if fits and value.shape is not None:
            fits = all(
                not isinstance(extent, int) or other is None or _overlap(bounds, exactly(extent), other)
                for extent, other in zip(value.shape, _extents(bounds, shape), strict=True)
            )
        if not fits:
            got = f"{list(value.shape or ())} {value.dtype}"
            raise GraphError(f"{kind}.{name}", got, f"{list(shape)} {dtype} as in the manifest")
