"""Writing packages: same bytes, whole or not at all, refused when they do not do what the checkpoint does."""

import dataclasses
import json
import zipfile

import numpy as np
import onnx
import pytest

from emoface.errors import OutputError, PackageIntegrityError
from emoface.manifest import MANIFEST_NAME
from emoface.package import Package
from emoface_export.errors import ExportError
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import deterministic_npz, find_face, fits, read_face
from emoface_export.golden import LARGEST_BYTES, golden_arrays
from emoface_export.package_manifest import PackageFacts
from emoface_export.package_writer import write_package
from emoface_export.wiring import default_conditions
from tiny import PROVENANCE, RememberingExporter, tiny_model


@pytest.fixture
def face(tiny_checkpoint, model):
    return find_face(tiny_checkpoint, model, None)


def options(**changes):
    values = {"facts": PackageFacts(name="tiny"), "precisions": ("fp32", "int8"), "seconds": 4.0}
    return ExportOptions(**(values | {"provenance": PROVENANCE} | changes))


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_same_checkpoint_gives_the_same_bytes(tiny_package, tiny_folder, model, face, tmp_path):
    again = tmp_path / "again.emoface"
    report = export_package(model, face, again, options(), exporter=RememberingExporter(tiny_folder))
    assert again.read_bytes() == tiny_package.read_bytes()
    assert report.size == again.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == ["again.emoface"]


def test_manifest_tells_what_the_package_is(package, model):
    manifest = package.manifest
    assert manifest.styles == model.config.styles
    assert manifest.delay_features == 4
    assert manifest.default_precision == "int8"
    assert manifest.precisions() == ("fp32", "int8")
    assert [stage.cadence for stage in manifest.stages] == ["block", "block", "frames", "frame"]
    assert manifest.conditions["style"].default == pytest.approx((1 / 3,) * 3)
    assert manifest.provenance["config"]["decoder"]["width"] == 16
    assert len(manifest.provenance["weights_sha256"]) == 64
    assert manifest.verification["tolerances"]["fp32"] == {"relative": 1e-4}
    assert 0 < manifest.verification["tolerances"]["int8"]["offsets_mm"] < 1000 * manifest.motion_range_m
    assert manifest.verification["measured"]["fp32 end to end"] <= 1e-4


def test_folder_and_zip_hold_the_same(package, tmp_path):
    files = {name: package.file(name) for name in package.manifest.files}
    folder = tmp_path / "as_folder.emoface"
    write_package(folder, package.manifest, files, folder=True)
    assert Package.load(folder).digest == package.digest
    assert sorted(p.name for p in folder.iterdir()) == sorted([*files, MANIFEST_NAME])


def test_an_existing_path_is_kept_without_force(package, tmp_path):
    files = {name: package.file(name) for name in package.manifest.files}
    path = tmp_path / "taken.emoface"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_package(path, package.manifest, files)
    assert path.read_text() == "mine"
    write_package(path, package.manifest, files, force=True)
    assert Package.load(path).digest == package.digest
    write_package(path, package.manifest, files, folder=True, force=True)
    assert path.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["taken.emoface"]


def test_a_missing_folder_is_an_error(package, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        write_package(tmp_path / "none" / "x.emoface", package.manifest, {})


def test_a_tampered_graph_is_refused(tiny_package, tmp_path):
    files = contents(tiny_package)
    graph = bytearray(files["decoder.fp32.onnx"])
    graph[len(graph) // 2] ^= 1
    files["decoder.fp32.onnx"] = bytes(graph)
    path = tmp_path / "tampered.emoface"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(PackageIntegrityError, match="SHA-256"):
        Package.load(path)


class Perturbing(RememberingExporter):
    """Exports well, then changes one weight: what a faulty translation would do."""

    def __call__(self, name, stage, input_shapes):
        exported = super().__call__(name, stage, input_shapes)
        if name == "decoder":
            largest = max(exported.model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
            values = onnx.numpy_helper.to_array(largest).copy()
            values.flat[0] += np.abs(values).max()
            largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
        return exported


def test_export_refuses_a_package_that_differs_from_pytorch(tiny_folder, model, face, tmp_path):
    with pytest.raises(ExportError, match=r"decoder\.offsets, given motion"):
        export_package(
            model,
            face,
            tmp_path / "wrong.emoface",
            options(precisions=("fp32",), seconds=1.0),
            exporter=Perturbing(tiny_folder),
        )
    assert not list(tmp_path.iterdir())


def test_export_refuses_a_face_that_does_not_move(tiny_folder, face, tmp_path):
    still = tiny_model()
    for branch in still.decoder.branches:
        branch.motion_head.weight.data.zero_()
    with pytest.raises(ExportError, match="moves"):
        export_package(still, face, tmp_path / "still.emoface", options(), exporter=RememberingExporter(tiny_folder))
    assert not list(tmp_path.iterdir())


def test_int8_alone_leaves_out_fp32_encoders(tiny_folder, model, face, tmp_path):
    path = tmp_path / "small.emoface"
    export_package(model, face, path, options(precisions=("int8",)), exporter=RememberingExporter(tiny_folder))
    small = Package.load(path)
    assert small.manifest.precisions() == ("int8",)
    assert "content_encoder.int8.onnx" in small.manifest.files
    assert "content_encoder.fp32.onnx" not in small.manifest.files
    assert "decoder.fp32.onnx" in small.manifest.files
    with small.animator() as animator:
        assert len(animator.step(np.zeros(16000, np.float32))) > 20


def test_fp16_package_runs_and_states_its_limit(tiny_folder, model, face, tmp_path):
    path = tmp_path / "half.emoface"
    report = export_package(model, face, path, options(precisions=("fp16",)), exporter=RememberingExporter(tiny_folder))
    assert Package.load(path).manifest.default_precision == "fp16"
    largest = next(c for c in report.comparisons if c.name == "fp16 end to end, largest")
    assert 0 < largest.value <= largest.limit


def test_golden_vectors_fit_and_differ_from_the_defaults(model, package):
    arrays = golden_arrays(model)
    assert len(package.file("golden.npz")) <= LARGEST_BYTES
    assert arrays["decoder.offsets"].shape == (len(arrays["frames"]), 42, 3)
    assert arrays["frames"][0] == 0
    for name, value in default_conditions(model.config).items():
        assert not np.array_equal(arrays[f"condition.{name}"], value), name


def test_npz_bytes_depend_on_the_arrays_alone():
    a, b = {"x": np.arange(3), "y": np.ones(2)}, {"y": np.ones(2), "x": np.arange(3)}
    assert deterministic_npz(a) == deterministic_npz(b)
    assert deterministic_npz(a) != deterministic_npz({**a, "x": np.arange(1, 4)})


def test_a_face_of_another_topology_is_refused(tiny_checkpoint, model, tmp_path):
    face = read_face(tiny_checkpoint / "face.npz")
    assert fits(face, model)
    assert not fits(dataclasses.replace(face, faces=face.faces[::-1].copy()), model)
    other = tmp_path / "other.npz"
    np.savez(other, template=face.template[:12], faces=face.faces[:3] % 12)
    with pytest.raises(ExportError, match="another topology"):
        find_face(tiny_checkpoint, model, other)
    other.write_text("no npz")
    with pytest.raises(ExportError, match=r"other\.npz"):
        find_face(tiny_checkpoint, model, other)


def test_manifest_on_disk_is_plain_json(tiny_package):
    data = json.loads(contents(tiny_package)[MANIFEST_NAME])
    assert data["format"] == 1
    assert [stage["name"] for stage in data["stages"]][-1] == "decoder"
