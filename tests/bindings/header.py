"""What emoface.h says, by the C compiler: sizes and offsets of its structs, values of its statuses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

HEADER = Path(__file__).resolve().parents[2] / "csrc" / "include" / "emoface.h"


def structs() -> dict[str, list[str]]:
    """Fields of every struct of the header that C# passes, in order."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found = {}
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.S):
        found[name] = [re.search(r"(\w+)\s*;", line + ";").group(1) for line in body.strip().split(";") if line.strip()]
    del found["emoface_file"]  # C# loads packages from a path or from the bytes of one file
    return found


def statuses() -> list[str]:
    """Names of EMOFACE_OK, EMOFACE_NOTICE_* and EMOFACE_ERROR_*."""
    return re.findall(r"^#define (EMOFACE_(?:OK|NOTICE_\w+|ERROR_\w+))\b", HEADER.read_text(), re.M)


def run_c(folder: Path, compiler: str, body: str) -> str:
    """Output of a C program that includes the header."""
    source = folder / "header.c"
    source.write_text(f"#include <stddef.h>\n#include <stdio.h>\n#include <emoface.h>\nint main(void) {{\n{body}\n}}\n")
    program = folder / "header"
    subprocess.run([compiler, "-std=c99", "-Wall", "-Werror", f"-I{HEADER.parent}", source, "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def layouts(folder: Path, compiler: str) -> str:
    """Lines "EmoFace.NativeX size offset offset ..." for every struct emoface_x."""
    lines = []
    for name, fields in structs().items():
        managed = "".join(part.capitalize() for part in name.removeprefix("emoface_").split("_"))
        offsets = "".join(f' printf(" %zu", offsetof({name}, {field}));' for field in fields)
        lines.append(f'printf("EmoFace.Native{managed} %zu", sizeof({name}));{offsets} printf("\\n");')
    return run_c(folder, compiler, "\n".join(lines))


def status_values(folder: Path, compiler: str) -> str:
    """Lines "NAME value" without the prefixes."""
    lines = []
    for name in statuses():
        short = re.sub(r"^EMOFACE_(NOTICE_|ERROR_)?", "", name)
        lines.append(f'printf("{short} %d\\n", (int){name});')
    return run_c(folder, compiler, "\n".join(lines))
