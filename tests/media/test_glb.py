"""Binary glTF: read back, the mesh moves as the animation does, and the file is valid."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade_png
import numpy as np
import pygltflib
import pytest
from media_shapes import clip
from needs import lacking

from emoface.errors import RigError
from emoface.frames import Animation
from emoface.package import Face
from emoface.rig import Blendshapes
from emoface.rig.basis_files import read_blendshapes
from emoface.writers import write
from emoface.writers.glb import TOLERANCE_M
from emoface.writers.motion_basis import fit_motion_basis

_KINDS = {5126: np.float32, 5123: np.uint16, 5125: np.uint32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def array(document: pygltflib.GLTF2, index: int) -> np.ndarray:
    """The values of an accessor, read by the rules of glTF."""
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    kind, width = np.dtype(_KINDS[accessor.componentType]), _WIDTHS[accessor.type]
    start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
    assert (
        start % kind.itemsize == 0 and start + accessor.count * width * kind.itemsize <= document.buffers[0].byteLength
    )
    values = np.frombuffer(document.binary_blob(), kind, accessor.count * width, start)
    return values.reshape(-1, width) if width > 1 else values


def moved(document: pygltflib.GLTF2) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and vertices (T, V, 3) in metres, as a viewer computes them at the keys."""
    primitive = document.meshes[0].primitives[0]
    base = array(document, primitive.attributes.POSITION)
    targets = np.stack([array(document, target["POSITION"]) for target in primitive.targets])
    sampler = document.animations[0].samplers[0]
    times = array(document, sampler.input)
    weights = array(document, sampler.output).reshape(len(times), len(targets))
    scale = np.asarray(document.nodes[0].scale or [1, 1, 1])
    return times, (base + np.tensordot(weights, targets, axes=1)) * scale


def saved(tmp_path: Path, animation: Animation) -> pygltflib.GLTF2:
    write(tmp_path / "x.glb", animation)
    return pygltflib.GLTF2().load(str(tmp_path / "x.glb"))


def test_weights_give_the_vertices_back(tmp_path: Path, animation: Animation) -> None:
    document = saved(tmp_path, animation)
    times, vertices = moved(document)
    error = np.linalg.norm(vertices - animation.vertices, axis=2).max()
    stated = document.asset.extras["morph_residual_m"]
    assert stated < TOLERANCE_M
    assert error <= stated + 1e-6
    assert np.allclose(times, animation.time, atol=1e-6)
    assert document.animations[0].samplers[0].interpolation == "LINEAR"


def test_weights_stay_in_the_unit_range(tmp_path: Path, animation: Animation) -> None:
    document = saved(tmp_path, animation)
    weights = array(document, document.animations[0].samplers[0].output)
    assert weights.min() >= 0 and weights.max() <= 1


def test_mesh_at_rest_is_the_template(tmp_path: Path, animation: Animation) -> None:
    document = saved(tmp_path, animation)
    primitive = document.meshes[0].primitives[0]
    assert np.array_equal(array(document, primitive.attributes.POSITION), animation.face.template)
    assert np.array_equal(array(document, primitive.indices).reshape(-1, 3), animation.face.faces)
    assert document.meshes[0].weights == [0.0] * len(primitive.targets)
    assert document.meshes[0].extras["targetNames"][:2] == ["centre", "motion_01"]
    colours = array(document, primitive.attributes.COLOR_0) / 65535
    assert np.allclose(colours[:, :3], animation.face.colours, atol=1e-4) and (colours[:, 3] == 1).all()


def test_accessors_are_aligned_and_bounded(tmp_path: Path, animation: Animation) -> None:
    document = saved(tmp_path, animation)
    assert all(view.byteOffset % 4 == 0 for view in document.bufferViews)
    primitive = document.meshes[0].primitives[0]
    bounded = [primitive.attributes.POSITION, document.animations[0].samplers[0].input]
    bounded += [target["POSITION"] for target in primitive.targets]
    for index in bounded:
        values = array(document, index)
        assert np.array_equal(np.atleast_1d(values.min(axis=0)), np.asarray(document.accessors[index].min, np.float32))
        assert np.array_equal(np.atleast_1d(values.max(axis=0)), np.asarray(document.accessors[index].max, np.float32))


def test_it_says_that_it_is_synthetic(tmp_path: Path, animation: Animation) -> None:
    extras = saved(tmp_path, animation).asset.extras
    assert extras["synthetic"] is True and extras["generator"] == "EmoFace"
    assert extras["package"] == "tiny" and extras["fps"] == 30 and extras["frames"] == len(animation)


