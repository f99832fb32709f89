"""Blendshapes from files: what fits is read, what does not is refused by name."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rig_cases import handmade_shapes

import tiny
from emoface.errors import RigError
from emoface.frames import Animation
from emoface.package import Face, Package
from emoface.rig import ARKIT_52, Blendshapes, read_blendshapes
from emoface.writers import write_glb
from emoface_export.errors import ExportError
from emoface_export.face_file import read_face, with_assets_of_head
from emoface_training.data.synthetic.rig import HEAD_FILE


@pytest.fixture(scope="module")
def small() -> Face:
    arrays = tiny.face_arrays()
    shapes = Blendshapes.from_arrays(arrays)
    return Face(arrays["template"], arrays["faces"], arrays["colours"], {}, 1.0, shapes)


def clip(face: Face, frames: int = 3) -> Animation:
    """An animation that carries the face's blendshapes."""
    assert face.blendshapes is not None
    count = len(face.blendshapes)
    weights = np.linspace(0, 1, frames * count, dtype=np.float32).reshape(frames, count)
    return Animation(
        time=np.arange(frames) / 30,
        vertices=face.template + face.blendshapes.offsets(weights),
        emotion=np.zeros((frames, 0), np.float32),
        emotion_weight=np.zeros((frames, 0), np.float32),
        face=face,
        fps=30,
        audio=np.zeros(0, np.float32),
        audio_rate=16000,
        blendshapes=face.blendshapes,
        blendshape_weights=weights,
    )


def glb_bytes(document: dict, binary: bytes) -> bytes:
    return glb_bytes_of(json.dumps(document).encode(), binary)


def glb_bytes_of(text: bytes, binary: bytes = b"") -> bytes:
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def edited(path: Path, change: object) -> Path:
    """The file with its JSON changed in place by `change(document)`."""
    content = path.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    document = json.loads(content[20 : 20 + length])
    change(document)  # type: ignore[operator]
    path.write_bytes(glb_bytes(document, content[28 + length :]))
    return path


def target(document: dict) -> dict:
    """The accessor of the first morph target."""
    return document["accessors"][document["meshes"][0]["primitives"][0]["targets"][0]["POSITION"]]


def test_glb_written_here_is_read_back(tmp_path: Path, small: Face) -> None:
    write_glb(tmp_path / "x.glb", clip(small))
    read = read_blendshapes(tmp_path / "x.glb", small)
    assert small.blendshapes is not None
    assert read.names == small.blendshapes.names and np.array_equal(read.shapes, small.blendshapes.shapes)


def test_glb_scale_turn_and_unit_are_applied(tmp_path: Path, small: Face) -> None:
    write_glb(tmp_path / "x.glb", clip(small))
    half = np.sqrt(0.5)
    edited(tmp_path / "x.glb", lambda d: d["nodes"][0].update(scale=[2, 2, 2], rotation=[0, half, 0, half]))
    centimetres = replace(small, unit_in_metres=0.01)
    read = read_blendshapes(tmp_path / "x.glb", centimetres)
    assert small.blendshapes is not None
    x, y, z = np.moveaxis(small.blendshapes.shapes, 2, 0)
    assert np.allclose(read.shapes, 200 * np.stack([z, y, -x], axis=2), atol=1e-5)  # a quarter turn about +y


