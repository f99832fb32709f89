"""THIRD_PARTY.md names every requirement and every binary file that is shipped."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTED = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
DATA = {".npz", ".wav", ".emoface", ".onnx", ".ttf", ".otf", ".glb", ".so", ".dll"}


def test_every_requirement_is_listed_with_its_extras() -> None:
    rows = dict(re.findall(r"^\| ([\w-]+) \| .+ \| (.+) \|$", LISTED, re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    assert base <= set(rows)
    for extra, requirements in project["optional-dependencies"].items():
        own = [
            name for name in (re.match(r"[\w-]+", text)[0] for text in requirements) if name not in {"emoface", *base}
        ]
        for name in own:
            assert name in rows, f"{name} of [{extra}] is not in THIRD_PARTY.md"
            first = rows[name].split(", ")
            assert extra in first or set(first) & set(project["optional-dependencies"]), (name, extra)


def test_every_data_file_is_listed() -> None:
    shipped = [
        str(path.relative_to(ROOT))
        for folder in ("sdk", "training", "export", "csrc", "tests", "examples", "bindings")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in DATA and not {"node_modules", "_lib"} & set(path.parts) and "cpython" not in path.name
    ]
    assert "sdk/emoface/assets/speech.wav" in shipped
    assert [name for name in shipped if f"`{name}`" not in LISTED] == []
