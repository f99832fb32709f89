"""The documents say what the code does: their Python runs, their links resolve, their tables match."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

import emoface.errors
from emoface.audio.resampler import Resampler
from emoface.cli.main import build_parser
from emoface.timing import Clock

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    )
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Made by `make demo` with the default package.
GENERATED = {"docs/images/demo.png"}


def python_blocks() -> list[object]:
    """Every ```python block of the README and the quickstart."""
    found = []
    for name in ("README.md", "docs/quickstart.md"):
        text = (ROOT / name).read_text()
        for number, match in enumerate(re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)):
            found.append(pytest.param(match.group(1), id=f"{Path(name).stem}-{number}"))
    return found


@pytest.mark.parametrize("code", python_blocks())
def test_documented_python_runs(code: str, workplace: Path, tiny_package: Path) -> None:
    assert '"default"' in code, "a documented block names the package it loads"
    code = code.replace('"default"', repr(str(tiny_package)))
    exec(compile(code, "document", "exec"), {"__name__": "document"})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_resolve(name: str) -> None:
    document = ROOT / name
    broken = []
    for target in LINK.findall(_without_code(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (document.parent / path).resolve() if path else document
        inside = place.relative_to(ROOT).as_posix()
        if (not place.exists() and inside not in GENERATED) or (anchor and anchor not in _anchors(place)):
            broken.append(target)
    assert not broken


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _without_code(document.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_errors_table_lists_every_error_with_its_exit_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d) \| (.+) \| (.+) \|$", (ROOT / "docs/errors.md").read_text(), re.M)
    documented = {name: int(code) for name, code, _, _ in rows}
    actual = {
        name: value.exit_code
        for name, value in vars(emoface.errors).items()
        if inspect.isclass(value) and issubclass(value, emoface.errors.EmoFaceError)
    }
    assert documented == actual


def test_latency_table_is_what_the_clock_declares() -> None:
    text = (ROOT / "docs/streaming.md").read_text()
    manifest = emoface.Package.load("default").manifest
    assert f"R = {manifest.delay_features}, the bundled model" in text
    table = text.split("<!-- latency:begin")[1].split("<!-- latency:end")[0].strip().splitlines()[1:]
    rates = [round(1000 * float(cell.split()[0])) for cell in _cells(table[0])[1:]]
    assert len(table) > 3
    for row in table[2:]:
        block, *values = _cells(row)
        clock = Clock(30, 16000, 50, 320, 80, int(block.split()[0]) // 20, manifest.delay_features)
        for rate, value in zip(rates, values, strict=True):
            declared = 1000 * clock.latency(rate, Resampler(rate).needed) / rate
            assert float(value.split()[0]) == pytest.approx(declared, abs=0.051)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def test_documented_commands_parse() -> None:
    """Each `emoface ...` line in a shell block is understood by the parser."""
    parser = build_parser()
    commands = []
    for name in DOCUMENTS:
        for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / name).read_text(), re.M | re.S):
            joined = block.replace("\\\n", " ")
            lines = [line for line in joined.splitlines() if line.startswith("emoface ")]
            commands += [shlex.split(line, comments=True) for line in lines]
    assert len(commands) > 5
    for command in commands:
        try:
            parser.parse_args(command[1:])
        except SystemExit as stop:
            pytest.fail(f"{' '.join(command)} is not understood ({stop.code})")


def test_reference_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    stale = _script("build_reference").main(["--check"])
    assert stale == 0, capsys.readouterr().err


def test_figures_are_filled_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nafter\n")
    lines = tmp_path / "lines.jsonl"
    lines.write_text(
        "some output\n"
        '{"benchmark": "stream", "figures": {"rtf_100ms": 0.0513, "drift": 1.01}, '
        '"machine": {"cpu": "A CPU", "cores": 2}}\n'
        '{"split": "test_voice", "emotion": "auto", "rows": {"model": {"lve_m2": 2.5e-5, "jaw_correlation": 0.875}, '
        '"mean": {"lve_m2": 7.5e-5}}}\n'
    )
    code = _script("fill_figures").main([str(lines), "--package", "", "--document", str(document)])
    text = document.read_text()
    assert code == 0
    assert text.startswith("before\n<!-- figures:begin -->\n")
    assert text.endswith("<!-- figures:end -->\nafter\n")
    assert "old" not in text
    assert "0.0513" in text
    assert "benchmarks/stream.py" in text
    assert "A CPU" in text
    assert "| test_voice, auto | model | 2.5 |" in text
    assert "| 0.875 |" in text
    assert "| test_voice, auto | mean face | 7.5 |" in text
    assert "**synthetic**" in text


def test_ablations_are_filled_from_reports(tmp_path: Path) -> None:
    document = tmp_path / "ablations.md"
    document.write_text("<!-- ablations:begin -->\n<!-- ablations:end -->\n")
    row = '{"lve_m2": 2.5e-5, "eve_m2": 1e-6, "lve_rms_mm": 5, "eve_rms_mm": 1}'
    (tmp_path / "full.jsonl").write_text(f'{{"split": "test_voice", "rows": {{"model": {row}}}}}\n')
    code = _script("fill_figures").main(
        ["--ablation", f"full model={tmp_path / 'full.jsonl'}", "--document", str(document)]
    )
    assert code == 0
    assert "| full model | 2.5 / 0.1 | 5 / 1 |" in document.read_text()


def test_deviations_of_the_default_configuration_are_documented() -> None:
    text = (ROOT / "configs/default.yaml").read_text()
    named = (
        "motion_rank|emotion_heard|level_decay|loss_regions|loss_vertices|frame_gains|loss_closure|pair_alignment|"
        "freeze_encoders_for"
    )
    used = set(re.findall(rf"^\s+({named}):", text, re.M))
    documented = (ROOT / "docs/model.md").read_text()
    assert "motion_rank" in used
    assert [name for name in used if not re.search(rf"`{name}\b", documented)] == []


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