def test_sparse_and_strided_accessors(tmp_path: Path) -> None:
    template, faces = tiny.icosphere(0)
    face = Face(template, faces, np.ones_like(template), {}, 1.0)
    moved = np.array([[0, 0.5, 0], [0.25, 0, 0]], np.float32)
    wide = np.zeros((12, 4), np.float32)  # positions with four bytes of padding each
    wide[:, :3] = template
    parts = [faces.astype(np.uint16).tobytes(), wide.tobytes(), np.array([3, 7], np.uint16).tobytes(), moved.tobytes()]
    views, binary = [], b""
    for part in parts:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(part)})
        binary += part + b"\0" * (-len(part) % 4)
    views[1]["byteStride"] = 16
    sparse = {
        "count": 2,
        "indices": {"bufferView": 2, "componentType": 5123},
        "values": {"bufferView": 3},
    }
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": views,
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "count": faces.size, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5126, "count": 12, "type": "VEC3"},
            {"componentType": 5126, "count": 12, "type": "VEC3", "sparse": sparse},
        ],
        "meshes": [
            {
                "primitives": [{"attributes": {"POSITION": 1}, "indices": 0, "targets": [{"POSITION": 2}]}],
                "extras": {"targetNames": ["jawOpen"]},
            }
        ],
    }
    (tmp_path / "x.glb").write_bytes(glb_bytes(document, binary))
    shapes = read_blendshapes(tmp_path / "x.glb", face)
    expected = np.zeros((1, 12, 3), np.float32)
    expected[0, [3, 7]] = moved
    assert shapes.names == ("jawOpen",) and np.array_equal(shapes.shapes, expected)


def test_npz_of_floats_and_of_steps(tmp_path: Path, small: Face) -> None:
    shapes = small.blendshapes
    assert shapes is not None
    np.savez(tmp_path / "f.npz", blendshape_names=np.array(shapes.names), blendshapes=shapes.shapes, faces=small.faces)
    assert np.array_equal(read_blendshapes(tmp_path / "f.npz", small).shapes, shapes.shapes)
    np.savez(tmp_path / "i.npz", **shapes.to_arrays(1e-6))
    assert np.abs(read_blendshapes(tmp_path / "i.npz", small).shapes - shapes.shapes).max() < 1e-6


def test_package_carries_its_blendshapes(shaped_package: Package) -> None:
    expected = Blendshapes.from_arrays(handmade_shapes())
    assert shaped_package.blendshapes is not None and shaped_package.blendshapes.names == expected.names
    assert np.array_equal(shaped_package.blendshapes.shapes, expected.shapes)


def test_exported_face_has_the_52_shapes(face: Face) -> None:
    arrays = with_assets_of_head(read_face(HEAD_FILE))
    content = arrays.to_npz()
    assert len(content) < 900_000 and content == arrays.to_npz()
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        assert stored["blendshapes"].dtype == np.int16
        again = Blendshapes.from_arrays(stored)
    assert face.blendshapes is not None and again.names == face.blendshapes.names
    assert np.abs(again.shapes - face.blendshapes.shapes).max() < 2e-6
    moved = replace(arrays, faces=arrays.faces[::-1])
    assert (
        with_assets_of_head(replace(moved, blendshapes=None, uvs=None, uv_faces=None, normal_groups=None)).blendshapes
        is None
    )


def test_given_face_keeps_its_own_shapes(tmp_path: Path) -> None:
    np.savez(tmp_path / "face.npz", **tiny.face_arrays())
    assert read_face(tmp_path / "face.npz").blendshapes == Blendshapes.from_arrays(tiny.face_arrays())
    np.savez(tmp_path / "face.npz", **{**tiny.face_arrays(), "blendshapes": np.zeros((5, 41, 3), "f")})
    with pytest.raises(ExportError, match="41 vertices"):
        read_face(tmp_path / "face.npz")
    np.savez(tmp_path / "face.npz", **{**tiny.face_arrays(), "blendshape_names": np.array(["a"] * 5)})
    with pytest.raises(ExportError, match="more than once"):
        read_face(tmp_path / "face.npz")


def refused(path: Path, face: Face, message: str) -> None:
    with pytest.raises(RigError, match=message) as caught:
        read_blendshapes(path, face)
    assert caught.value.got and caught.value.expected and caught.value.remedy


def test_glb_without_named_shapes(tmp_path: Path, small: Face) -> None:
    write_glb(tmp_path / "x.glb", clip(small))
    refused(edited(tmp_path / "x.glb", lambda d: d["meshes"][0].pop("extras")), small, "morph targets without names")
    write_glb(tmp_path / "y.glb", replace(clip(small, 0), blendshapes=None))
    refused(tmp_path / "y.glb", small, "no morph targets")


