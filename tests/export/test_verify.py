"""Streams through the SDK against whole-clip PyTorch, and the commands that do it."""

import dataclasses
import json
import zipfile

import numpy as np
import onnx
import pytest

from emoface.cli.main import main
from emoface.manifest import Manifest
from emoface.package import Package
from emoface.verification import reduced_limit_mm, stated_limit_mm, verify_golden
from emoface_export.against_pytorch import compare, make_reference, stream, tolerances_for, verify_against_checkpoint
from emoface_export.package_writer import file_entries, write_package
from emoface_export.reference import given_motion
from emoface_export.signals import speech_like


def by_name(comparisons):
    return {c.name: c for c in comparisons}


def test_a_minute_of_stream_equals_whole_clip_pytorch(package_of):
    package, model = package_of("rank")
    reference = make_reference(model, seconds=60.0)
    found = by_name(compare(package, model, reference, precision="fp32"))
    assert len(reference.motion) == 1800
    judged = [name for name, c in found.items() if c.limit is not None]
    assert len(judged) == 6
    for name in judged:
        assert found[name].value <= 2e-5, name


@pytest.mark.parametrize("block_ms", [20, 100, 1000])
def test_every_block_size_gives_the_same_motion(package_of, block_ms):
    package, model = package_of("dense")
    reference = make_reference(model, seconds=3.0)
    streamed, _ = stream(package, reference, "auto", "fp32", block_ms=block_ms)
    for key, expected in {**reference.clip.features, **reference.clip.frames}.items():
        count = min(len(expected), len(streamed[key]))
        assert count >= 89
        np.testing.assert_allclose(streamed[key][:count], expected[:count], atol=2e-5 * np.abs(expected).max())
    assert np.abs(streamed["decoder.offsets"] - reference.motion).max() <= 1e-5 * reference.motion_range


@pytest.mark.parametrize("kind", ["dense", "rank"])
def test_int8_is_reported_in_millimetres(package_of, kind):
    package, model = package_of(kind)
    found = by_name(compare(package, model, make_reference(model, seconds=4.0), precision="int8"))
    largest, rms = found["int8 end to end, largest"], found["int8 end to end, RMS"]
    assert largest.unit == rms.unit == "mm"
    assert 0 < rms.value < largest.value <= largest.limit
    assert found["int8 content_encoder.content"].limit is None


@pytest.mark.parametrize(
    ("precision", "range_m", "limit"),
    [("int8", 0.01, 0.5), ("int8", 0.02, 1.0), ("int8", 0.08, 1.0), ("fp16", 0.01, 0.2), ("fp16", 0.08, 1.0)],
)
def test_reduced_precisions_have_a_share_and_a_millimetre(package, precision, range_m, limit):
    assert reduced_limit_mm(range_m, precision) == pytest.approx(limit)
    assert tolerances_for((precision,), range_m) == {precision: {"offsets_mm": pytest.approx(limit)}}
    manifests = [
        dataclasses.replace(
            package.manifest,
            motion_range_m=range_m,
            verification={"tolerances": {precision: {"offsets_mm": stated}}},
        )
        for stated in (0.1, 50.0)
    ]
    assert [stated_limit_mm(manifest, precision) for manifest in manifests] == pytest.approx([0.1, limit])


def test_given_motion_is_fed_one_frame_late(package_of):
    _, model = package_of("dense")
    reference = make_reference(model, seconds=1.0)
    changed = reference.motion.copy()
    changed[10] += 0.01
    before = given_motion(model, reference.clip, reference.conditions, reference.motion)
    after = given_motion(model, reference.clip, reference.conditions, changed)
    assert np.abs(before - reference.motion).max() <= 1e-6 * reference.motion_range
    assert np.array_equal(before[:11], after[:11])
    assert not np.allclose(before[11], after[11], atol=1e-5 * reference.motion_range)


def test_golden_vectors_hold(package):
    for precision in ("fp32", "int8"):
        checks = verify_golden(package, precision=precision)
        assert len(checks) == 5
        assert all(check.passed for check in checks)


@pytest.fixture
def perturbed(package, tmp_path):
    """The package with one weight of the content encoder changed and honest hashes."""
    files = {name: package.file(name) for name in package.manifest.files}
    graph = onnx.load_from_string(files["content_encoder.fp32.onnx"])
    tensor = max(graph.graph.initializer, key=lambda t: len(t.raw_data))
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] += 0.1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    files["content_encoder.fp32.onnx"] = graph.SerializeToString()
    data = package.manifest.to_json()
    data["files"] = {name: {"sha256": e.sha256, "bytes": e.bytes} for name, e in file_entries(files).items()}
    path = tmp_path / "perturbed.emoface"
    write_package(path, Manifest.from_json(data), files)
    return Package.load(path)


def test_a_perturbed_weight_fails_against_the_checkpoint(perturbed, tiny_checkpoint):
    checks = verify_against_checkpoint(perturbed, tiny_checkpoint, precision="fp32", seconds=2.0)
    failed = {check["name"] for check in checks if not check["passed"]}
    assert "fp32 content_encoder.content" in failed
    assert "fp32 emotion_encoder.emotion" not in failed
    assert not all(check.passed for check in verify_golden(perturbed, precision="fp32"))


def test_command_verify_with_checkpoint(tiny_package, tiny_checkpoint, capsys):
    arguments = ["verify", str(tiny_package), "--checkpoint", str(tiny_checkpoint), "--seconds", "2"]
    assert main([*arguments, "--precision", "fp32", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert "fp32 end to end" in [check["name"] for check in result["checks"]]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{tmp}/missing", "--out", "{tmp}/x.emoface"], 2, "checkpoint"),
        (["{checkpoint}", "--out", "{package}"], 5, "--force"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--precisions", "int4"], 2, "fp32, fp16, int8"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--block-ms", "30"], 2, "multiple of 20"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--seconds", "0"], 2, "0 seconds"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--provenance", "{tmp}/none.json"], 2, "JSON"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--face", "{tmp}/none.npz"], 3, "--face"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--texture", "albedo"], 2, "NAME=FILE.png"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--texture", "albedo={tmp}/none.png"], 3, "none.png"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--texture", "albedo={package}"], 3, "no PNG image"),
        (["{checkpoint}", "--out", "{tmp}/x.emoface", "--audio", "{tmp}/none.wav"], 4, "no such file"),
    ],
)
def test_command_export_refuses(arguments, code, message, tiny_checkpoint, tiny_package, tmp_path, capsys):
    places = {"tmp": tmp_path, "checkpoint": tiny_checkpoint, "package": tiny_package}
    assert main(["export", *(argument.format(**places) for argument in arguments)]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_signals_depend_on_the_seed_alone():
    a, b = speech_like(2.0, seed=3), speech_like(2.0, seed=3)
    assert np.array_equal(a, b)
    assert a.dtype == np.float32
    assert len(a) == 32000
    assert not np.array_equal(a, speech_like(2.0, seed=4))
    assert 0.05 < np.abs(a).max() <= 0.5


def test_packages_are_plain_zips(tiny_package):
    with zipfile.ZipFile(tiny_package) as archive:
        assert archive.namelist()[0] == "manifest.json"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
