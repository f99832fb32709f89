"""Packages: loaded once, checked whole, immutable, shared by any number of animators and threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from emoface.errors import BackendError, PackageError
from emoface.face_file import FACE, GOLDEN, Face, Golden, read_face, read_golden
from emoface.graphs import check_graphs
from emoface.manifest import MANIFEST_NAME, Manifest
from emoface.manifest_text import MAX_MANIFEST_BYTES
from emoface.package_files import integrity_fault, open_files
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import Lid, find_lids
from emoface.rig.gaze import LookShape, find_eyes
from emoface.textures import read_textures

if TYPE_CHECKING:
    from emoface.animator import Animator
    from emoface.backends import Engine
    from emoface.options import AnimatorOptions
    from emoface.pool import AnimatorPool

DEFAULT = "default"


class Package:
    """One loaded package. Thread-safe; use `Package.load`."""

    def __init__(
        self, source: str, digest: str, manifest: Manifest, files: Mapping[str, bytes], face: Face, golden: Golden
    ) -> None:
        self.source = source
        self.digest = digest
        self.manifest = manifest
        self.face = face
        self._golden = golden
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
        path = locate(path_or_name)
        try:
            with open_files(path) as source:
                text = source.read(MANIFEST_NAME, MAX_MANIFEST_BYTES)
                manifest = Manifest.from_json(text)
                files = source.verified(manifest.files)
        except OSError as error:
            raise integrity_fault(f"{path}: {error}", "a package that can be read") from None
        check_graphs(manifest, files)
        face = read_face(manifest, files[FACE], source.allowance)
        golden = read_golden(manifest, files[GOLDEN], source.allowance)
        face = replace(face, textures=read_textures(manifest, files))
        return cls(str(path_or_name), hashlib.sha256(text).hexdigest(), manifest, files, face, golden)

    @property
    def blendshapes(self) -> Blendshapes | None:
        """The named shapes of the package's face, or None where it has none."""
        return self.face.blendshapes

    @cached_property
    def lids(self) -> tuple[Lid, ...]:
        """The eyes that `emoface.rig.Blinks` close, found once; RigError where the face's shapes cannot close them."""
        return find_lids(self.face)

    @cached_property
    def eyes(self) -> tuple[LookShape, ...]:
        """The shapes by which `emoface.rig.Gaze` turns the eyes, found once; RigError where the face cannot."""
        return find_eyes(self.face)

    def file(self, name: str) -> bytes:
        """The verified bytes of a file of the package."""
        return self._files[name]

    def texture(self, name: str) -> bytes:
        """The PNG image of a texture, sRGB; PackageError where there is none of the name."""
        if name not in self.face.textures:
            raise PackageError(
                f"texture {name!r}",
                f"one of {', '.join(self.face.textures)}"
                if self.face.textures
                else "none: the package has no textures",
                "See `emoface inspect`.",
            )
        return self.face.textures[name]

    def golden(self) -> Golden:
        """The golden vectors."""
        return self._golden

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


def locate(path_or_name: str | Path) -> Path:
    """Where a package lies: the built-in one by its name, others by their path."""
    # A text that says "default" is always the built-in package; a folder of that name is ./default.
    built_in = Path(__file__).parent / "packages" / f"{DEFAULT}.emoface"
    return built_in if path_or_name == DEFAULT else Path(path_or_name)


__all__ = ["DEFAULT", "Face", "Golden", "Package"]