def test_glb_of_another_mesh(tmp_path: Path, small: Face, face: Face) -> None:
    write_glb(tmp_path / "x.glb", clip(small))
    refused(tmp_path / "x.glb", face, "blendshapes of 42 vertices; expected 5023")
    order = np.random.default_rng(0).permutation(42)
    shuffled = replace(small, faces=np.argsort(order)[small.faces].astype(np.int32))
    refused(tmp_path / "x.glb", shuffled, r"shares \d+ of 120 edges")
    turned = replace(small, faces=np.roll(small.faces, 7, axis=0))
    assert read_blendshapes(tmp_path / "x.glb", turned).names  # the order of triangles does not matter


def test_damaged_glb(tmp_path: Path, small: Face) -> None:
    write_glb(tmp_path / "x.glb", clip(small))
    content = (tmp_path / "x.glb").read_bytes()
    for damaged, message in (
        (content[:-100], "truncated"),
        (b"glTF" + content[4:18], "not a binary glTF"),
        (b"PK" + content[2:], "not a binary glTF"),
        (content[:20] + b"!" + content[21:], "JSON in the first chunk"),
        (glb_bytes_of(b"[" * 100_000 + b"]" * 100_000), "JSON in the first chunk"),
    ):
        (tmp_path / "x.glb").write_bytes(damaged)
        refused(tmp_path / "x.glb", small, message)
    changes = [
        lambda d: target(d).pop("componentType"),
        lambda d: target(d).update(count=41),
        lambda d: (target(d).pop("bufferView"), target(d).update(count=10**13)),
        lambda d: d["bufferViews"][target(d)["bufferView"]].update(byteOffset=10**9),
        lambda d: d["meshes"][0]["primitives"][0].update(attributes={}),
        lambda d: d.update(meshes=3),
        lambda d: d["buffers"][0].update(uri="other.bin"),
        lambda d: d["meshes"][0]["primitives"][0]["attributes"].update(POSITION=999),
        lambda d: d["meshes"][0]["extras"]["targetNames"].pop(),
    ]
    for change in changes:
        (tmp_path / "x.glb").write_bytes(content)
        refused(edited(tmp_path / "x.glb", change), small, "x.glb")


def test_npz_that_does_not_fit(tmp_path: Path, small: Face) -> None:
    shapes = small.blendshapes
    assert shapes is not None
    names = np.array(shapes.names)
    cases: list[tuple[dict[str, object], str]] = [
        ({"blendshapes": shapes.shapes}, "no array blendshape_names"),
        ({"blendshape_names": names}, "no array blendshapes"),
        ({"blendshape_names": names, "blendshapes": shapes.shapes[:, 1:]}, "blendshapes of 41 vertices; expected 42"),
        ({"blendshape_names": names[[0, 0, 1, 2, 3]], "blendshapes": shapes.shapes}, "more than once"),
        ({"blendshape_names": names, "blendshapes": shapes.shapes * np.nan}, "NaN"),
        ({"blendshape_names": np.arange(5), "blendshapes": shapes.shapes}, "blendshape_names: .* int64"),
        ({"blendshape_names": names, "blendshapes": shapes.shapes.astype(np.int32)}, "blendshapes of int32"),
        ({"blendshape_names": names, "blendshapes": shapes.shapes.astype(np.int16)}, "blendshape_step"),
        ({"blendshape_names": names, "blendshapes": shapes.shapes, "faces": small.faces[:-2]}, "shares"),
    ]
    for arrays, message in cases:
        np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
        refused(tmp_path / "x.npz", small, message)
    (tmp_path / "x.npz").write_bytes(b"no zip")
    refused(tmp_path / "x.npz", small, "npz file of plain arrays")
    refused(tmp_path / "none.glb", small, "no such file")
    refused(tmp_path / "x.fbx", small, "expected a .glb or .npz file")


def test_arkit_names() -> None:
    assert len(set(ARKIT_52)) == 52
    assert sum(name.endswith("Left") for name in ARKIT_52) == sum(name.endswith("Right") for name in ARKIT_52) == 20
