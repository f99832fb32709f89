"""Ambient occlusion of a template: how much of the sky each vertex sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emoface.render.raster import Triangles, rasterise

FloatArray = NDArray[np.float32]


def ambient_occlusion(
    vertices: FloatArray,
    normals: FloatArray,
    faces: NDArray[np.int32],
    *,
    directions: int = 40,
    size: int = 192,
    bias: float = 0.012,
) -> FloatArray:
    """Cosine-weighted share (V,) in 0..1 of the directions from which a vertex is not hidden by the mesh.

    The mesh is drawn from `directions` evenly spread directions into depth maps of `size` x `size`; a vertex counts as
    seen where it is no more than `bias` (share of the extent of the mesh) behind the map. `normals` (V, 3) are unit.
    """
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    extent = 2 * float(np.linalg.norm(vertices - centre, axis=1).max())
    points = (vertices - centre) / np.float32(extent)
    seen = np.zeros(len(vertices), np.float32)
    total = np.full(len(vertices), 1e-6, np.float32)
    for towards in _sphere(directions):
        right = np.cross((0.0, 1.0, 0.0) if abs(towards[1]) < 0.9 else (1.0, 0.0, 0.0), towards)
        right /= np.linalg.norm(right)
        view = points @ np.stack([right, np.cross(towards, right), towards], axis=1).astype(np.float32)
        pixels = np.stack([(view[:, 0] + 0.5) * size, (0.5 - view[:, 1]) * size], axis=1)
        depth = view[:, 2] + np.float32(0.75)
        triangles = Triangles.project(pixels, depth, faces, cull=False)
        near = _depth_map(triangles, size)
        column, row = np.clip(np.round(pixels).astype(np.int64), 1, size - 1).T
        cosine = np.clip(normals @ towards.astype(np.float32), 0, None)
        total += cosine
        seen += cosine * (depth + bias >= near[row, column])
    return _smoothed(seen / total, faces, rounds=3)


def _depth_map(triangles: Triangles, size: int) -> FloatArray:
    """The farthest of the nearest depths of the four pixels around each grid corner, (size, size).

    Taking the farthest keeps a surface from hiding its own vertices at its outline.
    """
    fragments = rasterise(triangles, size, size)
    row = fragments.pixel // size
    x, y = fragments.pixel - row * size + np.float32(0.5), row + np.float32(0.5)
    w1, w2 = triangles.weights(fragments.triangle, x.astype(np.float32), y.astype(np.float32))
    corner = triangles.depth[fragments.triangle]
    pixels = np.zeros(size * size, np.float32)
    pixels[fragments.pixel] = corner[:, 0] * (1 - w1 - w2) + corner[:, 1] * w1 + corner[:, 2] * w2
    near = pixels.reshape(size, size)
    around = near.copy()
    around[1:, 1:] = np.minimum(np.minimum(near[1:, 1:], near[:-1, 1:]), np.minimum(near[1:, :-1], near[:-1, :-1]))
    return around


def _smoothed(values: FloatArray, faces: NDArray[np.int32], rounds: int) -> FloatArray:
    """`values` (V,) averaged with their neighbours, which hides the grain of the depth maps."""
    tail, head = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    degree = np.maximum(np.bincount(tail, minlength=len(values)), 1)
    for _ in range(rounds):
        around = np.bincount(tail, values[head], minlength=len(values)) / degree
        values = np.asarray(0.5 * values + 0.5 * around, np.float32)
    return values


def _sphere(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3), spread evenly by the golden angle."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    angle = index * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)
