"""Error texts of the C interface are UTF-8, whatever bytes a path, a file or a long text has."""

from __future__ import annotations

import io
import json
import zipfile
from ctypes import byref, c_void_p

import handmade
import pytest
from c_interface import StatusError


def said(call, *arguments) -> str:
    """What the error says: reading it as UTF-8 is half of each test."""
    with pytest.raises(StatusError) as caught:
        call(*arguments)
    return caught.value.text


def test_a_path_of_any_bytes(api):
    text = said(api.call, "package_open", b"/nowhere/gr\xf6\xdfe \xed\xa0\x80 \xc3\xb6.emoface", byref(c_void_p()))
    assert "/nowhere/gr??e ??? ö.emoface: no such file" in text


def test_a_dtype_of_any_bytes(api, tmp_path):
    files = handmade.package_files()
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files["face.npz"])) as archive, zipfile.ZipFile(made, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(name, data.replace(b"'<f4'", b"'\x80f4'") if name == "template.npy" else data)
    files = handmade.with_file(files, "face.npz", made.getvalue())
    assert "an array of dtype '?f4'" in said(api.open, handmade.write_zip(tmp_path / "dtype.emoface", files))


@pytest.mark.parametrize("more", ["", "x"])
def test_a_long_text_ends_with_a_whole_character(api, tmp_path, more):
    files = handmade.package_files()
    manifest = json.loads(files["manifest.json"])
    manifest["stages"][0]["inputs"][0]["source"] = more + "ö" * 300
    files["manifest.json"] = json.dumps(manifest).encode()
    assert "öö...; expected" in said(api.open, handmade.write_zip(tmp_path / "long.emoface", files))
