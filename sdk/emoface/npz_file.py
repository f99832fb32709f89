"""Arrays of npz files: plain little-endian numbers and texts, never unpickled, never more than allowed."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.archive import Archive
from emoface.errors import ManifestError, PackageError
from emoface.package_files import FETCH, Allowance, bomb

Arrays = dict[str, npt.NDArray[Any]]

_MOST_BYTES = 2 << 30
_MOST_HEADER = 10_000
_MOST_AXES = 8
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}\.npy")
# The header is a Python literal: read by its one form, not evaluated.
_EXTENTS = r"(?:0|[1-9][0-9]{0,9})"
_HEADER = re.compile(
    r"\{'descr': *'([^'\\\n]{1,16})', *'fortran_order': *(False|True), *'shape': *"
    rf"\(((?:{_EXTENTS}(?:, *{_EXTENTS})*,?)?)\),? *\}} *\n?".encode()
)
_NUMBER = re.compile(r"\|[uib]1|<[iu][248]|<f[248]")
_TEXT = re.compile(r"<U([1-9][0-9]{0,4})")


def read_arrays(name: str, data: bytes, allowance: Allowance) -> Arrays:
    """All arrays of an npz file, by name; ManifestError (field `contents`) for anything else."""

    def fault(why: str) -> ManifestError:
        return ManifestError(name, "contents", why, "an npz file of plain little-endian arrays", FETCH)

    def check_name(member: str) -> None:
        if not _NAME.fullmatch(member):
            raise fault("a member that is no array")

    archive = Archive(io.BytesIO(data), fault, check_name)
    if archive.inflated > _MOST_BYTES or not allowance.spend(archive.inflated):
        raise bomb(name, archive.inflated)
    return {member.removesuffix(".npy"): _array(name, archive.read(member)) for member in archive.members}


def read_npz(file: Path) -> Arrays:
    """All arrays of a file of a user's own; ValueError for anything else, OSError where it cannot be read."""
    data = file.read_bytes()
    try:
        return read_arrays(file.name, data, Allowance(len(data)))
    except PackageError as error:
        raise ValueError(error.got) from None


def _array(name: str, data: bytes) -> npt.NDArray[Any]:
    def fault(why: str) -> ManifestError:
        return ManifestError(name, "contents", why, "an npz file of plain little-endian arrays", FETCH)

    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise fault("no .npy file")
    version, minor = data[6], data[7]
    width = 2 if version == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    if version not in (1, 2, 3) or minor or start - 8 - width > _MOST_HEADER or start > len(data):
        raise fault("a broken array header")
    match = _HEADER.fullmatch(data, 8 + width, start)
    if match is None:
        raise fault("a broken array header")
    dtype, shape = match[1].decode("latin-1"), tuple(int(extent) for extent in re.findall(rb"[0-9]+", match[3]))
    if not _NUMBER.fullmatch(dtype) and not _TEXT.fullmatch(dtype):
        raise fault(f"an array of dtype {dtype!a}")
    kind = np.dtype(dtype)
    fits = len(shape) <= _MOST_AXES and math.prod(filter(None, shape)) * kind.itemsize <= _MOST_BYTES
    if not fits or math.prod(shape) * kind.itemsize != len(data) - start:
        raise fault("an array whose bytes do not fit its shape")
    return np.frombuffer(data, kind, offset=start).reshape(shape, order="F" if match[2] == b"True" else "C")


def take_array(
    file: str, arrays: Mapping[str, npt.NDArray[Any]], key: str, shape: tuple[int | None, ...], dtype: str | None
) -> npt.NDArray[Any]:
    """An array of this shape (None: any extent) and dtype (None: any), in C order and read-only."""
    expected = f"shape {shape} {np.dtype(dtype).name if dtype else 'text'}".replace("None", "any")
    if key not in arrays:
        raise array_fault(file, key, "nothing", f"an array of {expected}")
    array = arrays[key]
    fits = array.ndim == len(shape) and all(e in (None, a) for e, a in zip(shape, array.shape, strict=True))
    if not fits or (dtype is not None and array.dtype.str != dtype):
        raise array_fault(file, key, f"shape {array.shape} {array.dtype}", expected)
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def check_finite(file: str, key: str, array: npt.NDArray[Any]) -> None:
    """ManifestError for an array of floats with NaN or infinity."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise array_fault(file, key, "NaN or infinite values", "finite values")


def array_fault(file: str, field: str, got: str, expected: str) -> ManifestError:
    """The error for an array of an npz file of a package."""
    return ManifestError(file, field, got, expected, FETCH)
