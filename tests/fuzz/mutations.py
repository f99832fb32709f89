"""Mutations of bytes, JSON values, arrays and zip archives, each from a `random.Random` alone."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

_INTEGERS = (0, 1, -1, 2, 16, 127, 128, 255, 256, 4095, 32767, 32768, 65535, 65536)
_LARGE = tuple((1 << bits) + more for bits in (31, 32, 40, 42, 53, 62, 63, 64) for more in (-1, 0, 1))
_TEXTS = (
    "",
    "x",
    "a" * 1001,
    "..",
    "/etc/passwd",
    "n",
    "8*n",
    "n+1",
    "B",
    "audio",
    "NaN",
    "\u0000",
    "\ud800",
    "é\u202e",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 1.0, 0.5, -0.5, 1e300, -1e300, 1e39, 5e-324),
    *_LARGE,
    *(-value for value in _LARGE),
    *_TEXTS,
    *([], {}, [0], [[]], {"x": 1}, [None] * 40, list(range(200))),
)
_FLOATS = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, 65504.0, 1e300)
_DTYPES = ("<f4", "<f8", "<f2", ">f4", "<i4", "<i8", "<i2", "|u1", "|b1", "<c8", "<U3", "|S4", "<M8[s]", "<u8")


def mutate_bytes(random: Random, data: bytes, others: Sequence[bytes] = (), rounds: int = 0) -> bytes:
    """Bits, bytes, integers and pieces changed, moved, repeated, left out; pieces of other files put in."""
    made = bytearray(data)
    for _ in range(rounds or 1 << random.randrange(5)):
        place = random.randrange(len(made) + 1)
        size = min(1 << random.randrange(11), random.randrange(len(made) + 1))
        what = random.randrange(9)
        if not made or what == 0:
            made[place:place] = random.randbytes(random.randrange(1, 17))
        elif what == 1:
            made[place % len(made)] ^= 1 << random.randrange(8)
        elif what == 2:
            made[place % len(made)] = random.randrange(256)
        elif what in (3, 4):
            width = random.choice((1, 2, 4, 8))
            value = random.choice(_INTEGERS + _LARGE) % (1 << 8 * width)
            made[place : place + width] = value.to_bytes(width, random.choice(("little", "big")))
        elif what == 5:
            del made[place : place + size]
        elif what == 6:
            start = random.randrange(len(made))
            made[place:place] = made[start : start + size]
        elif what == 7 and others:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            made[place : place + size] = other[start : start + size]
        else:
            del made[place:]
            made += bytes(random.choice((0, 0, 3, 1000)))
    return bytes(made)


def mutate_json(random: Random, value: Any, rounds: int = 0) -> Any:
    """A copy with values replaced, moved, repeated, left out, and keys renamed."""
    value = copy.deepcopy(value)
    for _ in range(rounds or random.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return random.choice(VALUES)
        parent, key = random.choice(places)
        what = random.randrange(8)
        if what < 3:
            parent[key] = copy.deepcopy(random.choice(VALUES))
        elif what == 3 and isinstance(parent[key], (int, float)) and not isinstance(parent[key], bool):
            parent[key] = parent[key] + random.choice((-1, 1, 1000, -1000, 0.5, parent[key]))
        elif what == 4:
            del parent[key]
        elif what == 5:
            other, place = random.choice(places)
            if other is not parent and place in _keys(other):
                parent[key] = copy.deepcopy(other[place])
        elif what == 6 and isinstance(parent, dict):
            parent[random.choice((*parent, *_TEXTS))] = parent.pop(key)
        elif isinstance(parent, list):
            parent.insert(random.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        else:
            parent[random.choice(_TEXTS)] = copy.deepcopy(parent[key])
    return value


def _keys(parent: Any) -> Any:
    return parent if isinstance(parent, dict) else range(len(parent))


def _places(value: Any) -> Any:
    for key in list(_keys(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def json_text(random: Random, value: Any) -> bytes:
    """JSON text, now and then of a kind that is none."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.9).encode("utf-8", "surrogatepass")
    if random.random() < 0.9:
        return text
    odd = random.randrange(6)
    if odd == 0:
        return b"\xef\xbb\xbf" + text
    if odd == 1:
        return text.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
    if odd == 2:
        return text.replace(b": ", b': NaN, "x": ', 1)
    if odd == 3:
        return text.replace(b'{"', b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b', "', 1)
    if odd == 4:
        return text[:-1] + b"," + text[1:]  # every key twice
    return mutate_bytes(random, text, rounds=2)


def mutate_array(random: Random, array: np.ndarray) -> np.ndarray:
    """Another dtype, shape, length, or odd values."""
    what = random.randrange(6)
    if what == 0 and array.dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            return array.astype(random.choice(("f4", "f8", "f2", "i4", "i8", "u1", "bool", "U4", "S2", "c8", ">f4")))
    if what == 1:
        return array.reshape(-1) if array.ndim > 1 else array[None]
    if what == 2:
        return array[: random.randrange(len(array) + 1)] if array.ndim and len(array) else np.zeros((0, 3), array.dtype)
    if what == 3:
        return np.concatenate((array, array)) if array.ndim else array[None]
    if array.size and array.dtype.kind in "if":
        array = array.copy()
        for _ in range(random.choice((1, 1, 5))):
            with np.errstate(all="ignore"):
                odd = random.choice(_FLOATS) if array.dtype.kind == "f" else random.choice(_INTEGERS) % (1 << 15)
                array.flat[random.randrange(array.size)] = odd
        return array
    return np.zeros(random.choice(((), (0,), (1, 1, 1, 1), (5,))), array.dtype)


