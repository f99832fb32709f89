"""What `face.npz` and `golden.npz` of a package hold, checked against its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError, TemplateError
from emoface.face_assets import NO_COEFFICIENTS, Identity, asset_arrays, read_assets, take_basis
from emoface.manifest import Manifest
from emoface.manifest_schema import is_text
from emoface.npz_file import Arrays, array_fault, check_finite, read_arrays, take_array
from emoface.package_files import Allowance
from emoface.rig.basis import Blendshapes

__all__ = ["Face", "Golden", "read_blendshapes", "read_face", "read_golden"]

FACE, GOLDEN = "face.npz", "golden.npz"
_MOST_FRAME = 1 << 31
_MOST_SHAPES = 4096
_BASIS = {"basis", "basis_names"}


@dataclass(frozen=True)
class Face:
    """The face a package animates. Arrays are read-only.

    Attributes:
        template: (V, 3) float32, the neutral face, in the package's unit, +Y up, +Z front.
        faces: (F, 3) int32, triangles, counter-clockwise seen from outside. Their order is part of the topology.
        colours: (V, 3) float32, linear albedo 0..1.
        masks: region name -> vertex indices int32.
        unit_in_metres: length of the unit.
        blendshapes: named shapes of this topology, or None.
        uvs: (U, 2) float32 texture coordinates, origin at the upper left of the image, v down; None where there are
            none. This and what follows is of format 2.
        uv_faces: (F, 3) int32, the rows of `uvs` at the corners of the triangles, or None.
        normal_groups: (F,) int32: triangles of one group share smooth normals at their common vertices, between groups
            the edge is sharp; None where all are of one group.
        pivots: (4, 3) float32, the points that head, jaw, left and right eye turn about, or None.
        identities: name -> another neutral face; `template` is the canonical one, which has no name.
        textures: name -> the bytes of a PNG image, sRGB; `albedo` is the skin's colour, others are an application's.
        basis: the motion basis that a package's coefficients are of; None where it gives none. Where the package has no
            array of its own for it, it is `blendshapes`.
    """

    template: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    colours: npt.NDArray[np.float32]
    masks: Mapping[str, npt.NDArray[np.int32]]
    unit_in_metres: float
    blendshapes: Blendshapes | None = None
    uvs: npt.NDArray[np.float32] | None = None
    uv_faces: npt.NDArray[np.int32] | None = None
    normal_groups: npt.NDArray[np.int32] | None = None
    pivots: npt.NDArray[np.float32] | None = None
    identities: Mapping[str, Identity] = field(default_factory=dict)
    textures: Mapping[str, bytes] = field(default_factory=dict)
    basis: Blendshapes | None = None

    @property
    def faces_sha256(self) -> str:
        """SHA-256 of the triangles as little-endian int32 in C order: two faces share a topology iff it is equal."""
        return hashlib.sha256(np.ascontiguousarray(self.faces, "<i4").tobytes()).hexdigest()

    def with_template(self, template: npt.ArrayLike) -> Face:
        """The same topology with another neutral face (V, 3); TemplateError where it does not fit."""
        array = np.array(template, dtype=np.float32)
        if array.shape != self.template.shape:
            raise TemplateError(
                f"a template of shape {array.shape}",
                f"shape {self.template.shape}, the package's topology",
                "Give a template with the same vertices in the same order, or a package trained for your topology.",
            )
        if not np.isfinite(array).all():
            raise TemplateError("a template with NaN or infinite coordinates", "finite coordinates", "Repair the mesh.")
        array.setflags(write=False)
        return replace(self, template=array)

    def with_identity(self, name: str) -> Face:
        """The face as one of its named identities, with its pivots and its motion basis; TemplateError for a name that
        is none."""
        identity = self.identities.get(name) if isinstance(name, str) else None
        if identity is None:
            raise TemplateError(
                f"identity={name!r}",
                f"one of {', '.join(self.identities)}" if self.identities else "None: the face has none",
                "See `emoface inspect`. Another neutral face of your own is a template.",
            )
        pivots = self.pivots if identity.pivots is None else identity.pivots
        basis = self.basis
        if basis is not None and identity.basis is not None:
            basis = Blendshapes(basis.names, identity.basis)
        return replace(self, template=identity.template, pivots=pivots, basis=basis)


@dataclass(frozen=True)
class Golden:
    """A short input and what every stage gave for it in fp32 PyTorch (`golden.npz`).

    The file holds `audio` (N,) float32 at the model's rate, `frames` (k,) int64, `condition.<name>` vectors and
    `<stage>.<output>` arrays whose first axis is time (a leading batch axis of 1 is allowed). Block outputs start at
    the first feature after the dropped look-ahead. Vertex-sized outputs hold only the frames listed in `frames`.
    """

    audio: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int64]
    conditions: Mapping[str, npt.NDArray[np.float32]]
    outputs: Mapping[str, npt.NDArray[np.float32]]


def read_face(manifest: Manifest, data: bytes, allowance: Allowance) -> Face:
    """The face in `face.npz`; ManifestError naming the array that is not what the manifest says."""
    arrays = read_arrays(FACE, data, allowance)
    count = manifest.vertices
    masks = sorted(key for key in arrays if key.startswith("mask_") and key != "mask_")
    assets = asset_arrays(arrays) if manifest.format >= 2 else set[str]()
    basis = arrays.keys() & _BASIS if manifest.format >= 2 else set[str]()
    known = {"template", "faces", "colours", *masks, *_shape_arrays(arrays), *basis, *assets}
    _refuse_unknown(FACE, arrays, known, manifest.format)
    template = take_array(FACE, arrays, "template", (count, 3), "<f4")
    faces = take_array(FACE, arrays, "faces", (None, 3), "<i4")
    colours = take_array(FACE, arrays, "colours", (count, 3), "<f4")
    indices = {"faces": faces} | {key: take_array(FACE, arrays, key, (None,), "<i4") for key in masks}
    for key, array in indices.items():
        if array.size and (array.min() < 0 or array.max() >= count):
            wrong = int(array.max() if array.max() >= count else array.min())
            raise array_fault(FACE, key, f"index {wrong}", f"vertex indices from 0 to {count - 1}")
    for key, array in (("template", template), ("colours", colours)):
        check_finite(FACE, key, array)
    blendshapes = read_blendshapes(arrays, count)
    face = Face(
        template=template,
        faces=faces,
        colours=colours,
        masks={key.removeprefix("mask_"): indices[key] for key in masks},
        unit_in_metres=manifest.unit_in_metres,
        blendshapes=blendshapes,
        basis=_read_basis(manifest, {key: arrays[key] for key in basis}, blendshapes),
        **read_assets({key: arrays[key] for key in assets}, count, len(faces), manifest.coefficients),
    )
    if face.faces_sha256 != manifest.faces_sha256:
        raise array_fault(FACE, "faces", f"SHA-256 {face.faces_sha256}", manifest.faces_sha256)
    return face


def read_golden(manifest: Manifest, data: bytes, allowance: Allowance) -> Golden:
    """The golden vectors in `golden.npz`; ManifestError naming the array that is not what the manifest says."""
    arrays = read_arrays(GOLDEN, data, allowance)
    conditions = {f"condition.{name}": spec for name, spec in manifest.conditions.items()}
    outputs = {f"{stage.name}.{output.name}": output for stage in manifest.stages for output in stage.outputs}
    _refuse_unknown(GOLDEN, arrays, {"audio", "frames", *conditions, *outputs}, manifest.format)
    audio = take_array(GOLDEN, arrays, "audio", (None,), "<f4")
    if not audio.size:
        raise array_fault(GOLDEN, "audio", "no samples", "the samples of a short sound")
    check_finite(GOLDEN, "audio", audio)
    frames = take_array(GOLDEN, arrays, "frames", (None,), "<i8")
    if frames.size and (frames.min() < 0 or frames.max() >= _MOST_FRAME):
        raise array_fault(GOLDEN, "frames", f"{frames.min()} to {frames.max()}", "numbers of frames")
    for key in sorted(arrays.keys() & conditions.keys()):
        check_finite(GOLDEN, key, take_array(GOLDEN, arrays, key, conditions[key].shape, "<f4"))
    for key in sorted(arrays.keys() & outputs.keys()):
        array, output = arrays[key], outputs[key]
        rows: tuple[int | None, ...] = (None, *(int(extent) for extent in output.shape[2:]))
        # With or without a batch axis of 1.
        shape = (1, *rows) if array.ndim == len(rows) + 1 else rows
        check_finite(GOLDEN, key, take_array(GOLDEN, arrays, key, shape, np.dtype(output.dtype).str))
    rest = sorted(key for key in arrays if key not in ("audio", "frames"))
    return Golden(
        audio=audio,
        frames=frames,
        conditions={k.removeprefix("condition."): arrays[k] for k in rest if k in conditions},
        outputs={k: arrays[k] for k in rest if k in outputs},
    )


def read_blendshapes(arrays: Mapping[str, npt.NDArray[Any]], vertices: int) -> Blendshapes | None:
    """The named shapes among the arrays of `face.npz`, None where there are none."""
    if not _shape_arrays(arrays):
        return None
    names = _take_names(arrays, "blendshape_names")
    kind = "<f4" if "blendshapes" in arrays and arrays["blendshapes"].dtype == np.float32 else "<i2"
    take_array(FACE, arrays, "blendshapes", (len(names), vertices, 3), kind)
    if kind == "<i2":
        check_finite(FACE, "blendshape_step", take_array(FACE, arrays, "blendshape_step", (len(names),), "<f4"))
    elif "blendshape_step" in arrays:
        raise array_fault(FACE, "blendshape_step", "an array", "none beside blendshapes of float32")
    try:
        return Blendshapes.from_arrays(arrays)
    except RigError as error:
        raise array_fault(FACE, "blendshapes", error.got, error.expected) from None


def _read_basis(
    manifest: Manifest, arrays: Mapping[str, npt.NDArray[Any]], blendshapes: Blendshapes | None
) -> Blendshapes | None:
    """The motion basis that the manifest's coefficients are of: an array of its own, or the blendshapes."""
    rank = manifest.coefficients
    if not rank:
        for key in sorted(arrays):
            raise array_fault(FACE, key, "an array", NO_COEFFICIENTS)
        return None
    if "basis" not in arrays:
        if "basis_names" in arrays:
            raise array_fault(FACE, "basis", "nothing", "the shapes that basis_names are of")
        count = 0 if blendshapes is None else len(blendshapes)
        if count != rank:
            raise array_fault(
                FACE, "basis", f"nothing, and {count} blendshapes", f"a basis of {rank}, as coefficients has"
            )
        return blendshapes
    shapes = take_basis(arrays, "basis", rank, manifest.vertices)
    names = [f"basis_{index:03d}" for index in range(rank)]
    if "basis_names" in arrays:
        names = [str(name) for name in _take_names(arrays, "basis_names", rank)]
    return Blendshapes(tuple(names), shapes)


