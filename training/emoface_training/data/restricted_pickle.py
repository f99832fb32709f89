"""Pickles of published datasets, read without running anything they name.

A pickle is a program that may call any function. This reader knows a short list of names: how numpy rebuilds arrays,
plain containers, and two inert stand-ins for the classes inside FLAME model files (chumpy arrays and scipy sparse
matrices, of which only the numbers are taken). Any other name is refused before it is imported.
"""

from __future__ import annotations

import codecs
import collections
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from emoface_training.errors import DatasetError

LARGEST_DENSE = 10**7  # numbers in a sparse matrix: FLAME's regressor has 25115


class SavedState:
    """Stand-in for an object of a foreign class: its saved attributes, no behaviour."""

    # A class attribute, since an object can be rebuilt without its constructor
    state: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state = state


class ChumpyArray(SavedState):
    """A chumpy array: `x` is its value."""


class SparseMatrix(SavedState):
    """A scipy CSC or CSR matrix: data, indices, indptr and shape."""


class CscMatrix(SparseMatrix):
    """Compressed by columns."""


class CsrMatrix(SparseMatrix):
    """Compressed by rows."""


def _reconstructor(cls: type, base: type, state: Any) -> Any:
    """`copyreg._reconstructor` for the stand-ins alone."""
    if not (isinstance(cls, type) and issubclass(cls, SavedState)):
        raise pickle.UnpicklingError(f"an instance of {cls!r}")
    return cls()


_ARRAY = {"_reconstruct", "scalar"}
_NAMES: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,  # how protocol 2 stores the bytes of an array
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("chumpy.ch", "Ch"): ChumpyArray,
}
for _builtin in (set, frozenset, bytearray, complex, list, dict, tuple, str, bytes, int, float, bool, object, slice):
    _NAMES["builtins", _builtin.__name__] = _NAMES["__builtin__", _builtin.__name__] = _builtin
for _module in ("csc", "_csc"):
    _NAMES[f"scipy.sparse.{_module}", "csc_matrix"] = CscMatrix
for _module in ("csr", "_csr"):
    _NAMES[f"scipy.sparse.{_module}", "csr_matrix"] = CsrMatrix


class RestrictedUnpickler(pickle.Unpickler):
    """Knows the names above and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in _ARRAY:
            return getattr(np._core.multiarray, name)
        if module in ("numpy.core.numeric", "numpy._core.numeric") and name == "_frombuffer":
            return np._core.numeric._frombuffer
        if module == "numpy.dtypes" and name.endswith("DType") and hasattr(np.dtypes, name):
            return getattr(np.dtypes, name)
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def read_pickle(path: Path) -> Any:
    """The content of a pickle file (Python 2 strings as latin1).

    Raises DatasetError when it is missing, damaged, or names anything but numpy arrays and plain containers.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"no file {path}", "it in this layout", "See docs/datasets.md.")
    try:
        with path.open("rb") as stream:
            return RestrictedUnpickler(stream, encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise DatasetError(
            f"{path}, which is more than numpy arrays and plain containers ({error})",
            "those alone: a pickle can run any program, so it was not loaded",
            "Get the file from its publisher.",
        ) from None
    except (OSError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError, ImportError) as error:
        raise DatasetError(
            f"{path}, which is no readable pickle ({error})", "the published file", "Copy it again."
        ) from None


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
    if not 0 < rows * columns <= LARGEST_DENSE:
        raise ValueError(f"a sparse matrix of {rows} x {columns}")
    dense = np.zeros((rows, columns))
    major = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    place = (indices, major) if isinstance(matrix, CscMatrix) else (major, indices)
    np.add.at(dense, place, data)
    return dense
