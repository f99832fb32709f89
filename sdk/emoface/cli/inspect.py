"""`emoface inspect`: what a package holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.errors import RigError
from emoface.face_assets import PIVOTS

if TYPE_CHECKING:
    from emoface.package import Package

_DEFAULTS = {
    "blinks": "about 15 a minute, by default",
    "gaze": "eyes that look at a listener, by default",
    "head_sway": "sway and nods, by default",
}


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("inspect", help="show what a package holds", description="Show a package.")
    options.add_package_first(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Load (so: verify the hashes) and print."""
    from emoface.package import Package

    package = Package.load(args.package)
    if args.json:
        layers = {name: missing is None for name, missing in _layers(package).items()}
        identities = list(package.face.identities)
        print(json.dumps({**package.manifest.to_json(), "sha256": package.digest, **layers, "identities": identities}))
    else:
        print("\n".join(describe(package)))
    return 0


def describe(package: Package) -> list[str]:
    """The package as lines of text."""
    m = package.manifest
    block = 1000 * m.block_features / m.feature_rate
    streaming = f"block        {block:g} ms, latency {1000 * m.latency_samples / m.sample_rate:.1f} ms"
    missing = _layers(package)
    lines = [
        f"{m.name}  (family {m.family}, format {m.format}, licence {m.licence})",
        f"SHA-256      {package.digest}",
        *([f"model        {m.model_sha256}, as person files name it"] if m.model_sha256 else []),
        f"size         {sum(entry.bytes for entry in m.files.values()) / 1e6:.2f} MB in {len(m.files)} files",
        f"rates        {m.fps} fps from {m.sample_rate} Hz, {m.feature_rate} features per second",
        streaming if m.streams else "streaming    no: hears clips as a whole",
        f"precisions   {', '.join(m.precisions())} (default {m.default_precision})",
        f"face         {m.vertices} vertices, {len(package.face.faces)} triangles",
        f"geometry     {m.axes}, unit {m.unit_in_metres:g} m",
        f"masks        {', '.join(sorted(package.face.masks)) or 'none'}",
        f"blendshapes  {_names(package.blendshapes.names) if package.blendshapes else 'none'}",
        *(f"{name:<12} {'none: ' + why if (why := missing[name]) else said}" for name, said in _DEFAULTS.items()),
        f"identities   {_names(tuple(package.face.identities)) if package.face.identities else 'none'}",
        *_assets(package),
        *([f"coefficients {_coefficients(package)}"] if package.manifest.coefficients else []),
        f"motion       up to {1000 * m.motion_range_m:.1f} mm",
        f"outputs      {', '.join(m.outputs)}",
    ]
    for name in m.conditions:
        choices = m.choices(name)
        shape = list(m.conditions[name].shape)
        lines.append(f"{name:<12} {', '.join(choices) if choices else f'vector of shape {shape}'}")
    for stage in m.stages:
        inputs = ", ".join(item.source for item in stage.inputs)
        state = sum(_size(spec.shape) for spec in stage.state)
        lines.append(f"stage        {stage.name} ({stage.cadence}) <- {inputs}; state {state} values")
    for title, content in (("provenance", m.provenance), ("verification", m.verification)):
        lines.extend(f"{title:<12} {key}: {json.dumps(value)}" for key, value in content.items())
    return lines


def _assets(package: Package) -> list[str]:
    """Lines for what few faces have."""
    face = package.face
    lines = []
    if face.uvs is not None:
        lines.append(f"uvs          {len(face.uvs)}")
    if face.normal_groups is not None:
        lines.append(f"normals      {len(set(face.normal_groups.tolist()))} groups with sharp edges between them")
    if face.pivots is not None:
        lines.append(f"pivots       {', '.join(PIVOTS)}")
    for name, image in face.textures.items():
        lines.append(f"texture      {name} ({len(image) / 1e6:.2f} MB)")
    return lines


def _coefficients(package: Package) -> str:
    """What a package with a motion basis gives."""
    outputs, basis = package.manifest.outputs, package.face.basis
    branch = ", and as many of an emotion branch" if "emotion_coefficients" in outputs else ""
    names = "" if basis is None else f" ({_names(basis.names)})"
    return f"{package.manifest.coefficients}{branch}, {'beside' if 'offsets' in outputs else 'no'} offsets{names}"


def _layers(package: Package) -> dict[str, str | None]:
    """Why there are no blinks, no gaze and no head sway by default, or None for each that there is."""
    # Imported here: the command line starts without numpy.
    from emoface.rig.head_sway import check_head

    asked: dict[str, Callable[[], object]] = {
        "blinks": lambda: package.lids,
        "gaze": lambda: package.eyes,
        "head_sway": lambda: check_head(package),
    }
    found: dict[str, str | None] = dict.fromkeys(asked)
    for name, look in asked.items():
        try:
            look()
        except RigError as error:
            found[name] = error.got
    if "head_rotation" in package.manifest.outputs:
        found["head_sway"] = "the model moves the head"
    return found


def _names(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"


def _size(shape: tuple[int | str, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent if isinstance(extent, int) else 1
    return size
