"""The face of a package: template, triangles, colours, masks and blendshapes, checked against the model's spirals."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from emoface.errors import ManifestError, RigError
from emoface.face_assets import Identity, asset_arrays, read_assets
from emoface.rig import Blendshapes
from emoface.textures import EXPECTED, texture_fault
from emoface_export.errors import ExportError
from emoface_training.face import HEAD_FILE
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.spiral import spirals_fit
from emoface_training.nn.talking_model import TalkingModel

_GREY = 0.6  # albedo where the source has no colours
_BLENDSHAPE_STEP = 1e-5  # of the size of the face: about 2 micrometres


@dataclass(frozen=True)
class FaceArrays:
    """template float32 [V, 3], faces int32 [F, 3], colours float32 [V, 3] linear, masks name -> int32 [k].

    What follows the blendshapes makes a package of format 2: see `emoface.face_file.Face`. Without a `basis`,
    coefficients are of the blendshapes. `textures` are the bytes of PNG images by name.
    """

    template: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    masks: dict[str, np.ndarray]
    blendshapes: Blendshapes | None = None
    basis: Blendshapes | None = None
    uvs: np.ndarray | None = None
    uv_faces: np.ndarray | None = None
    normal_groups: np.ndarray | None = None
    pivots: np.ndarray | None = None
    identities: Mapping[str, Identity] = field(default_factory=dict)
    textures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def assets(self) -> dict[str, np.ndarray]:
        """The arrays of `face.npz` that format 1 does not have."""
        whole = ("uvs", "uv_faces", "normal_groups", "pivots")
        arrays = {name: getattr(self, name) for name in whole if getattr(self, name) is not None}
        if self.basis is not None:
            arrays |= basis_arrays(self.basis)
        for name, identity in self.identities.items():
            arrays[f"identity.{name}"] = identity.template
            if identity.pivots is not None:
                arrays[f"identity.{name}.pivots"] = identity.pivots
            if identity.basis is not None:
                arrays[f"identity.{name}.basis"] = stored_shapes(identity.basis)
        return arrays

    @property
    def texture_files(self) -> dict[str, bytes]:
        """The files of the textures, by the names that a package gives them."""
        return {f"{name}.png": image for name, image in self.textures.items()}

    @property
    def faces_sha256(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.faces, "<i4").tobytes()).hexdigest()

    def to_npz(self) -> bytes:
        arrays = {"template": self.template, "faces": self.faces, "colours": self.colours, **self.assets}
        if self.blendshapes is not None:
            arrays |= self.blendshapes.to_arrays(_BLENDSHAPE_STEP * float(np.ptp(self.template, axis=0).max()))
        return deterministic_npz(arrays | {f"mask_{name}": indices for name, indices in self.masks.items()})


def basis_arrays(basis: Blendshapes) -> dict[str, np.ndarray]:
    """A motion basis as `face.npz` has it: in half precision where that is exact, with names where there are any."""
    arrays: dict[str, np.ndarray] = {"basis": stored_shapes(basis.shapes)}
    if basis.names != _basis_names(len(basis)):
        arrays["basis_names"] = np.array(basis.names)
    return arrays


def stored_shapes(shapes: np.ndarray) -> np.ndarray:
    """Shapes in half precision, where that is exact."""
    with np.errstate(over="ignore"):
        half = shapes.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), shapes) else shapes


def with_motion_basis(face: FaceArrays, model: TalkingModel) -> FaceArrays:
    """`face` with the basis that the model's motion lies in. Raises `ExportError` for a model without one."""
    basis = getattr(model.motion, "basis", None)
    if basis is None or model.config.hears_whole_clips:
        what = "a model that hears whole clips" if basis is not None else "a model with the dense head"
        raise ExportError(
            f"coefficients of {what}",
            "a model that streams, with a motion basis",
            "Train it with decoder.motion_rank, or leave --coefficients out.",
        )
    shapes = basis.numpy().reshape(len(basis), -1, 3)
    return replace(face, basis=Blendshapes(_basis_names(len(shapes)), shapes))


def _basis_names(count: int) -> tuple[str, ...]:
    return tuple(f"basis_{index:03d}" for index in range(count))


def find_face(checkpoint: Path, model: TalkingModel, given: Path | None) -> FaceArrays:
    """The face the model was trained on: the given file, the checkpoint's `face.npz`, or, where the model's spirals
    can tell whether it is right, the human head.

    A face of the human head's topology that brings no blendshapes gets what that head has: `with_assets_of_head`.

    Raises `ExportError` when no candidate has the model's topology.
    """
    candidates = [given] if given else [Path(checkpoint) / "face.npz"]
    if not given and isinstance(model, EmoFace):
        candidates.append(HEAD_FILE)
    tried = []
    for path in candidates:
        if path.is_file():
            face = read_face(path)
            if fits(face, model):
                return face if face.blendshapes and path != HEAD_FILE else with_assets_of_head(face)
            tried.append(f"{path} (another topology)")
        else:
            tried.append(f"{path} (missing)")
    raise ExportError(
        f"no face for this checkpoint: {', '.join(tried)}",
        f"template and faces of the {model.config.vertices} vertices that the checkpoint was trained on",
        "Give it with --face FILE.npz (arrays template, faces, optionally colours and mask_<name>).",
    )