def test_another_unit_becomes_metres(tmp_path: Path, face: Face) -> None:
    millimetres = Face(face.template * 1000, face.faces, face.colours, face.masks, 0.001)
    small = clip(face, 5)
    large = Animation(**{**vars(small), "face": millimetres, "vertices": small.vertices * 1000})
    _, vertices = moved(saved(tmp_path, large))
    assert np.abs(vertices - small.vertices).max() < TOLERANCE_M


def test_many_vertices_use_wide_indices(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    template = generator.normal(size=(70000, 3)).astype(np.float32)
    faces = np.array([[0, 1, 69999]], np.int32)
    big = Face(template, faces, np.ones_like(template), {}, 1.0)
    nothing = clip(big, 0)
    document = saved(tmp_path, nothing)
    assert array(document, document.meshes[0].primitives[0].indices).tolist() == [0, 1, 69999]


@pytest.fixture(scope="module")
def painted(face: Face) -> Face:
    """The sphere with a seam in its texture, a sharp edge around its cap, and a vertex of no triangle."""
    faces, count = face.faces, len(face.template)
    uvs = (face.template[:, :2] * 5 + 0.5).astype(np.float32)
    corners = faces.copy()
    behind = (face.template[faces, 2] < 0).all(axis=1)
    corners[behind] += count  # the same vertices, elsewhere in the image
    return replace(
        face,
        template=np.concatenate([face.template, np.float32([[0.3, 0.2, 0.1]])]),
        colours=np.concatenate([face.colours, face.colours[:1]]),
        uvs=np.concatenate([uvs, uvs * np.float32(0.5)]),
        uv_faces=corners,
        normal_groups=(face.template[faces, 1].mean(axis=1) > 0.05).astype(np.int32) * 7,
        textures={"albedo": handmade_png.image(), "other": b""},
    )


def test_corners_have_their_texture_and_their_groups_normal(tmp_path: Path, painted: Face) -> None:
    document = saved(tmp_path, clip(painted, 3))
    primitive = document.meshes[0].primitives[0]
    parts = {
        name: array(document, getattr(primitive.attributes, name)) for name in ("POSITION", "NORMAL", "TEXCOORD_0")
    }
    places = array(document, primitive.indices).reshape(-1, 3)
    vertex = array(document, primitive.attributes._VERTEX).astype(int)
    count = len(painted.template)
    # A copy for every further pair of texture coordinate and group at a vertex, and no more.
    pairs = np.stack([painted.faces, painted.uv_faces, np.repeat(painted.normal_groups[:, None], 3, 1)], axis=-1)
    assert len(vertex) == len(np.unique(pairs.reshape(-1, 3), axis=0)) + 1 > count
    assert np.array_equal(vertex[:count], np.arange(count)) and np.array_equal(vertex[places], painted.faces)
    assert np.array_equal(parts["POSITION"], painted.template[vertex])
    assert np.array_equal(parts["TEXCOORD_0"][places], painted.uvs[painted.uv_faces])
    a, b, c = (painted.template[painted.faces[:, corner]].astype(np.float64) for corner in range(3))
    areas = np.cross(b - a, c - a)
    for triangle, corner in np.ndindex(painted.faces.shape):
        around = (painted.faces == painted.faces[triangle, corner]).any(axis=1)
        around &= painted.normal_groups == painted.normal_groups[triangle]
        expected = areas[around].sum(axis=0)
        got = parts["NORMAL"][places[triangle, corner]]
        assert np.allclose(got, expected / np.linalg.norm(expected), atol=1e-6)


def test_copies_move_with_their_vertices(tmp_path: Path, painted: Face) -> None:
    animation = clip(painted, 8)
    document = saved(tmp_path, animation)
    vertex = array(document, document.meshes[0].primitives[0].attributes._VERTEX).astype(int)
    assert np.abs(moved(document)[1] - animation.vertices[:, vertex]).max() < TOLERANCE_M


def test_the_texture_takes_the_place_of_colours(tmp_path: Path, painted: Face) -> None:
    document = saved(tmp_path, clip(painted, 2))
    assert document.meshes[0].primitives[0].attributes.COLOR_0 is None
    source = document.textures[document.materials[0].pbrMetallicRoughness.baseColorTexture.index].source
    view = document.bufferViews[document.images[source].bufferView]
    image = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    assert image == painted.textures["albedo"] and document.images[source].mimeType == "image/png"
    for changed in ({"textures": {}}, {"uvs": None, "uv_faces": None}):
        plain = saved(tmp_path, clip(replace(painted, **changed), 2))
        attributes = plain.meshes[0].primitives[0].attributes
        assert attributes.COLOR_0 is not None and not plain.images
        assert (attributes.TEXCOORD_0 is None) == (changed == {"uvs": None, "uv_faces": None})


def test_shapes_of_a_split_mesh_are_read_back(tmp_path: Path, painted: Face) -> None:
    animation = clip(painted, 2)
    shapes = Blendshapes(("jawOpen",), np.random.default_rng(5).normal(0, 0.01, (1, *painted.template.shape)))
    weights = np.ones((2, 1), np.float32)
    write(tmp_path / "x.glb", replace(animation, blendshapes=shapes, blendshape_weights=weights))
    read = read_blendshapes(tmp_path / "x.glb", painted)
    assert read.names == shapes.names and np.array_equal(read.shapes, shapes.shapes)
    content = (tmp_path / "x.glb").read_bytes()
    (tmp_path / "other.glb").write_bytes(content.replace(b'"_VERTEX"', b'"_OTHERS"'))
    with pytest.raises(RigError, match="without splitting vertices"):
        read_blendshapes(tmp_path / "other.glb", painted)


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_clips_are_valid(tmp_path: Path, face: Face, frames: int) -> None:
    animation = clip(face, frames)
    document = saved(tmp_path, animation)
    assert len(document.animations) == (1 if frames else 0)
    if frames:
        assert np.abs(moved(document)[1] - animation.vertices).max() < TOLERANCE_M


def test_basis_takes_the_fewest_shapes() -> None:
    generator = np.random.default_rng(1)
    motion = np.tensordot(generator.normal(size=(50, 4)), generator.normal(size=(4, 30, 3)), axes=1).astype(np.float32)
    basis = fit_motion_basis(motion, 1e-4)
    assert len(basis.shapes) == 1 + 4
    assert basis.residual < 1e-4


def test_basis_states_what_it_cannot_reach() -> None:
    motion = np.random.default_rng(2).normal(size=(40, 30, 3)).astype(np.float32)
    basis = fit_motion_basis(motion, 1e-4, max_rank=8)
    error = np.linalg.norm(np.tensordot(basis.weights, basis.shapes, axes=1) - motion, axis=2).max()
    assert len(basis.shapes) == 9 and basis.residual == pytest.approx(error, rel=1e-4) and basis.residual > 0.1


def test_basis_of_a_long_clip_covers_all_frames() -> None:
    generator = np.random.default_rng(3)
    weights = np.cumsum(generator.normal(size=(4000, 3)), axis=0)
    motion = np.tensordot(weights, generator.normal(size=(3, 10, 3)), axes=1).astype(np.float32)
    basis = fit_motion_basis(motion, 1e-2)
    assert basis.weights.shape == (4000, 4)
    assert np.abs(np.tensordot(basis.weights, basis.shapes, axes=1) - motion).max() < 1e-2


def test_still_face_needs_no_shapes(face: Face) -> None:
    basis = fit_motion_basis(np.zeros((10, *face.template.shape), np.float32), 1e-5)
    assert len(basis.shapes) == 1 and basis.residual == 0


def _issues(path: Path) -> dict[str, Any]:
    script = (
        "const v = require('gltf-validator'), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    done = subprocess.run(
        ["node", "-e", script, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parent,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(bool(lacking("node", "gltf-validator")), reason=lacking("node", "gltf-validator"))
def test_khronos_validator_finds_nothing(tmp_path: Path, animation: Animation) -> None:
    write(tmp_path / "x.glb", animation)
    issues = _issues(tmp_path / "x.glb")
    assert issues["messages"] == []


@pytest.mark.skipif(bool(lacking("node", "gltf-validator")), reason=lacking("node", "gltf-validator"))
def test_khronos_validator_finds_nothing_in_a_painted_face(tmp_path: Path, painted: Face) -> None:
    write(tmp_path / "x.glb", clip(painted, 4))
    messages = _issues(tmp_path / "x.glb")["messages"]
    # Of 2 x 3 pixels: the test's image, not the file.
    assert [message["code"] for message in messages] in ([], ["IMAGE_NPOT_DIMENSIONS"])
