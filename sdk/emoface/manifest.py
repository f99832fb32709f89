"""The package manifest, formats 1 and 2: what a runtime must know to run a package, nothing about the model's family.

A package is a folder or a zip with `manifest.json` at its root and flat files beside it. The manifest lists *stages*:
pure step graphs with a cadence, named inputs bound to sources, and states. An ONNX graph has the inputs
`<input names>, state.<x>...` and the outputs `<output names>, new_state.<x>...`, in the order listed here.

Cadences:
    block   n = block_features new features from `hop n + overlap` samples (for a stage that reads audio)
    frames  any number n >= 1 of new frames at once
    frame   exactly one frame per call (autoregressive)
    clip    once, over all n samples of a clip; gives m rows, one per frame. Such a package cannot stream

Sources of an input: `audio`, `condition.<name>`, `<earlier stage>.<output>` or, in format 2, `noise.<name>`. A block
stage's output read by a frames or frame stage is interpolated from the feature rate to fps; the first `delay_features`
outputs of every block stage are dropped (the encoders' look-ahead).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from emoface.errors import PackageFormatError
from emoface.manifest_schema import Reader, fault, shown
from emoface.manifest_stages import (
    CADENCES,
    DTYPES,
    MOST_TENSORS,
    PRECISIONS,
    InputSpec,
    OutputSpec,
    Shape,
    StageSpec,
    StateSpec,
    concrete_shape,
    read_stage,
    stage_to_json,
)
from emoface.manifest_text import parse_manifest
from emoface.timing import Clock, declared_latency_samples

__all__ = [
    "AFFECT",
    "CADENCES",
    "DTYPES",
    "FORMATS",
    "MANIFEST_NAME",
    "PRECISIONS",
    "ROLES",
    "ConditionSpec",
    "FileEntry",
    "InputSpec",
    "Manifest",
    "NoiseSpec",
    "OutputSpec",
    "Shape",
    "StageSpec",
    "StateSpec",
    "concrete_shape",
    "declared_latency_samples",
    "format_needed",
]

FORMATS = (1, 2)
"""Formats that this SDK reads. Format 2 is format 1 and more: a package that needs none of it says 1."""
MANIFEST_NAME = "manifest.json"
MAX_FILE_BYTES = 4 << 30
MAX_VERTICES = 1 << 20
MOST_RATE = 1_000_000
MOST_OVERLAP = 1 << 24
MOST_BLOCK = 1000
MOST_STAGES = 64
MOST_CONDITIONS = 64
MOST_CONDITION_VALUES = 1 << 16
MOST_NOISES = 64
MOST_NOISE_VALUES = 1 << 16
MOST_FILES = 1024
MOST_TEXTURES = 16
MOST_COEFFICIENTS = 4096
LENGTHS = (1e-9, 1e9)
AFFECT = ("arousal", "valence", "confidence")
"""Roles of one value per frame: what a model hears in the voice beside the classes' probabilities."""
ROLES: Mapping[str, int] = {
    **{"offsets": 1, "emotion": 1, "emotion_weight": 1, "head_rotation": 2, "head_translation": 2},
    **dict.fromkeys(AFFECT, 2),
    **{"coefficients": 2, "emotion_coefficients": 2},
}
"""Roles that a stage's output can have, in the order of a frame's arrays, and the first format that knows each."""


def format_needed(outputs: Mapping[str, str], *newer: Collection[object]) -> int:
    """The oldest format that has all that a package says.

    Args:
        outputs: its roles.
        newer: what format 1 does not have, empty where the package has none: noise, textures, ...
    """
    return max(2 if any(map(len, newer)) else 1, *(ROLES.get(role, 1) for role in outputs))


@dataclass(frozen=True)
class ConditionSpec:
    """A float vector steering the animation: shape without the batch axis, and its default."""

    shape: tuple[int, ...]
    default: tuple[float, ...]


