"""The small changes that the cases of `format<version>.json` are made of.

Changes of the manifest (paths are keys and indices, separated by "/", or a list):
    set PATH VALUE, delete PATH, insert PATH VALUE (into a list, or an object's new key)
    fill PATH COUNT VALUE        a list of COUNT values; "#" in a text value becomes the number
    repeat PATH COUNT TEXT       COUNT times TEXT
    entries PATH COUNT VALUE     an object of COUNT entries "k0", "k1", ...
of its text, after those:
    clear, digits OLD COUNT (as many nines behind OLD), replace OLD NEW, prepend TEXT, append TEXT, encode CODEC,
    nest COUNT (lists within `provenance`), hex HEX (append)
of the files:
    write NAME TEXT, list NAME TEXT (written and listed), remove NAME, damage NAME, cut NAME
of the arrays of an npz file, whose hash in the manifest is then put right:
    png NAME {...}                 an image of tests/sdk/handmade_png.py, listed
    array FILE KEY {dtype, shape, fill | values}, drop FILE KEY, rename FILE KEY NAME
    arrays FILE COUNT KEY {...}    COUNT arrays; "#" in the key becomes the number
    npy FILE KEY HEADER [VERSION]  another header before the same bytes
    member FILE NAME TEXT          another member
    in FILE CHANGE...              one of the following changes, of the npz file's own archive
of the archive (only the zip form of a package has these):
    entry NAME TEXT [METHOD]     one more member, whatever its name
    entries_zip COUNT            so many members
    central|local MEMBER FIELD VALUE, end FIELD VALUE   numbers in the headers; FIELD name takes a text of equal length
    prefix TEXT, suffix TEXT, comment TEXT, method MEMBER bzip2|lzma|stored, reorder, descriptors, wide (zip64 records)
    gap MEMBER COUNT             bytes that belong to nothing before a member
of the folder (only the folder form has these):
    link NAME [to nothing|folder|fifo], fifo NAME, socket NAME, folder NAME, beside NAME TEXT, hub
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import socket
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
MANIFEST = "manifest.json"
CENTRAL = {"made": 4, "flags": 8, "method": 10, "crc": 16, "packed": 20, "size": 24, "name_length": 28}
CENTRAL |= {"extra_length": 30, "comment_length": 32, "disk": 34, "header": 42}
LOCAL = {"signature": 0, "flags": 6, "method": 8, "crc": 14, "packed": 18, "size": 22, "name_length": 26}
LOCAL |= {"extra_length": 28}
END = {"disk": 4, "start_disk": 6, "here": 8, "count": 10, "length": 12, "start": 16, "comment": 20}
WIDE = {"crc", "packed", "size", "header", "length", "start", "signature"}
OF_ZIP = {"entry", "entries_zip", "central", "local", "end", "prefix", "suffix", "comment", "method", "reorder"}
OF_ZIP |= {"descriptors", "wide", "gap"}
OF_FOLDER = {"link", "fifo", "socket", "folder", "beside", "hub"}
METHODS = {"stored": zipfile.ZIP_STORED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}

Files = dict[str, bytes]


def base_files(base: str) -> Files:
    """The files that a table's changes are made to: of a package in the repository, or of a module that makes one."""
    if not base.endswith(".emoface"):
        made: Files = importlib.import_module(base).package_files()
        return made
    with zipfile.ZipFile(ROOT / base) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forms(changes: list[list[Any]]) -> tuple[str, ...]:
    """The forms of a package that a case's changes are possible in."""
    kinds = {change[0] for change in changes}
    if kinds & OF_ZIP:
        return ("zip",)
    return ("folder",) if kinds & OF_FOLDER else ("zip", "folder")


