"""Write docs/c-api.md from csrc/include/emoface.h: the header is the only source.

python docs/build_c_api.py [--check]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "csrc" / "include" / "emoface.h"
PAGE = ROOT / "docs" / "c-api.md"

_INTRODUCTION = """# C interface

Generated from [`csrc/include/emoface.h`](../csrc/include/emoface.h) by `docs/build_c_api.py`.

Build and install: [csrc/README.md](../csrc/README.md). Examples: [`examples/c/minimal.c`](../examples/c/minimal.c),
[`examples/cpp/realtime.cpp`](../examples/cpp/realtime.cpp). Statuses beside Python's exceptions:
[errors](errors.md#statuses-of-the-c-interface). [Unity](unity.md) and [Unreal](unreal.md) have bindings of their own.
"""
_SECTION = re.compile(r"/\* -{4} (.+?) -+ \*/")
# The guard, the export macro and the C linkage say nothing to a reader.
_SKIPPED = re.compile(r"#(?!define EMOFACE_\w+ +[\"(\d])|extern \"C\"|^\}$")
_CONSTANT = re.compile(r"#define (EMOFACE_\w+) +(\S+?)(?: +/\* (.*?) \*/)?")


def blocks(lines: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """(section title or "", comment, code) in the header's order; a comment belongs to the code right after it."""
    comment: list[str] = []
    code: list[str] = []
    depth, inside = 0, False
    for line in lines:
        if found := _SECTION.fullmatch(line):
            if code or comment:
                yield "", comment, code
            comment, code = [], []
            yield found[1], [], []
            continue
        starts = line.startswith("/*")
        if depth == 0 and (starts or inside):
            if starts and (code or comment):
                yield "", comment, code
                comment, code = [], []
            inside = not line.rstrip().endswith("*/")
            comment.append(line)
        elif line.strip() and not (depth == 0 and _SKIPPED.match(line.strip())):
            depth += line.count("{") - line.count("}")
            code.append(line)
        elif not line.strip() and depth == 0 and (code or comment):
            yield "", comment, code
            comment, code = [], []
    if code or comment:
        yield "", comment, code


def prose(comment: list[str]) -> str:
    """A comment as Markdown; lines indented by two spaces are lists of parameters."""
    text = []
    for line in comment:
        plain = re.sub(r"^/\*+ ?|^ \*/$|^ \* ?|\s*\*/$", "", line)
        found = re.match(r"  (\S.*?)(?:  +(\S.*))?$", plain)
        if found and found[2] and not plain.startswith("   "):
            text.append(f"- `{found[1]}`: {found[2]}")
        else:
            text.append(plain.strip() if plain.startswith("  ") else plain)
    return "\n".join(text).strip()


def constants(said: str, code: list[str]) -> list[str] | None:
    """Rows of a table where `code` is nothing but constants; one alone takes its meaning from the comment."""
    found = [_CONSTANT.fullmatch(line) for line in code]
    if not code or not all(found):
        return None
    alone = " ".join(said.split()) if len(code) == 1 else ""
    return [f"| `{row[1]}` | `{row[2].strip('()')}` | {row[3] or alone} |" for row in found if row]


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION.strip()]
    table: list[str] = []

    def close_table() -> None:
        if table:
            parts.append("\n".join(["| constant | value | meaning |", "|---|---|---|", *table]))
            table.clear()

    for title, comment, code in blocks(HEADER.read_text(encoding="utf-8").splitlines()):
        said = prose(comment)
        rows = constants(said, code)
        if rows is not None:
            if len(rows) > 1:
                close_table()
                parts.append(said)
            table += rows
            continue
        close_table()
        if title:
            parts.append(f"## {title}")
            continue
        declared = "\n".join(line.replace("EMOFACE_API ", "") for line in code)
        name = re.search(r"\b(emoface_\w+)\(|typedef struct (emoface_\w+)", declared)
        if name:
            parts.append(f"### {name[1] or name[2]}")
        if declared:
            parts.append(f"```c\n{declared}\n```")
        if said:
            parts.append(said)
    close_table()
    return "\n\n".join(parts) + "\n"


def main() -> int:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is not current: run python {Path(__file__).name}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
