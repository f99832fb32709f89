"""Templates from files: your own neutral face in the topology of a package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.errors import TemplateError
from emoface.npz_file import read_npz
from emoface.ply_files import read_ply

if TYPE_CHECKING:
    from emoface.package import Face

Vertices = npt.NDArray[np.float32]
Faces = npt.NDArray[np.int32]

_EXPORT_REMEDY = "Export the mesh again as triangles, with its vertex order kept."


def read_mesh(path: str | os.PathLike[str]) -> tuple[Vertices, Faces | None]:
    """The vertices (V, 3) float32 and triangles (F, 3) int32 of a .ply, .obj or .npz file, in the order of the file.

    .ply: ascii or binary little endian. .obj: the positions and faces (`v`, `f`). .npz: `template` or `vertices`
    (V, 3), and `faces` where there is such an array. The triangles are None where the file has none. TemplateError
    for a file that is missing, unreadable, not triangles, or has coordinates that are not finite.
    """
    file = Path(path)
    readers: dict[str, Callable[[Path], tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]]] = {
        ".ply": read_ply,
        ".obj": _read_obj,
        ".npz": _read_npz,
    }
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise TemplateError(f"the template file {file}", f"one of {', '.join(readers)}", "Convert it to one of these.")
    if not file.is_file():
        raise TemplateError(f"no file {file}", "an existing template file", "Check the path.")
    try:
        vertices, faces = reader(file)
    except (OSError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise TemplateError(
            f"{file}, which cannot be read: {error}", f"a valid {file.suffix} mesh", _EXPORT_REMEDY
        ) from error
    return _checked(file, vertices, faces)


def read_template(path: str | os.PathLike[str], face: Face) -> Vertices:
    """The vertices (V, 3) of a template file with the topology of `face`, in the unit of the file.

    Where the file has triangles they must be the face's own, in the same order: equal counts alone do not make a
    topology. Without triangles only the number of vertices can be compared. TemplateError as in `read_mesh`, and for
    another topology.
    """
    vertices, faces = read_mesh(path)
    remedy = (
        "Fit the package's own face to yours (its mesh is in face.npz) and keep the vertex order, or train a package "
        "for your topology."
    )
    if len(vertices) != len(face.template):
        raise TemplateError(f"{path} with {len(vertices)} vertices", f"{len(face.template)} vertices", remedy)
    if faces is not None and not np.array_equal(faces, face.faces):
        got = hashlib.sha256(np.ascontiguousarray(faces, "<i4").tobytes()).hexdigest()
        raise TemplateError(
            f"{path} with {len(faces)} triangles of SHA-256 {got[:12]}",
            f"the package's {len(face.faces)} triangles, in their order, of SHA-256 {face.faces_sha256[:12]}",
            remedy,
        )
    return vertices


def _checked(
    file: Path, vertices: npt.NDArray[np.float64], faces: npt.NDArray[np.int64] | None
) -> tuple[Vertices, Faces | None]:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not len(vertices):
        raise TemplateError(f"{file} with vertices of shape {vertices.shape}", "shape (V, 3), V >= 1", _EXPORT_REMEDY)
    if not np.isfinite(vertices).all():
        raise TemplateError(f"{file} with NaN or infinite coordinates", "finite coordinates", "Repair the mesh.")
    if faces is None or not faces.size:
        return vertices.astype(np.float32), None
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise TemplateError(f"{file} with faces of shape {faces.shape}", "triangles (F, 3)", _EXPORT_REMEDY)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise TemplateError(
            f"{file} with vertex indices {faces.min()}..{faces.max()}", f"0..{len(vertices) - 1}", _EXPORT_REMEDY
        )
    return vertices.astype(np.float32), faces.astype(np.int32)


def _read_npz(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    arrays = read_npz(file)
    name = "template" if "template" in arrays else "vertices"
    if name not in arrays:
        raise ValueError(f"arrays {sorted(arrays)}, neither 'template' nor 'vertices' among them")
    faces = arrays.get("faces")
    if faces is not None and faces.dtype.kind not in "iu":
        raise ValueError(f"faces of dtype {faces.dtype}, not integers")
    return np.asarray(arrays[name], np.float64), None if faces is None else faces.astype(np.int64)


def _read_obj(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    positions: list[list[float]] = []
    faces: list[list[int]] = []
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words or words[0] not in ("v", "f"):
                continue
            try:
                if words[0] == "v":
                    positions.append([float(word) for word in words[1:4]])
                    if len(words) < 4:
                        raise ValueError("a position with fewer than 3 coordinates")
                else:
                    corners = [int(word.split("/")[0]) for word in words[1:]]
                    if len(corners) != 3:
                        raise ValueError(f"a face with {len(corners)} corners")
                    # Negative indices count back from the newest position.
                    faces.append([index - 1 if index > 0 else len(positions) + index for index in corners])
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    table = np.asarray(faces, np.int64).reshape(-1, 3)
    return np.asarray(positions, np.float64).reshape(-1, 3), table if len(table) else None
