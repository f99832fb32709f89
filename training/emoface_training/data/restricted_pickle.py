"""Pickles of published datasets, read without running anything they name.

A pickle is a program that may call any function. This reader knows a short list of names: how numpy rebuilds arrays,
plain containers, and stand-ins for the classes inside FLAME model files (chumpy arrays and scipy sparse matrices, of
which only the numbers are taken). Any other name is refused before it is imported. Before the first instruction runs,
all are read: lengths, places and their number are then known to fit the file.
"""

from __future__ import annotations

import collections
import pickle
import pickletools
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from emoface_training.data.pickled_objects import (
    ArrayClass,
    ChumpyArray,
    CscMatrix,
    CsrMatrix,
    Known,
    SavedArray,
    SavedState,
    SavedType,
    SparseMatrix,
    from_buffer,
    rebuilt,
    reconstructed,
    scalar,
)
from emoface_training.errors import DatasetError

LARGEST_DENSE = 10**7  # numbers in a sparse matrix: FLAME's regressor has 25115
LARGEST_EXPANDED = 10**9  # values of nested lists, where one that is named twice counts twice
DEEPEST = 32
_REFUSED = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
_PLACES = {"PUT", "BINPUT", "LONG_BINPUT"}
_CLASSES: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): ArrayClass,
    ("numpy", "dtype"): SavedType,
    ("chumpy.ch", "Ch"): ChumpyArray,
}
for _module in ("csc", "_csc"):
    _CLASSES[f"scipy.sparse.{_module}", "csc_matrix"] = CscMatrix
for _module in ("csr", "_csr"):
    _CLASSES[f"scipy.sparse.{_module}", "csr_matrix"] = CsrMatrix


class RestrictedUnpickler(pickle.Unpickler):
    """Knows the names below and no other; what they make may take a few times the file's size."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        super().__init__(stream, encoding="latin1")
        self._left = 4 * size + 2**16
        functions = {
            ("copyreg", "_reconstructor"): reconstructed,
            ("_codecs", "encode"): self._encode,  # how protocol 2 stores the bytes of an array
            ("collections", "OrderedDict"): self._ordered,
            ("builtins", "set"): self._set,
            ("builtins", "frozenset"): self._frozenset,
            ("builtins", "bytearray"): self._bytearray,
            ("builtins", "bytes"): self._no_bytes,
            ("builtins", "complex"): self._complex,
            ("builtins", "object"): self._object,
        }
        for core in ("numpy.core", "numpy._core"):
            functions[f"{core}.multiarray", "_reconstruct"] = rebuilt
            functions[f"{core}.multiarray", "scalar"] = scalar
            functions[f"{core}.numeric", "_frombuffer"] = from_buffer
        functions["copy_reg", "_reconstructor"] = reconstructed
        functions |= {("__builtin__", name): f for (module, name), f in functions.items() if module == "builtins"}
        self._known = {name: Known(function) for name, function in functions.items()}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
        if (module, name) in self._known:
            return self._known[module, name]
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise pickle.UnpicklingError("it makes far more than it holds")

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        if type(text) is not str or encoding != "latin1":
            raise pickle.UnpicklingError(f"text in {str(encoding)[:40]!r}")
        self._spend(len(text))
        return text.encode("latin1")

    def _ordered(self, pairs: Any = ()) -> collections.OrderedDict:
        self._spend(len(pairs))
        return collections.OrderedDict(pairs)

    def _set(self, values: Any = ()) -> set:
        self._spend(len(values))
        return set(values)

    def _frozenset(self, values: Any = ()) -> frozenset:
        self._spend(len(values))
        return frozenset(values)

    def _bytearray(self, content: Any = b"", encoding: str = "latin1") -> bytearray:
        if isinstance(content, str):
            content = self._encode(content, encoding.replace("latin-1", "latin1"))
        if not isinstance(content, bytes):  # a number would be a length
            raise pickle.UnpicklingError("a bytearray of no bytes")
        self._spend(len(content))
        return bytearray(content)

    def _no_bytes(self) -> bytes:
        return b""

    def _complex(self, real: float, imaginary: float) -> complex:
        return complex(float(real), float(imaginary))

    def _object(self) -> None:
        raise pickle.UnpicklingError("a bare object")


def read_pickle(path: Path) -> Any:
    """The content of a pickle file (Python 2 strings as latin1).

    Raises DatasetError when it is missing, damaged, or names anything but numpy arrays and plain containers.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"no file {path}", "it in this layout", "See docs/datasets.md.")
    try:
        with path.open("rb") as stream:
            _survey(stream)
            stream.seek(0)
            return _plain(RestrictedUnpickler(stream, path.stat().st_size).load(), {}, 0)[0]
    except pickle.UnpicklingError as error:
        raise DatasetError(
            f"{path}, which is more than numpy arrays and plain containers ({error})",
            "those alone: a pickle can run any program, so it was not loaded",
            "Get the file from its publisher.",
        ) from None
    except (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, ImportError, MemoryError) as error:
        raise DatasetError(
            f"{path}, which is no readable pickle ({error})", "the published file", "Copy it again."
        ) from None


