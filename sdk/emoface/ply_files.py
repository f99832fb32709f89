"""A small reader of PLY meshes: ascii and binary little endian, positions and triangles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

_TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1"},
    **{"short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2"},
    **{"int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4"},
    **{"float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8"},
}


@dataclass(frozen=True)
class _Property:
    """A scalar property, or a list one where `count` is the type of its length."""

    name: str
    kind: str
    count: str | None = None


@dataclass
class _Element:
    name: str
    size: int
    properties: list[_Property] = field(default_factory=list)


def read_ply(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    """Positions (V, 3) and triangles (F, 3) or None, in the order of the file; ValueError for anything it cannot read.

    Other properties and elements are passed over. Faces that are not triangles are an error, since splitting them
    would make another topology.
    """
    content = file.read_bytes()
    binary, elements, start = _header(content)
    positions: npt.NDArray[np.float64] | None = None
    faces: npt.NDArray[np.int64] | None = None
    reader = _Binary(content, start) if binary else _Ascii(content, start)
    for element in elements:
        if element.name == "vertex":
            columns = reader.scalars(element)
            missing = {"x", "y", "z"} - set(columns)
            if missing:
                raise ValueError(f"vertices without {', '.join(sorted(missing))}")
            positions = np.stack([columns[axis] for axis in "xyz"], axis=1)
        elif element.name == "face":
            faces = reader.triangles(element)
        elif positions is not None and faces is not None:
            break
        else:
            reader.skip(element)
    if positions is None:
        raise ValueError("no vertex element")
    return positions, faces


def _header(content: bytes) -> tuple[bool, list[_Element], int]:
    end = content.find(b"end_header")
    line_end = content.find(b"\n", end)
    if not content.startswith(b"ply") or end < 0 or line_end < 0:
        raise ValueError("not a PLY file, or its header has no end")
    form, elements = "", list[_Element]()
    for line in content[:end].decode("ascii", errors="replace").splitlines()[1:]:
        words = line.split()
        match words:
            case ["format", form, *_]:
                pass
            case ["element", name, size] if size.isdigit():
                elements.append(_Element(name, int(size)))
            case ["property", "list", count, kind, name] if elements and {count, kind} <= _TYPES.keys():
                elements[-1].properties.append(_Property(name, _TYPES[kind], _TYPES[count]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].properties.append(_Property(name, _TYPES[kind]))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise ValueError(f"header line {line!r}")
    if form not in ("ascii", "binary_little_endian"):
        raise ValueError(f"format {form!r}; only ascii and binary_little_endian are read")
    return form != "ascii", elements, line_end + 1


def _indices(element: _Element) -> _Property:
    for item in element.properties:
        if item.count is not None and item.name in ("vertex_indices", "vertex_index"):
            return item
    raise ValueError("faces without a list vertex_indices")


def _require_scalars(element: _Element) -> None:
    if any(item.count is not None for item in element.properties):
        raise ValueError(f"list properties in element {element.name!r}")


class _Ascii:
    """Values as text, one item a line."""

    def __init__(self, content: bytes, start: int) -> None:
        self._lines = [line for line in content[start:].decode("ascii", errors="replace").splitlines() if line.strip()]

    def _take(self, element: _Element) -> list[str]:
        lines, self._lines = self._lines[: element.size], self._lines[element.size :]
        if len(lines) < element.size:
            raise ValueError(f"truncated: {len(lines)} of {element.size} items of element {element.name!r}")
        return lines

    def scalars(self, element: _Element) -> dict[str, npt.NDArray[np.float64]]:
        """The columns of an element without lists."""
        _require_scalars(element)
        rows = [[float(word) for word in line.split()] for line in self._take(element)]
        if any(len(row) != len(element.properties) for row in rows):
            raise ValueError(f"an item of element {element.name!r} without {len(element.properties)} values")
        table = np.asarray(rows, np.float64).reshape(-1, len(element.properties))
        return {item.name: table[:, column] for column, item in enumerate(element.properties)}

    def triangles(self, element: _Element) -> npt.NDArray[np.int64]:
        """The lists of vertex indices (F, 3)."""
        wanted, rows = _indices(element), list[list[int]]()
        for line in self._take(element):
            words, position = line.split(), 0
            for item in element.properties:
                length = 1 if item.count is None else int(words[position])
                position += item.count is not None
                if item is wanted:
                    rows.append([int(word) for word in words[position : position + length]])
                    if length != 3 or len(rows[-1]) != 3:
                        raise ValueError(f"a face with {length} corners")
                position += length
        return np.asarray(rows, np.int64).reshape(-1, 3)

    def skip(self, element: _Element) -> None:
        """Passes over an element."""
        self._take(element)


class _Binary:
    """Values as packed little-endian numbers."""

    def __init__(self, content: bytes, start: int) -> None:
        self._content = content
        self._position = start

    def _take(self, kind: np.dtype[np.void], count: int) -> npt.NDArray[np.void]:
        left = len(self._content) - self._position
        if kind.itemsize * count > left:
            raise ValueError(f"truncated: {left} bytes left of {kind.itemsize * count}")
        table = np.frombuffer(self._content, kind, count, self._position)
        self._position += kind.itemsize * count
        return table

    def scalars(self, element: _Element) -> dict[str, npt.NDArray[np.float64]]:
        """The columns of an element without lists."""
        _require_scalars(element)
        kind = np.dtype([(item.name, item.kind) for item in element.properties])
        table = self._take(kind, element.size)
        return {item.name: table[item.name].astype(np.float64) for item in element.properties}

    def triangles(self, element: _Element) -> npt.NDArray[np.int64]:
        """The lists of vertex indices (F, 3)."""
        wanted = _indices(element)
        if sum(item.count is not None for item in element.properties) != 1:
            raise ValueError("faces with more lists than one")
        # As all faces must be triangles, a list is one length and three indices: a fixed record.
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        for item in element.properties:
            if item.count is None:
                fields.append((item.name, item.kind))
            else:
                fields += [("length", item.count), ("corners", item.kind, (3,))]
        start = self._position
        first = np.dtype(fields[: [entry[0] for entry in fields].index("length") + 1])
        if element.size and self._take(first, 1)["length"][0] != 3:
            raise ValueError(f"faces with other than 3 corners in {wanted.name}")
        self._position = start
        table = self._take(np.dtype(fields), element.size)
        if (table["length"] != 3).any():
            raise ValueError(f"faces with other than 3 corners in {wanted.name}")
        return table["corners"].astype(np.int64)

    def skip(self, element: _Element) -> None:
        """Passes over an element of scalars."""
        _require_scalars(element)
        self._take(np.dtype([(item.name, item.kind) for item in element.properties]), element.size)
