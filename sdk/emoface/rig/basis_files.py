"""Blendshapes of a user's own: morph targets of a binary glTF file, or arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError
from emoface.npz_file import read_npz
from emoface.rig.basis import Blendshapes
from emoface.rig.glb_reader import Glb, read_glb

if TYPE_CHECKING:
    from emoface.package import Face


def read_blendshapes(path: str | Path, face: Face) -> Blendshapes:
    """Blendshapes for `face` from a file.

    .glb: the mesh with named morph targets (`extras.targetNames`) whose vertices are those of `face`, in the same
    order (vertices that `write_glb` split are joined); metres become the unit of `face`. .npz: the arrays of
    `Blendshapes.from_arrays`, in the unit of `face`, and optionally `faces` (F, 3).

    Raises:
        RigError: an unreadable file, no named shapes, another topology; and as `Blendshapes`.
    """
    file = Path(path)
    if file.suffix.lower() not in (".glb", ".npz"):
        raise RigError(f"blendshapes in {file.name!r}", "a .glb or .npz file", "Export one of these.")
    if not file.is_file():
        raise RigError(f"{file}: no such file", "a .glb or .npz file with blendshapes", "Check the path.")
    if file.suffix.lower() == ".npz":
        return _from_npz(file, face)
    try:
        return _from_glb(file, face)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise RigError(f"{file}: {error!r}", "a valid glTF document", "Export the file again.") from None


def _from_npz(file: Path, face: Face) -> Blendshapes:
    try:
        arrays = read_npz(file)
    except (OSError, ValueError) as error:
        raise RigError(f"{file}: {error}", "an npz file of plain arrays", "Store it again.") from None
    shapes = Blendshapes.from_arrays(arrays)
    _check_vertices(file, {shapes.vertices}, face)
    if "faces" in arrays:
        _check_topology(file, arrays["faces"], face)
    return shapes


def _from_glb(file: Path, face: Face) -> Blendshapes:
    glb = read_glb(file)
    found: list[tuple[int, dict[str, Any], tuple[str, ...]]] = []
    unnamed = 0
    for index, mesh in enumerate(glb.document.get("meshes", ())):
        names = mesh.get("extras", {}).get("targetNames")
        for primitive in mesh.get("primitives", ()):
            if primitive.get("targets"):
                unnamed += names is None
                if names is not None:
                    found.append((index, primitive, tuple(str(name) for name in names)))
    if not found:
        raise RigError(
            f"{file}: {'morph targets without names' if unnamed else 'no morph targets'}",
            "a mesh with morph targets named in extras.targetNames",
            "Export shape keys with their names (Blender: Data > Mesh > Shape Keys).",
        )
    vertices = [_vertices(glb, primitive) for _, primitive, _ in found]
    firsts = [np.unique(vertex, return_index=True)[1] for vertex in vertices]
    counts = [len(first) for first in firsts]
    _check_vertices(file, set(counts), face)
    place = counts.index(len(face.template))
    index, primitive, names = found[place]
    if "indices" in primitive:
        _check_topology(file, vertices[place][glb.array(primitive["indices"])].reshape(-1, 3), face)
    given = [glb.array(target["POSITION"]) for target in primitive["targets"] if "POSITION" in target]
    deltas = [delta[firsts[place]] for delta in given]
    if len(deltas) != len(names) or any(delta.shape != face.template.shape for delta in deltas):
        raise RigError(f"{file}: {len(deltas)} morph targets of positions", f"{len(names)}, as named", "Export again.")
    linear = _linear_part(glb, index) / face.unit_in_metres
    return Blendshapes(names, np.stack(deltas) @ linear.T.astype(np.float32))


def _vertices(glb: Glb, primitive: dict[str, Any]) -> npt.NDArray[np.int64]:
    """The face's vertex of each vertex (N,); EmoFace's own files say so where vertices had to be split."""
    attributes = primitive["attributes"]
    if "_VERTEX" not in attributes:
        count = glb.accessor_count(attributes["POSITION"])
        if count > len(glb.binary):
            raise ValueError(f"{count} vertices in a file of {len(glb.binary)} bytes")
        return np.arange(count)
    vertex = glb.array(attributes["_VERTEX"])
    if not np.array_equal(different := np.unique(vertex), np.arange(len(different))):
        raise ValueError("the attribute _VERTEX with other numbers than those of vertices")
    return vertex.astype(np.int64)


def _linear_part(glb: Glb, mesh: int) -> npt.NDArray[np.float64]:
    """Turn and scale (3, 3) of the node that shows the mesh."""
    node: dict[str, Any] = next((node for node in glb.document.get("nodes", ()) if node.get("mesh") == mesh), {})
    if "matrix" in node:
        return np.asarray(node["matrix"], np.float64).reshape(4, 4).T[:3, :3]
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray(turn * np.asarray(node.get("scale", (1, 1, 1)), np.float64))


def _check_vertices(file: Path, counts: set[int], face: Face) -> None:
    if len(face.template) not in counts:
        got = " and ".join(str(count) for count in sorted(counts))
        raise RigError(
            f"{file}: blendshapes of {got} vertices",
            f"{len(face.template)}, the vertices of the package's face",
            "Export the package's mesh without splitting vertices: no texture coordinates, smooth normals.",
        )


def _check_topology(file: Path, faces: npt.NDArray[Any], face: Face) -> None:
    """The order of triangles may differ, what they connect may not."""
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise RigError(f"{file}: faces of shape {faces.shape}, {faces.dtype}", "integers (F, 3)", "Store triangles.")
    mine, theirs = _edges(face.faces), _edges(faces)
    if not np.array_equal(mine, theirs):
        shared = len(np.intersect1d(mine, theirs))
        raise RigError(
            f"{file}: a mesh that shares {shared} of {len(mine)} edges with the package's face",
            "the same topology: the same vertices in the same order",
            "Start from the package's own mesh (`emoface animate -o face.glb`) and keep its vertex order.",
        )


def _edges(faces: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    table = np.asarray(faces, np.int64)
    edges = np.sort(np.concatenate([table[:, [0, 1]], table[:, [1, 2]], table[:, [2, 0]]]), axis=1)
    return np.unique(edges[:, 0] << 32 | edges[:, 1])
