"""Packages: loaded once, checked whole, immutable, shared by any number of animators and threads."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from emoface.errors import (
    BackendError,
    ManifestError,
    PackageError,
    PackageIntegrityError,
    PackageNotFoundError,
    RigError,
    TemplateError,
)
from emoface.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import Lid, find_lids

if TYPE_CHECKING:
    from emoface.animator import Animator
    from emoface.backends import Engine
    from emoface.options import AnimatorOptions
    from emoface.pool import AnimatorPool

DEFAULT = "default"
_MAX_PACKAGE_BYTES = 8 << 30
_MAX_ARRAY_BYTES = 2 << 30
_FETCH = "Fetch or export the package again."


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
    """

    template: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    colours: npt.NDArray[np.float32]
    masks: Mapping[str, npt.NDArray[np.int32]]
    unit_in_metres: float
    blendshapes: Blendshapes | None = None

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


class Package:
    """One loaded package. Thread-safe; use `Package.load`."""

    def __init__(self, source: str, digest: str, manifest: Manifest, files: Mapping[str, bytes], face: Face) -> None:
        self.source = source
        self.digest = digest
        self.manifest = manifest
        self.face = face
        self._files = files
        self._engines: dict[tuple[str, str, int], Engine] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Package({self.manifest.name!r}, {self.digest[:12]}, from {self.source!r})"

    @classmethod
    def load(cls, path_or_name: str | Path = DEFAULT) -> Package:
        """Load a package from a folder, a zip (`name.emoface`) or by name ("default" is built in).

        Every listed file is read and its SHA-256 compared; nothing is unpickled; no name may leave the package.

        Raises:
            PackageNotFoundError, PackageIntegrityError, ManifestError and PackageFormatError: all of them PackageError.
        """
        path = _locate(path_or_name)
        try:
            reader: _Folder | _Zip = _Folder(path) if path.is_dir() else _Zip(path)
            with reader:
                text = reader.read(MANIFEST_NAME, MAX_MANIFEST_BYTES)
                manifest = Manifest.from_json(text)
                files = {name: _verified(reader, name, entry) for name, entry in manifest.files.items()}
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise PackageIntegrityError(f"{path}: {error}", "a package folder or .emoface file", _FETCH) from None
        return cls(str(path_or_name), hashlib.sha256(text).hexdigest(), manifest, files, _face(manifest, files))

    @property
    def blendshapes(self) -> Blendshapes | None:
        """The named shapes of the package's face, or None where it has none."""
        return self.face.blendshapes

    @cached_property
    def lids(self) -> tuple[Lid, ...]:
        """The eyes that `emoface.rig.Blinks` close, found once; RigError where the face's shapes cannot close them."""
        return find_lids(self.face)

    def file(self, name: str) -> bytes:
        """The verified bytes of a file of the package."""
        return self._files[name]

    def golden(self) -> Golden:
        """The golden vectors."""
        arrays = _arrays("golden.npz", self._files["golden.npz"])
        for key in ("audio", "frames"):
            if key not in arrays:
                raise ManifestError("golden.npz", key, "nothing", "an array", _FETCH)
        prefix = "condition."
        rest = {k: v for k, v in arrays.items() if k not in ("audio", "frames")}
        return Golden(
            audio=np.asarray(arrays["audio"], np.float32).reshape(-1),
            frames=np.asarray(arrays["frames"], np.int64).reshape(-1),
            conditions={k[len(prefix) :]: np.asarray(v) for k, v in rest.items() if k.startswith(prefix)},
            outputs={k: np.asarray(v) for k, v in rest.items() if not k.startswith(prefix)},
        )

    def engine(self, backend: str = "auto", precision: str | None = None, threads: int = 1) -> Engine:
        """The loaded graphs for a backend and precision, made once and shared by all animators of this package."""
        from emoface.backends import WHOLE_CLIP_BACKENDS, create_engine, engine_precisions, resolve_backend
        from emoface.options import check_threads

        chosen = precision or self.manifest.default_precision
        resolved = resolve_backend(backend)
        precisions = engine_precisions(resolved, self.manifest.precisions())
        if chosen not in precisions:
            raise PackageError(
                f"precision={precision!r}",
                f"one of {', '.join(precisions)}",
                "Choose another, or export the package with it.",
            )
        if not self.manifest.streams and resolved not in WHOLE_CLIP_BACKENDS:
            raise BackendError(
                f"backend={backend!r} for a package that hears whole clips",
                f"auto or one of {', '.join(WHOLE_CLIP_BACKENDS)}",
                "Choose one of these, or export the model with a band or a window.",
            )
        key = (resolved, chosen, check_threads(threads))
        with self._lock:
            if key not in self._engines:
                self._engines[key] = create_engine(self, *key)
            return self._engines[key]

    def animator(self, **options: Unpack[AnimatorOptions]) -> Animator:
        """A new stream: cheap, one per voice, not thread-safe. Options: see `emoface.options.AnimatorOptions`."""
        from emoface.animator import Animator

        return Animator(self, **options)

    def pool(self, voices: int, capacity: int | None = None, **options: Unpack[AnimatorOptions]) -> AnimatorPool:
        """Several streams that run in one batch. Arguments: see `emoface.AnimatorPool`."""
        from emoface.pool import AnimatorPool

        return AnimatorPool(self, voices, capacity=capacity, **options)