def changed_files(base: Files, changes: list[list[Any]]) -> Files:
    """The package's files after all changes but those of the archive or the folder."""
    files = dict(base)
    manifest = json.loads(files[MANIFEST])
    texts = []
    for kind, *arguments in changes:
        if kind in ("set", "delete", "insert", "fill", "repeat", "entries"):
            change_object(manifest, kind, *arguments)
        elif kind in ("array", "arrays", "drop", "rename", "npy", "member", "in"):
            name = arguments[0]
            files[name] = change_npz(files[name], kind, *arguments[1:])
            manifest["files"][name] = entry(files[name])
        elif kind == "png":
            files[arguments[0]] = importlib.import_module("handmade_png").image(**arguments[1])
            manifest["files"][arguments[0]] = entry(files[arguments[0]])
        elif kind in ("write", "list"):
            files[arguments[0]] = arguments[1].encode()
            if kind == "list":
                manifest["files"][arguments[0]] = entry(files[arguments[0]])
        elif kind == "remove":
            del files[arguments[0]]
        elif kind == "damage":
            data = bytearray(files[arguments[0]])
            data[len(data) // 2] ^= 1
            files[arguments[0]] = bytes(data)
        elif kind == "cut":
            files[arguments[0]] = files[arguments[0]][:-1]
        elif kind not in OF_ZIP | OF_FOLDER:
            texts.append((kind, *arguments))
    if MANIFEST in files:
        # A lone surrogate in a case stays an escape, as an evil writer would put it.
        text = json.dumps(manifest, ensure_ascii=True).encode()
        for kind, *arguments in texts:
            text = change_text(text, kind, *arguments)
        files[MANIFEST] = text
    return files


def expected_start(verdict: str, field: str) -> str:
    """How the text of a case's error begins: with the place that it names."""
    if verdict != "MANIFEST":
        return field
    file, colon, rest = field.partition(": ")
    if not colon:
        file, rest = MANIFEST, field
    return f"{rest} = " if file == "package" else f"{file}: {rest} = "


def entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def change_object(data: Any, kind: str, path: str | list[str], *arguments: Any) -> None:
    *parents, last = path.split("/") if isinstance(path, str) else path
    for key in parents:
        data = data[int(key) if isinstance(data, list) else key]
    place: Any = int(last) if isinstance(data, list) else last
    if kind == "delete":
        del data[place]
    elif kind == "insert" and isinstance(data, list):
        data.insert(place, arguments[0])
    elif kind in ("set", "insert"):
        data[place] = arguments[0]
    elif kind == "repeat":
        data[place] = arguments[0] * arguments[1]
    else:
        count, value = arguments
        values = [value.replace("#", str(i)) if isinstance(value, str) else value for i in range(count)]
        data[place] = values if kind == "fill" else {f"k{index}": value for index, value in enumerate(values)}


def change_text(text: bytes, kind: str, *arguments: Any) -> bytes:
    if kind == "clear":
        return b""
    if kind == "digits":
        return text.replace(arguments[0].encode(), arguments[0].encode() + b"9" * arguments[1], 1)
    if kind == "replace":
        old, new = (argument.encode() for argument in arguments)
        assert old in text, old
        return text.replace(old, new, 1)
    if kind == "prepend":
        return arguments[0].encode() + text
    if kind == "append":
        return text + arguments[0].encode()
    if kind == "hex":
        return text + bytes.fromhex(arguments[0])
    if kind == "encode":
        return text.decode().encode(arguments[0])
    if kind == "nest":
        deep = b"[" * arguments[0] + b"]" * arguments[0]
        return text.replace(b'"provenance": {', b'"provenance": {"deep": ' + deep + b', "and": 1', 1)
    raise ValueError(kind)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def change_npz(data: bytes, kind: str, *arguments: Any) -> bytes:
    if kind == "in":
        return change_zip(data, [list(arguments)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if kind == "array":
        key, spec = arguments
        members[f"{key}.npy"] = npy(array_of(spec))
    elif kind == "arrays":
        count, key, spec = arguments
        members |= {f"{key.replace('#', str(index))}.npy": npy(array_of(spec)) for index in range(count)}
    elif kind == "drop":
        del members[f"{arguments[0]}.npy"]
    elif kind == "rename":
        members[arguments[1]] = members.pop(f"{arguments[0]}.npy")
    elif kind == "npy":
        key, header, *version = arguments
        major, minor = version[0] if version else (1, 0)
        body = npy_body(members[f"{key}.npy"])
        length = struct.pack("<H" if major == 1 else "<L", len(header))
        members[f"{key}.npy"] = b"\x93NUMPY" + bytes((major, minor)) + length + header.encode() + body
    elif kind == "member":
        members[arguments[0]] = arguments[1].encode()
    return zipped(members, zipfile.ZIP_STORED)


def npy_body(data: bytes) -> bytes:
    return data[10 + int.from_bytes(data[8:10], "little") :]


def array_of(spec: dict[str, Any]) -> np.ndarray:
    if "values" in spec:
        return np.array(spec["values"], dtype=spec["dtype"]).reshape(spec["shape"])
    return np.full(spec["shape"], float(spec["fill"]), dtype=spec["dtype"])


def zipped(members: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these members, with the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def write_zip(path: Path, files: Files, changes: list[list[Any]]) -> Path:
    """The package as a zip, with the changes of its archive."""
    path.write_bytes(change_zip(zipped(files), changes))
    return path


def change_zip(data: bytes, changes: list[list[Any]]) -> bytes:
    for kind, *arguments in changes:
        if kind in OF_ZIP:
            data = _CHANGES[kind](data, *arguments)
    return data


def _entry(data: bytes, name: str, text: str, method: str = "stored") -> bytes:
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name twice
        archive.writestr(zipfile.ZipInfo("x"), text.encode(), METHODS[method])
        # zipfile would make some names harmless.
        archive.filelist[-1].filename = name
    data = buffer.getvalue()
    place = _central(data, name)
    header = struct.unpack_from("<L", data, place + CENTRAL["header"])[0]
    # The local header was written with the name "x".
    raw = name.encode()
    length = struct.pack("<H", len(raw))
    data = data[: header + 26] + length + data[header + 28 : header + 30] + raw + data[header + 31 :]
    end = len(data) - 22
    return (
        data[: end + 16]
        + struct.pack("<L", struct.unpack_from("<L", data, end + 16)[0] + len(raw) - 1)
        + data[end + 20 :]
    )


def _entries(data: bytes, count: int) -> bytes:
    return zipped({f"file{index}": b"" for index in range(count)}, zipfile.ZIP_STORED)


def _central(data: bytes, member: str) -> int:
    """Offset of the last central entry of a member."""
    found, at = -1, struct.unpack_from("<L", data, len(data) - 6)[0]
    while data[at : at + 4] == b"PK\1\2":
        name, extra, comment = struct.unpack_from("<3H", data, at + 28)
        if data[at + 46 : at + 46 + name] == member.encode():
            found = at
        at += 46 + name + extra + comment
    assert found >= 0, member
    return found


def _put(data: bytes, at: int, field: str, value: int | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value.to_bytes(4 if field in WIDE else 2, "little")
    return data[:at] + raw + data[at + len(raw) :]


def _change_central(data: bytes, member: str, field: str, value: Any) -> bytes:
    return _put(data, _central(data, member) + (46 if field == "name" else CENTRAL[field]), field, value)


def _change_local(data: bytes, member: str, field: str, value: Any) -> bytes:
    header = struct.unpack_from("<L", data, _central(data, member) + CENTRAL["header"])[0]
    return _put(data, header + (30 if field == "name" else LOCAL[field]), field, value)


def _change_end(data: bytes, field: str, value: int) -> bytes:
    return _put(data, len(data) - 22 + END[field], field, value)


def _method(data: bytes, member: str, method: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content, METHODS[method] if name == member else zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _reorder(data: bytes) -> bytes:
    """The directory in another order than the members."""
    end = len(data) - 22
    start = struct.unpack_from("<L", data, end + 16)[0]
    entries, at = [], start
    while at < end:
        length = 46 + sum(struct.unpack_from("<3H", data, at + 28))
        entries.append(data[at : at + length])
        at += length
    return data[:start] + b"".join(reversed(entries)) + data[end:]


class _Pipe(io.BytesIO):
    """What cannot be sought in: zipfile then writes sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def _descriptors(data: bytes) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as target:
        for name in archive.namelist():
            target.writestr(name, archive.read(name))
    return pipe.getvalue()


def _wide(data: bytes) -> bytes:
    """The same archive with the records of zip64, as writers of huge archives put them."""
    end = len(data) - 22
    count, length, start = struct.unpack_from("<HLL", data, end + 10)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + short


def _gap(data: bytes, member: str, count: int) -> bytes:
    at = struct.unpack_from("<L", data, _central(data, member) + CENTRAL["header"])[0]
    end = len(data) - 22
    start = struct.unpack_from("<L", data, end + 16)[0]
    entry_at = start
    while entry_at < end:
        header = struct.unpack_from("<L", data, entry_at + 42)[0]
        if header >= at:
            data = _put(data, entry_at + 42, "header", header + count)
        entry_at += 46 + sum(struct.unpack_from("<3H", data, entry_at + 28))
    return _put(data[:at] + bytes(count) + data[at:], end + count + 16, "start", start + count)


def _comment(data: bytes, text: str) -> bytes:
    return data[:-2] + struct.pack("<H", len(text)) + text.encode()


_CHANGES = {
    "entry": _entry,
    "entries_zip": _entries,
    "central": _change_central,
    "local": _change_local,
    "end": _change_end,
    "prefix": lambda data, text: text.encode() + data,
    "suffix": lambda data, text: data + text.encode(),
    "comment": _comment,
    "method": _method,
    "reorder": _reorder,
    "descriptors": _descriptors,
    "wide": _wide,
    "gap": _gap,
}


def write_folder(path: Path, files: Files, changes: list[list[Any]]) -> Path:
    """The package as a folder, with the changes of the folder."""
    path.mkdir()
    for name, data in files.items():
        (path / name).write_bytes(data)
    for kind, *arguments in changes:
        if kind in OF_FOLDER:
            change_folder(path, kind, *arguments)
    return path


def change_folder(path: Path, kind: str, name: str = "", *arguments: str) -> None:
    place, outside = path / name, path.parent / f"{path.name}-outside"
    outside.mkdir(exist_ok=True)
    if kind == "beside":
        place.write_text(arguments[0])
    elif kind == "folder":
        place.unlink(missing_ok=True)
        place.mkdir()
    elif kind == "fifo":
        place.unlink(missing_ok=True)
        os.mkfifo(place)
    elif kind == "socket":
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            # Paths of sockets are short.
            here = os.open(path, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{here}/{name}")
            os.close(here)
    elif kind == "link":
        target = outside / "target"
        if not arguments:
            target.write_bytes(place.read_bytes())
        elif arguments[0] == "to folder":
            target.mkdir()
        elif arguments[0] == "to fifo":
            os.mkfifo(target)
        elif arguments[0].startswith("/"):
            target = Path(arguments[0])
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    elif kind == "hub":
        # models--owner--name/{blobs,snapshots}: every file a link to a blob, and the hub's own files beside them.
        blobs = outside / "blobs"
        blobs.mkdir()
        for file in list(path.iterdir()):
            blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
            file.rename(blob)
            file.symlink_to(os.path.relpath(blob, path))
        (path / ".gitattributes").write_text("*.onnx filter=lfs\n")
        (path / "README.md").write_text("A model card.\n")
        (path / ".cache" / "huggingface").mkdir(parents=True)
