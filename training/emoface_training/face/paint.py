"""The texture, painted by rule from where a texel lies on the canonical head: skin, lips, brows, hair, eyes, teeth.

Positions are decimetres of the canonical head; colours are linear albedo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface.render.lighting import encode_srgb
from emoface.render.raster import Triangles, rasterise

from . import eyeballs
from .base_mesh import Index
from .layout import PLACES
from .noise import noise, smoothstep
from .persons import Person
from .wheel import Array

SIZE = 1024  # pixels each way
_SKIN_STOPS = ((0.60, 0.375, 0.285), (0.42, 0.232, 0.150), (0.115, 0.056, 0.034))
_HAIR_STOPS = ((0.016, 0.011, 0.009), (0.085, 0.048, 0.026), (0.30, 0.20, 0.10))
_IRIS_STOPS = ((0.045, 0.020, 0.010), (0.13, 0.075, 0.030), (0.14, 0.20, 0.24))


@dataclass(frozen=True)
class Tones:
    """Linear colours of a person."""

    skin: Array
    hair: Array
    brows: Array
    iris: Array
    lips: Array

    @classmethod
    def of(cls, person: Person) -> Tones:
        """Tones of a person: as given, else what goes with ancestry and age."""
        total = person.african + person.asian + person.caucasian
        african, asian, caucasian = (x / total for x in (person.african, person.asian, person.caucasian))
        depth = 0.92 * african + 0.30 * asian + 0.12 * caucasian if person.skin is None else person.skin
        fair = caucasian * 0.62 if person.hair is None else person.hair
        skin, hair = _stop(_SKIN_STOPS, depth), _stop(_HAIR_STOPS, fair)
        grey = smoothstep(0.55, 0.85, np.array(person.age)) if person.hair is None else 0.0
        # Brows are darker than the hair, and turn grey later.
        brows = 0.7 * hair + (np.array([0.10, 0.09, 0.085]) - 0.7 * hair) * grey
        hair = hair + (np.array([0.34, 0.33, 0.32]) - hair) * grey
        iris = _stop(_IRIS_STOPS, caucasian * 0.9 if person.iris is None else person.iris)
        lips = skin * np.array([0.86, 0.52, 0.54]) + np.array([0.022, 0.004, 0.006])
        return cls(skin, hair, brows, iris, lips)


def _stop(stops: tuple[tuple[float, float, float], ...], value: float) -> Array:
    table = np.array(stops)
    return np.array([np.interp(value, np.linspace(0, 1, len(table)), table[:, k]) for k in range(3)])


@dataclass(frozen=True)
class Canvas:
    """What is known of each texel that a face covers: its row of the picture, piece, and attributes of the vertices.

    pixel [P]; piece [P]; at [P, 3] positions; lip, lid [P] rings outside the mouth and the lids;
    size of the picture each way.
    """

    pixel: Index
    piece: Index
    at: Array
    lip: Array
    lid: Array
    size: int


def canvas(
    uvs: Array, uv_faces: Index, faces: Index, piece: Index, at: Array, lip: Array, lid: Array, size: int = SIZE
) -> Canvas:
    """Rasterise the layout into size x size texels; at [V, 3], lip and lid [V] are of the canonical head."""
    pixels = (uvs * size).astype(np.float32)
    triangles = Triangles.project(pixels, np.ones(len(uvs), np.float32), uv_faces.astype(np.int32), cull=False)
    fragments = rasterise(triangles, size, size)
    _, first = np.unique(fragments.pixel, return_index=True)
    pixel, triangle = fragments.pixel[first], fragments.triangle[first]
    x, y = (pixel % size + 0.5).astype(np.float32), (pixel // size + 0.5).astype(np.float32)
    w1, w2 = (w.astype(np.float64)[:, None] for w in triangles.weights(triangle, x, y))
    face = triangles.face[triangle]
    attributes = np.concatenate([at, lip[:, None], lid[:, None]], axis=1)[faces[face]]
    values = attributes[:, 0] * (1 - w1 - w2) + attributes[:, 1] * w1 + attributes[:, 2] * w2
    return Canvas(pixel, piece[face], values[:, :3], values[:, 3], values[:, 4], size)


def paint(texels: Canvas, eyes: dict[str, tuple[Array, float]], tones: Tones) -> NDArray[np.uint8]:
    """The picture [size, size, 3], sRGB."""
    colour = np.zeros((len(texels.pixel), 3))
    names = list(PLACES)
    for number, name in enumerate(names):
        rows = np.flatnonzero(texels.piece == number)
        colour[rows] = _PIECES[name.split("_")[0]](texels, rows, eyes, tones, name)
    picture = np.zeros((texels.size**2, 3), np.float32)
    known = np.zeros(texels.size**2, bool)
    picture[texels.pixel], known[texels.pixel] = colour, True
    return encode_srgb(_bleed(picture.reshape(texels.size, texels.size, 3), known.reshape(texels.size, -1)))


def _bleed(picture: NDArray[np.float32], known: NDArray[np.bool_], rounds: int = 12) -> NDArray[np.float32]:
    """Colours carried over the edges of the pieces, so that seams do not show through filtering."""
    for _ in range(rounds):
        total, count = np.zeros_like(picture), np.zeros(known.shape, np.float32)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            near = np.roll(known, step, axis)
            total += np.roll(picture * known[..., None], step, axis)
            count += near
        fresh = ~known & (count > 0)
        picture[fresh] = total[fresh] / count[fresh][:, None]
        known = known | fresh
    picture[~known] = picture[known].mean(axis=0)
    return picture


def _mix(colour: Array, target: Array, share: Array) -> Array:
    return np.asarray(colour + (target - colour) * share[:, None])


def _skin(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, _: str) -> Array:
    at, lip, lid = texels.at[rows], texels.lip[rows], texels.lid[rows]
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    colour = np.tile(tones.skin, (len(rows), 1))
    front = smoothstep(0.55, 1.05, z)
    for (cx, cy, sx, sy), tint, amount in (
        ((0.40, 6.98, 0.16, 0.14), (1.08, 0.88, 0.85), 0.65),  # cheeks
        ((0.00, 6.96, 0.11, 0.09), (1.07, 0.86, 0.83), 0.70),  # tip of the nose
        ((0.14, 6.93, 0.06, 0.06), (1.02, 0.76, 0.72), 0.70),  # wings of the nose
        ((0.29, 7.15, 0.15, 0.05), (0.84, 0.76, 0.80), 0.60),  # under the eyes
        ((0.30, 7.36, 0.17, 0.06), (0.92, 0.80, 0.78), 0.60),  # upper lids
        ((0.00, 7.75, 0.35, 0.16), (1.04, 1.03, 1.00), 0.80),  # forehead
        ((0.00, 7.20, 0.05, 0.16), (1.05, 1.03, 1.00), 0.70),  # bridge of the nose
        ((0.00, 6.34, 0.16, 0.10), (1.06, 0.92, 0.88), 0.70),  # chin
        ((0.00, 6.56, 0.16, 0.04), (0.90, 0.82, 0.80), 0.60),  # shade below the lower lip
    ):
        share = amount * front * np.exp(-0.5 * ((x - cx) / sx) ** 2 - 0.5 * ((y - cy) / sy) ** 2)
        colour *= 1.0 + (np.array(tint) - 1.0) * share[:, None]
    red = ear(at)
    colour *= 1.0 + red[:, None] * np.array([0.08, -0.14, -0.16])
    blotch = noise(at * 9.0, 1) - 0.5 + 0.6 * (noise(at * 23.0, 2) - 0.5)
    pore = noise(at * 90.0, 3) - 0.5
    colour *= 1.0 + blotch[:, None] * np.array([0.05, 0.13, 0.14]) + pore[:, None] * 0.07
    colour = _mix(colour, tones.skin * np.array([0.72, 0.50, 0.46]), 0.65 * smoothstep(2.0, 0.6, lid) * (lid >= 0))
    colour = _mix(
        colour,
        tones.brows * 0.5 + tones.skin * 0.12,
        smoothstep(1.9, 1.2, lid) * (0.35 + 0.55 * smoothstep(7.345, 7.36, y)),
    )
    colour = _lips(colour, at, lip, tones)
    colour = _mix(colour, tones.brows * (0.75 + 0.5 * noise(at * 60.0, 4))[:, None], brow(at))
    return _hair(colour, at, tones)


def _lips(colour: Array, at: Array, lip: Array, tones: Tones) -> Array:
    wrinkle = noise(at * np.array([70.0, 14.0, 14.0]), 5) - 0.5
    tone = tones.lips * (1.0 + 0.22 * wrinkle)[:, None]
    tone = _mix(tone, tone * np.array([0.62, 0.48, 0.48]), smoothstep(1.6, 0.2, lip))
    return _mix(colour, tone, 0.92 * smoothstep(7.3, 5.6, lip + 0.5 * (noise(at * 30.0, 6) - 0.5)))


def ear(at: Array) -> Array:
    """How much a position [P, 3] is of an ear, [P] 0..1."""
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    near = smoothstep(0.10, 0.05, np.abs(z - 0.38) - 0.10) * smoothstep(0.30, 0.24, np.abs(y - 7.18))
    return np.asarray(near * smoothstep(0.715, 0.745, x))


def brow(at: Array) -> Array:
    """How far brow hair covers the skin at positions [P, 3], [P] 0..1: strokes along an arched band."""
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    along = np.clip((x - 0.12) / 0.40, 0.0, 1.0)
    middle = 7.435 + 0.075 * np.sin(np.pi * along**0.85 * 0.80) - 0.055 * along**2
    half = 0.040 * (1.0 - 0.72 * along) * smoothstep(-0.02, 0.10, along) + 0.006
    edge = (y - middle) / half
    slant = np.stack([at[:, 0] * 95.0, (y - 0.6 * (x - 0.12)) * 26.0, z * 26.0], axis=1)
    stroke = 0.62 + 0.5 * (noise(slant, 7) - 0.5)
    inside = smoothstep(1.35, 0.2, np.abs(edge)) * smoothstep(0.10, 0.20, x) * smoothstep(0.545, 0.46, x)
    return np.asarray(np.clip(inside * (0.45 + stroke), 0.0, 0.95) * (z > 0.9))


def hairline(at: Array) -> Array:
    """Height [P] of the edge of the hair above each azimuth of positions [P, 3]."""
    azimuth = np.arctan2(np.abs(at[:, 0]), at[:, 2] - 0.38)
    return np.interp(
        azimuth,
        [0.0, 0.35, 0.62, 0.80, 0.95, 1.12, 1.30, 1.42, 1.62, 1.85, 2.1, 2.45, 3.2],
        [8.02, 8.03, 7.96, 7.82, 7.62, 7.48, 7.10, 7.08, 7.43, 7.22, 6.88, 6.62, 6.45],
    )


def hair(at: Array) -> Array:
    """How far the hair covers the head at positions [P, 3], [P] 0..1."""
    depth = at[:, 1] - hairline(at) + 0.035 * (noise(at * 16.0, 8) - 0.5) + 0.03 * (noise(at * 45.0, 14) - 0.5)
    covered = smoothstep(-0.05, 0.16, depth)
    return np.asarray(covered * (1.0 - ear(at)) * (at[:, 1] > 6.4))


def _hair(colour: Array, at: Array, tones: Tones) -> Array:
    cover = hair(at)
    # Strands run back from the forehead and down at the sides.
    azimuth = np.arctan2(at[:, 0], at[:, 2] - 0.38)
    strand = np.stack([azimuth * 34.0, at[:, 1] * 7.0, np.full(len(at), 0.5)], axis=1)
    top = np.stack([at[:, 0] * 60.0, at[:, 2] * 7.0, np.full(len(at), 7.5)], axis=1)
    share = smoothstep(8.0, 8.3, at[:, 1])
    fibre = noise(strand, 9) * (1 - share) + noise(top, 9) * share
    fibre = 0.6 * fibre + 0.4 * noise(at * 55.0, 10)
    tone = tones.hair * (0.55 + 0.95 * fibre)[:, None]
    thin = np.clip(cover * (0.55 + 1.1 * fibre) + 0.35 * smoothstep(0.6, 1.0, cover), 0.0, 1.0)
    return _mix(colour, tone, 0.97 * thin)


def _eye(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, name: str) -> Array:
    centre, _ = eyes[name.removeprefix("eye_")]
    d = texels.at[rows] - centre
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    polar = np.rad2deg(np.arccos(np.clip(d[:, 2], -1, 1)))
    azimuth = np.arctan2(d[:, 1], d[:, 0])
    ray = np.stack([np.cos(azimuth) * 9.0, np.sin(azimuth) * 9.0, polar * 0.06], axis=1)
    white = np.tile([0.60, 0.565, 0.54], (len(rows), 1))
    vein = noise(d * np.array([14.0, 40.0, 14.0]), 12)
    white = _mix(white, np.array([0.62, 0.30, 0.26]), 0.35 * smoothstep(0.45, 0.95, np.abs(d[:, 0])) * (0.4 + vein))
    iris = tones.iris * (0.55 + 1.0 * noise(ray, 11))[:, None]
    iris = _mix(iris, tones.iris * np.array([2.1, 1.8, 1.5]), 0.5 * smoothstep(15.0, 11.0, polar))
    iris = _mix(iris, tones.iris * 0.22, smoothstep(eyeballs.IRIS - 5.0, eyeballs.IRIS - 1.0, polar))
    colour = _mix(white, iris, smoothstep(eyeballs.IRIS + 1.2, eyeballs.IRIS - 1.2, polar))
    return _mix(colour, np.full(3, 0.004), smoothstep(eyeballs.PUPIL + 0.9, eyeballs.PUPIL - 0.9, polar))


def _teeth(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, name: str) -> Array:
    at = texels.at[rows]
    upper = name.endswith("upper")
    x, y = np.abs(at[:, 0]), at[:, 1]
    low, high = (6.694, 6.858) if upper else (6.555, 6.715)
    along = (y - low) / (high - low) if upper else (high - y) / (high - low)
    # Arc from the middle: the sides run backwards.
    arc = np.hypot(x, 1.0 * np.maximum(1.39 - at[:, 2], 0.0) * (x > 0.12))
    edges = np.cumsum([0.0, 0.078, 0.062, 0.07, 0.065, 0.065, 0.09, 0.09]) * (1.0 if upper else 0.78)
    near = np.abs(arc[:, None] - edges).min(axis=1)
    colour = np.tile([0.72, 0.69, 0.60], (len(rows), 1)) * (1.0 - 0.25 * smoothstep(0.2, 0.8, along))[:, None]
    colour *= 1.0 - 0.55 * np.exp(-((near / 0.006) ** 2))[:, None]
    gum = smoothstep(0.62, 0.70, along + 0.10 * np.cos(near * 60.0))
    colour = _mix(colour, np.array([0.42, 0.13, 0.12]), gum)
    # Little light reaches the sides and the back.
    return colour * (0.05 + 0.95 * smoothstep(1.10, 1.33, at[:, 2]) * smoothstep(0.27, 0.12, x))[:, None]


def _tongue(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, _: str) -> Array:
    at = texels.at[rows]
    colour = np.tile([0.40, 0.13, 0.125], (len(rows), 1)) * (0.92 + 0.16 * noise(at * 120.0, 13))[:, None]
    return colour * (0.06 + 0.94 * smoothstep(0.85, 1.30, at[:, 2]))[:, None]


def _cavity(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, _: str) -> Array:
    at = texels.at[rows]
    inner = np.array([0.30, 0.075, 0.07])
    lip = tones.lips * np.array([0.62, 0.48, 0.48])
    deep = smoothstep(1.40, 0.95, at[:, 2])[:, None]
    colour = lip + (inner - lip) * smoothstep(1.44, 1.40, at[:, 2])[:, None]
    return np.asarray(colour * (1.0 - 0.93 * deep))


def _socket(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, _: str) -> Array:
    return np.tile(tones.skin * np.array([0.62, 0.34, 0.31]), (len(rows), 1))


def _lashes(texels: Canvas, rows: Index, eyes: dict[str, tuple[Array, float]], tones: Tones, _: str) -> Array:
    return np.tile(tones.brows * 0.25 + 0.004, (len(rows), 1))


_PIECES = {
    "skin": _skin, "neck": _skin, "eye": _eye, "teeth": _teeth, "tongue": _tongue, "cavity": _cavity,
    "socket": _socket, "lashes": _lashes,
}  # fmt: skip
