"""The mesh of a glTF file: a face's vertices, split where its texture has a seam or its surface a sharp edge.

glTF has one texture coordinate and one normal per vertex; a face has them per corner of a triangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface.package import Face
from emoface.render.renderer import vertex_normals

FloatArray = NDArray[np.float32]
_Indices = NDArray[np.int32]


@dataclass(frozen=True)
class SplitMesh:
    """N vertices of a file, of which the first V are the face's own in their order, and copies follow.

    Attributes:
        vertex: (N,) the face's vertex of each.
        triangles: (F, 3) rows of these vertices.
        uvs: (N, 2) float32, or None where the face has no texture coordinates.
        smooth: (N,) the row, for each, of what has one normal: a vertex within a group of triangles.
        smooth_vertex, smooth_triangles: (M,) and (F, 3), the mesh of those.
    """

    vertex: _Indices
    triangles: _Indices
    uvs: FloatArray | None
    smooth: _Indices
    smooth_vertex: _Indices
    smooth_triangles: _Indices

    @property
    def is_split(self) -> bool:
        """Whether there are more vertices than the face has."""
        return len(self.vertex) > len(np.unique(self.vertex))

    def normals(self, vertices: FloatArray) -> FloatArray:
        """Normals (N, 3) of the face with vertices (V, 3); zero at those of no triangle."""
        return vertex_normals(vertices[self.smooth_vertex], self.smooth_triangles)[self.smooth]


def split_mesh(face: Face) -> SplitMesh:
    """The face's mesh with a vertex for each combination of vertex, texture coordinate and group of triangles."""
    count, corners = len(face.template), face.faces
    places = np.zeros_like(corners) if face.uv_faces is None else face.uv_faces
    groups = np.zeros_like(corners)
    if face.normal_groups is not None:
        groups += face.normal_groups[:, None]
    vertex, triangles = _combined(count, corners, np.stack([places, groups], axis=-1))
    smooth_vertex, smooth_triangles = _combined(count, corners, groups[..., None])
    # Those of no triangle are their own.
    smooth = np.array(vertex)
    smooth[triangles] = smooth_triangles
    uvs = None
    if face.uvs is not None:
        uvs = np.zeros((len(vertex), 2), np.float32)
        uvs[triangles] = face.uvs[places]
    return SplitMesh(vertex, triangles, uvs, smooth, smooth_vertex, smooth_triangles)


def _combined(count: int, corners: _Indices, properties: _Indices) -> tuple[_Indices, _Indices]:
    """Vertices for the combinations of vertex and properties (F, 3, P) of corners (F, 3), and the triangles of these.

    The first combination of a vertex keeps its number; others are numbered from `count` on, by vertex and properties.
    """
    keys = np.concatenate([corners[..., None], properties], axis=-1).reshape(-1, 1 + properties.shape[-1])
    different, inverse = np.unique(keys, axis=0, return_inverse=True)
    first = np.ones(len(different), np.bool_)
    first[1:] = different[1:, 0] != different[:-1, 0]
    number = np.where(first, different[:, 0], count - 1 + np.cumsum(~first))
    vertex = np.concatenate([np.arange(count), different[~first, 0]])
    return vertex.astype(np.int32), number[inverse.reshape(corners.shape)].astype(np.int32)
