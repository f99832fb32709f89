"""Every reader of packages, as a function: path -> verdict and the beginning of its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import c_interface as abi

from emoface import Package
from emoface.errors import (
    ManifestError,
    PackageError,
    PackageFormatError,
    PackageIntegrityError,
    PackageNotFoundError,
)

STATUSES = {
    ManifestError: "MANIFEST",
    PackageFormatError: "PACKAGE_FORMAT",
    PackageIntegrityError: "PACKAGE_INTEGRITY",
    PackageNotFoundError: "PACKAGE_NOT_FOUND",
}


@dataclass(frozen=True)
class Answer:
    """What a reader says: a verdict, and where it is a refusal the text without the package's own name."""

    verdict: str
    text: str = ""

    @property
    def place(self) -> str:
        """File and field of a manifest's fault, and what other texts begin with: the part that all readers share."""
        got = self.text.partition("; expected ")[0]
        return got.partition(" = ")[0] if self.verdict == "MANIFEST" else got


def _answer(verdict: str, text: str, source: str) -> Answer:
    text = text.removeprefix("got ")
    return Answer(verdict, text.removeprefix(f"{source}: ").replace(f"{source} ", "", 1))


def python(path: Path) -> Answer:
    """`emoface.Package.load`."""
    try:
        Package.load(path)
    except PackageError as error:
        return _answer(STATUSES[type(error)], str(error), str(path))
    return Answer("OK")


_loaded: list[abi.Api] = []


def _library() -> abi.Api:
    if not _loaded:
        _loaded.append(abi.Api(abi.load()))
    return _loaded[0]


def c(path: Path) -> Answer:
    """`emoface_package_open`."""
    return _opened(path, str(path))


def c_memory(path: Path) -> Answer:
    """`emoface_package_open_memory`, of a zip."""
    return of_memory(path.read_bytes())


def of_memory(data: bytes) -> Answer:
    """`emoface_package_open_memory`."""
    return _opened(data, "the package in memory")


def _opened(package: Path | bytes, source: str) -> Answer:
    try:
        _library().open(package)
    except abi.StatusError as error:
        return _answer(error.name, error.text, source)
    return Answer("OK")


Reader = Callable[[Path], Answer]
READERS: dict[str, Reader] = {"python": python}
if abi.LIBRARY.is_file():
    READERS |= {"c": c, "c, from memory": c_memory}


def readers_of(form: str) -> dict[str, Reader]:
    """The readers that take a package of this form."""
    return {name: reader for name, reader in READERS.items() if form == "zip" or name != "c, from memory"}
