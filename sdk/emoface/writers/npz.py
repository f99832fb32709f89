"""Animations as arrays."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from emoface.frames import Clip, Piece
from emoface.writers.frame_writer import FrameWriter, write_files
from emoface.writers.spool import BLOCK_BYTES, Spool, content

_LOCAL_HEADER = 30  # bytes of a zip entry's header before its name
_CRC_AT, _LENGTHS_AT = 14, 26
_OPTIONAL = (
    *("head_rotation", "head_translation", "arousal", "valence", "confidence"),
    *("coefficients", "emotion_coefficients"),
)


def write_npz(path: str | os.PathLike[str], clip: Clip) -> None:
    """Writes a .npz that `numpy.load` opens without pickle.

    vertices (T, V, 3) float32 in the package's unit; time (T,) float64 seconds; faces (F, 3) int32; template (V, 3)
    float32; fps int; emotion (T, E) and emotion_weight (T, V) float32; metadata: a JSON text. Where the animation has
    them, blendshape_names (K,) text and blendshape_weights (T, K) float32; head_rotation (T, 3, 3) and head_translation
    (T, 3) float32, which the vertices do not hold; arousal, valence and confidence (T, 1) float32; coefficients and
    emotion_coefficients (T, R) float32 of the motion basis. The same animation gives the same bytes.

    Memory does not grow with the clip. Until the file is complete, all arrays but the vertices lie in unnamed temporary
    files beside it as well: it takes up to twice their space on disk.
    """
    write_files([(path, NpzWriter)], clip, None)


class NpzWriter(FrameWriter):
    """The vertices go straight into the archive, whose first entry they are; what follows them waits in spools."""

    def __init__(self, path: Path, clip: Clip) -> None:
        self._clip = clip
        self._vertices: tuple[int, ...] = ()
        names = [
            "emotion",
            "emotion_weight",
            *_OPTIONAL,
            *(["blendshape_weights"] if clip.blendshapes is not None else []),
        ]
        self._file = open(path, "w+b")  # noqa: SIM115 -- closed by `close`
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)
        self._entry: IO[bytes] | None = None
        self._promised = 0
        self._spools = {name: Spool(path.parent) for name in names}
        self._spools["time"] = Spool(path.parent, np.float64)

    def add(self, piece: Piece) -> None:
        """Append the frames."""
        frames = piece.frames
        if self._entry is None:
            self._vertices = frames.vertices.shape[1:]
            self._promised = self._clip.expected or 0
            self._entry = self._archive.open("vertices.npy", "w", force_zip64=True)
            self._entry.write(_header(np.float32, (self._promised, *self._vertices)))
        self._entry.write(content(frames.vertices, np.float32))
        for name, spool in self._spools.items():
            spool.append(getattr(frames, name))

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write the entries behind the vertices."""
        if self._entry is None:
            raise ValueError("a clip without pieces")
        self._entry.close()
        clip, face, count = self._clip, self._clip.face, len(self._spools["time"])
        text = json.dumps({**metadata, "unit_in_metres": face.unit_in_metres}, sort_keys=True)
        self._write("time", self._spools["time"])
        self._write("faces", face.faces)
        self._write("template", face.template)
        self._write("fps", np.asarray(np.int64(clip.fps)))
        self._write("emotion", self._spools["emotion"])
        self._write("emotion_weight", self._spools["emotion_weight"])
        self._write("metadata", np.array(text))
        for name in _OPTIONAL:
            if all(self._spools[name].shape[1:]):
                self._write(name, self._spools[name])
        if clip.blendshapes is not None:
            self._write("blendshape_names", np.array(clip.blendshapes.names))
            self._write("blendshape_weights", self._spools["blendshape_weights"])
        if count != self._promised:
            self._state_count(count)
        self._archive.close()

    def close(self) -> None:
        """Release the file and the spools."""
        for spool in self._spools.values():
            spool.close()
        # Closed while its file is open: collected later, an entry that was left in the middle would fail aloud.
        if self._entry is not None:
            with suppress(OSError, ValueError, RuntimeError):
                self._entry.close()
        # An archive that was left in the middle of an entry cannot be closed; nobody will read it.
        self._archive.fp = None
        self._file.close()

    def _write(self, name: str, array: NDArray[Any] | Spool) -> None:
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
            if not isinstance(array, Spool):
                np.lib.format.write_array(entry, array, allow_pickle=False)
                return
            entry.write(_header(np.float64 if name == "time" else np.float32, array.shape))
            for block in array.blocks():
                entry.write(content(block, block.dtype))

    def _state_count(self, count: int) -> None:
        """Correct the number of frames that was promised at the beginning of the vertices, and the entry's checksum."""
        info, file = self._archive.getinfo("vertices.npy"), self._file
        end = file.tell()
        file.seek(info.header_offset + _LENGTHS_AT)
        name, extra = struct.unpack("<HH", file.read(4))
        start = info.header_offset + _LOCAL_HEADER + name + extra
        file.seek(start)
        # NumPy leaves room for the digits of the first axis: both headers have one length.
        file.write(_header(np.float32, (count, *self._vertices)))
        file.seek(start)
        checksum, left = 0, info.file_size
        while left:
            block = file.read(min(left, BLOCK_BYTES))
            checksum, left = zlib.crc32(block, checksum), left - len(block)
        file.seek(info.header_offset + _CRC_AT)
        file.write(struct.pack("<I", checksum))
        info.CRC = checksum
        file.seek(end)


def _header(dtype: type[np.floating[Any]], shape: tuple[int, ...]) -> bytes:
    """What stands before an array's values in a .npy file."""
    text = io.BytesIO()
    description = {"descr": np.dtype(dtype).newbyteorder("<").str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(text, description)
    return text.getvalue()
