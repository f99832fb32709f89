"""The command line: output, exit codes, no partial files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import handmade
import numpy as np
import pytest
import soundfile

from emoface import Animator, Package
from emoface.cli import doctor
from emoface.cli.main import main
from emoface.errors import BackendError
from emoface.verification import verify_cuts, verify_golden


@pytest.fixture
def wav(tmp_path, sound):
    soundfile.write(tmp_path / "in.wav", sound(0.5, 44100), 44100)
    return str(tmp_path / "in.wav")


@pytest.fixture(scope="session")
def golden_files(package, files):
    return handmade.with_golden(package, files)


def test_animate_writes_and_reports(wav, package_path, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert main(["animate", wav, "-o", str(out), "--package", str(package_path), "--emotion", "happy"]) == 0
    text = capsys.readouterr().out
    for word in ("frames", "latency", "real-time factor", str(out)):
        assert word in text
    with np.load(out) as data:
        assert data["vertices"].shape == (15, handmade.V, 3)


def test_animate_json_is_one_object_on_stdout(wav, package_path, tmp_path, capsys):
    arguments = ["-o", str(tmp_path / "a.npz"), "-o", str(tmp_path / "b.npz"), "--package", str(package_path)]
    assert main(["animate", wav, *arguments, "--json", "--emotion", "happy=0.5,sad=0.5", "--tail", "0.1"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["frames"] == 18
    assert result["fps"] == 30
    assert result["outputs"] == [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    assert result["latency_ms"] > 0
    assert result["real_time_factor"] > 0


def test_channels_that_cancel_are_told_of_in_one_line(package_path, tmp_path, capsys, sound):
    left = sound(1.5)
    soundfile.write(tmp_path / "in.wav", np.stack([left, -left], axis=1), 16000)
    arguments = ["animate", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.npz"), "--package", str(package_path)]
    assert main(arguments) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("emoface: warning: the channels cancel each other")] == lines[:1]
    assert not any("AntiphaseWarning" in line for line in lines)


def test_own_template_and_style_weights(wav, package, package_path, tmp_path):
    np.savez(tmp_path / "t.npz", template=package.face.template + 1, faces=package.face.faces)
    out = str(tmp_path / "out.npz")
    options = ["--template", str(tmp_path / "t.npz"), "--style", "anna=0.3,ben=0.7", "--level", "strong"]
    assert main(["animate", wav, "-o", out, "--package", str(package_path), *options]) == 0
    with np.load(out) as data:
        np.testing.assert_allclose(data["template"], package.face.template + 1)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"--style": "nobody"}, 2, "anna, ben"),
        ({"--emotion": "happy=much"}, 2, "name=weight"),
        ({"--template": "none.ply"}, 2, "none.ply"),
        ({"--block-ms": "33"}, 2, "multiple of 20 ms"),
        ({"-o": "out.docx"}, 2, ".docx"),
        ({"--package": "none.emoface"}, 3, "none.emoface"),
        ({"--precision": "int8"}, 3, "fp32"),
        ({"IN": "none.wav"}, 4, "none.wav"),
        ({"IN": "text.wav"}, 4, "ffmpeg"),
        ({"--backend": "tensorrt"}, 5, "tensorrt"),
        ({"-o": "no_folder/out.npz"}, 5, "no_folder"),
    ],
)
def test_exit_codes_and_no_partial_output(wav, package_path, tmp_path, monkeypatch, capsys, change, code, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("not a sound")
    given = {"IN": wav, "-o": "out.npz", "--package": str(package_path), **change}
    before = sorted(tmp_path.iterdir())
    arguments = [part for key, value in given.items() for part in ([value] if key == "IN" else [key, value])]
    assert main(["animate", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("emoface: error: got ")
    assert text in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments", [[], ["dance"], ["animate"], ["animate", "a.wav"]])
def test_usage_errors_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_failing_writer_leaves_the_old_file(wav, package_path, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.npz"
    out.write_bytes(b"old")

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    monkeypatch.setattr(np, "savez", full_disk)
    monkeypatch.setattr(np, "savez_compressed", full_disk)
    assert main(["animate", wav, "-o", str(out), "--package", str(package_path)]) == 5
    assert "No space left" in capsys.readouterr().err
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.npz"]


def test_inspect_text_and_json(package, package_path, capsys):
    assert main(["inspect", str(package_path)]) == 0
    text = capsys.readouterr().out
    for word in ("handmade", "anna, ben", "12 vertices", "98.4 ms", package.digest):
        assert word in text
    assert main(["inspect", str(package_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sha256"] == package.digest
    assert data["stages"][0]["name"] == "content"


def test_verify_accepts_a_sound_package(golden_files, tmp_path, capsys):
    path = str(handmade.write_zip(tmp_path / "p.emoface", golden_files))
    assert main(["verify", path]) == 0
    text = capsys.readouterr().out
    assert "golden decoder.offsets" in text
    assert "random cuts at 44100 Hz" in text
    assert main(["verify", path, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert {check["name"] for check in result["checks"]} >= {"golden content.content", "golden mix.weight"}


@pytest.mark.parametrize(
    ("version", "outputs"),
    [(1, ("content.content", "decoder.offsets")), (2, ("memory.arousal", "face.offsets", "head.rotation"))],
)
def test_frozen_packages_still_load_and_give_their_golden_vectors(version, outputs):
    """Written once when their format was settled, 1 by `handmade.with_golden`, 2 from tests/chained.py; never again."""
    package = Package.load(Path(__file__).parent / "frozen" / f"format{version}.emoface")
    assert package.manifest.format == version
    checks = verify_golden(package)
    assert {check.name for check in checks} >= {f"golden {output}" for output in outputs}
    assert all(check.passed for check in checks)


def test_verify_finds_other_weights(golden_files, files, tmp_path, capsys):
    other = handmade.with_file(golden_files, "mix.onnx", handmade.scaled(files["mix.onnx"], 1.01))
    path = handmade.write_zip(tmp_path / "p.emoface", other)
    failed = {check.name for check in verify_golden(Package.load(path)) if not check.passed}
    assert failed == {"golden mix.weight", "golden decoder.offsets"}
    assert main(["verify", str(path)]) == 3
    assert "FAIL" in capsys.readouterr().out


def test_verify_cuts_would_notice_a_cut(golden_files, tmp_path, monkeypatch):
    """The check itself can fail: let the driver's result depend on the length of the chunk."""
    package = Package.load(handmade.write_folder(tmp_path / "p", golden_files))
    step = Animator.step

    def leaky(self, chunk, sample_rate=None):
        return step(self, np.asarray(chunk) * np.float32(1 + 1e-3 * len(chunk) / 16000), sample_rate)

    assert all(check.passed for check in verify_cuts(package))
    monkeypatch.setattr(Animator, "step", leaky)
    assert not all(check.passed for check in verify_cuts(package))