def _take_names(arrays: Mapping[str, npt.NDArray[Any]], key: str, count: int | None = None) -> npt.NDArray[Any]:
    """Texts, all different, none empty or with control characters; as many as `count`, or 1 to `_MOST_SHAPES`."""
    names = take_array(FACE, arrays, key, (count,), None)
    if names.dtype.kind != "U" or not 0 < len(names) <= _MOST_SHAPES:
        raise array_fault(FACE, key, f"{names.shape} {names.dtype}", f"1 to {_MOST_SHAPES} texts")
    if not (_are_characters(names) and all(is_text(str(name)) for name in names) and len({*names}) == len(names)):
        raise array_fault(FACE, key, "a name twice, without or with control characters", "distinct names")
    return names


def _shape_arrays(arrays: Mapping[str, object]) -> set[str]:
    return arrays.keys() & {"blendshape_names", "blendshapes", "blendshape_step"}


def _are_characters(names: npt.NDArray[Any]) -> bool:
    """Whether an array of dtype <U holds code points of characters only: numpy fails at others, late and untyped."""
    codes = np.ascontiguousarray(names).view("<u4")
    return not ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any()


def _refuse_unknown(file: str, arrays: Arrays, known: set[str], version: int) -> None:
    for key in sorted(arrays.keys() - known):
        raise array_fault(file, key, "an unknown array", f"only the arrays of format {version}")