def mutate_npz(random: Random, data: bytes) -> bytes:
    """An npz file with arrays changed, renamed, added, left out, or with headers that say something else."""
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(list(arrays))
        what = random.randrange(5)
        if what < 3:
            arrays[name] = mutate_array(random, arrays[name])
        elif what == 3:
            arrays.pop(name)
            if not arrays:
                arrays["x"] = np.zeros(1)
        else:
            arrays[random.choice((*arrays, "x", "blendshapes", "faces", "mask_lips"))] = arrays[name]
    members = {f"{name}.npy": _npy(random, array) for name, array in arrays.items()}
    return mutate_zip(random, members, share=0.2)


def _npy(random: Random, array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    data = buffer.getvalue()
    if random.random() < 0.85:
        return data
    changes = (
        (array.dtype.str.encode(), random.choice((*_DTYPES, "|O", "|V8")).encode()),
        (b"(", random.choice((b"(-1, ", b"(9223372036854775807, ", b"(4294967296, 4294967296, ", b"(0, ", b"(True, "))),
        (b"False", b"True "),
        (b"'descr'", b"'descx'"),
        (b"{", b"[" * 500),
    )
    old, new = random.choice(changes)
    return data[:10] + data[10:].replace(old, new, 1) if random.random() < 0.8 else mutate_bytes(random, data, rounds=2)


def mutate_zip(random: Random, members: dict[str, bytes], share: float = 1.0) -> bytes:
    """An archive of the members; in a `share` of the cases an odd one."""
    buffer, odd = io.BytesIO(), random.random() < share
    names = list(members)
    what = random.randrange(8) if odd else -1
    if what == 0:
        random.shuffle(names)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            method = random.choice((0, 8, 8, 12, 14)) if what == 1 else zipfile.ZIP_DEFLATED
            stored = random.choice((f"../{name}", f"/{name}", f"a/{name}", name.upper(), "", ".", f"{name}\0x", "é"))
            changed = what == 2 and random.random() < 0.3
            archive.writestr(zipfile.ZipInfo(stored if changed else name), members[name], method)
            if what == 3 and random.random() < 0.3:  # one name twice
                archive.writestr(zipfile.ZipInfo(name), members[random.choice(names)])
        if what == 4:
            archive.comment = random.randbytes(random.choice((1, 100, 65535)))
        if what == 5:
            for index in range(random.choice((1, 300, 3000))):
                archive.writestr(f"x{index}", b"")
    data = buffer.getvalue()
    if what == 6:
        data = random.randbytes(random.randrange(1, 100)) + data
    if what == 7:
        data = mutate_headers(random, data)
    return data


def mutate_headers(random: Random, data: bytes) -> bytes:
    """Fields of a zip's local headers, central directory and end changed."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        marks = [at for mark in (b"PK\3\4", b"PK\1\2", b"PK\5\6") for at in _found(data, mark)]
        if not marks:
            return bytes(made)
        place = random.choice(marks) + random.randrange(4, 46)
        width = random.choice((1, 2, 4))
        value = random.choice(_INTEGERS + _LARGE) % (1 << 8 * width)
        made[place : place + width] = value.to_bytes(width, "little")
    return bytes(made)


def _found(data: bytes, mark: bytes) -> list[int]:
    places, at = [], data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


_VARINT, _BYTES, _WIDTHS = 0, 2, {1: 8, 5: 4}
Field = tuple[int, int, int | bytes]  # number, wire type, value


def mutate_message(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A protobuf message with a field changed somewhere within, and the lengths around it put right."""
    fields = _fields(data)
    if not fields:
        return mutate_bytes(random, data, others, rounds=1)
    place = random.randrange(len(fields))
    number, kind, value = fields[place]
    if isinstance(value, bytes) and _fields(value) and random.random() < 0.85:
        fields[place] = number, kind, mutate_message(random, value, others)
        return _message(fields)
    what = random.randrange(6)
    if what == 0:
        del fields[place]
    elif what == 1:
        fields.insert(random.randrange(len(fields) + 1), fields[place])
    elif what == 2:
        fields[place] = random.randrange(1, 30), kind, value
    elif what == 3:
        fields[place] = number, kind, random.choice([other[2] for other in fields if other[1] == kind])
    elif isinstance(value, int):
        fields[place] = number, kind, random.choice((*_INTEGERS, *_LARGE, value + 1)) % (1 << 64)
    elif others and what == 4:
        donor = _fields(random.choice(others))
        texts = [other[2] for other in donor if isinstance(other[2], bytes)]
        fields[place] = number, kind, random.choice(texts or [b""])
    else:
        fields[place] = number, kind, mutate_bytes(random, value, rounds=1)
    return _message(fields)


def _fields(data: bytes) -> list[Field]:
    """A message's fields; none for bytes that are no message."""
    found: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29 or at > len(data):
            return []
        if kind == _VARINT:
            value, at = _varint(data, at)
            found.append((number, kind, value))
            continue
        length, at = _varint(data, at) if kind == _BYTES else (_WIDTHS.get(kind, -1), at)
        if length < 0 or at + length > len(data):
            return []
        found.append((number, kind, data[at : at + length]))
        at += length
    return found if at == len(data) else []


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    return 0, len(data) + 1


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes((*made, value))


def _message(fields: list[Field]) -> bytes:
    made = bytearray()
    for number, kind, value in fields:
        made += _number(number << 3 | kind)
        if isinstance(value, int):
            made += _number(value)
        else:
            made += (_number(len(value)) if kind == _BYTES else b"") + value
    return bytes(made)