def _locate(path_or_name: str | Path) -> Path:
    # A text that says "default" is always the built-in package; a folder of that name is ./default.
    built_in = Path(__file__).parent / "packages" / f"{DEFAULT}.emoface"
    path = built_in if path_or_name == DEFAULT else Path(path_or_name)
    if not path.exists():
        raise PackageNotFoundError(
            f"{path_or_name}: no such file or folder",
            'a package folder, an .emoface file, or "default"',
            "Check the path, or write a package with `emoface export`.",
        )
    return path


class _Folder:
    """A package as a folder of flat files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, name: str, limit: int) -> bytes:
        path = self._path / name
        if not path.is_file() or path.is_symlink():
            raise PackageIntegrityError(f"{path}: no such file", "every file the manifest lists", _FETCH)
        if path.stat().st_size > limit:
            raise _wrong_size(name, path.stat().st_size, limit)
        return path.read_bytes()


class _Zip:
    """A package as a zip of flat files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path)
        for info in self._zip.infolist():
            if info.filename != Path(info.filename).name or "\\" in info.filename:
                self._zip.close()
                raise ManifestError(
                    str(path), "file name", repr(info.filename), "plain file names: no path outside the package", _FETCH
                )

    def __enter__(self) -> _Zip:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str, limit: int) -> bytes:
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise PackageIntegrityError(f"{self._path}: no {name}", "every file of the package", _FETCH) from None
        if info.file_size > limit:
            raise _wrong_size(name, info.file_size, limit)
        try:
            with self._zip.open(info) as file:
                return file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise PackageIntegrityError(f"{self._path}: {name}: {error}", "an undamaged file", _FETCH) from None


def _wrong_size(name: str, got: int, expected: int) -> PackageIntegrityError:
    return PackageIntegrityError(f"{name}: {got} bytes", f"{expected} bytes at most", _FETCH)


def _verified(reader: _Folder | _Zip, name: str, entry: Any) -> bytes:
    if entry.bytes > _MAX_PACKAGE_BYTES:
        raise _wrong_size(name, entry.bytes, _MAX_PACKAGE_BYTES)
    data = reader.read(name, entry.bytes)
    if len(data) != entry.bytes:
        raise PackageIntegrityError(f"{name}: {len(data)} bytes", f"{entry.bytes} bytes (files.{name}.bytes)", _FETCH)
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise PackageIntegrityError(f"{name}: SHA-256 {digest}", f"{entry.sha256} (files.{name}.sha256)", _FETCH)
    return data


def _arrays(name: str, data: bytes) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an npz file, size-limited, never unpickled."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _MAX_ARRAY_BYTES:
            raise _wrong_size(name, size, _MAX_ARRAY_BYTES)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise ManifestError(name, "contents", str(error), "an npz file of plain arrays", _FETCH) from None


def _face(manifest: Manifest, files: Mapping[str, bytes]) -> Face:
    arrays = _arrays("face.npz", files["face.npz"])

    def take(key: str, shape: tuple[int | None, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
        if key not in arrays:
            raise ManifestError("face.npz", key, "nothing", f"an array of shape {shape}", _FETCH)
        array = arrays[key]
        fits = array.ndim == len(shape) and all(e in (None, a) for e, a in zip(shape, array.shape, strict=True))
        if not fits or array.dtype != dtype:
            expected = f"shape {shape} {np.dtype(dtype).name}".replace("None", "any")
            raise ManifestError("face.npz", key, f"shape {array.shape} {array.dtype}", expected, _FETCH)
        array = np.ascontiguousarray(array)
        array.setflags(write=False)
        return array

    count = manifest.vertices
    masks = {key[len("mask_") :]: take(key, (None,), np.int32) for key in arrays if key.startswith("mask_")}
    face = Face(
        template=take("template", (count, 3), np.float32),
        faces=take("faces", (None, 3), np.int32),
        colours=take("colours", (count, 3), np.float32),
        masks=masks,
        unit_in_metres=manifest.unit_in_metres,
        blendshapes=_blendshapes(arrays, count),
    )
    for key, indices in (("faces", face.faces), *((f"mask_{k}", v) for k, v in masks.items())):
        if indices.size and (indices.min() < 0 or indices.max() >= count):
            got = f"index {int(indices.max())}" if indices.max() >= count else f"index {int(indices.min())}"
            raise ManifestError("face.npz", key, got, f"vertex indices from 0 to {count - 1}", _FETCH)
    if not np.isfinite(face.template).all():
        raise ManifestError("face.npz", "template", "NaN or infinite coordinates", "finite coordinates", _FETCH)
    if face.faces_sha256 != manifest.faces_sha256:
        raise ManifestError("face.npz", "faces", f"SHA-256 {face.faces_sha256}", manifest.faces_sha256, _FETCH)
    return face


def _blendshapes(arrays: Mapping[str, npt.NDArray[Any]], vertices: int) -> Blendshapes | None:
    if "blendshapes" not in arrays:
        return None
    try:
        shapes = Blendshapes.from_arrays(arrays)
    except RigError as error:
        raise ManifestError("face.npz", "blendshapes", error.got, error.expected, _FETCH) from None
    if shapes.vertices != vertices:
        raise ManifestError("face.npz", "blendshapes", f"{shapes.vertices} vertices", f"{vertices}", _FETCH)
    return shapes


__all__ = ["DEFAULT", "Face", "Golden", "Package"]
