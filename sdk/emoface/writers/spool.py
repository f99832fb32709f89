"""Arrays that grow on disk instead of in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK_BYTES = 1 << 18


class Spool:
    """Rows of one shape, appended at the end and read anywhere, in a file without a name: it goes with its process.

    Args:
        folder: where the file lies.
        dtype: of the rows. Their shape is that of the first that are appended, even if these are none.
    """

    def __init__(self, folder: Path, dtype: DTypeLike = np.float32) -> None:
        self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 -- closed by `close`
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._row: tuple[int, ...] = ()
        self._count: int = 0
        self._started = False

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (n, ...) at the end."""
        if not self._started:
            self._row, self._started = rows.shape[1:], True
        self._file.seek(0, 2)
        self._file.write(content(rows, self._dtype))
        self._count += len(rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows together, as an array's."""
        return (self._count, *self._row)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[Any]:
        """The rows of a slice without steps, or of an array of indices."""
        if isinstance(index, slice):
            start, stop, _ = index.indices(self._count)
            return self._read(start, max(0, stop - start))
        return np.concatenate([self._read(int(place), 1) for place in index]) if len(index) else self._read(0, 0)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All rows in order, some megabytes at a time."""
        size = max(1, BLOCK_BYTES // max(1, self._bytes))
        for start in range(0, self._count, size):
            yield self[start : start + size]

    def close(self) -> None:
        """Release the file and its space."""
        self._file.close()

    @property
    def _bytes(self) -> int:
        return self._dtype.itemsize * int(np.prod(self._row, dtype=np.int64))

    def _read(self, start: int, count: int) -> NDArray[Any]:
        self._file.seek(start * self._bytes)
        values = self._file.read(count * self._bytes)
        return np.frombuffer(values, self._dtype).reshape(count, *self._row)


def content(array: NDArray[Any], dtype: DTypeLike) -> memoryview | bytes:
    """The bytes of an array as `dtype`, little-endian."""
    values = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return values.data.cast("B") if values.size else b""
