"""The software renderer: coverage, depth, orientation, smooth edges, cameras."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from media_shapes import sphere

from emoface.errors import TemplateError
from emoface.package import Face
from emoface.render import Camera, Renderer, portrait, portrait_of
from emoface.render.creases import Creases
from emoface.render.lighting import decode_srgb, encode_srgb
from emoface.render.occlusion import ambient_occlusion
from emoface.render.raster import Triangles, rasterise
from emoface.render.renderer import vertex_normals
from emoface.render.texture import Texture


def flat_triangles(
    points: list[tuple[float, float]], depth: list[float], faces: list[tuple[int, int, int]]
) -> Triangles:
    return Triangles.project(
        np.asarray(points, np.float32), np.asarray(depth, np.float32), np.asarray(faces, np.int32), cull=False
    )


def test_random_triangulation_covers_every_pixel_once() -> None:
    """Triangles that tile a square leave no hole and share no pixel."""
    side, size = 9, 64
    generator = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) * size / (side - 1)
    inner = (grid > 0).all(axis=1) & (grid < size).all(axis=1)
    grid[inner] += generator.uniform(-3, 3, (int(inner.sum()), 2))
    faces = []
    for r in range(side - 1):
        for c in range(side - 1):
            a = r * side + c
            faces += [(a, a + 1, a + side), (a + 1, a + side + 1, a + side)]
    triangles = flat_triangles([tuple(p) for p in grid], [0.5] * len(grid), faces)
    fragments = rasterise(triangles, size, size)
    assert np.array_equal(np.sort(fragments.pixel), np.arange(size * size))


def test_nearer_triangle_wins_in_any_order() -> None:
    points = [(0, 0), (32, 0), (0, 32)] * 2
    for near in (0, 1):
        depth = [0.9] * 3 + [0.5] * 3 if near == 0 else [0.5] * 3 + [0.9] * 3
        fragments = rasterise(flat_triangles(points, depth, [(0, 1, 2), (3, 4, 5)]), 32, 32)
        assert set(fragments.triangle.tolist()) == {near}


def test_crossing_triangles_split_where_their_depths_cross() -> None:
    """Two planes that cross at column 16: each is in front on its side."""
    points = [(-32, -32), (64, -32), (-32, 64)] * 2
    depth = [0.2, 0.8, 0.2, 0.5, 0.5, 0.5]
    fragments = rasterise(flat_triangles(points, depth, [(0, 1, 2), (3, 4, 5)]), 32, 32)
    winner = np.full(32 * 32, -1)
    winner[fragments.pixel] = fragments.triangle
    row = winner.reshape(32, 32)[0]
    assert (row[:15] == 1).all() and (row[17:31] == 0).all()


def test_mask_limits_the_work_to_its_pixels() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2, 3] = True
    triangles = flat_triangles([(-32, -32), (64, -32), (-32, 64)], [0.5] * 3, [(0, 1, 2)])
    fragments = rasterise(triangles, 16, 16, mask=mask, mask_scale=2)
    assert sorted(fragments.pixel.tolist()) == [4 * 16 + 6, 4 * 16 + 7, 5 * 16 + 6, 5 * 16 + 7]


def test_front_faces_are_counter_clockwise() -> None:
    vertices, faces = sphere()
    shown = Renderer(faces, size=(64, 64)).frame(vertices)
    hidden = Renderer(faces[:, ::-1], size=(64, 64)).frame(vertices)
    assert shown[32, 32].tolist() != hidden[32, 32].tolist()


def test_sphere_fills_the_disc_and_nothing_else() -> None:
    vertices, faces = sphere(40, 80)
    camera = Camera.fit(vertices, margin=0.1, crop_below=0.0)
    picture = Renderer(faces, size=(100, 100), camera=camera).frame(vertices).astype(int)
    empty = Renderer(faces[:0], size=(100, 100), camera=camera).frame(vertices).astype(int)
    covered = (np.abs(picture - empty).max(axis=2) > 2).sum()
    assert covered == pytest.approx(np.pi * 45**2, rel=0.05)


def test_edges_are_blended() -> None:
    """Sub-samples bring the picture of a striped sphere closer to the mean of a much larger one."""
    vertices, faces = sphere(40, 80)
    colours = np.where(np.arange(len(vertices))[:, None] // 160 % 2, 0.8, 0.02) * np.ones(3)
    camera = Camera.fit(vertices)

    def picture(size: int, samples: int) -> np.ndarray:
        renderer = Renderer(faces, colours, (size, size), camera, samples=samples, background=(255, 255, 255))
        return np.stack([decode_srgb(pixel) for pixel in renderer.frame(vertices).reshape(-1, 3)])

    truth = picture(240, 1).reshape(60, 4, 60, 4, 3).mean(axis=(1, 3)).reshape(-1, 3)
    assert np.abs(picture(60, 3) - truth).mean() < 0.5 * np.abs(picture(60, 1) - truth).mean()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1000.0])
def test_picture_does_not_depend_on_the_unit(unit: float) -> None:
    vertices, faces = sphere()
    reference = Renderer(faces, size=(64, 48)).frame(vertices).astype(int)
    scaled = Renderer(faces, size=(64, 48)).frame(vertices * np.float32(unit)).astype(int)
    assert np.abs(scaled - reference).max() <= 3


def test_camera_keeps_the_mesh_inside_from_every_side() -> None:
    vertices, _ = sphere()
    for yaw in (-1.0, 0.0, 0.6):
        camera = Camera.fit(vertices, 1.5, yaw=yaw, pitch=0.3, crop_below=0.0)
        pixels, depth = camera.project(vertices, 150, 100)
        assert pixels.min() > 0 and pixels[:, 0].max() < 150 and pixels[:, 1].max() < 100
        assert depth.min() > 0


def test_positive_yaw_shows_the_left_side_of_the_face() -> None:
    """The face looks along +Z, so its left is +X: seen from there, the nose points to the picture's left."""
    camera = Camera((0, 0, 0), 1.0, yaw=0.5)
    pixels, _ = camera.project(np.array([[0, 0, 0.1]]), 100, 100)
    assert pixels[0, 0] < 50


