"""The assets of a face, and animations of its identities, in the C interface and in the backend `native`."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64

import handmade
import handmade_face
import numpy as np
import pytest
from c_interface import AnimatorConfig, StatusError, Voice, same_bits

from emoface import FrameBatch, Package
from emoface.backends import available_backends

IDENTITIES, TEXTURES = 7, 8


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("face")
    return handmade.write_zip(folder / "face.emoface", handmade_face.package_files())


@pytest.fixture(scope="module")
def faces(api, path):
    return api.open(path)


@pytest.fixture(scope="module")
def faces_python(path):
    return Package.load(path)


def array(address, shape, dtype) -> np.ndarray:
    """A copy of what a getter points at."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(ctypes.string_at(address, size), dtype).reshape(shape)


def test_getters_have_the_arrays_of_the_file(api, faces):
    stored, library, package = handmade_face.assets(), api.library, faces.handle
    assert faces.names(IDENTITIES) == list(handmade_face.IDENTITIES)
    count = c_int64()
    uvs = library.emoface_package_uvs(package, byref(count))
    assert count.value == len(stored["uvs"])
    found = {
        "uvs": uvs,
        "uv_faces": library.emoface_package_uv_faces(package),
        "normal_groups": library.emoface_package_normal_groups(package),
        "pivots": library.emoface_package_pivots(package, None),
        "identity.anna": library.emoface_package_identity(package, b"anna"),
        "identity.anna.pivots": library.emoface_package_pivots(package, b"anna"),
        "identity.round_head": library.emoface_package_identity(package, b"round_head"),
    }
    for name, address in found.items():
        assert array(address, stored[name].shape, stored[name].dtype).tobytes() == stored[name].tobytes(), name
    # One without pivots of its own has those of the canonical face.
    assert library.emoface_package_pivots(package, b"round_head") == found["pivots"]
    for name in (b"Anna", b"", b"anna.pivots"):
        assert library.emoface_package_identity(package, name) is None
        assert library.emoface_package_pivots(package, name) is None


def test_textures_are_the_files(api, faces):
    assert faces.names(TEXTURES) == sorted(handmade_face.TEXTURES)
    for name, image in handmade_face.TEXTURES.items():
        size = c_int64()
        address = api.library.emoface_package_texture(faces.handle, name.encode(), byref(size))
        assert ctypes.string_at(address, size.value) == image
    assert api.library.emoface_package_texture(faces.handle, b"Albedo", byref(size)) is None and size.value == 0
    for arguments in ((None, b"albedo", None), (faces.handle, None, None)):
        assert api.library.emoface_package_texture(*arguments) is None


def test_a_face_without_assets_has_none(api, package):
    library, handle, count = api.library, package.handle, c_int64(7)
    assert package.names(IDENTITIES) == package.names(TEXTURES) == []
    assert library.emoface_package_uvs(handle, byref(count)) is None and count.value == 0
    for name in ("uv_faces", "normal_groups"):
        assert getattr(library, f"emoface_package_{name}")(handle) is None
    assert library.emoface_package_pivots(handle, None) is None
    assert library.emoface_package_identity(handle, b"anna") is None
    for name in ("uvs", "pivots", "identity"):
        assert getattr(library, f"emoface_package_{name}")(None, None) is None


@pytest.mark.parametrize("name", handmade_face.IDENTITIES)
def test_python_has_the_same_bits(faces, faces_python, sound, name):
    audio = sound(1.2)
    frames = faces.animator(identity=name.encode()).run(audio[:777], audio[777:9000], audio[9000:])
    with faces_python.animator(backend="ort-cpu", identity=name) as animator:
        batch = FrameBatch.concat([animator.step(audio), animator.flush()])
    for field in ("time", "vertices", "emotion", "emotion_weight"):
        assert frames[field].tobytes() == getattr(batch, field).tobytes(), field


def test_the_backend_native_animates_identities(faces_python, sound):
    if "native" not in available_backends():
        pytest.skip("the backend native is not built")
    audio = sound(0.8)
    template = faces_python.face.identities["anna"].template
    with (
        faces_python.animator(backend="native", identity="anna") as animator,
        faces_python.animator(backend="native", template=template) as other,
    ):
        assert animator.step(audio).vertices.tobytes() == other.step(audio).vertices.tobytes()


def test_an_identity_is_a_template_of_its_vertices(faces, sound):
    audio, vertices = sound(0.8), handmade_face.assets()["identity.anna"]
    given = {"template_vertices": vertices.ctypes.data, "template_count": len(vertices)}
    # Heads sway about a pivot of their own, which a template has not.
    one, two = (faces.animator(head_sway=-1, **which).run(audio) for which in ({"identity": b"anna"}, given))
    same_bits(one, two)
    with pytest.raises(StatusError, match="template_vertices and identity"):
        faces.animator(identity=b"anna", **given)


def test_wrong_identities(faces, package):
    with pytest.raises(StatusError, match="TEMPLATE: got identity = Anna; expected one of anna, round_head"):
        faces.animator(identity=b"Anna")
    with pytest.raises(StatusError, match="TEMPLATE: got identity = anna; expected NULL"):
        package.animator(identity=b"anna")


def test_a_caller_without_the_field_has_the_canonical_face(faces, sound):
    audio = sound(0.5)
    config = AnimatorConfig(backend=b"ort-cpu", identity=b"anna")
    config.struct_size = AnimatorConfig.identity.offset
    same_bits(Voice(faces, config).run(audio), faces.animator(head_sway=-1).run(audio))
