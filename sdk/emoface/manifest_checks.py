"""What relates the fields of a manifest to each other: sources, cadences, shapes, files, latency."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from emoface import manifest as m
from emoface.manifest_schema import MOST_FLOAT32, affine, check_file_name, evaluate_extent, fault, shown
from emoface.timing import declared_latency_samples

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Roles of format 2 that come from stages of frames alone, and what else there must be.
_BESIDE = {
    "head_rotation": ("head_translation",),
    "head_translation": ("head_rotation",),
    "coefficients": (),
    "emotion_coefficients": ("coefficients", "emotion_weight"),
}
_REQUIRED_FILES = ("face.npz", "golden.npz")
_MOST_PACKAGE_BYTES = 8 << 30
# An input or output may hold this many values at n = 1000 for one voice, all states together that many.
_MOST_VALUES, _MOST_STATE_VALUES = 1 << 33, 1 << 28
_MOST_INITIAL = {"float32": MOST_FLOAT32, "float16": 65504.0, "int32": float((1 << 31) - 1), "int64": float(1 << 53)}


def check_manifest(manifest: m.Manifest) -> None:
    """Raise ManifestError for the first inconsistency; the order is the same in every reader."""
    if manifest.format not in m.FORMATS:
        raise fault("format", str(manifest.format), f"one of {', '.join(map(str, m.FORMATS))}")
    _check_listed_files(manifest)
    _check_clock(manifest)
    _check_lengths(manifest)
    _check_conditions(manifest)
    _check_persons(manifest)
    _check_noise(manifest)
    _check_stages(manifest)
    _check_outputs(manifest)
    _check_textures(manifest)
    if manifest.default_precision not in manifest.precisions():
        expected = f"one that every stage has files for: {', '.join(manifest.precisions()) or 'there is none'}"
        raise fault("default_precision", repr(manifest.default_precision), expected)
    for name in _REQUIRED_FILES:
        if name not in manifest.files:
            raise fault(f"files.{name}", "nothing", "an entry with sha256 and bytes")


def _check_listed_files(manifest: m.Manifest) -> None:
    folded: set[str] = set()
    for name in sorted(manifest.files):
        field = f"files.{shown(name)}"
        check_file_name(name, field)
        # One folder cannot hold both on every system, nor a list its own hash.
        if name.lower() in folded or name.lower() == m.MANIFEST_NAME:
            raise fault(field, repr(name), f"names that differ in more than case, and not {m.MANIFEST_NAME}")
        folded.add(name.lower())
    total = sum(entry.bytes for entry in manifest.files.values())
    if total > _MOST_PACKAGE_BYTES:
        raise fault("files", f"{total} bytes in all", f"at most {_MOST_PACKAGE_BYTES}")


def _check_clock(manifest: m.Manifest) -> None:
    if manifest.hop * manifest.feature_rate != manifest.sample_rate:
        got = f"{manifest.hop} (x feature_rate {manifest.feature_rate})"
        raise fault("hop", got, f"sample_rate / feature_rate = {manifest.sample_rate / manifest.feature_rate:g}")
    low, high = manifest.allowed_block_features
    if not low <= manifest.block_features <= high:
        raise fault("block_features", str(manifest.block_features), f"{low} to {high} (allowed_block_features)")
    if not manifest.streams:
        _check_whole_clips(manifest)
        return
    latency = declared_latency_samples(
        manifest.block_features,
        manifest.delay_features,
        manifest.fps,
        sample_rate=manifest.sample_rate,
        feature_rate=manifest.feature_rate,
        overlap=manifest.overlap,
    )
    if manifest.latency_samples != latency:
        raise fault("latency_samples", str(manifest.latency_samples), f"{latency} (emoface.manifest's formula)")


def _check_whole_clips(manifest: m.Manifest) -> None:
    """Without a stream there are no blocks and no latency to declare."""
    if manifest.format != 1:
        raise fault("format", str(manifest.format), "1: the package hears whole clips")
    for name, expected in (("block_features", 1), ("delay_features", 0), ("latency_samples", 0)):
        if getattr(manifest, name) != expected:
            raise fault(name, str(getattr(manifest, name)), f"{expected}: the package hears whole clips")
    for index, stage in enumerate(manifest.stages):
        if stage.cadence == "block":
            raise fault(f"stages[{index}].cadence", "'block'", "no block stages in a package that hears whole clips")


def _check_lengths(manifest: m.Manifest) -> None:
    if not manifest.unit_in_metres > 0:
        raise fault("unit_in_metres", str(manifest.unit_in_metres), "a positive number")
    if not manifest.motion_range_m > 0:
        raise fault("motion_range_m", str(manifest.motion_range_m), "a positive number of metres")


def _check_conditions(manifest: m.Manifest) -> None:
    for name, spec in manifest.conditions.items():
        _check_name(name, f"conditions.{shown(name)}")
        if math.prod(spec.shape) != len(spec.default) or len(spec.shape) != 1:
            raise fault(f"conditions.{name}.default", f"{len(spec.default)} values", f"shape {list(spec.shape)}, 1-D")
    named = [("style", manifest.styles, 0), ("emotion", manifest.emotions, 1), ("level", manifest.levels, 0)]
    if manifest.format >= 2:  # before, `person` was a condition like any other
        named.append(("person", manifest.persons, 0))
    for name, names, extra in named:
        condition = manifest.conditions.get(name)
        if condition is not None and not len(names) <= condition.shape[0] <= len(names) + extra:
            raise fault(f"conditions.{name}.shape", str(list(condition.shape)), f"as many entries as names: {names}")


def _check_persons(manifest: m.Manifest) -> None:
    """Manifests that were made in code: the reader knows no such field in format 1, and has checked the digits."""
    if manifest.format < 2:
        for field in ("model_sha256", "persons"):
            if getattr(manifest, field):
                raise fault(field, repr(getattr(manifest, field)), "none in format 1")


def _check_noise(manifest: m.Manifest) -> None:
    if manifest.noise and manifest.format < 2:
        raise fault("noise", "noise", "none in format 1")
    for name, spec in sorted(manifest.noise.items()):
        _check_name(name, f"noise.{shown(name)}")
        if math.prod(spec.shape) > m.MOST_NOISE_VALUES:
            raise fault(f"noise.{name}.shape", str(list(spec.shape)), f"at most {m.MOST_NOISE_VALUES} values")


def _check_stages(manifest: m.Manifest) -> None:
    if not manifest.stages:
        raise fault("stages", "an empty list", "at least one stage")
    seen: dict[str, m.StageSpec] = {}
    state_values = 0
    for index, stage in enumerate(manifest.stages):
        path = f"stages[{index}]"
        _check_name(stage.name, f"{path}.name")
        taken = ("audio", "condition") if manifest.format < 2 else ("audio", "condition", "noise")
        if stage.name in seen or stage.name in taken:
            raise fault(f"{path}.name", repr(stage.name), "a name that is not taken")
        if stage.cadence not in m.CADENCES:
            raise fault(f"{path}.cadence", repr(stage.cadence), f"one of {', '.join(m.CADENCES)}")
        _check_files(manifest, stage, path)
        for kind, specs in (("inputs", stage.inputs), ("outputs", stage.outputs), ("state", stage.state)):
            _check_tensors(specs, f"{path}.{kind}")
        for position, item in enumerate(stage.inputs):
            _check_source(manifest, seen, stage, item, f"{path}.inputs[{position}]")
        for position, output in enumerate(stage.outputs):
            _check_time_axis(stage, output.shape, f"{path}.outputs[{position}].shape")
        for position, state in enumerate(stage.state):
            where = f"{path}.state[{position}]"
            state_values += _values(state.shape)
            if state_values > _MOST_STATE_VALUES:
                raise fault(f"{where}.shape", f"{state_values} values of state in all", f"at most {_MOST_STATE_VALUES}")
            if state.batch_axis >= len(state.shape) or state.shape[state.batch_axis] != "B":
                raise fault(f"{where}.batch_axis", str(state.batch_axis), f'the axis of "B" in {list(state.shape)}')
            if any(isinstance(e, str) for axis, e in enumerate(state.shape) if axis != state.batch_axis):
                raise fault(f"{where}.shape", str(list(state.shape)), 'integers and one "B": a state has a fixed size')
            most, whole = _MOST_INITIAL[state.dtype], not state.dtype.startswith("float")
            if not -most <= state.initial <= most or (whole and state.initial != int(state.initial)):
                raise fault(f"{where}.initial", repr(state.initial), f"a value of {state.dtype}")
        seen[stage.name] = stage


def _check_name(name: str, field: str) -> None:
    if not _NAME.fullmatch(name):
        raise fault(field, repr(name), "a lower-case identifier")


def _check_files(manifest: m.Manifest, stage: m.StageSpec, path: str) -> None:
    if not stage.files:
        raise fault(f"{path}.files", "nothing", "at least one graph file")
    for precision, name in sorted(stage.files.items()):
        field = f"{path}.files.{shown(precision)}"
        if precision not in m.PRECISIONS:
            raise fault(field, repr(precision), f"one of {', '.join(m.PRECISIONS)}")
        check_file_name(name, field)
        if name not in manifest.files:
            raise fault(field, repr(name), "a file listed under `files`")


def _check_tensors(specs: Iterable[m.InputSpec | m.OutputSpec | m.StateSpec], path: str) -> None:
    names: set[str] = set()
    for position, spec in enumerate(specs):
        _check_name(spec.name, f"{path}[{position}].name")
        if spec.name in names:
            raise fault(f"{path}[{position}].name", repr(spec.name), "distinct names")
        if spec.dtype not in m.DTYPES:
            raise fault(f"{path}[{position}].dtype", repr(spec.dtype), f"one of {', '.join(m.DTYPES)}")
        if not spec.shape or "B" not in spec.shape:
            raise fault(f"{path}[{position}].shape", str(list(spec.shape)), 'a shape with the batch axis "B"')
        if _values(spec.shape) > _MOST_VALUES:
            raise fault(f"{path}[{position}].shape", str(list(spec.shape)), "a tensor that fits in memory")
        names.add(spec.name)


def _values(shape: m.Shape) -> int:
    """Values of a tensor of one voice at n = 1000, more than any block or its frames have."""
    return math.prod(1000 if extent == "m" else evaluate_extent(extent, {"B": 1, "n": 1000}) for extent in shape)


def _check_time_axis(stage: m.StageSpec, shape: m.Shape, field: str) -> None:
    special: dict[str, int | str] = {"frame": 1, "clip": "m"}
    time = special.get(stage.cadence, "n")
    if len(shape) < 2 or shape[0] != "B" or shape[1] != time:
        raise fault(field, str(list(shape)), f'["B", {time!r}, ...]: batch first, then time')
    if any(isinstance(extent, str) for extent in shape[2:]):
        raise fault(field, str(list(shape)), "integers after batch and time")


def _check_source(
    manifest: m.Manifest, seen: dict[str, m.StageSpec], stage: m.StageSpec, item: m.InputSpec, path: str
) -> None:
    field = f"{path}.source"
    if item.source == "audio":
        samples = "n" if stage.cadence == "clip" else affine(manifest.hop, manifest.overlap)
        if stage.cadence not in ("block", "clip"):
            raise fault(field, "'audio'", "a block or clip stage: others read no audio")
        if item.shape != ("B", samples) or item.dtype != "float32":
            raise fault(f"{path}.shape", f"{list(item.shape)} {item.dtype}", f'["B", "{samples}"] float32')
        return
    owner, _, name = item.source.partition(".")
    if owner == "condition":
        if name not in manifest.conditions:
            raise fault(field, repr(item.source), f"one of the conditions {sorted(manifest.conditions)}")
        if item.shape != ("B", *manifest.conditions[name].shape) or item.dtype != "float32":
            raise fault(f"{path}.shape", str(list(item.shape)), f'["B", {manifest.conditions[name].shape[0]}] float32')
        return
    if owner == "noise" and manifest.format >= 2:
        return _check_noise_input(manifest, stage, item, path)
    source = seen.get(owner)
    if source is None or name not in [output.name for output in source.outputs]:
        raise fault(field, repr(item.source), "audio, condition.<name> or <earlier stage>.<output>")
    if m.CADENCES.index(source.cadence) > m.CADENCES.index(stage.cadence):
        raise fault(field, f"{item.source!r} ({source.cadence})", f"an output that a {stage.cadence} stage can follow")
    output = source.output(name)
    _check_time_axis(stage, item.shape, f"{path}.shape")
    if item.shape[2:] != output.shape[2:] or item.dtype != output.dtype:
        raise fault(f"{path}.shape", f"{list(item.shape)} {item.dtype}", f"{list(output.shape)} {output.dtype}")
    if source.cadence == "block" and stage.cadence != "block" and output.dtype != "float32":
        raise fault(field, f"{item.source!r} ({output.dtype})", "float32: features are interpolated to the frame rate")


def _check_noise_input(manifest: m.Manifest, stage: m.StageSpec, item: m.InputSpec, path: str) -> None:
    spec = manifest.noise.get(item.source.partition(".")[2])
    if spec is None:
        raise fault(f"{path}.source", repr(item.source), f"one of the noises {sorted(manifest.noise)}")
    _check_time_axis(stage, item.shape, f"{path}.shape")
    if item.shape[2:] != spec.shape or item.dtype != "float32":
        raise fault(f"{path}.shape", f"{list(item.shape)} {item.dtype}", f"batch, time, {list(spec.shape)} float32")


def _check_outputs(manifest: m.Manifest) -> None:
    expected = {role: shape for role, shape in manifest.role_shapes.items() if m.ROLES[role] <= manifest.format}
    if "offsets" not in manifest.outputs and not ("coefficients" in expected and "coefficients" in manifest.outputs):
        raise fault("outputs.offsets", "nothing", "<stage>.<output>")
    for key, source in sorted(manifest.outputs.items()):
        if key not in expected:
            raise fault(f"outputs.{shown(key)}", "an unknown output", f"only {', '.join(expected)}")
        for other in _BESIDE.get(key, ()):
            if other not in manifest.outputs:
                raise fault(f"outputs.{other}", "nothing", f"<stage>.<output>: {key} needs {other}")
        owner, _, name = source.partition(".")
        stages = [s for s in manifest.stages if s.name == owner and name in [o.name for o in s.outputs]]
        if not stages:
            raise fault(f"outputs.{key}", repr(source), "<stage>.<output> of a stage in the list")
        output = stages[0].output(name)
        got = f"{source} {list(output.shape)} {output.dtype}"
        if key == "coefficients" and not 0 < manifest.coefficients <= m.MOST_COEFFICIENTS:
            raise fault(f"outputs.{key}", got, f"time, then one axis of at most {m.MOST_COEFFICIENTS}, float32")
        if output.shape[2:] != expected[key] or output.dtype != "float32":
            raise fault(f"outputs.{key}", got, f"time, then {list(expected[key])}, float32")
        if key in _BESIDE and stages[0].cadence not in ("frames", "frame"):
            raise fault(f"outputs.{key}", f"{source} ({stages[0].cadence})", "a stage of cadence frames or frame")


def _check_textures(manifest: m.Manifest) -> None:
    if manifest.textures and manifest.format < 2:
        raise fault("textures", "textures", "none in format 1")
    for name, file in sorted(manifest.textures.items()):
        field = f"textures.{shown(name)}"
        _check_name(name, field)
        if file not in manifest.files or not file.endswith(".png"):
            raise fault(field, repr(file), "a .png file listed under `files`")