def _survey(stream: BinaryIO) -> None:
    """Read every instruction without running one. Raises ValueError for lengths beyond the file's end.

    Raises UnpicklingError for instructions that no data need, and for a memo that would grow beyond their number.
    """
    count, name = 0, ""
    while name != "STOP":
        count += 1
        operation = pickletools.code2op.get(stream.read(1).decode("latin1"))
        if operation is None:
            raise ValueError("it ends, or is damaged, before its last instruction")
        name, argument = operation.name, None
        if name == "STRING":  # pickletools takes it for ASCII
            stream.readline()
        elif operation.arg is not None:
            argument = operation.arg.reader(stream)
        if name in _REFUSED:
            raise pickle.UnpicklingError(f"the instruction {name}")
        if name in _PLACES and not 0 <= argument <= count:
            raise pickle.UnpicklingError(f"a memo with {argument} places")


def _plain(value: Any, done: dict[int, tuple[Any, Any, int]], depth: int) -> tuple[Any, int]:
    """The value with arrays in place of `SavedArray`, and how many values it has when written out.

    done: by identity, what it was (so that no other object gets that identity), what it became, and its count.
    """
    if not isinstance(value, (list, tuple, dict, SavedArray, SavedState)):
        if isinstance(value, (Known, SavedType, type)):
            raise pickle.UnpicklingError("a function or type in place of a value")
        return value, 1
    if id(value) in done:
        _, known, count = done[id(value)]
        if not count:
            raise pickle.UnpicklingError("a container that holds itself")
        return known, count
    if depth > DEEPEST:
        raise pickle.UnpicklingError(f"containers more than {DEEPEST} deep")
    done[id(value)] = (value, None, 0)
    if isinstance(value, SavedArray):
        result: Any = value.array
        count = 1 + result.size
    elif isinstance(value, SavedState):
        inner, count = _plain(dict(value.state), done, depth + 1)
        value.state, result = inner, value
    elif isinstance(value, dict):
        counts = 0
        for key in value:
            if isinstance(key, (SavedArray, SavedState)):
                raise pickle.UnpicklingError("an array as a key")
            value[key], more = _plain(value[key], done, depth + 1)
            counts += more
        result, count = value, 1 + counts
    else:
        parts = [_plain(item, done, depth + 1) for item in value]
        items = [item for item, _ in parts]
        count = 1 + sum(more for _, more in parts)
        if isinstance(value, list):
            value[:] = items
            result = value
        else:
            result = tuple(items)
    if count > LARGEST_EXPANDED:
        raise pickle.UnpicklingError("lists that name each other more often than any data")
    done[id(value)] = (value, result, count)
    return result, count


def as_array(value: Any) -> np.ndarray:
    """A dense array of what a FLAME file stores: array, chumpy array or sparse matrix. ValueError for others."""
    if isinstance(value, ChumpyArray):
        return as_array(value.state.get("x"))
    if isinstance(value, SparseMatrix):
        return _dense(value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{type(value).__name__} instead of numbers")
    return array


def _dense(matrix: SparseMatrix) -> np.ndarray:
    state = matrix.state
    try:
        data, indices, ends = (np.asarray(state[name]) for name in ("data", "indices", "indptr"))
        rows, columns = (int(size) for size in state.get("_shape", state.get("shape")))
    except (KeyError, TypeError, ValueError):
        raise ValueError("a sparse matrix without its numbers") from None
    if rows < 1 or columns < 1 or rows * columns > LARGEST_DENSE:
        raise ValueError(f"a sparse matrix of {rows} x {columns}")
    major_size, minor_size = (columns, rows) if isinstance(matrix, CscMatrix) else (rows, columns)
    numbers = (data, indices, ends)
    whole = all(part.ndim == 1 for part in numbers) and data.dtype.kind in "fiu" and len(data) == len(indices)
    whole = whole and all(part.dtype.kind in "iu" for part in (indices, ends)) and len(ends) == major_size + 1
    if not whole or ends[0] != 0 or ends[-1] != len(data) or (np.diff(ends.astype(np.int64)) < 0).any():
        raise ValueError("a sparse matrix whose parts do not fit each other")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < minor_size:
        raise ValueError("a sparse matrix with indices outside its shape")
    dense = np.zeros((rows, columns))
    major = np.repeat(np.arange(major_size), np.diff(ends.astype(np.int64)))
    place = (indices, major) if isinstance(matrix, CscMatrix) else (major, indices)
    np.add.at(dense, place, data)
    return dense
