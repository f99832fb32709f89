"""The manifest: round trip, schema, consistency."""

from __future__ import annotations

import json

import pytest

from emoface.errors import ManifestError, PackageFormatError
from emoface.manifest import Manifest, declared_latency_samples
from emoface.timing import Clock


@pytest.fixture
def data(files) -> dict:
    return json.loads(files["manifest.json"])


def test_text_and_object_round_trip(data, files):
    manifest = Manifest.from_json(files["manifest.json"])
    assert Manifest.from_json(manifest.to_text()) == manifest
    assert manifest.to_json() == data
    assert manifest.to_text().encode() == files["manifest.json"]


def test_newer_format_is_refused_with_the_update_command(data):
    with pytest.raises(PackageFormatError, match=r"format = 3.*expected format 1 or 2.*pip install -U"):
        Manifest.from_json({**data, "format": 3, "something_new": True})


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "..", "a\\b", ".hidden", ""])
def test_file_names_cannot_leave_the_package(data, name):
    data["files"][name] = data["files"]["face.npz"]
    with pytest.raises(ManifestError, match="plain file name"):
        Manifest.from_json(data)


@pytest.mark.parametrize(
    ("block", "delay", "milliseconds"), [(2, 4, 138.4), (2, 6, 178.4), (5, 4, 171.7), (10, 4, 271.7)]
)
def test_declared_latency_of_known_settings(block, delay, milliseconds):
    assert declared_latency_samples(block, delay, 30) / 16 == pytest.approx(milliseconds, abs=0.05)


@pytest.mark.parametrize("fps", [25, 30, 50, 60, 24])
@pytest.mark.parametrize("block", [1, 2, 5])
@pytest.mark.parametrize("delay", [0, 4])
def test_latency_formula_against_brute_force(fps, block, delay):
    """Each frame's samples counted out, over ten times the period the clock relies on."""
    worst = 0
    for frame in range(fps * block * 10):
        last = 50 * frame // fps + (1 if 50 * frame % fps else 0)
        needed = 320 * block * ((last + delay) // block + 1) + 80
        worst = max(worst, -((16000 * frame - needed * fps) // fps))
    assert declared_latency_samples(block, delay, fps) >= worst
    assert declared_latency_samples(block, delay, fps) <= max(worst, -(-16000 // fps) + 320 * block)


def test_clock_counts_frames_after_blocks_as_it_counts_blocks_of_frames():
    clock = Clock(30, 16000, 50, 320, 80, 2, 4)
    for blocks in range(200):
        frames = clock.frames_after_blocks(blocks)
        assert all(clock.block_of_frame(frame) < blocks for frame in range(frames))
        assert clock.block_of_frame(frames) >= blocks


def test_precisions_that_every_stage_can_run_in(data):
    assert Manifest.from_json(data).precisions() == ("fp32",)
    data["stages"][0]["files"] = {"fp32": "content.onnx", "int8": "content.onnx"}
    assert Manifest.from_json(data).precisions() == ("fp32", "int8")
    data["stages"][0]["files"] = {"int8": "content.onnx"}
    manifest = Manifest.from_json({**data, "default_precision": "int8"})
    assert manifest.precisions() == ("int8",)
    assert manifest.stages[1].file("int8") == "mood.onnx"
