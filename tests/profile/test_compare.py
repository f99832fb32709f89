"""`emoface profile --diff`: regressions, exit codes, and files that cannot be compared."""

from __future__ import annotations

import copy
import json

import pytest

from emoface.cli.main import main
from emoface.profile.compare import parse_limit
from emoface.profile.measure import measure
from emoface.profile.report import build_report
from emoface.profile.settings import Settings


@pytest.fixture(scope="module")
def base(tiny_package):
    """A report with figures large enough that shares of them are no noise."""
    report = build_report(measure(tiny_package, Settings(seconds=1)))
    report["steps"]["total_ms"] = {"mean": 10.0, "p50": 10.0, "p95": 12.0, "p99": 14.0, "max": 20.0}
    report["steps"]["real_time_factor"] = 0.25
    for stage in report["stages"]:
        stage["ms"] = {"mean": 2.0, "p50": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0}
    return report


@pytest.fixture
def diff(base, tmp_path, capsys):
    """Compare `base` with a changed copy; returns (exit code, stdout, stderr)."""

    def run(change, *arguments: str):
        other = copy.deepcopy(base)
        change(other)
        paths = []
        for name, report in (("a.json", base), ("b.json", other)):
            (tmp_path / name).write_text(json.dumps(report))
            paths.append(str(tmp_path / name))
        code = main(["profile", "--diff", *paths, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_equal_runs_have_no_regression(diff):
    code, out, _ = diff(lambda report: None, "--fail-above", "0%")
    assert code == 0
    assert "regressions above 0 %: none" in out
    assert "REGRESSION" not in out


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (lambda r: (r["steps"]["total_ms"], "p50"), "step p50, ms"),
        (lambda r: (r["steps"]["total_ms"], "p95"), "step p95, ms"),
        (lambda r: (r["steps"]["total_ms"], "p99"), "step p99, ms"),
        (lambda r: (r["stages"][3]["ms"], "p50"), "decoder p50, ms"),
        (lambda r: (r["steps"], "real_time_factor"), "real-time factor"),
        (lambda r: (r["start"], "first_frame_ms"), "first frame, ms"),
        (lambda r: (r["memory_mb"], "end"), "memory at the end, MB"),
    ],
)
def test_each_judged_figure_fails_above_its_limit_only(diff, part, name):
    def grown(factor):
        def change(report):
            owner, key = part(report)
            owner[key] *= factor

        return change

    code, out, _ = diff(grown(1.12), "--fail-above", "10%")
    assert code == 1
    assert f"regressions above 10 %: {name}\n" in out
    assert diff(grown(1.08), "--fail-above", "10%")[0] == 0
    assert diff(grown(0.5), "--fail-above", "10%")[0] == 0
    assert diff(grown(1.12))[0] == 0  # without a limit nothing is judged


def test_single_events_and_noise_are_not_judged(diff):
    def change(report):
        report["steps"]["total_ms"]["max"] *= 3
        report["start"]["load_ms"] *= 3
        report["stages"][2]["ms"]["p50"] += 0.04
        report["memory_mb"]["growth"] += 50

    code, out, _ = diff(change, "--fail-above", "1")
    assert code == 0
    assert "+200.0%" in out


def test_golden_vectors_that_no_longer_hold_are_a_regression(diff):
    code, out, _ = diff(lambda report: report["accuracy"].update(passed=False), "--fail-above", "50%")
    assert code == 1
    assert "golden vectors not reproduced" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: r["machine"].update(cpu="another"), "machine.cpu"),
        (lambda r: r["machine"].update(gpus=[{"name": "a", "driver": "b"}]), "machine.gpus"),
        (lambda r: r["settings"].update(voices=7), "settings.voices: 1 and 7"),
        (lambda r: r["settings"].update(block_ms=100), "settings.block_ms"),
        (lambda r: r["settings"].update(backend="ort-cuda"), "settings.backend"),
    ],
)
def test_other_machines_and_settings_are_refused_unless_told_so(diff, change, text):
    code, out, err = diff(change, "--fail-above", "10%")
    assert code == 2
    assert text in err
    assert "--allow-different" in err
    assert out == ""
    assert diff(change, "--fail-above", "10%", "--allow-different")[0] == 0


def test_packages_and_libraries_may_differ_and_are_named(diff):
    def change(report):
        report["package"]["sha256"] = "0" * 64
        report["machine"]["libraries"]["onnxruntime"] = "9.9"

    code, out, _ = diff(change, "--fail-above", "10%")
    assert code == 0
    assert "note: different packages: tiny" in out
    assert "and 9.9" in out


def test_the_comparison_as_json(diff, tmp_path):
    def change(report):
        report["steps"]["total_ms"]["p50"] = 13.0

    assert diff(change, "--fail-above", "10", "--json", str(tmp_path / "d.json"))[0] == 1
    data = json.loads((tmp_path / "d.json").read_text())
    assert data["limit"] == 0.1
    assert data["regressions"] == ["step p50, ms"]
    row = next(row for row in data["rows"] if row["name"] == "step p50, ms")
    assert (row["before"], row["after"], row["regression"]) == (10.0, 13.0, True)
    assert row["change"] == pytest.approx(0.3)


def test_a_stage_that_is_new_or_gone_is_shown_without_a_verdict(diff):
    code, out, _ = diff(lambda report: report["stages"][0].update(name="ears"), "--fail-above", "10%")
    assert code == 0
    assert "ears p50, ms" in out
    assert "content_encoder p50, ms" in out


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ("[1]", "format = 'list'"),
        ('{"format": "other"}', "format = 'other'"),
        ('{"format": "emoface-profile", "version": 2}', "version = 2"),
        ('{"format": "emoface-profile", "version": 1}', "no package"),
    ],
)
def test_files_that_are_no_profiles(text, found, base, tmp_path, capsys):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(base))
    if text is not None:
        bad.write_text(text)
    for pair in ((good, bad), (bad, good)):
        assert main(["profile", "--diff", *map(str, pair)]) == 2
        error = capsys.readouterr().err
        assert found in error
        assert "bad.json" in error


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda r: r["steps"].pop("real_time_factor"), "no steps.real_time_factor"),
        (lambda r: r["steps"]["total_ms"].update(p50="fast"), 'steps.total_ms.p50 = "fast"; expected number'),
        (lambda r: r["stages"][1]["ms"].pop("p95"), "no stages[1].ms.p95"),
        (lambda r: r.update(stages={}), "stages = {}; expected array"),
        (lambda r: r["memory_mb"].update(end=True), "memory_mb.end = true; expected number or null"),
    ],
)
def test_damaged_profiles_name_the_field(diff, change, found):
    code, out, err = diff(change)
    assert code == 2
    assert found in err
    assert out == ""


@pytest.mark.parametrize("text", ["ten", "-1%", "", "inf"])
def test_limits_that_are_none(diff, text):
    code, _, err = diff(lambda report: None, f"--fail-above={text}")
    assert code == 2
    assert "--fail-above 10%" in err


def test_limits():
    assert parse_limit("10%") == parse_limit(" 10 ") == 0.1


def test_diff_and_profile_do_not_mix(diff, base, tmp_path, capsys):
    code, _, err = diff(lambda report: None, "--trace", str(tmp_path / "t.json"))
    assert code == 2
    assert "--diff alone" in err