@dataclass(frozen=True)
class NoiseSpec:
    """Standard normal values that stages read: the shape of those of one frame or feature. Of format 2."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 (hex) and size of a file of the package."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`, format 1 or 2. Build it in code (export) or with `from_json`; both are checked the same way."""

    name: str
    family: str
    licence: str
    fps: int
    block_features: int
    allowed_block_features: tuple[int, int]
    delay_features: int
    latency_samples: int
    vertices: int
    faces_sha256: str
    styles: tuple[str, ...]
    emotions: tuple[str, ...]
    levels: tuple[str, ...]
    default_precision: str
    conditions: Mapping[str, ConditionSpec]
    stages: tuple[StageSpec, ...]
    outputs: Mapping[str, str]
    motion_range_m: float
    files: Mapping[str, FileEntry]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    sample_rate: int = 16000
    feature_rate: int = 50
    hop: int = 320
    overlap: int = 80
    unit_in_metres: float = 1.0
    axes: str = "+Y up, +Z front"
    format: int = 1
    noise: Mapping[str, NoiseSpec] = field(default_factory=dict)
    textures: Mapping[str, str] = field(default_factory=dict)
    persons: tuple[str, ...] = ()
    model_sha256: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def streams(self) -> bool:
        """Whether frames come while the audio is fed; False where a stage hears whole clips."""
        return all(stage.cadence != "clip" for stage in self.stages)

    @property
    def coefficients(self) -> int:
        """R, a frame's coefficients in the motion basis of the face; 0 where the package gives none."""
        owner, _, name = self.outputs.get("coefficients", "").partition(".")
        shapes = [output.shape for s in self.stages if s.name == owner for output in s.outputs if output.name == name]
        return int(shapes[0][2]) if shapes and len(shapes[0]) == 3 else 0

    @property
    def role_shapes(self) -> dict[str, tuple[int, ...]]:
        """What a frame's output of each role is shaped like."""
        return {
            "offsets": (self.vertices, 3),
            "emotion": (len(self.emotions),),
            "emotion_weight": (self.vertices,),
            "head_rotation": (3, 3),
            "head_translation": (3,),
            **dict.fromkeys(AFFECT, (1,)),
            "coefficients": (self.coefficients,),
            "emotion_coefficients": (self.coefficients,),
        }

    def stage(self, name: str) -> StageSpec:
        """The stage called `name`."""
        return next(stage for stage in self.stages if stage.name == name)

    def precisions(self) -> tuple[str, ...]:
        """Precisions that the package can run in: every stage has a file for it, its own or fp32, and one its own."""
        return tuple(
            p
            for p in PRECISIONS
            if any(p in stage.files for stage in self.stages)
            and all(p in stage.files or "fp32" in stage.files for stage in self.stages)
        )

    def choices(self, condition: str) -> tuple[str, ...]:
        """Names of a condition's entries; `emotion` ends with "auto" where the vector has the unknown class."""
        named = {"style": self.styles, "emotion": self.emotions, "level": self.levels, "person": self.persons}
        names = named.get(condition, ())
        spec = self.conditions.get(condition)
        if condition == "emotion" and spec is not None and spec.shape == (len(names) + 1,):
            return (*names, "auto")
        return names

    def clock(self, block_features: int | None = None) -> Clock:
        """The integer clock at `block_features` features per block (default: the package's)."""
        return Clock(
            fps=self.fps,
            sample_rate=self.sample_rate,
            feature_rate=self.feature_rate,
            hop=self.hop,
            overlap=self.overlap,
            block_features=self.block_features if block_features is None else block_features,
            delay_features=self.delay_features,
        )

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values, keys in the order of the format's description."""
        data: dict[str, Any] = {key: getattr(self, key) for key in ("format", "name", "family")}
        if self.model_sha256:
            data["model_sha256"] = self.model_sha256
        for key in ("licence", "fps", "sample_rate", "feature_rate", "hop", "overlap"):
            data[key] = getattr(self, key)
        data["block_features"] = self.block_features
        data["allowed_block_features"] = list(self.allowed_block_features)
        for key in ("delay_features", "latency_samples", "vertices", "faces_sha256", "unit_in_metres", "axes"):
            data[key] = getattr(self, key)
        for key in ("styles", "emotions", "levels"):
            data[key] = list(getattr(self, key))
        if self.persons:
            data["persons"] = list(self.persons)
        data["default_precision"] = self.default_precision
        data["conditions"] = {
            name: {"shape": list(spec.shape), "default": list(spec.default)} for name, spec in self.conditions.items()
        }
        if self.noise:
            data["noise"] = {name: {"shape": list(spec.shape)} for name, spec in self.noise.items()}
        data["stages"] = [stage_to_json(stage) for stage in self.stages]
        data["outputs"] = dict(self.outputs)
        if self.textures:
            data["textures"] = dict(self.textures)
        data["motion_range_m"] = self.motion_range_m
        data["provenance"] = dict(self.provenance)
        data["verification"] = dict(self.verification)
        data["files"] = {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in self.files.items()}
        return data

    def to_text(self) -> str:
        """The bytes to write as `manifest.json` (UTF-8), the same for the same manifest."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Manifest:
        """Read and check a manifest.

        Args:
            source: the text of `manifest.json`, or its parsed object.

        Raises:
            PackageFormatError: the format is newer (or older) than this SDK reads.
            ManifestError: a field is missing, of the wrong type, unknown or inconsistent.
        """
        reader = Reader(parse_manifest(source) if isinstance(source, (str, bytes)) else source, "")
        version = reader.integer("format", 1)
        if version not in FORMATS:
            known = " or ".join(map(str, FORMATS))
            raise PackageFormatError(
                f"{MANIFEST_NAME}: format = {version}",
                f"format {known}",
                f"Update the SDK with `pip install -U emoface`, or export the package again in format {known}.",
            )
        # In this order, so that every reader names the same field of a manifest with several faults.
        fields: dict[str, Any] = dict(
            format=version,
            name=reader.text("name"),
            family=reader.text("family"),
            model_sha256=reader.sha256("model_sha256") if _says(reader, version, "model_sha256") else "",
            licence=reader.text("licence"),
            fps=reader.integer("fps", 1, 1000),
            sample_rate=reader.integer("sample_rate", 1, MOST_RATE),
            feature_rate=reader.integer("feature_rate", 1, 1000),
            hop=reader.integer("hop", 1, MOST_RATE),
            overlap=reader.integer("overlap", 0, MOST_OVERLAP),
            block_features=reader.integer("block_features", 1, MOST_BLOCK),
            allowed_block_features=_least_and_most(reader),
            delay_features=reader.integer("delay_features", 0, 1000),
            latency_samples=reader.integer("latency_samples", 0),
            vertices=reader.integer("vertices", 1, MAX_VERTICES),
            faces_sha256=reader.sha256("faces_sha256"),
            unit_in_metres=reader.number("unit_in_metres", *LENGTHS),
            axes=reader.text("axes"),
            styles=reader.texts("styles"),
            emotions=reader.texts("emotions"),
            levels=reader.texts("levels"),
            persons=reader.texts("persons") if _says(reader, version, "persons") else (),
            default_precision=reader.text("default_precision"),
            conditions={name: _condition(item) for name, item in reader.children("conditions", MOST_CONDITIONS)},
            noise=_noise(reader, version),
            stages=tuple(read_stage(item) for item in reader.items("stages", MOST_STAGES)),
            outputs=reader.text_map("outputs", MOST_TENSORS),
            textures=reader.text_map("textures", MOST_TEXTURES) if _says(reader, version, "textures") else {},
            motion_range_m=reader.number("motion_range_m", *LENGTHS),
            provenance=reader.mapping("provenance", optional=True),
            verification=_verification(reader),
            files={name: _file(item) for name, item in reader.children("files", MOST_FILES)},
        )
        # Relations between fields are checked after all of them were read.
        reader.refuse_unknown()
        return cls(**fields)


def _least_and_most(reader: Reader) -> tuple[int, int]:
    least, most = reader.integers("allowed_block_features", 1, MOST_BLOCK, least=2, most=2)
    return least, most


def _condition(reader: Reader) -> ConditionSpec:
    shape = reader.integers("shape", 1, MOST_CONDITION_VALUES, least=1, most=1)
    spec = ConditionSpec(shape=shape, default=reader.floats("default", MOST_CONDITION_VALUES))
    reader.refuse_unknown()
    return spec


def _says(reader: Reader, version: int, key: str) -> bool:
    """Whether there is a field that may be left out, and that format 1 does not know."""
    return version >= 2 and reader.has(key)


def _noise(reader: Reader, version: int) -> dict[str, NoiseSpec]:
    if not _says(reader, version, "noise"):
        return {}
    specs = {}
    for name, item in reader.children("noise", MOST_NOISES):
        specs[name] = NoiseSpec(item.integers("shape", 1, MOST_NOISE_VALUES, least=1, most=2))
        item.refuse_unknown()
    return specs


def _file(reader: Reader) -> FileEntry:
    entry = FileEntry(reader.sha256("sha256"), reader.integer("bytes", 0, MAX_FILE_BYTES))
    reader.refuse_unknown()
    return entry


def _verification(reader: Reader) -> dict[str, Any]:
    """Free but for the limits that a verification compares with."""
    stated = reader.mapping("verification", optional=True)
    if "tolerances" in stated:
        tolerances = Reader(stated, "verification")
        for precision, limits in tolerances.children("tolerances", len(PRECISIONS)):
            if precision not in PRECISIONS:
                field = f"verification.tolerances.{shown(precision)}"
                raise fault(field, "an unknown precision", f"one of {', '.join(PRECISIONS)}")
            for key in ("relative", "offsets_mm"):
                if limits.has(key):
                    limits.number(key, 0.0, 1e9)
            limits.refuse_unknown()
    return stated


def _check(manifest: Manifest) -> None:
    """Check everything that relates several fields; the single source of truth for what a format allows."""
    # Imported here: the checks need the dataclasses above.
    from emoface.manifest_checks import check_manifest

    check_manifest(manifest)
