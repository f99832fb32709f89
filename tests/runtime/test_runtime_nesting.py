"""Valid hashes around JSON that is nested without end: refused by C and Python, no stack is overrun."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile

import pytest
from c_interface import StatusError

from emoface.errors import SnapshotError

DEEP = b"[" * 400_000 + b"]" * 400_000


def test_a_manifest_nested_without_end(api, package_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(package_path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            if name == "manifest.json":
                text = text.replace(b'{"', b'{"extra": ' + DEEP + b', "', 1)
            target.writestr(name, text)
    with pytest.raises(StatusError) as caught:
        api.open(packed.getvalue())
    assert caught.value.name in ("MANIFEST", "PACKAGE_INTEGRITY")


@pytest.mark.parametrize(
    "header",
    [b'{"header": ' + DEEP + b', "arrays": []}', b"[]", b'{"header": 3, "arrays": [["a", "float32", [9999]]]}', b"{}"],
)
def test_a_hashed_snapshot_with_an_odd_header(package, python_package, header):
    head = struct.Struct("<8sII32s")
    data = head.pack(b"EMOFACES", 1, len(header), hashlib.sha256(header).digest()) + header
    with pytest.raises(StatusError) as caught:
        package.animator().restore(data)
    assert caught.value.name == "SNAPSHOT"
    with python_package.animator() as voice, pytest.raises(SnapshotError):
        voice.restore(data)
