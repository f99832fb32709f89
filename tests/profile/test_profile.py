"""`emoface profile`: the report, the trace, the picture, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emoface import Package
from emoface.backends import resolve_backend
from emoface.cli.main import main
from emoface.profile import machine
from emoface.profile.measure import measure
from emoface.profile.report import build_report, describe, figures, read_report, schema
from emoface.profile.settings import Settings
from emoface.profile.timed_engine import Recorder, TimedBatchingEngine, timed
from emoface.verification import Check

SHORT = ["--seconds", "1", "--sample-rate", "16000"]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, tiny_package) -> Path:
    """One profile of a pool with everything written."""
    folder = tmp_path_factory.mktemp("profile")
    outputs = [f"--{name}={folder / file}" for name, file in (("json", "a.json"), ("trace", "t.json"))]
    assert main(["profile", str(tiny_package), *SHORT, "--voices", "2", *outputs, f"--plot={folder / 'p.png'}"]) == 0
    return folder


@pytest.fixture(scope="module")
def report(run_dir):
    return json.loads((run_dir / "a.json").read_text())


def test_the_schema_is_valid_and_reports_keep_to_it(report, tiny_package):
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(report)
    without = build_report(measure(tiny_package, Settings(seconds=1, accuracy=False, block_ms=100)))
    validator.validate(without)
    assert without["accuracy"] is None
    assert without["settings"]["block_ms"] == 100
    assert "not compared" in "\n".join(describe(without))
    # The schema refuses what is missing and what it does not know.
    for broken in ({**report, "steps": {}}, {**report, "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(broken)


def test_the_report_is_about_this_run(report, tiny_package):
    package = Package.load(tiny_package)
    assert report["package"]["sha256"] == package.digest
    settings = report["settings"]
    assert (settings["voices"], settings["block_ms"], settings["seconds"]) == (2, 40, 1)
    assert settings["backend"] == resolve_backend("auto")
    assert settings["precision"] == package.manifest.default_precision
    assert report["steps"]["count"] == 25
    # After the warm-up a block of 40 ms gives 1.2 frames, for each of two voices.
    assert report["steps"]["frames"] == 60
    assert report["machine"]["cpu"]
    assert report["machine"]["libraries"].keys() >= {"emoface", "numpy", "onnxruntime", "soundfile"}
    assert report["start"]["first_frame_audio_ms"] == pytest.approx(report["start"]["declared_latency_ms"], abs=40)
    assert report["start"]["first_frame_ms"] > report["start"]["first_frame_audio_ms"]
    assert report["accuracy"]["passed"]
    assert {check["name"] for check in report["accuracy"]["checks"]} >= {"golden decoder.offsets"}


def test_stages_add_up_to_the_steps(report):
    stages = {stage["name"]: stage for stage in report["stages"]}
    assert list(stages) == ["content_encoder", "emotion_encoder", "mesh_attention", "decoder", "driver"]
    assert sum(stage["share"] for stage in stages.values()) == pytest.approx(1, abs=1e-3)
    total = sum(stage["ms"]["mean"] for stage in stages.values())
    assert total == pytest.approx(report["steps"]["total_ms"]["mean"], rel=1e-3)
    assert stages["content_encoder"]["voices_per_call"] == 2
    assert stages["content_encoder"]["calls_per_step"] == 1
    assert stages["decoder"]["calls_per_step"] == pytest.approx(1.2, abs=0.05)
    spread = report["steps"]["total_ms"]
    assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"]
    assert report["steps"]["budget_share"]["p95"] == pytest.approx(spread["p95"] / 40, abs=1e-4)
    step_seconds = spread["mean"] * report["steps"]["count"] / 1000
    assert report["steps"]["real_time_factor"] == pytest.approx(step_seconds / 1.0, abs=1e-4)  # as rounded
    assert report["steps"]["real_time_factor_per_voice"] == pytest.approx(step_seconds / 2, abs=1e-4)


def test_a_slow_stage_shows_in_its_row_alone(tiny_package, monkeypatch):
    """A stage that sleeps 5 ms per call is found by name."""
    from emoface.backends.ort import OrtStage

    run = OrtStage.run

    def slow(self, inputs, n):
        if self._stage.name == "emotion_encoder":
            time.sleep(0.005)
        return run(self, inputs, n)

    monkeypatch.setattr(OrtStage, "run", slow)
    found = build_report(measure(tiny_package, Settings(seconds=1, accuracy=False)))
    rows = {stage["name"]: stage["ms"]["p50"] for stage in found["stages"]}
    assert rows["emotion_encoder"] > 5
    assert rows["content_encoder"] < 5
    assert found["steps"]["total_ms"]["p50"] > 5


def test_the_trace_nests_calls_in_steps(run_dir):
    """What Perfetto asks for: complete events with name, ts, dur, pid, tid, those of a thread properly nested."""
    trace = json.loads((run_dir / "t.json").read_text())
    assert trace["displayTimeUnit"] == "ms"
    events = trace["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "M"} == {"process_name", "thread_name"}
    slices = [event for event in events if event["ph"] == "X"]
    assert all(event.keys() >= {"name", "cat", "ts", "dur", "pid", "tid"} for event in slices)
    steps = [event for event in slices if event["cat"] == "step"]
    calls = [event for event in slices if event["cat"] == "stage"]
    assert len(steps) == 25
    assert [event["args"]["step"] for event in steps] == list(range(25))
    for call in calls:
        step = max((step for step in steps if step["ts"] <= call["ts"]), key=lambda step: step["ts"])
        assert call["ts"] + call["dur"] <= step["ts"] + step["dur"] + 0.01
        assert call["args"]["voices"] in (1, 2)
    assert sum(call["name"] == "content_encoder" for call in calls) == 25
    assert len({call["name"] for call in calls}) == 4


def test_the_picture_shows_data(run_dir):
    from PIL import Image

    with Image.open(run_dir / "p.png") as picture:
        assert picture.size == (1280, 800)
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((86, 130, 190), (205, 92, 48), (0, 114, 178), (213, 94, 0)):  # bars, percentiles, two stages
        assert (pixels == colour).all(axis=1).sum() > 30


def test_text_names_stages_and_verdict(tiny_package, capsys):
    assert main(["profile", str(tiny_package), *SHORT, "--precision", "fp32"]) == 0
    text = capsys.readouterr().out
    for word in ("mesh_attention", "p99", "of the block budget", "real-time factor", "golden vectors    reproduced"):
        assert word in text


def test_golden_vectors_run_on_the_graphs_that_are_profiled(tiny_package):
    """Other threads would be other graphs: twice the memory, and bits that the run does not have."""
    measured = measure(tiny_package, Settings(seconds=1, threads=2))
    assert measured.checks and all(check.passed for check in measured.checks)
    assert [threads for _, _, threads in measured.package._engines] == [2]


def test_golden_vectors_that_are_not_reproduced_fail_but_are_reported(tiny_package, tmp_path, monkeypatch, capsys):
    from emoface.profile import measure as module

    failed = [Check("golden decoder.offsets", float("nan"), 0.5, "mm"), Check("golden x.y", 0.1, None, "of its range")]
    monkeypatch.setattr(module, "verify_golden", lambda *arguments: failed)
    out = tmp_path / "out.json"
    assert main(["profile", str(tiny_package), *SHORT, "--json", str(out)]) == 3
    assert "NOT REPRODUCED; closest to its limit: decoder.offsets NaN" in capsys.readouterr().out
    accuracy = json.loads(out.read_text())["accuracy"]
    assert not accuracy["passed"]
    assert accuracy["checks"][0]["value"] is None
    jsonschema.validate(json.loads(out.read_text()), schema())


def test_profiling_leaves_the_frames_as_they_are(package, sound, alone, same_bits):
    from emoface.animator import Animator
    from emoface.frames import FrameBatch

    recorder = Recorder([stage.name for stage in package.manifest.stages], keep_calls=False)
    engine = timed(package.engine("ort-cpu", "fp32"), recorder)
    assert isinstance(engine, TimedBatchingEngine)
    audio = sound(0.5)
    with Animator(package, engine=engine) as animator:
        watched = FrameBatch.concat([animator.step(audio), animator.flush()])
    same_bits(watched, alone(package, audio, backend="ort-cpu", precision="fp32"))
    assert recorder.counts[-1] == len(watched) == 15
    assert min(recorder.seconds) > 0


def test_notes_grow_beyond_the_expected_calls():
    recorder = Recorder(["a", "b"], keep_calls=True, expected_calls=2)
    for index in range(7):
        recorder.note("ab"[index % 2], index, index + 0.5, 1, 3)
    assert recorder.calls[:, 0].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert recorder.seconds == [2.0, 1.5]
    assert recorder.voices == [12, 9]
    recorder.clear()
    assert len(recorder.calls) == 0
    assert recorder.seconds == [0.0, 0.0]


def test_memory_and_versions_where_the_system_does_not_tell(monkeypatch):
    assert machine.resident_mb() > 10
    assert machine.peak_resident_mb() >= machine.resident_mb() - 1
    monkeypatch.setattr(machine, "Path", lambda name: Path("/nowhere") / name.lstrip("/"))
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert machine.resident_mb() is None
    found = machine.describe_machine()
    assert found["cpu"]
    assert found["gpus"] == []


def test_graphics_cards_and_their_driver(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 570.86.15'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(machine.shutil, "which", lambda name: str(tool))
    assert machine.describe_machine()["gpus"] == [{"name": "NVIDIA H200", "driver": "570.86.15"}]
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert machine.describe_machine()["gpus"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["none.emoface"], 3, "no such file"),
        (["text.emoface"], 3, "text.emoface"),
        (["{package}", "--voices", "0"], 2, "voices=0"),
        (["{package}", "--voices", "9999"], 2, "voices=9999"),
        (["{package}", "--threads", "0"], 2, "threads=0"),
        (["{package}", "--seconds", "0"], 2, "seconds=0.0"),
        (["{package}", "--seconds", "nan"], 2, "seconds=nan"),
        (["{package}", "--block-ms", "33"], 2, "multiple of 20"),
        (["{package}", "--sample-rate", "10"], 4, "sample_rate=10"),
        (["{package}", "--precision", "fp16"], 3, "fp32, int8"),
        (["{package}", "--backend", "abacus"], 5, "abacus"),
        (["{package}", "--audio", "none.wav"], 4, "none.wav"),
        (["{package}", "--audio", "text.emoface"], 4, "text.emoface"),
        (["{package}", "--json", "none/out.json"], 5, "mkdir -p none"),
        (["{package}", "--json", "a.json", "--trace", "./a.json"], 2, "which is also the output a.json"),
        (["{package}", "--trace", "."], 5, "the folder ."),
        (["{package}", "--plot", "out.jpg"], 2, ".png"),
        (["{package}", "--fail-above", "10%"], 2, "--diff"),
    ],
)
def test_refusals(arguments, code, text, tiny_package, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("text.emoface").write_text("not a package")
    given = [argument.format(package=tiny_package) for argument in arguments]
    assert main(["profile", *(SHORT if "--seconds" not in given else []), *given]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["text.emoface"]


def test_a_package_without_golden_outputs_is_told_before_the_run(tiny_package, tmp_path, capsys):
    """The file is there, but holds no output to compare with."""
    import io
    import zipfile

    from emoface.manifest import Manifest
    from emoface_export.package_writer import file_entries, write_package

    package = Package.load(tiny_package)
    files = {name: package.file(name) for name in package.manifest.files}
    buffer = io.BytesIO()
    np.savez(buffer, audio=np.zeros(1600, np.float32), frames=np.zeros(0, np.int64))
    files["golden.npz"] = buffer.getvalue()
    data = package.manifest.to_json()
    data["files"] = {name: {"sha256": e.sha256, "bytes": e.bytes} for name, e in file_entries(files).items()}
    path = tmp_path / "bare.emoface"
    write_package(path, Manifest.from_json(data), files)
    assert zipfile.is_zipfile(path)
    assert main(["profile", str(path), *SHORT]) == 3
    assert "golden.npz" in capsys.readouterr().err
    assert main(["profile", str(path), *SHORT, "--no-accuracy"]) == 0


def test_a_picture_without_pillow_is_told_before_the_run(tiny_package, tmp_path, monkeypatch, capsys):
    from emoface.writers import extras

    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    assert main(["profile", str(tiny_package), *SHORT, "--plot", str(tmp_path / "p.png")]) == 5
    assert "emoface[view]" in capsys.readouterr().err


def test_figures_cover_what_the_report_measures(run_dir):
    names = set(figures(read_report(run_dir / "a.json")))
    assert names >= {"step p50, ms", "step p99, ms", "decoder p95, ms", "real-time factor", "first frame, ms"}
    assert names >= {"load, ms", "build, ms", "memory at the end, MB", "memory growth, MB", "CPU time factor"}
