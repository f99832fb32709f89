"""Inert stand-ins for the classes and functions that pickles of data sets name.

numpy's own constructors trust their arguments: an array of dtype object takes the numbers of a buffer for addresses.
So none of them is called here. What a pickle says of an array is kept as it is said, and becomes an array only where
dtype, shape and bytes fit each other.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

MOST_DIMENSIONS = 8
LARGEST_EXTENT = 2**40
KEPT = ("x", "data", "indices", "indptr", "shape", "_shape")  # of a foreign object's attributes
_TYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6})|[?bBhHiIlLqQefdFD]")


class Known:
    """A function that a pickle may call. Nothing of it can be changed from there."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function with a state")

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("a function with attributes")


class SavedState:
    """Stand-in for an object of a foreign class: its saved numbers, no behaviour."""

    # A class attribute, since an object can be rebuilt without its constructor
    state: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state = {name: state[name] for name in KEPT if name in state}


class ChumpyArray(SavedState):
    """A chumpy array: `x` is its value."""


class SparseMatrix(SavedState):
    """A scipy CSC or CSR matrix: data, indices, indptr and shape."""


class CscMatrix(SparseMatrix):
    """Compressed by columns."""


class CsrMatrix(SparseMatrix):
    """Compressed by rows."""


class SavedType:
    """`numpy.dtype` of numbers or text of fixed size, with its byte order. No objects, fields or sub-arrays."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any = None, align: Any = False, copy: Any = True) -> None:
        if not (isinstance(code, str) and _TYPE.fullmatch(code)):
            raise pickle.UnpicklingError(f"an array of type {str(code)[:40]!r}")
        self._code, self._order = code, "="

    def __setstate__(self, state: Any) -> None:
        order, *inner = state[1:5]
        if order not in ("<", ">", "=", "|") or any(part is not None for part in inner):
            raise pickle.UnpicklingError("an array with fields, sub-arrays or a byte order of its own")
        self._order = order

    @property
    def dtype(self) -> np.dtype:
        dtype = np.dtype(self._code)
        return dtype if self._order in "=|" else dtype.newbyteorder(self._order)


class SavedArray:
    """`numpy.ndarray` as a pickle describes it: nothing is allocated, the bytes of the file are looked at."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[Any, Any, bool, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise pickle.UnpicklingError("an array whose state is none")
        shape, dtype, fortran, content = state[-4:]
        self._parts = (shape, dtype, bool(fortran), content)

    @property
    def array(self) -> np.ndarray:
        """A view of the bytes that the pickle holds."""
        if self._parts is None:
            raise pickle.UnpicklingError("an array without its content")
        return view(*self._parts)


class ArrayClass:
    """`numpy.ndarray` where a pickle names it: never called, only given to `rebuilt`."""

    __slots__ = ()

    def __new__(cls, *arguments: Any) -> ArrayClass:
        raise pickle.UnpicklingError("an array made by numpy.ndarray itself")


def view(shape: Any, dtype: Any, fortran: bool, content: Any) -> np.ndarray:
    """An array over bytes. Raises UnpicklingError unless shape and type say exactly as many bytes as there are."""
    if isinstance(content, str):  # of Python 2
        content = content.encode("latin1")
    if not isinstance(dtype, SavedType) or not isinstance(content, (bytes, bytearray)):
        raise pickle.UnpicklingError(f"an array of a {type(content).__name__}, expected its bytes")
    if not isinstance(shape, tuple) or len(shape) > MOST_DIMENSIONS:
        raise pickle.UnpicklingError("an array of odd shape")
    if not all(type(extent) is int and 0 <= extent < LARGEST_EXTENT for extent in shape):
        raise pickle.UnpicklingError(f"an array of shape {str(shape)[:80]}")
    kind = dtype.dtype
    if math.prod(shape) * kind.itemsize != len(content):
        raise pickle.UnpicklingError(f"an array {shape} of {kind} in {len(content)} bytes")
    if not len(content):
        return np.zeros(shape, kind)
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


def rebuilt(cls: Any, shape: Any, kind: Any) -> SavedArray:
    """`numpy.core.multiarray._reconstruct`: an array whose state follows."""
    if cls is not ArrayClass:
        raise pickle.UnpicklingError(f"an array of class {str(cls)[:80]}")
    return SavedArray()


def from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """`numpy.core.numeric._frombuffer` of protocol 5."""
    return view(shape, dtype, order == "F", content)


def scalar(dtype: Any, content: Any = b"") -> np.generic:
    """`numpy.core.multiarray.scalar`."""
    return view((), dtype, False, content)[()]


def reconstructed(cls: Any, base: Any = None, state: Any = None) -> SavedState:
    """`copyreg._reconstructor` for the stand-ins alone."""
    if not (isinstance(cls, type) and issubclass(cls, SavedState)):
        raise pickle.UnpicklingError(f"an instance of {str(cls)[:80]}")
    return cls()
