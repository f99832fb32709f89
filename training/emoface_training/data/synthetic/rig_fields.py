"""Spreads displacements given on a few vertices smoothly over the skin of the head.

A field is fixed on chosen vertices and minimises the bending energy |M^-1 L u|^2 elsewhere (biharmonic
interpolation with the cotangent Laplacian), so that motion of lips and jaw fades into the face without
creases.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from .head_parts import FACE_LABELS, Array, Index

SURFACE_LABELS = (*FACE_LABELS, "lips", "mouth_inner", "lids")


def _laplacian(points: Array, faces: Index) -> tuple[sparse.csr_matrix, Array]:
    n = len(points)
    rows, columns, weights = [], [], []
    mass = np.zeros(n)
    for k in range(3):
        i, j, o = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        u, v = points[i] - points[o], points[j] - points[o]
        cross = np.linalg.norm(np.cross(u, v), axis=1)
        cot = np.clip(np.einsum("ij,ij->i", u, v) / np.maximum(cross, 1e-9), 0.05, 4.0)
        rows += [i, j]
        columns += [j, i]
        weights += [0.5 * cot, 0.5 * cot]
        np.add.at(mass, i, cross / 6.0)
    adjacency = sparse.csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), (n, n))
    return sparse.diags(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency, np.maximum(mass, 1e-3)


class Skin:
    """The connected skin (with lips, cavity and lids) of a head of V vertices, in centimetres."""

    def __init__(self, points: Array, faces: Index, labels: list[str]) -> None:
        self.points = points
        on = np.isin(np.array(labels), SURFACE_LABELS)
        self.ids = np.flatnonzero(on)
        local = np.full(len(points), -1)
        local[self.ids] = np.arange(len(self.ids))
        self._local = local
        matrix, mass = _laplacian(points[self.ids], local[faces[on[faces].all(axis=1)]])
        self._energy = sparse.csc_matrix(matrix @ sparse.diags(1.0 / mass) @ matrix)
        self._solvers: dict[bytes, tuple[Array, Array, object]] = {}

    def extend(self, fixed: Index, values: Array) -> Array:
        """Field [V, C] equal to `values` [K, C] at vertices `fixed` [K]; 0 off the skin."""
        local = self._local[fixed]
        marks = np.zeros(len(self.ids), dtype=bool)
        marks[local] = True
        key = marks.tobytes()
        free = np.flatnonzero(~marks)
        if key not in self._solvers:
            self._solvers[key] = (free, local, splu(self._energy[free][:, free].tocsc()))
        known = np.zeros((len(self.ids), values.shape[1]))
        known[local] = values
        right = -(self._energy @ known)[free]
        known[free] = self._solvers[key][2].solve(right)  # type: ignore[attr-defined]
        out = np.zeros((len(self.points), values.shape[1]))
        out[self.ids] = known
        return out


def carried(points: Array, riders: Index, carriers: Index) -> sparse.csr_matrix:
    """Matrix [V, V] that gives `riders` the mean motion of their eight nearest `carriers`; others keep theirs."""
    distance, near = cKDTree(points[carriers]).query(points[riders], k=8)
    weight = np.exp(-0.5 * (distance / 0.6) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    keep = np.setdiff1d(np.arange(len(points)), riders)
    rows = np.concatenate([keep, np.repeat(riders, 8)])
    columns = np.concatenate([keep, carriers[near].ravel()])
    data = np.concatenate([np.ones(len(keep)), weight.ravel()])
    return sparse.csr_matrix((data, (rows, columns)), (len(points), len(points)))