def test_verify_without_golden_outputs_is_a_package_error(package_path, capsys):
    assert main(["verify", str(package_path)]) == 3
    assert "golden.npz" in capsys.readouterr().err


def test_doctor_reports_both_runtimes_as_a_fault(monkeypatch):
    monkeypatch.setattr(doctor, "_backends", list)
    versions = {"onnxruntime": "1.20.0", "onnxruntime-gpu": "1.20.0"}
    monkeypatch.setattr(doctor, "installed", lambda name: versions.get(name, "1.0"))
    finding = next(finding for finding in doctor.examine() if finding.subject == "onnxruntime")
    assert finding.status == "fault"
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in finding.remedy


def test_doctor_names_the_missing_extra(monkeypatch):
    monkeypatch.setattr(doctor, "_backends", list)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "av" else object())
    finding = next(finding for finding in doctor.examine() if finding.subject == "extra [view]")
    assert finding.status == "note"
    assert 'pip install "emoface[view]"' in finding.remedy


def test_a_command_that_cannot_be_imported_does_not_take_the_others_along(monkeypatch, capsys):
    from emoface.cli import main as module

    class Point:
        name = "broken"

        def load(self):
            raise ImportError("No module named 'something'")

    monkeypatch.setattr(module, "entry_points", lambda group: [Point()])
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "animate" in text
    assert "broken (No module named 'something')" in " ".join(text.split())


def test_module_runs_as_a_program(package_path):
    command = [sys.executable, "-m", "emoface.cli.main", "inspect", str(package_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0
    assert result.stdout.startswith("handmade")


def test_doctor_runs_each_backend_and_goes_on_after_one_that_fails(monkeypatch, capsys):
    from emoface.backends import ort

    def refuses(self, runtime, options):
        raise BackendError("kernels of a newer API", "kernels that onnxruntime loads", "Build emoface again.")

    monkeypatch.setattr(ort.OrtEngine, "_configure", refuses)
    assert main(["doctor", "--json"]) == 5
    findings = json.loads(capsys.readouterr().out)["findings"]
    plain = next(f for f in findings if f["subject"] == "backend" and f["text"].startswith("ort-cpu:"))
    assert (plain["status"], plain["remedy"]) == ("fault", "Build emoface again.")
    assert "kernels of a newer API" in plain["text"]
    assert {"emoface", "python", "onnxruntime", "soundfile", "default package"} <= {f["subject"] for f in findings}


@pytest.mark.parametrize("name", ["numpy", "onnxruntime", "soundfile"])
def test_doctor_refuses_a_dependency_that_is_too_old(monkeypatch, name):
    monkeypatch.setattr(doctor, "_backends", list)
    monkeypatch.setattr(doctor, "_floor", lambda asked: "99.1" if asked == name else "0")
    finding = next(finding for finding in doctor.examine() if finding.subject == name)
    assert finding.status == "fault" and "older than 99.1" in finding.text
    assert finding.remedy == f'pip install "{name}>=99.1"'


def test_a_missing_backend_says_why_the_build_left_it_out(monkeypatch, tmp_path):
    from emoface import backends
    from emoface.backends import native_library

    (tmp_path / "left_out.txt").write_text("libemoface_onnxruntime\tnative speed\tno C++ compiler (Debian: g++)\n")
    monkeypatch.setattr(native_library, "_FOLDER", tmp_path)
    monkeypatch.delitem(backends._FACTORIES, "ort-cpu-native", raising=False)
    assert "no C++ compiler (Debian: g++)" in backends.slower_because("ort-cpu")
    with pytest.raises(BackendError, match=r"no C\+\+ compiler"):
        backends.resolve_backend("ort-cpu-native")
    monkeypatch.setitem(backends._FACTORIES, "ort-cpu-native", backends._ort_cpu)
    assert backends.slower_because("ort-cpu") is None
