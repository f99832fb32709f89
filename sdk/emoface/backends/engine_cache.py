"""The cache of TensorRT engines: one file per stage, outside the package, refused unless it fits.

An engine is good for exactly what it was built from and for: the package's bytes, the TensorRT flavour and version, the
precision, the GPUs, the plugin, the block size and the platform. All of it is the file's path below the cache's root
and again its header, so an engine that was copied, renamed or left from an older version is found out and named.

File: `EMOFENG1`, the header's length as a little-endian uint32, the header (JSON), the engine. Files are written whole
beside their place and moved there, so readers never see half of one. An engine is code for the GPU: keep the cache as
safe as the program, for its header protects against mistakes, not against malice.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from emoface.errors import BackendError, OutputError

ENVIRONMENT = "EMOFACE_CACHE"
SUFFIX = ".engine"
_MAGIC = b"EMOFENG1"
_MAX_HEADER = 1 << 20
_MAX_ENGINE = 8 << 30
# How a fact is called in a message
_NAMES = {
    "package": "package SHA-256",
    "stage": "stage",
    "flavour": "TensorRT flavour",
    "version": "TensorRT version",
    "precision": "precision",
    "gpus": "GPUs",
    "plugin": "SpiralConv3D plugin",
    "block_ms": "block in ms",
    "platform": "platform",
}


def cache_root(path: str | Path | None = None) -> Path:
    """The cache's folder: `path`, else $EMOFACE_CACHE, else `emoface` in the user's cache folder."""
    if path is not None:
        return Path(path)
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "emoface" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emoface"


def platform_name() -> str:
    """Operating system and processor: engines are not portable between them."""
    return f"{sys.platform}-{platform.machine().lower()}"


@dataclass(frozen=True)
class EngineKey:
    """What an engine is good for.

    Attributes:
        package: SHA-256 of the package's manifest, which holds that of every file.
        stage: stage name.
        flavour: "rtx" or "full".
        version: TensorRT's version, all of it.
        precision: "fp32", "fp16" or "int8" (8-bit weights, computed in float).
        gpus: compute capabilities ("sm86", ...) for rtx; one GPU's capability and name for full.
        plugin: the plugin's version, "" where the graph's function body was compiled.
        block_ms: block size of the streams.
        platform: of the machine that runs it.
    """

    package: str
    stage: str
    flavour: str
    version: str
    precision: str
    gpus: tuple[str, ...]
    plugin: str
    block_ms: int
    platform: str

    def path(self, root: Path) -> Path:
        """The engine's place below `root`."""
        gpus = re.sub(r"[^a-z0-9+]+", "-", "+".join(self.gpus).lower()).strip("-")
        kind = f"plugin{self.plugin}" if self.plugin else "body"
        library = f"{self.flavour}-{self.version}-{self.platform}"
        return root / self.package[:16] / library / f"{self.precision}-{gpus}-{kind}-{self.block_ms}ms" / self.file_name

    @property
    def file_name(self) -> str:
        return f"{self.stage}{SUFFIX}"


@dataclass(frozen=True)
class EngineHeader:
    """The facts in front of an engine: key, lengths n (low, high) it runs, size, digest and seconds of its build."""

    key: EngineKey
    lengths: tuple[int, int]
    bytes: int
    sha256: str
    build_seconds: float


def write_engine(root: Path, key: EngineKey, lengths: tuple[int, int], data: bytes, build_seconds: float) -> Path:
    """Store an engine at its place, whole or not at all; OutputError where that cannot be written."""
    header = EngineHeader(key, lengths, len(data), hashlib.sha256(data).hexdigest(), round(build_seconds, 3))
    text = json.dumps(asdict(header), sort_keys=True).encode()
    path = key.path(root)
    # Not a name that readers look for, and not from `tempfile`, whose files nobody else may read: engines are shipped.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            for part in (_MAGIC, len(text).to_bytes(4, "little"), text, data):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(
            f"{path}: {error.strerror or error}", "a cache that can be written", f"Choose another with ${ENVIRONMENT}."
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def read_header(path: Path) -> EngineHeader:
    """The header of an engine file; BackendError where it is damaged or no engine."""
    return _read(path)[0]


def read_engine(path: Path, wanted: EngineKey) -> tuple[EngineHeader, bytes]:
    """Header and engine, checked against `wanted` and against its own digest; BackendError with what differs."""
    header, data = _read(path, True)
    require_same(path, header.key, wanted)
    digest = hashlib.sha256(data).hexdigest()
    if digest != header.sha256:
        raise _damaged(path, f"SHA-256 {digest}", header.sha256)
    return header, data


def require_same(path: Path, got: EngineKey, wanted: EngineKey) -> None:
    """Refuse an engine that was built for something else."""
    reasons = differences(got, wanted)
    if reasons:
        raise BackendError(
            f"{path}: an engine of " + ", ".join(f"{name} {value}" for name, value, _ in reasons),
            ", ".join(f"{name} {value}" for name, _, value in reasons),
            "Build it here with `emoface engine`, or point $" + ENVIRONMENT + " at the engines of this package.",
        )


def differences(got: EngineKey, wanted: EngineKey) -> list[tuple[str, str, str]]:
    """(fact, got, wanted) for all that differs."""
    pairs = [(field.name, getattr(got, field.name), getattr(wanted, field.name)) for field in fields(EngineKey)]
    return [(_NAMES[name], _text(a), _text(b)) for name, a, b in pairs if a != b]


def stored_engines(root: Path, package: str) -> Iterator[tuple[Path, EngineHeader]]:
    """Every engine of a package in the cache, sorted by path; damaged files are errors, not skipped."""
    for path in sorted((root / package[:16]).glob(f"*/*/*{SUFFIX}")):
        yield path, read_header(path)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    return str(value)[:16] if value != "" else "none"


def _damaged(path: Path, got: str, expected: str) -> BackendError:
    return BackendError(f"{path}: {got}", expected, "Delete the file and build it again with `emoface engine`.")


def _read(path: Path, whole: bool = False) -> tuple[EngineHeader, bytes]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(_MAGIC) + 4)
            if start[: len(_MAGIC)] != _MAGIC or len(start) != len(_MAGIC) + 4:
                raise _damaged(path, "a file that is no EmoFace engine", f"a file that begins with {_MAGIC.decode()}")
            length = int.from_bytes(start[len(_MAGIC) :], "little")
            if length > _MAX_HEADER:
                raise _damaged(path, f"a header of {length} bytes", f"{_MAX_HEADER} bytes at most")
            text = file.read(length)
            header = _header(path, text)
            rest = size - len(start) - len(text)
            if rest != header.bytes or header.bytes > _MAX_ENGINE:
                raise _damaged(path, f"{rest} bytes of engine", f"{header.bytes} bytes")
            return header, file.read(header.bytes) if whole else b""
    except OSError as error:
        raise BackendError(
            f"{path}: {error.strerror or error}", "an engine file", "Build it with `emoface engine`."
        ) from None


def _header(path: Path, text: bytes) -> EngineHeader:
    try:
        values = json.loads(text)
        key = dict(values["key"])
        facts = {field.name: key[field.name] for field in fields(EngineKey)}
        facts["gpus"] = tuple(str(gpu) for gpu in facts["gpus"])
        low, high = (int(n) for n in values["lengths"])
        return EngineHeader(
            EngineKey(**facts), (low, high), int(values["bytes"]), str(values["sha256"]), float(values["build_seconds"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(path, f"a header that cannot be read ({error})", "the header of an EmoFace engine") from None
