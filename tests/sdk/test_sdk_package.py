"""Loading packages: folder and zip, and every way a package can be wrong."""

from __future__ import annotations

import json
import pickle
import threading
import zipfile

import handmade
import numpy as np
import pytest

from emoface import Package
from emoface.backends import absent_backends, available_backends
from emoface.errors import (
    BackendError,
    EmoFaceError,
    ManifestError,
    PackageError,
    PackageFormatError,
    PackageIntegrityError,
    PackageNotFoundError,
    VoiceError,
)


def test_folder_and_zip_are_the_same_package(files, package, tmp_path):
    folder = Package.load(handmade.write_folder(tmp_path / "p", files))
    assert folder.digest == package.digest
    assert folder.manifest == package.manifest
    assert folder.face.template.tobytes() == package.face.template.tobytes()


def test_face_is_read_only_and_has_its_masks(package):
    face = package.face
    assert face.faces_sha256 == package.manifest.faces_sha256
    assert list(face.masks["lips"]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        face.template[0] = 0


def test_weights_are_loaded_once_for_many_animators(package):
    engines = {id(package.engine()) for _ in range(3)}
    assert len(engines) == 1
    found = []
    threads = [threading.Thread(target=lambda: found.append(package.engine(threads=2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(engine) for engine in found}) == 1


def test_package_missing(tmp_path):
    with pytest.raises(PackageNotFoundError, match="no such file"):
        Package.load(tmp_path / "none.emoface")
    with pytest.raises(PackageNotFoundError, match="no_such_name"):
        Package.load("no_such_name")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_package_truncated(files, tmp_path, share):
    path = handmade.write_zip(tmp_path / "a.emoface", files)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PackageIntegrityError):
        Package.load(path)


def test_package_with_damaged_bytes_never_loads_silently(files, tmp_path):
    """Flip bytes all over the zip: a typed error each time, or (in a place no one reads) the same contents."""
    path = handmade.write_zip(tmp_path / "a.emoface", files)
    data = path.read_bytes()
    digest = Package.load(path).digest
    refused = 0
    for position in range(0, len(data), len(data) // 60):
        damaged = bytearray(data)
        damaged[position] ^= 0x5A
        path.write_bytes(damaged)
        try:
            assert Package.load(path).digest == digest
        except PackageError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("name", ["content.onnx", "face.npz", "golden.npz"])
def test_package_tampered(files, tmp_path, name):
    changed = bytearray(files[name])
    changed[len(changed) // 2] ^= 1
    with pytest.raises(PackageIntegrityError, match=rf"{name}: SHA-256"):
        Package.load(handmade.write_folder(tmp_path / "p", {**files, name: bytes(changed)}))


def test_package_with_a_longer_or_shorter_file(files, tmp_path):
    for index, data in enumerate((files["mix.onnx"] + b"x", files["mix.onnx"][:-1])):
        with pytest.raises(PackageIntegrityError, match=r"mix\.onnx: \d+ bytes"):
            Package.load(handmade.write_folder(tmp_path / str(index), {**files, "mix.onnx": data}))


def test_package_with_a_file_missing(files, tmp_path):
    rest = {name: data for name, data in files.items() if name != "mix.onnx"}
    with pytest.raises(PackageIntegrityError, match=r"mix\.onnx"):
        Package.load(handmade.write_zip(tmp_path / "a.emoface", rest))
    with pytest.raises(PackageIntegrityError, match=r"mix\.onnx"):
        Package.load(handmade.write_folder(tmp_path / "p", rest))


def test_package_of_a_newer_format(files, tmp_path):
    newer = handmade.with_manifest(files, format=99)
    with pytest.raises(PackageFormatError, match="format = 99"):
        Package.load(handmade.write_folder(tmp_path / "p", newer))


@pytest.mark.parametrize("name", ["../outside.onnx", "/tmp/outside.onnx", "sub/inside.onnx", "..\\outside.onnx"])
def test_package_with_a_path_outside_itself(files, tmp_path, name):
    path = handmade.write_zip(tmp_path / "a.emoface", files)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ManifestError, match="no path outside"):
        Package.load(path)
    listed = {**json.loads(files["manifest.json"])["files"], name: {"sha256": "0" * 64, "bytes": 1}}
    with pytest.raises(ManifestError, match="plain file name"):
        Package.load(handmade.write_folder(tmp_path / "p", handmade.with_manifest(files, files=listed)))


@pytest.mark.parametrize(
    ("key", "array", "text"),
    [
        ("template", np.zeros((5, 3), np.float32), "template"),
        ("template", np.zeros((handmade.V, 3)), "template"),
        ("template", np.full((handmade.V, 3), np.nan, np.float32), "finite"),
        ("faces", np.full((4, 3), handmade.V, np.int32), "vertex indices"),
        ("faces", np.zeros((4, 3), np.int32), "SHA-256"),
        ("mask_lips", np.array([-1], np.int32), "vertex indices"),
        ("mask_lips", np.zeros((2, 2), np.int32), "mask_lips"),
        ("colours", None, "colours"),
    ],
)
def test_package_with_a_wrong_shape_in_the_face(files, tmp_path, key, array, text):
    arrays = {**handmade.face_arrays(), key: array}
    data = handmade.npz(**{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(ManifestError, match=text) as caught:
        Package.load(handmade.write_folder(tmp_path / "p", handmade.with_file(files, "face.npz", data)))
    assert caught.value.file == "face.npz"


def test_package_with_a_wrong_shape_in_a_graph(files, tmp_path):
    wrong = handmade.with_file(files, "decoder.onnx", handmade._decoder(vertices=handmade.V + 1))
    with pytest.raises(ManifestError, match=r"decoder\.onnx: outputs\.offsets.*13.*expected.*12"):
        Package.load(handmade.write_folder(tmp_path / "p", wrong))


def test_package_with_a_graph_of_another_stage(files, tmp_path):
    wrong = handmade.with_file(files, "mix.onnx", files["content.onnx"])
    with pytest.raises(ManifestError, match=r"mix\.onnx: inputs = audio"):
        Package.load(handmade.write_folder(tmp_path / "p", wrong))


def test_package_with_a_graph_that_is_none(files, tmp_path):
    wrong = handmade.with_file(files, "mix.onnx", b"not a graph")
    with pytest.raises(ManifestError, match=r"mix\.onnx: contents = field 13"):
        Package.load(handmade.write_folder(tmp_path / "p", wrong))


def test_nothing_is_unpickled(files, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle ran",))

    arrays = {**handmade.face_arrays(), "mask_x": np.array([Bomb()], dtype=object)}
    path = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    with pytest.raises(ManifestError, match=r"face\.npz"):
        Package.load(handmade.write_folder(tmp_path / "p", path))
    with pytest.raises(ManifestError, match=r"face\.npz"):
        Package.load(
            handmade.write_folder(tmp_path / "q", handmade.with_file(files, "face.npz", pickle.dumps({"a": 1})))
        )


def test_unknown_precision_lists_what_there_is(package):
    with pytest.raises(PackageError, match="fp32"):
        package.animator(precision="int8")


@pytest.mark.parametrize("name", [*absent_backends(), "abacus"])
def test_backend_that_is_not_here_says_why(package, name):
    with pytest.raises(BackendError, match=rf"{name}.*ort-cpu"):
        package.animator(backend=name)


def test_auto_reports_its_choice(package):
    with package.animator() as animator:
        assert animator.backend == ("ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu")
        assert animator.precision == "fp32"


def test_every_error_says_got_expected_and_remedy():
    def leaves(kind):
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]

    for kind in leaves(EmoFaceError):
        assert kind.exit_code in (2, 3, 4, 5)
        arguments = ("f", "field", "a", "b", "c") if kind is ManifestError else ("a", "b", "c")
        if kind is VoiceError:  # made from the errors of voices
            arguments = ({3: BackendError("a", "b", "c")}, {})
        if kind.__module__ == "emoface.errors":
            text = str(kind(*arguments))
            assert text.startswith("got ")
            assert "expected b. c" in text
