"""Builds a face: the arrays of `face.npz`, and the picture that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface.render.raster import IntArray
from emoface.render.renderer import vertex_normals
from emoface.render.texture import Texture
from emoface_training.errors import OptionsError

from . import eyeballs, motion
from .base_mesh import BaseMesh, read
from .contact import Fit
from .cut import Cut, cut
from .fitting import Fitter, lid_rings
from .layout import layout
from .mouth import Mouth
from .paint import SIZE, Canvas, Tones, canvas, hair, paint
from .persons import CANONICAL, Person, points
from .regions import masks
from .wheel import Array, Wheel

METRES = 0.1
# Middle of the head in the data, decimetres: the origin of the face.
ORIGIN = np.array([0.0, 7.15, 0.45])
HAIR = 0.055  # thickness, decimetres
STEP = 5e-6  # metres per step of the shapes' integers: finer than any gap
_PIVOTS = {"head": "joint-head", "jaw": "joint-mouth"}


@dataclass(frozen=True)
class Head:
    """The canonical head in decimetres, and what persons are fitted with.

    template [V, 3]; shapes [52, V, 3]; lid [V] rings outside the lids; canvas: the texels of the texture.
    """

    mesh: BaseMesh
    cut: Cut
    mouth: Mouth
    eyes: dict[str, tuple[Array, float]]
    raw: Array
    template: Array
    shapes: Array
    lid: NDArray[np.int64]
    uvs: Array
    uv_faces: IntArray
    piece: IntArray
    fitter: Fitter

    def canvas(self, size: int = SIZE) -> Canvas:
        """The texels of the texture, size x size."""
        rings = (np.clip(self.mouth.ring, 0, 12), np.clip(self.lid, 0, 10))
        return canvas(self.uvs, self.uv_faces, self.cut.faces, self.piece, self.raw, *rings, size)


def build(wheel: Wheel) -> Head:
    """The canonical head of a wheel's data."""
    mesh = read(wheel)
    pieces = cut(mesh)
    base = points(wheel, mesh, CANONICAL)
    eyes = {side: eyeballs.sphere(mesh, base, side) for side in eyeballs.SIDES}
    raw = _head(mesh, pieces, base)
    mouth = Mouth(pieces, raw)
    fit = Fit(pieces, mouth, raw)
    template = fit.settled(raw)
    template += fit.closed(template)
    shapes = fit.shapes(template, motion.shapes(wheel, mesh, pieces, eyes))
    uvs, uv_faces, piece = layout(mesh, pieces)
    fitter = Fitter(pieces, fit, template, raw, eyes)
    lid = lid_rings(pieces)
    return Head(mesh, pieces, mouth, eyes, raw, template, shapes, lid, uvs, uv_faces, piece, fitter)


def _head(mesh: BaseMesh, pieces: Cut, base: Array) -> Array:
    balls = [eyeballs.ball(*eyeballs.sphere(mesh, base, side)) for side in eyeballs.SIDES]
    return np.concatenate([pieces.points(base), *balls])


def fitted(wheel: Wheel, head: Head, person: Person) -> tuple[Array, Array]:
    """Template [V, 3] and pivots [4, 3] of a person, decimetres, in the canonical head's place."""
    base = points(wheel, head.mesh, person)
    own = _head(head.mesh, head.cut, base)
    template = head.fitter.template(own)
    joints = _joints(head.mesh, base) + head.fitter.placing(own)
    centres = [template[head.cut.of(f"eye_{side}")][[0, -1]] for side in eyeballs.SIDES]
    # The cornea bulges: the middle of a ball lies a little nearer to its back than halfway.
    back = [ends[1] + [0.0, 0.0, head.eyes[side][1]] for ends, side in zip(centres, eyeballs.SIDES, strict=True)]
    return template, np.concatenate([joints, back])


def _joints(mesh: BaseMesh, base: Array) -> Array:
    return np.stack([base[mesh.vertices_of(group)].mean(axis=0) for group in _PIVOTS.values()])


def hair_volume(head: Head, template: Array) -> Array:
    """Offsets [V, 3] in decimetres that make the painted hair stand off the skin."""
    normals = vertex_normals(template.astype(np.float32), head.cut.faces.astype(np.int32))
    cover = hair(head.raw) * (head.cut.part == 0)
    height = np.clip((head.raw[:, 1] - 7.0) / 1.0, 0.25, 1.0)
    return np.asarray(HAIR * (cover * height)[:, None] * normals)


def metres(place: Array) -> NDArray[np.float32]:
    """Positions in decimetres of the data as the face's: metres about its origin."""
    return np.asarray((place - ORIGIN) * METRES, np.float32)


def target(path: Path) -> Path:
    """The file to write; OptionsError where it does not end in .npz."""
    if path.suffix != ".npz":
        raise OptionsError(f"the file {path}", "a name that ends in .npz", "Give one; the texture gets .png.")
    return path


def texture(head: Head, person: Person | None, size: int = SIZE) -> NDArray[np.uint8]:
    """The painted picture [size, size, 3], sRGB, of a person or, None, of the canonical head."""
    return paint(head.canvas(size), head.eyes, Tones.of(person or CANONICAL))


def arrays(
    wheel: Wheel, head: Head, identities: Mapping[str, Person], person: Person | None, picture: NDArray[np.uint8]
) -> dict[str, NDArray]:
    """The arrays of `face.npz`: the canonical head's or a person's face as the template, identities beside it.

    The colours of vertices are those of picture [H, W, 3].
    """
    template, pivots = fitted(wheel, head, person or CANONICAL)
    faces = head.cut.faces.astype(np.int32)
    out: dict[str, NDArray] = {
        "template": metres(template + hair_volume(head, template)),
        "faces": faces,
        "colours": vertex_colours(head, picture),
        "uvs": head.uvs.astype(np.float32),
        "uv_faces": head.uv_faces.astype(np.int32),
        "normal_groups": head.cut.part[faces[:, 0]].astype(np.int32),
        "blendshape_names": np.array(motion.NAMES),
        "blendshapes": np.round(head.shapes * (METRES / STEP)).astype(np.int16),
        "blendshape_step": np.full(len(motion.NAMES), STEP, np.float32),
        "pivots": metres(pivots),
    }
    for name, index in masks(head.cut, head.mouth, head.raw, head.lid).items():
        out[f"mask_{name}"] = index.astype(np.int32)
    for name, one in identities.items():
        own, own_pivots = fitted(wheel, head, one)
        out[f"identity.{name}"] = metres(own + hair_volume(head, own))
        out[f"identity.{name}.pivots"] = metres(own_pivots)
    return out


def vertex_colours(head: Head, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear albedo [V, 3] of the vertices: the picture where they lie in it."""
    texture = Texture(picture, head.uvs, head.uv_faces)
    faces = np.arange(len(head.cut.faces))
    out = np.zeros((len(head.cut.part), 3), np.float32)
    for corner in range(3):
        w1, w2 = (np.full(len(faces), float(corner == k), np.float32) for k in (1, 2))
        out[head.cut.faces[:, corner]] = texture.sample(faces, w1, w2)
    return out
