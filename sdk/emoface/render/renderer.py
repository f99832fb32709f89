"""Picture of a face from its vertices: smooth shading, vertex colours, antialiased edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emoface.render.camera import Camera
from emoface.render.creases import Creases
from emoface.render.lighting import Lighting, decode_srgb, encode_srgb
from emoface.render.occlusion import ambient_occlusion
from emoface.render.raster import Fragments, IntArray, Triangles, rasterise
from emoface.render.texture import Texture

FloatArray = NDArray[np.float32]


class Renderer:
    """Draws frames of one mesh.

    faces: (F, 3) vertex indices, counter-clockwise seen from outside.
    colours: (V, 3) linear albedo 0..1, or None for plain clay.
    size: (width, height) in pixels.
    camera: by default the template is framed from the front (`Camera.fit`).
    template: (V, 3) the face at rest, for the camera, the ambient occlusion and the shading of folds; the first frame
    if not given.
    gloss: (V,) strength of the sharp highlight, 0 for skin, about 1 for eyes; None for none.
    openness: (V,) least share of ambient light, 0..1: for teeth, which the template hides and a smile shows.
    folding: (V,) how strongly folds darken, 0..1; None for 1 everywhere.
    texture: an albedo picture with its coordinates, in place of `colours`.

    Pixels where neighbours differ visibly are sampled `samples` x `samples` times, the others once.
    """

    def __init__(
        self,
        faces: NDArray[np.integer],
        colours: NDArray[np.floating] | None = None,
        size: tuple[int, int] = (512, 512),
        camera: Camera | None = None,
        *,
        template: NDArray[np.floating] | None = None,
        gloss: NDArray[np.floating] | None = None,
        openness: NDArray[np.floating] | None = None,
        folding: NDArray[np.floating] | None = None,
        texture: Texture | None = None,
        lighting: Lighting | None = None,
        samples: int = 3,
        background: tuple[int, int, int] = (226, 230, 236),
    ) -> None:
        self.faces = np.ascontiguousarray(faces, np.int32)
        self.width, self.height = size
        self.camera = camera
        self.lighting = lighting or Lighting()
        self.samples = samples
        self._colours = None if colours is None else np.asarray(colours, np.float32)
        self._gloss = None if gloss is None else np.asarray(gloss, np.float32)
        self._openness = None if openness is None else np.asarray(openness, np.float32)
        self._folding = None if folding is None else np.asarray(folding, np.float32)
        self._texture = texture
        if texture is not None:
            self._colours = np.ones((int(self.faces.max()) + 1, 3), np.float32)
        self._occlusion: FloatArray | None = None
        self._creases: Creases | None = None
        if template is not None:
            self._prepare(np.asarray(template, np.float32))
        self._background = _backdrop(self.width, self.height, background)
        self._background_encoded = encode_srgb(self._background)

    def frame(self, vertices: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The picture (height, width, 3) uint8 sRGB of `vertices` (V, 3)."""
        points = np.asarray(vertices, np.float32)
        camera, colours, occlusion, creases = self._prepare(points)
        pixels, depth = camera.project(points, self.width, self.height)
        triangles = Triangles.project(pixels, depth, self.faces)
        normals = vertex_normals(points, self.faces)
        folds = creases.shade(points, normals)
        normals = normals @ camera.rotation.T
        lit = colours * self.lighting.diffuse(normals, occlusion) * folds
        sheen = self.lighting.specular(normals, 14.0) * (self.lighting.sheen * occlusion)[:, None]
        lit = lit + sheen if self._texture is None else np.concatenate([lit, sheen], axis=1)

        fragments = rasterise(triangles, self.width, self.height)
        x, y = _centres(fragments.pixel, self.width)
        image = self._background_encoded.copy()
        image[fragments.pixel] = encode_srgb(self._shade(triangles, fragments.triangle, x, y, lit, normals))
        if self.samples > 1:
            self._refine(image, triangles, lit, normals)
        return image.reshape(self.height, self.width, 3)

    def _prepare(self, points: FloatArray) -> tuple[Camera, FloatArray, FloatArray, Creases]:
        """Camera, colours, occlusion and creases; what is still missing is made from `points` (V, 3)."""
        if self.camera is None:
            self.camera = Camera.fit(points, self.width / self.height)
        if self._colours is None:
            self._colours = np.full((len(points), 3), 0.55, np.float32)
        if self._occlusion is None or self._creases is None:
            normals = vertex_normals(points, self.faces)
            self._creases = Creases(self.faces, points, normals, self._folding)
            self._occlusion = ambient_occlusion(points, normals, self.faces)
            if self._openness is not None:
                self._occlusion = np.maximum(self._occlusion, self._openness)
        return self.camera, self._colours, self._occlusion, self._creases

    def _shade(
        self,
        triangles: Triangles,
        triangle: IntArray,
        x: FloatArray,
        y: FloatArray,
        lit: FloatArray,
        normals: FloatArray,
    ) -> FloatArray:
        """Linear colours (P, 3) of the samples of `triangle` (P,) at `x`, `y` (P,).

        `lit` (V, 3) is the colour of the vertices; with a texture (V, 6): the light on it, and what shines above it.
        """
        w1, w2 = triangles.weights(triangle, x, y)
        corner = triangles.corners
        first = lit[corner[:, 0]]
        colour = _interpolate(first, lit[corner[:, 1]] - first, lit[corner[:, 2]] - first, triangle, w1, w2)
        if self._texture is not None:
            colour = self._texture.sample(triangles.face[triangle], w1, w2) * colour[:, :3] + colour[:, 3:]
        if self._gloss is not None:
            # Highlights are smaller than a triangle, so the shiny parts (few pixels) are shaded per sample.
            shiny = np.flatnonzero((self._gloss[corner].max(axis=1) > 0)[triangle])
            if len(shiny):
                part, u, v = triangle[shiny], w1[shiny], w2[shiny]
                packed = np.concatenate([normals, self._gloss[:, None]], axis=1)
                first = packed[corner[:, 0]]
                value = _interpolate(first, packed[corner[:, 1]] - first, packed[corner[:, 2]] - first, part, u, v)
                normal = value[:, :3] / (np.linalg.norm(value[:, :3], axis=1, keepdims=True) + 1e-9)
                colour[shiny] += value[:, 3:] * self.lighting.reflection(normal)
        return colour

    def _refine(self, image: NDArray[np.uint8], triangles: Triangles, lit: FloatArray, normals: FloatArray) -> None:
        """Replaces the pixels of `image` (H * W, 3) that lie on visible edges by the mean of a finer grid."""
        mask = _edges(image.reshape(self.height, self.width, 3))
        chosen = triangles.take(np.flatnonzero(_touching(triangles, mask))).scaled(self.samples)
        if not len(chosen.corners):
            return
        width, height = self.width * self.samples, self.height * self.samples
        fine = rasterise(chosen, width, height, mask=mask, mask_scale=self.samples)
        x, y = _centres(fine.pixel, width)
        colour = np.minimum(self._shade(chosen, fine.triangle, x, y, lit, normals), 1)
        self._average(image, mask, fine, colour)

    def _average(self, image: NDArray[np.uint8], mask: NDArray[np.bool_], fine: Fragments, colour: FloatArray) -> None:
        edge = np.flatnonzero(mask)
        slot = np.zeros(mask.size, np.int64)
        slot[edge] = np.arange(len(edge))
        width = self.width * self.samples
        row, column = fine.pixel // width, fine.pixel % width
        owner = slot[(row // self.samples) * self.width + column // self.samples]
        whole = self.samples**2
        covered = np.bincount(owner, minlength=len(edge)).astype(np.float32) / whole
        mean = np.maximum(1 - covered, 0)[:, None] * self._background[edge]
        for channel in range(3):
            mean[:, channel] += np.bincount(owner, colour[:, channel], minlength=len(edge)) / whole
        image[edge] = encode_srgb(mean)


def vertex_normals(vertices: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """Unit normals (V, 3): the area-weighted mean of the normals of the faces around each vertex."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    u, v = b - a, c - a
    normals = np.empty((len(vertices), 3), np.float64)
    flat = faces.T.reshape(-1)
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        component = u[:, i] * v[:, j] - u[:, j] * v[:, i]
        normals[:, axis] = np.bincount(flat, np.tile(component, 3), minlength=len(vertices))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1), np.float32)


def _interpolate(
    first: FloatArray, second: FloatArray, third: FloatArray, triangle: IntArray, w1: FloatArray, w2: FloatArray
) -> FloatArray:
    """first + w1 * second + w2 * third per sample; the tables are (M, k), the answer (P, k).

    Linear on the screen: on triangles this small the perspective correction is far below one grey level.
    """
    return np.asarray(first[triangle] + w1[:, None] * second[triangle] + w2[:, None] * third[triangle], np.float32)


def _centres(pixel: IntArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Positions x, y (P,) of the centres of the pixels with flat index `pixel`."""
    row = pixel // width
    return (pixel - row * width).astype(np.float32) + np.float32(0.5), row.astype(np.float32) + np.float32(0.5)


def _edges(image: NDArray[np.uint8], threshold: int = 13) -> NDArray[np.bool_]:
    """Pixels (H, W) whose green differs from a direct neighbour's by more than `threshold` levels."""
    mask = np.zeros(image.shape[:2], np.bool_)
    green = image[:, :, 1].astype(np.int16)
    across = np.abs(green[:, 1:] - green[:, :-1]) > threshold
    down = np.abs(green[1:] - green[:-1]) > threshold
    mask[:, 1:] |= across
    mask[:, :-1] |= across
    mask[1:] |= down
    mask[:-1] |= down
    return mask


def _touching(triangles: Triangles, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Triangles (M,) whose bounding box holds a set pixel of `mask` (H, W), by a summed-area table."""
    height, width = mask.shape
    table = np.zeros((height + 1, width + 1), np.int32)
    np.cumsum(np.cumsum(mask, axis=0, dtype=np.int32), axis=1, out=table[1:, 1:])
    left = np.clip(np.floor(triangles.x.min(axis=1)), 0, width).astype(np.int64)
    right = np.clip(np.ceil(triangles.x.max(axis=1)), 0, width).astype(np.int64)
    top = np.clip(np.floor(triangles.y.min(axis=1)), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(triangles.y.max(axis=1)), 0, height).astype(np.int64)
    inside = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return np.asarray(inside > 0)


def _backdrop(width: int, height: int, colour: tuple[int, int, int]) -> FloatArray:
    """A backdrop (height * width, 3), linear, a little brighter behind the head than in the corners."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = ((x / width - 0.5) ** 2 + (y / height - 0.45) ** 2) * 2
    shade = (1.04 - 0.45 * radius).astype(np.float32)
    return np.asarray(shade.reshape(-1, 1) * decode_srgb(colour), np.float32)
