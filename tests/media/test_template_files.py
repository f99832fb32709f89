"""Templates from ply, obj and npz files, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emoface.errors import TemplateError
from emoface.package import Face
from emoface.template_files import read_mesh, read_template


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray, corner: str = "{0}") -> Path:
    lines = ["# a comment", "o head", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices), "vt 0 0", "s off"]
    lines += ["f " + " ".join(corner.format(index + 1) for index in face) for face in faces]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray, form: str = "binary_little_endian") -> Path:
    header = (
        f"ply\nformat {form} 1.0\ncomment made by hand\nelement vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\nproperty uchar red\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    if form == "ascii":
        body = "".join(f"{x:.9g} {y:.9g} {z:.9g} 200\n" for x, y, z in vertices)
        body += "".join(f"3 {a} {b} {c}\n" for a, b, c in faces)
        path.write_text(header + body)
    else:
        points = np.zeros(len(vertices), [("p", "<f4", 3), ("red", "u1")])
        points["p"] = vertices
        triangles = np.zeros(len(faces), [("n", "u1"), ("i", "<i4", 3)])
        triangles["n"], triangles["i"] = 3, faces
        path.write_bytes(header.encode() + points.tobytes() + triangles.tobytes())
    return path


@pytest.mark.parametrize("kind", ["ascii", "binary", "obj", "obj_slashes", "npz"])
def test_vertices_and_faces_keep_their_order(tmp_path: Path, face: Face, kind: str) -> None:
    if kind == "ascii":
        path = write_ply(tmp_path / "x.ply", face.template, face.faces, "ascii")
    elif kind == "binary":
        path = write_ply(tmp_path / "x.PLY", face.template, face.faces)
    elif kind == "npz":
        path = tmp_path / "x.npz"
        np.savez(path, template=face.template, faces=face.faces)
    else:
        path = write_obj(tmp_path / "x.obj", face.template, face.faces, "{0}/1/{0}" if "_" in kind else "{0}")
    vertices, faces = read_mesh(path)
    assert np.array_equal(vertices, face.template) and vertices.dtype == np.float32
    assert np.array_equal(faces, face.faces)
    assert np.array_equal(read_template(path, face), face.template)


def test_negative_obj_indices_count_from_the_end(tmp_path: Path) -> None:
    (tmp_path / "x.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 5 5 5\n")
    assert read_mesh(tmp_path / "x.obj")[1].tolist() == [[0, 1, 2]]


def test_points_without_faces(tmp_path: Path, face: Face) -> None:
    np.savez(tmp_path / "x.npz", vertices=face.template)
    vertices, faces = read_mesh(tmp_path / "x.npz")
    assert faces is None and len(vertices) == len(face.template)
    assert np.array_equal(read_template(tmp_path / "x.npz", face), face.template)


def test_ply_with_more_elements_and_face_properties(tmp_path: Path) -> None:
    text = (
        "ply\nformat ascii 1.0\nelement camera 1\nproperty float f\n"
        "element vertex 3\nproperty double z\nproperty int y\n"
        "property float x\nelement face 1\nproperty uchar flag\nproperty list uchar uint vertex_index\nend_header\n"
        "35\n3 2 1\n6 5 4\n9 8 7\n1 3 2 1 0\n"
    )
    (tmp_path / "x.ply").write_text(text)
    vertices, faces = read_mesh(tmp_path / "x.ply")
    assert vertices.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]] and faces.tolist() == [[2, 1, 0]]


def test_template_of_another_topology(tmp_path: Path, face: Face) -> None:
    fewer = write_obj(tmp_path / "fewer.obj", face.template[:-1], face.faces[:0])
    with pytest.raises(TemplateError, match=rf"with {len(face.template) - 1} vertices; expected {len(face.template)} "):
        read_template(fewer, face)
    turned = write_ply(tmp_path / "turned.ply", face.template, face.faces[::-1])
    with pytest.raises(TemplateError, match="SHA-256") as caught:
        read_template(turned, face)
    assert face.faces_sha256[:12] in caught.value.expected and "keep the vertex order" in caught.value.remedy


_PLY = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
_FACE = "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
_POINTS = "0 0 0\n1 0 0\n0 1 0\n"

_BAD = {
    "text.ply": b"hello",
    "header.ply": b"ply\nformat ascii 1.0\nelement vertex many\nend_header\n",
    "big_endian.ply": _PLY.replace("ascii", "binary_big_endian").encode() + b"end_header\n" + bytes(36),
    "truncated_ascii.ply": (_PLY + _FACE + "0 0 0\n1 0 0\n").encode(),
    "truncated_binary.ply": _PLY.replace("ascii", "binary_little_endian").encode() + b"end_header\n" + bytes(35),
    "words.ply": (_PLY + _FACE + "0 0 zero\n1 0 0\n0 1 0\n3 0 1 2\n").encode(),
    "short_row.ply": (_PLY + _FACE + "0 0\n1 0 0\n0 1 0\n3 0 1 2\n").encode(),
    "quads.ply": (_PLY + _FACE + _POINTS + "4 0 1 2 0\n").encode(),
    "short_face.ply": (_PLY + _FACE + _POINTS + "3 0 1\n").encode(),
    "index.ply": (_PLY + _FACE + _POINTS + "3 0 1 3\n").encode(),
    "nan.ply": (_PLY + _FACE + "nan 0 0\n1 0 0\n0 1 0\n3 0 1 2\n").encode(),
    "no_vertices.ply": ("ply\nformat ascii 1.0\n" + _FACE + "3 0 1 2\n").encode(),
    "no_z.ply": (_PLY.replace("property float z\n", "") + "end_header\n0 0\n1 0\n0 1\n").encode(),
    "binary_quads.ply": (_PLY.replace("ascii", "binary_little_endian") + _FACE).encode()
    + bytes(36)
    + b"\x04"
    + bytes(16),
    "empty.ply": b"",
    "empty.obj": b"",
    "quad.obj": b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n",
    "words.obj": b"v 0 zero 0\n",
    "flat.obj": b"v 0 0\n",
    "zero_index.obj": b"v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n",
    "infinite.obj": b"v inf 0 0\n",
    "text.npz": b"hello",
    "empty.npz": b"",
    "mesh.stl": b"solid",
}


@pytest.mark.parametrize("name", sorted(_BAD))
def test_bad_files_say_what_is_wrong(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(_BAD[name])
    with pytest.raises(TemplateError) as caught:
        read_mesh(tmp_path / name)
    assert name in str(caught.value) and caught.value.expected and caught.value.remedy
    assert caught.value.exit_code == 2


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no file"):
        read_mesh(tmp_path / "none.ply")


@pytest.mark.parametrize(
    "arrays",
    [
        {"points": np.zeros((4, 3))},
        {"template": np.zeros((4, 2))},
        {"template": np.zeros((0, 3))},
        {"template": np.zeros((4, 3)), "faces": np.zeros((2, 4), np.int32)},
        {"template": np.array([None, 1], object)},
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(TemplateError):
        read_mesh(tmp_path / "x.npz")