@pytest.mark.parametrize("bad", [np.zeros((4, 3)), np.full((4, 3), np.nan)])
def test_camera_rejects_a_template_without_extent(bad: np.ndarray) -> None:
    with pytest.raises(TemplateError, match="expected finite vertices"):
        Camera.fit(bad)


def test_vertices_behind_the_camera_and_far_outside_do_no_harm() -> None:
    vertices, faces = sphere()
    renderer = Renderer(faces, size=(32, 32), template=vertices)
    for shift in ([0, 0, 100.0], [50.0, 0, 0], [0, -50.0, 0]):
        assert renderer.frame(vertices + np.asarray(shift, np.float32)).shape == (32, 32, 3)


def test_occlusion_is_dark_in_a_hollow_and_open_outside() -> None:
    vertices, faces = sphere(16, 32)
    both = np.concatenate([vertices, vertices * np.float32(0.5)])
    triangles = np.concatenate([faces, faces + len(vertices)])
    open_sky = ambient_occlusion(both, vertex_normals(both, triangles), triangles)
    assert open_sky[: len(vertices)].min() > 0.8
    assert open_sky[len(vertices) :].max() < 0.2


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_folds_darken_and_rest_and_ridges_do_not(unit: float) -> None:
    vertices, faces = sphere(20, 40)
    vertices = vertices * np.float32(unit)
    normals = vertex_normals(vertices, faces)
    creases = Creases(faces, vertices, normals)
    assert np.array_equal(creases.shade(vertices, normals), np.ones_like(vertices))
    centre = int(np.argmax(vertices[:, 2]))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    length = np.linalg.norm(np.diff(vertices[edges], axis=1)[:, 0], axis=1)[(edges == centre).any(axis=1)].mean()
    shade = {}
    for depth in (0.1, 0.15, 5.0, -0.15):
        moved = vertices.copy()
        moved[centre, 2] -= np.float32(depth * length)
        shade[depth] = creases.shade(moved, vertex_normals(moved, faces))[centre]
    assert (shade[0.1] < 0.9).all() and (shade[0.15] < shade[0.1]).all()
    assert (shade[5.0] > 0.3).all(), "however deep, some light is left"
    assert shade[0.15][0] > shade[0.15][2], "red light reaches further"
    assert (shade[-0.15] == 1).all()


def test_a_fold_is_seen_in_the_picture() -> None:
    """The same dent is darker in a renderer that knows the face at rest than in one that takes it for the rest."""
    vertices, faces = sphere(20, 40)
    dented = vertices.copy()
    dented[np.argmax(vertices[:, 2]), 2] -= 0.004
    camera = Camera.fit(vertices)
    known = Renderer(faces, size=(64, 64), camera=camera, template=vertices).frame(dented).astype(int)
    unknown = Renderer(faces, size=(64, 64), camera=camera, template=dented).frame(dented).astype(int)
    assert known[28:36, 28:36].sum() < 0.97 * unknown[28:36, 28:36].sum()


