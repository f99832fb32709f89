"""What is written about the C interface is the header's, and complete."""

from __future__ import annotations

import re
import subprocess
import sys

import c_interface as abi

from emoface import errors
from emoface.backends.native_errors import STATUS_ERRORS

HEADER = (abi.ROOT / "csrc/include/emoface.h").read_text(encoding="utf-8")


def test_the_page_is_current():
    done = subprocess.run([sys.executable, abi.ROOT / "docs/build_c_api.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_function_is_explained_on_the_page():
    page = (abi.ROOT / "docs/c-api.md").read_text(encoding="utf-8")
    functions = re.findall(r"EMOFACE_API [^;]*?\b(emoface_\w+)\(", HEADER)
    assert len(functions) > 40
    for name in functions:
        assert f"{name}(" in page, name


def test_what_every_language_says_of_the_statuses_is_current():
    script = abi.ROOT / "bindings/build_errors.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_table_of_statuses_is_complete_and_true():
    table = (abi.ROOT / "docs/errors.md").read_text(encoding="utf-8").split("## Statuses of the C interface")[1]
    rows = re.findall(r"^\| `(EMOFACE_\w+)` \| `(\w+)` \| `(\w+)` \| (\d) \| (.+?) \|$", table, re.M)
    assert [row[0] for row in rows] == re.findall(r"#define (EMOFACE_ERROR_\w+)", HEADER)
    for name, exception, _, code, _ in rows:
        value = int(re.search(rf"#define {name} \((-\d+)\)", HEADER)[1])
        assert STATUS_ERRORS[value] is getattr(errors, exception)
        assert str(STATUS_ERRORS[value].exit_code) == code


def test_status_names_are_the_headers(api):
    for name, value in re.findall(r"#define EMOFACE_((?:OK|NOTICE|ERROR)\w*) \(?(-?\d+)\)?", HEADER):
        assert api.library.emoface_status_name(int(value)).decode() == name
    assert api.library.emoface_status_name(12345) == b"UNKNOWN"
