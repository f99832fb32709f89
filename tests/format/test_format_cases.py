"""One table of cases for every reader: the same verdict, and the same field or file named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import package_changes
import package_readers
import pytest

from emoface.manifest import FORMATS

HERE = Path(__file__).parent
# By the name of the file: "format1", "format2", and one for each further feature, "format2_<feature>".
TABLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("format*.json"))}
CASES = [pytest.param(name, case, id=f"{name}: {case[0]}") for name, table in TABLES.items() for case in table["cases"]]


@pytest.fixture(scope="session")
def bases() -> dict[str, dict[str, bytes]]:
    return {name: package_changes.base_files(table["base"]) for name, table in TABLES.items()}


@pytest.mark.parametrize(("table", "case"), CASES)
def test_every_reader_agrees(table: str, case: list[Any], bases, tmp_path: Path) -> None:
    _, changes, verdict, field, *others = case
    files = package_changes.changed_files(bases[table], changes)
    answers: dict[str, package_readers.Answer] = {}
    for form in package_changes.forms(changes):
        write = package_changes.write_zip if form == "zip" else package_changes.write_folder
        path = write(tmp_path / form, files, changes)
        for name, reader in package_readers.readers_of(form).items():
            answers[f"{name}, {form}"] = reader(path)
    for name, answer in answers.items():
        wanted, start = others[0]["c"] if others and name.startswith("c") else (verdict, field)
        assert answer.verdict == wanted, f"{name}: {answer}"
        assert answer.text.startswith(package_changes.expected_start(wanted, start) if wanted != "OK" else ""), (
            f"{name}: {answer}"
        )
    if not others:
        assert len({answer.place for answer in answers.values()}) == 1, answers


def test_names_of_cases_are_different() -> None:
    for table in TABLES.values():
        names = [case[0] for case in table["cases"]]
        assert len(names) == len(set(names))
    assert {table["format"] for table in TABLES.values()} == set(FORMATS)
