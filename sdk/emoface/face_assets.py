"""What a face of format 2 may bring beside its mesh: texture coordinates, sharp edges, pivots, named identities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from emoface.npz_file import array_fault, check_finite, take_array

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]
FaceFileArrays = Mapping[str, npt.NDArray[Any]]

PIVOTS = ("head", "jaw", "eye_left", "eye_right")
"""Whose pivots the rows of `pivots` are. Left and right are those of the face."""
MOST_IDENTITIES = 256

NO_COEFFICIENTS = "none: no output of the manifest has the role coefficients"

_FILE = "face.npz"
_WHOLE = ("uvs", "uv_faces", "normal_groups", "pivots")
_IDENTITY = re.compile(r"identity\.([a-z][a-z0-9_]{0,63})(?:\.(pivots|basis))?")


@dataclass(frozen=True)
class Identity:
    """Another neutral face of the package's topology. Arrays are read-only.

    Attributes:
        template: (V, 3) float32, in the package's unit.
        pivots: (4, 3) float32, in the order of `PIVOTS`; None where those of the package's face hold.
        basis: (R, V, 3) float32, what the package's coefficients are of on this face; None where the package's basis,
            or its offsets, move it too.
    """

    template: Floats
    pivots: Floats | None = None
    basis: Floats | None = None


class FaceAssets(TypedDict):
    """Fields of `emoface.face_file.Face`."""

    uvs: Floats | None
    uv_faces: Indices | None
    normal_groups: Indices | None
    pivots: Floats | None
    identities: Mapping[str, Identity]


def asset_arrays(arrays: FaceFileArrays) -> set[str]:
    """The names of arrays that belong to assets."""
    return {key for key in arrays if key in _WHOLE or _IDENTITY.fullmatch(key)}


def read_assets(arrays: FaceFileArrays, vertices: int, triangles: int, coefficients: int = 0) -> FaceAssets:
    """The assets among the arrays of `face.npz`; ManifestError naming the array that does not fit the mesh, or the
    number of the package's coefficients."""
    uvs, uv_faces = _read_uvs(arrays, triangles)
    groups = take_array(_FILE, arrays, "normal_groups", (triangles,), "<i4") if "normal_groups" in arrays else None
    if groups is not None and groups.size and groups.min() < 0:
        raise array_fault(_FILE, "normal_groups", f"group {groups.min()}", "numbers from 0 on")
    pivots = _points(arrays, "pivots", len(PIVOTS)) if "pivots" in arrays else None
    return FaceAssets(
        uvs=uvs,
        uv_faces=uv_faces,
        normal_groups=groups,
        pivots=pivots,
        identities=_read_identities(arrays, vertices, coefficients),
    )


def _read_uvs(arrays: FaceFileArrays, triangles: int) -> tuple[Floats, Indices] | tuple[None, None]:
    if "uvs" not in arrays and "uv_faces" not in arrays:
        return None, None
    uvs = take_array(_FILE, arrays, "uvs", (None, 2), "<f4")
    check_finite(_FILE, "uvs", uvs)
    corners = take_array(_FILE, arrays, "uv_faces", (triangles, 3), "<i4")
    wrong = corners[(corners < 0) | (corners >= len(uvs))]
    if wrong.size:
        raise array_fault(_FILE, "uv_faces", f"index {wrong[0]}", f"rows of uvs from 0 to {len(uvs) - 1}")
    return uvs, corners


def take_basis(arrays: FaceFileArrays, key: str, coefficients: int, vertices: int) -> Floats:
    """A motion basis (R, V, 3), float32 or float16, as float32."""
    kind = "<f2" if arrays[key].dtype == np.float16 else "<f4"
    shapes = take_array(_FILE, arrays, key, (coefficients, vertices, 3), kind)
    check_finite(_FILE, key, shapes)
    shapes = shapes.astype(np.float32)
    shapes.setflags(write=False)
    return shapes


def _read_identities(arrays: FaceFileArrays, vertices: int, coefficients: int) -> dict[str, Identity]:
    found = [match for key in sorted(arrays) if (match := _IDENTITY.fullmatch(key))]
    names = sorted({match[1] for match in found})
    if len(names) > MOST_IDENTITIES:
        raise array_fault(_FILE, "identity", f"{len(names)} identities", f"at most {MOST_IDENTITIES}")
    identities = {}
    for name in names:
        template = _points(arrays, f"identity.{name}", vertices)
        pivots = basis = None
        if (key := f"identity.{name}.pivots") in arrays:
            if "pivots" not in arrays:
                raise array_fault(_FILE, key, "an array", "none where the face itself has no pivots")
            pivots = _points(arrays, key, len(PIVOTS))
        if (key := f"identity.{name}.basis") in arrays:
            if not coefficients:
                raise array_fault(_FILE, key, "an array", NO_COEFFICIENTS)
            basis = take_basis(arrays, key, coefficients, vertices)
        identities[name] = Identity(template, pivots, basis)
    return identities


def _points(arrays: FaceFileArrays, key: str, count: int) -> Floats:
    points = take_array(_FILE, arrays, key, (count, 3), "<f4")
    check_finite(_FILE, key, points)
    return points
