"""The browser's reader of packages joins the one table of cases: the same verdict, the same field or file named."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import package_changes
import pytest

import emoface

FORMATS = Path(__file__).parents[1] / "format"
TABLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FORMATS.glob("format*.json"))}
KINDS = {
    "OK": "",
    "MANIFEST": "ManifestError",
    "PACKAGE_FORMAT": "PackageFormatError",
    "PACKAGE_INTEGRITY": "PackageIntegrityError",
    "PACKAGE_NOT_FOUND": "PackageNotFoundError",
}
# What only a look into the graphs finds: here ONNX Runtime refuses them, in WebAssembly's own memory.
OF_GRAPHS = ".onnx"


@pytest.mark.parametrize("table", TABLES)
def test_the_table_of_cases(table: str, node_reader, tmp_path: Path) -> None:
    base, wrong = package_changes.base_files(TABLES[table]["base"]), []
    for index, (name, changes, verdict, field, *_) in enumerate(TABLES[table]["cases"]):
        if "zip" not in package_changes.forms(changes):
            continue
        if verdict == "MANIFEST" and OF_GRAPHS in field:
            continue
        files = package_changes.changed_files(base, changes)
        of_archive = any(change[0] in package_changes.OF_ZIP for change in changes)
        path = tmp_path / str(index)
        # Deflating every package again would take most of the time.
        archive = package_changes.zipped(files, zipfile.ZIP_DEFLATED if of_archive else zipfile.ZIP_STORED)
        path.write_bytes(package_changes.change_zip(archive, changes))
        kind, text = node_reader(path)
        text = text.removeprefix("got ").removeprefix(f"{path}: ").replace(f"{path} ", "", 1)
        if kind != KINDS[verdict] or not text.startswith(package_changes.expected_start(verdict, field)):
            wrong.append((name, verdict, field, kind, text))
    assert not wrong, "\n".join(map(str, wrong))


def test_the_bundled_package_is_read(node_reader) -> None:
    assert node_reader(Path(emoface.__file__).parent / "packages" / "default.emoface") == ["", ""]