def with_assets_of_head(face: FaceArrays) -> FaceArrays:
    """`face` with the human head's shapes, texture and its coordinates, and groups of normals where it has that
    topology, else as it is; pivots and identities, too, where it is that head."""
    head = read_face(HEAD_FILE)
    if face.faces_sha256 != head.faces_sha256:
        return face
    head = with_textures(head, {"albedo": HEAD_FILE.with_suffix(".png")})
    if not np.array_equal(face.template, head.template):
        head = replace(head, pivots=None, identities={})
    return replace(head, template=face.template, colours=face.colours, masks=face.masks)


def _blendshapes(path: Path, arrays: Mapping[str, np.ndarray], vertices: int) -> Blendshapes | None:
    if not any(key.startswith("blendshape") for key in arrays):
        return None
    try:
        shapes = Blendshapes.from_arrays(arrays)
    except RigError as error:
        raise ExportError(f"{path}: {error.got}", error.expected, error.remedy) from None
    if shapes.vertices != vertices:
        raise ExportError(
            f"{path}: blendshapes of {shapes.vertices} vertices", f"{vertices}, as template", "Check the file."
        )
    return shapes


def read_face(path: Path) -> FaceArrays:
    """Read an npz file with `template`, `faces` and optionally `colours`, `mask_<name>`, `blendshape_names` with
    `blendshapes` (see `Blendshapes.from_arrays`) and the assets of format 2; the rest is left out."""
    try:
        with np.load(path, allow_pickle=False) as data:
            assets = asset_arrays(dict.fromkeys(data.files))
            arrays = {
                key: data[key]
                for key in data.files
                if key in {"template", "faces", "colours", *assets} or key.startswith(("mask_", "blendshape"))
            }
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ExportError(f"{path}: {error}", "an npz file of plain arrays", "Check the file.") from None
    for key in ("template", "faces"):
        if key not in arrays or arrays[key].ndim != 2 or arrays[key].shape[1] != 3:
            got = f"shape {arrays[key].shape}" if key in arrays else "nothing"
            raise ExportError(f"{path}: {key} = {got}", "an array [., 3]", "See the package format's face.npz.")
    template = arrays["template"].astype(np.float32)
    colours = arrays.get("colours", np.full_like(template, _GREY)).astype(np.float32)
    masks = {k.removeprefix("mask_"): v.astype(np.int32) for k, v in arrays.items() if k.startswith("mask_")}
    shapes = _blendshapes(path, arrays, len(template))
    faces = arrays["faces"].astype(np.int32)
    # Of a package to come, which says how many coefficients it has
    rank = max((len(arrays[key]) for key in assets if key.endswith(".basis") and arrays[key].ndim), default=0)
    try:
        given = read_assets({key: _as_stored(arrays[key]) for key in assets}, len(template), len(faces), rank)
    except ManifestError as error:
        raise ExportError(f"{path}: {error.field} = {error.got}", error.expected, "Check the file.") from None
    return FaceArrays(template, faces, colours, masks, shapes, **given)


def _as_stored(array: np.ndarray) -> np.ndarray:
    """The numbers in the width that a package has: float32 and int32."""
    return array.astype({"f": "<f4", "i": "<i4", "u": "<i4"}.get(array.dtype.kind, array.dtype))


def with_textures(face: FaceArrays, files: Mapping[str, Path]) -> FaceArrays:
    """The face with the images of these files, by name, beside its own; ExportError for what is no texture."""
    images = dict(face.textures)
    for name, path in files.items():
        try:
            images[name] = path.read_bytes()
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror or error}", "a file that can be read", "Check it.") from None
        if why := texture_fault(images[name]):
            raise ExportError(f"{path}: {why}", EXPECTED, "Convert the image.")
    return replace(face, textures=images)


def fits(face: FaceArrays, model: TalkingModel) -> bool:
    """Whether the face has the model's vertices, and its triangles fit the spirals stored with one that has any."""
    if len(face.template) != model.config.vertices:
        return False
    if not isinstance(model, EmoFace):
        return True
    return spirals_fit(model.spiral.numpy(), face.faces, model.config.mesh_attention.dilation)


def deterministic_npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An npz file that has the same bytes for the same arrays (np.savez stores the time)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            write_entry(archive, f"{name}.npy", content.getvalue())
    return buffer.getvalue()


def write_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file with fixed time and rights."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    archive.writestr(info, content, compresslevel=9)