def test_painted_darkness_does_not_shine() -> None:
    vertices, faces = sphere()
    teeth = np.arange(len(vertices))
    colours = np.full(vertices.shape, 0.01, np.float32)
    colours[0] = 0.7  # one bright tooth, as a measure
    masks = {"teeth_upper": teeth}
    dark = portrait(vertices, faces, colours, masks, (64, 64)).frame(vertices)
    shiny = portrait(vertices, faces, colours, {"eyeballs": teeth}, (64, 64)).frame(vertices)
    assert 2 * int(dark[20:44, 20:44].max()) < int(shiny[20:44, 20:44].max())


def test_normals_point_outwards_with_length_one() -> None:
    vertices, faces = sphere(20, 40)
    normals = vertex_normals(vertices, faces)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (np.einsum("vc,vc->v", normals, vertices / 0.1) > 0.99).all()


def test_srgb_there_and_back() -> None:
    for level in (0, 1, 17, 128, 255):
        assert encode_srgb(decode_srgb((level, level, level))).tolist() == [level] * 3


def test_same_input_same_picture() -> None:
    vertices, faces = sphere()
    first = portrait(vertices, faces, masks={"eyeballs": np.arange(20)}, size=(64, 64)).frame(vertices)
    second = portrait(vertices, faces, masks={"eyeballs": np.arange(20)}, size=(64, 64)).frame(vertices)
    assert np.array_equal(first, second)


def test_a_texture_is_looked_up_between_its_pixels() -> None:
    """A square of two triangles shows its picture: upright, interpolated, in linear light."""
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0], picture[0, 1], picture[1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    uvs = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    corners = np.array([[0, 2, 1], [1, 2, 3]])
    texture = Texture(picture, uvs, corners)
    at = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.25], [0.0, 0.0]], np.float32)
    got = texture.sample(np.zeros(5, np.int64), at[:, 1], at[:, 0])
    np.testing.assert_allclose(got, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [1, 0, 0]], atol=1e-6)
    got = texture.sample(np.ones(1, np.int64), np.zeros(1, np.float32), np.ones(1, np.float32))
    np.testing.assert_allclose(got, [[0, 0, 0]], atol=1e-6)


def test_a_textured_mesh_is_drawn_as_its_vertex_colours_would_be() -> None:
    """One colour all over, once as a texture and once at the vertices: the same picture, edges and highlights too."""
    vertices, faces = sphere()
    colour = (200, 120, 60)
    texture = Texture(np.full((4, 4, 3), colour, np.uint8), np.array([[0.5, 0.5]]), np.zeros_like(faces))
    plain = np.tile(decode_srgb(colour), (len(vertices), 1))
    gloss = np.full(len(vertices), 0.5, np.float32)
    drawn = Renderer(faces, None, (64, 64), texture=texture, gloss=gloss).frame(vertices)
    expected = Renderer(faces, plain, (64, 64), gloss=gloss).frame(vertices)
    assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 1
    assert portrait(vertices, faces, size=(32, 32), texture=texture).frame(vertices).std() > 5


def test_a_package_face_is_drawn_with_its_texture() -> None:
    image = pytest.importorskip("PIL.Image")
    vertices, faces = sphere(12)
    red = io.BytesIO()
    image.fromarray(np.broadcast_to(np.array([200, 20, 20], np.uint8), (4, 4, 3))).save(red, "PNG")
    uvs = np.full((len(vertices), 2), 0.5, np.float32)
    plain = Face(vertices, faces, np.full_like(vertices, 0.5), {}, 1.0, None)
    painted = replace(plain, uvs=uvs, uv_faces=faces, textures={"albedo": red.getvalue()})
    grey, shown = (portrait_of(face, (48, 48)).frame(vertices)[20:28, 20:28].mean((0, 1)) for face in (plain, painted))
    assert shown[0] > 2 * shown[1] and abs(grey[0] - grey[1]) < 20
    other = replace(painted, textures={"normals": red.getvalue()})
    assert np.array_equal(portrait_of(other, (48, 48)).frame(vertices), portrait_of(plain, (48, 48)).frame(vertices))


def test_a_bust_is_framed_without_its_shoulders() -> None:
    vertices, faces = sphere(12)
    low = np.flatnonzero(vertices[:, 1] < -0.03).astype(np.int32)
    wide = vertices.copy()
    wide[vertices[:, 1] < -0.07, 0] *= 9
    far, near = (portrait(wide, faces, masks=masks).camera for masks in ({}, {"neck": low}))
    assert far is not None and near is not None and near.distance < 0.7 * far.distance
    everything = portrait(wide, faces, masks={"neck": np.arange(len(wide), dtype=np.int32)}).camera
    assert everything is not None and everything.distance == far.distance
