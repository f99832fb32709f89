"""Mutations of a package on which two readers must agree: every field with every kind of value, any byte of the zip.

python tests/format/differential.py      every field with every value (some 15 000), and 5000 changed archives
"""

from __future__ import annotations

import json
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "runtime")]

import package_changes as changes  # noqa: E402
import package_readers as readers  # noqa: E402

from emoface.errors import PackageError  # noqa: E402
from emoface.manifest import Manifest  # noqa: E402

BASE = HERE.parent / "sdk" / "frozen" / "format1.emoface"
EDGES: tuple[Any, ...] = (
    *(None, True, False, "", "n", "B", "m", "audio", "fp32", "content.content", "condition.style", "a\0b", "\x7f"),
    *("ü" * 1000, "ü" * 1001, "é", "😀", "007*n+01", "2*n+1", "n+1", "320*n", "../x", "content.onnx", "face.npz"),
    *(0, 1, 2, 3, 12, -1, -0.0, 0.5, 1.0, 1e2, 1e39, -1e39, 3.4028235e38, 1e-320, 1e308, 2**31, 2**31 + 1, 2**32),
    *(2**40, 2**40 + 1, 2**53 + 1, 2**63, 2**64, 10**25, [], {}, [0], [1], ["n"], [[]], {"": 0}, {"fp32": "mix.onnx"}),
    *(["B"], ["B", "n"], ["B", 1], ["B"] * 17, [None], [0.5, 1e39], ["a", "a"], ["a", "b"], {"a": {}}),
)
DELETED = object()
"""In place of a value: the field goes."""


def base() -> tuple[changes.Files, Any]:
    """The package's files, and its manifest as an object with something in every optional field."""
    with zipfile.ZipFile(BASE) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files[changes.MANIFEST])
    manifest["provenance"] = {"seed": 1}
    manifest["verification"] = {"tolerances": {"fp32": {"relative": 1e-4}, "int8": {"offsets_mm": 0.5}}, "measured": {}}
    return files, manifest


def paths(data: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value, of the same kind but once: of 192 defaults the first two."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:4]) if isinstance(data, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from paths(value, (*before, key))


def with_value(manifest: Any, path: tuple[Any, ...], value: Any) -> bytes:
    """The text of the manifest with another value in one place."""
    changed = json.loads(json.dumps(manifest))
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if value is DELETED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return json.dumps(changed).encode()


def of_manifest(files: changes.Files, text: bytes) -> tuple[readers.Answer, readers.Answer]:
    """What Python and C say of a manifest; of a package whose manifest stands both say OK."""
    try:
        Manifest.from_json(text)
        python = readers.Answer("OK")
    except PackageError as error:
        python = readers.Answer(readers.STATUSES[type(error)], str(error).removeprefix("got "))
    c = readers.of_memory(changes.zipped({**files, changes.MANIFEST: text}, zipfile.ZIP_STORED))
    return python, c if c.text.startswith(changes.MANIFEST) else readers.Answer("OK")


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """The archive with some bytes or a number changed, mostly in its headers."""
    made = bytearray(data)
    start = int.from_bytes(data[-6:-2], "little")
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.choice((chance.randrange(len(made)), chance.randrange(start, len(made)), chance.randrange(60)))
        width = chance.choice((1, 1, 2, 4))
        value = chance.choice((0, 1, 0xFF, 0xFFFF, 0xFFFFFFFF, chance.randrange(1 << 32)))
        made[at : at + width] = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "little")
    if chance.random() < 0.1:
        at = chance.randrange(len(made))
        made[at : at + chance.choice((0, 1, 30))] = bytes(chance.choice((0, 1, 22)))
    return bytes(made)


def of_archive(data: bytes, path: Path) -> tuple[readers.Answer, readers.Answer]:
    """What Python and C say of the bytes of a zip."""
    path.write_bytes(data)
    return readers.python(path), readers.of_memory(data)


def main() -> None:
    files, manifest = base()
    count = differing = 0
    for path in paths(manifest):
        for value in (*EDGES, DELETED):
            python, c = of_manifest(files, with_value(manifest, path, value))
            count += 1
            if (python.verdict, python.place) != (c.verdict, c.place):
                differing += 1
                print(path, repr(value)[:60], python, c)
    print(f"{count} manifests, {differing} disagreements")
    chance, whole = random.Random(0), BASE.read_bytes()
    place = Path(f"/tmp/emoface-differential-{chance.getrandbits(32):x}.emoface")
    differing = 0
    for _ in range(5000):
        python, c = of_archive(changed_bytes(whole, chance), place)
        if (python.verdict, python.place) != (c.verdict, c.place):
            differing += 1
            print(python, c)
    place.unlink()
    print(f"5000 archives, {differing} disagreements")


if __name__ == "__main__":
    main()
