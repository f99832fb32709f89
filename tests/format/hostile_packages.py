"""Packages made to take a reader's time or memory; each is to be refused in less than a second and 300 MB.

python tests/format/hostile_packages.py      measures every kind with every reader, one process per reader
"""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "runtime")]

import package_changes as changes  # noqa: E402

MOST_SECONDS, MOST_MB = 1.0, 300.0
GIB = 1 << 30
BASE = HERE.parent / "sdk" / "frozen" / "format1.emoface"


def base() -> changes.Files:
    with zipfile.ZipFile(BASE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zeros(size: int) -> bytes:
    """A deflate stream of `size` zeros, a multiple of 1 MiB, 1000 times smaller: made of one piece over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (size >> 20) + b"\x03\x00"


def raw_zip(members: list[tuple[str, bytes, int, int]]) -> bytes:
    """A zip of members (name, packed bytes, method, size); CRCs are 0: nobody should come so far."""
    body, directory = bytearray(), bytearray()
    for name, packed, method, size in members:
        sizes = struct.pack("<3L", 0, len(packed), min(size, 0xFFFFFFFE))
        directory += struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, method, 0, 33) + sizes
        directory += struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, len(body)) + name.encode()
        body += struct.pack("<4s5H", b"PK\3\4", 20, 0, method, 0, 33) + sizes
        body += struct.pack("<2H", len(name), 0) + name.encode() + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return bytes(body + directory + end)


def with_manifest(path: Path, edits: list[list], *more: tuple[str, bytes, int, int]) -> Path:
    """A zip of the changed manifest alone and of raw members."""
    text = changes.changed_files(base(), edits)[changes.MANIFEST]
    whole = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = whole.compress(text) + whole.flush()
    data = bytearray(raw_zip([(changes.MANIFEST, packed, 8, len(text)), *more]))
    # The manifest itself is sound: its CRC is right in both of its headers.
    crc = struct.pack("<L", zlib.crc32(text))
    data[14:18] = crc
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    data[start + 16 : start + 20] = crc
    path.write_bytes(data)
    return path


def cases(path: Path, edits: list[list]) -> Path:
    return changes.write_zip(path, changes.changed_files(base(), edits), edits)


def bomb(path: Path) -> Path:
    size = 4 * GIB - (1 << 20)
    edits = [["set", "files/mix.onnx/bytes", size]]
    return with_manifest(path, edits, ("mix.onnx", zeros(size), 8, size))


def many_bombs(path: Path) -> Path:
    piece = zeros(1 << 20)
    return with_manifest(path, [], *((f"file{index}", piece, 8, 1 << 20) for index in range(4000)))


def manifest_bomb(path: Path) -> Path:
    path.write_bytes(raw_zip([(changes.MANIFEST, zeros(2 * GIB), 8, 2 * GIB)]))
    return path


def nested_bomb(path: Path) -> Path:
    """An archive of 4 GiB that packs well itself: a few kB of zip."""
    files = base()
    size = 4 * GIB - (1 << 20)
    files["face.npz"] = raw_zip([("template.npy", zeros(size), 8, size)])
    return repacked(path, files)


def repacked(path: Path, files: changes.Files, name: str = "face.npz") -> Path:
    manifest = json.loads(files[changes.MANIFEST])
    manifest["files"][name] = changes.entry(files[name])
    files[changes.MANIFEST] = json.dumps(manifest).encode()
    return changes.write_zip(path, files, [])


def overlapping(path: Path) -> Path:
    """4000 names for one member, as the flattest of zip bombs have it."""
    data = raw_zip([("a", zeros(8 << 20), 8, 8 << 20)])
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    entry = data[start:-22]
    directory = b"".join(entry[:28] + struct.pack("<H", 5) + entry[30:46] + b"%05d" % index for index in range(4000))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 4000, 4000, len(directory), start, 0)
    path.write_bytes(data[:start] + directory + end)
    return path


def npy_bomb(path: Path, header: str, body: bytes = b"") -> Path:
    files = base()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("template.npy", array)
    files["face.npz"] = buffer.getvalue()
    return repacked(path, files)


def manifest_text(path: Path, key: str, value: str) -> Path:
    """A manifest of almost 4 MiB: `value` over and over in a list called `key`."""
    files = base()
    items = ", ".join([value] * ((4 << 20) // (len(value) + 2) - 4000))
    if "#" in value:
        items = ", ".join(value.replace("#", str(index)) for index in range((4 << 20) // (len(value) + 9)))
    old = json.dumps({key: json.loads(files[changes.MANIFEST])[key]})[1:-1]
    text = json.dumps(json.loads(files[changes.MANIFEST])).replace(old, f'"{key}": [{items}]')
    files[changes.MANIFEST] = text.encode()
    assert len(text) < 4 << 20
    return changes.write_zip(path, files, [])


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def unix_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def device_folder(path: Path) -> Path:
    return changes.write_folder(path, base(), [["link", "mix.onnx", "/dev/zero"]])


def fifo_folder(path: Path) -> Path:
    return changes.write_folder(path, base(), [["fifo", "mix.onnx"]])


def folder_of_thousands(path: Path) -> Path:
    changes.write_folder(path, base(), [])
    for index in range(5000):
        (path / f"file{index}").touch()
    return path


def holes(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(64 * GIB)
    return path


def holes_in_a_folder(path: Path) -> Path:
    size = 4 * GIB
    changes.write_folder(path, changes.changed_files(base(), [["set", "files/mix.onnx/bytes", size]]), [])
    with (path / "mix.onnx").open("r+b") as file:
        file.truncate(size)
    return path


def stored_holes(path: Path) -> Path:
    """A zip whose one large member is stored: nothing but a hole."""
    size = 3 * GIB
    text = changes.changed_files(base(), [["set", "files/mix.onnx/bytes", size]])[changes.MANIFEST]
    data = raw_zip([(changes.MANIFEST, text, 0, len(text)), ("mix.onnx", b"", 0, size)])
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    # The hole: sizes in both headers, the directory behind it.
    packed = struct.pack("<L", size)
    local = start - 30 - len("mix.onnx")
    head = bytearray(data[:start])
    head[local + 18 : local + 22] = packed
    tail = bytearray(data[start:])
    entry = 46 + len(changes.MANIFEST)
    tail[entry + 20 : entry + 24] = packed
    tail[-6:-2] = struct.pack("<L", start + size)
    with path.open("wb") as file:
        file.write(head)
        file.seek(size, io.SEEK_CUR)
        file.write(tail)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "4 MB that inflate to 4 GiB": bomb,
    "4000 members that inflate to 4 GB": many_bombs,
    "a manifest that inflates to 2 GiB": manifest_bomb,
    "face.npz of 4 GiB, packed twice": nested_bomb,
    "4000 members in the same bytes": overlapping,
    "60000 members": lambda path: cases(path, [["entries_zip", 60000]]),
    "a directory of 4 GiB": lambda path: cases(path, [["end", "length", 0xFFFFFFFE]]),
    "a file that says 4 GiB": lambda path: cases(path, [["set", "files/mix.onnx/bytes", 4 * GIB]]),
    "an archive of 64 GiB of holes": holes,
    "a stored member of 3 GiB of holes": stored_holes,
    "a folder with a file of 4 GiB of holes": holes_in_a_folder,
    "a shape of 2^66 values": lambda path: npy_bomb(
        path, "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }"
    ),
    "a header of 9000 brackets": lambda path: npy_bomb(path, "{'descr': '<f4', 'shape': " + "(" * 9000),
    "a header of 60000 bytes": lambda path: npy_bomb(path, "{'descr': '<f4', " + " " * 60000),
    "a text of 40 MB": lambda path: npy_bomb(
        path, "{'descr': '<U99999', 'fortran_order': False, 'shape': (100,), }", bytes(100 * 99999 * 4)
    ),
    "400000 lists within each other": lambda path: cases(path, [["nest", 400000]]),
    "a manifest of a million lists": lambda path: manifest_text(path, "provenance", "[]"),
    "a manifest of objects with a key": lambda path: manifest_text(path, "provenance", '{"": 0}'),
    "a manifest of numbers": lambda path: manifest_text(path, "provenance", "0.1"),
    "a manifest of names": lambda path: manifest_text(path, "styles", '"#"'),
    "a manifest of stages": lambda path: manifest_text(path, "stages", "{}"),
    "a FIFO": fifo,
    "a socket": unix_socket,
    "a device": lambda path: Path("/dev/zero"),
    "a folder with a FIFO": fifo_folder,
    "a folder with a link to a device": device_folder,
    "a folder of 5000 files": folder_of_thousands,
}


def build(folder: Path) -> dict[str, Path]:
    """Every kind, as it lies on disk."""
    return {kind: make(folder / f"{index}.emoface") for index, (kind, make) in enumerate(KINDS.items())}


def measure(reader: str, paths: dict[str, str]) -> dict[str, dict[str, object]]:
    """In a process of its own: verdict, seconds (of the clock and of the processor) and the peak of memory."""
    import package_readers

    read = package_readers.READERS[reader]
    read(BASE)  # what is loaded once
    found: dict[str, dict[str, object]] = {}
    for kind, path in paths.items():
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
        wall, busy = time.perf_counter(), time.process_time()
        answer = read(Path(path))
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        found[kind] = {"verdict": answer.verdict, "text": answer.text, "seconds": wall, "busy": busy, "MB": peak}
    return found


def measured(reader: str, paths: dict[str, Path]) -> dict[str, dict[str, object]]:
    """`measure` in a fresh process."""
    code = f"import sys, json; sys.path[:0] = {[str(HERE), str(HERE.parent / 'runtime')]!r}; import hostile_packages\n"
    code += f"print(json.dumps(hostile_packages.measure({reader!r}, json.loads(sys.stdin.read()))))"
    given = json.dumps({kind: str(path) for kind, path in paths.items()})
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main() -> None:
    import package_readers

    with tempfile.TemporaryDirectory() as name:
        paths = build(Path(name))
        results = {reader: measured(reader, paths) for reader in package_readers.readers_of("folder")}
    print("| kind | " + " | ".join(f"{reader}: verdict | s | MB" for reader in results) + " |")
    print("|---" * (1 + 3 * len(results)) + "|")
    for kind in KINDS:
        row = [f"{r[kind]['verdict']} | {r[kind]['seconds']:.3f} | {r[kind]['MB']:.0f}" for r in results.values()]
        print(f"| {kind} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
