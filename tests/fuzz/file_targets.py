"""Files that Python alone reads: calibrations, meshes, blendshapes and sound."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import struct
import tempfile
import threading
from pathlib import Path
from random import Random

import mutations as m
import numpy as np
import soundfile
from package_targets import CReader, agree
from target import SEED_PACKAGE, Finding, Target, load, sound

import emoface
from emoface.audio.files import read_sound
from emoface.calibration import Calibration
from emoface.person import Person
from emoface.rig.basis_files import read_blendshapes
from emoface.stream.conditions import condition_vector
from emoface.template_files import read_mesh, read_template


class FileTarget(Target):
    """A reader of files in Python alone: seeds by suffix."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="emoface-fuzz-")
        self.seeds = self.make_seeds()

    def make_seeds(self) -> list[tuple[str, bytes]]:
        raise NotImplementedError

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        others = [other for kind, other in self.seeds if kind == suffix]
        return m.mutate_bytes(random, data, others)

    def read(self, path: Path) -> object:
        raise NotImplementedError

    def run(self, random: Random) -> bool:
        suffix, data = random.choice(self.seeds)
        path = Path(self.folder.name) / f"mutated{suffix}"
        path.write_bytes(self.mutated(random, suffix, data))
        return self.taken(lambda: self.read(path))[0]


class CalibrationTarget(FileTarget):
    """Saved calibrations."""

    def make_seeds(self) -> list[tuple[str, bytes]]:
        path = Path(self.folder.name) / "seed.json"
        Calibration(np.linspace(-1, 1, 6, dtype=np.float32), 9.5, "0" * 64).save(path)
        return [(".json", path.read_bytes())]

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        if random.random() < 0.3:
            return super().mutated(random, suffix, data)
        return m.json_text(random, m.mutate_json(random, json.loads(data)))

    def read(self, path: Path) -> object:
        return Calibration.load(path)


class PersonTarget(FileTarget):
    """Person files, which Python and C read: they must agree on each, and on its vector."""

    def make_seeds(self) -> list[tuple[str, bytes]]:
        handmade, made_by = load("sdk/handmade.py"), load("sdk/handmade_person.py")
        path = handmade.write_zip(Path(self.folder.name) / "persons.emoface", made_by.package_files())
        self.manifest = emoface.Package.load(path).manifest
        self.c = CReader()
        self.package = self.c.api.open(path) if self.c.found else None
        seed = Path(self.folder.name) / "seed.json"
        Person("anna", made_by.MODEL_SHA256, {"mia": 0.5, "noah": 2}).save(seed)
        return [(".json", seed.read_bytes())]

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        if random.random() < 0.3:
            return super().mutated(random, suffix, data)
        return m.json_text(random, m.mutate_json(random, json.loads(data)))

    def read(self, path: Path) -> object:
        self.vector = condition_vector(self.manifest, "person", path)
        return self.vector

    def run(self, random: Random) -> bool:
        path = Path(self.folder.name) / "mutated.json"
        data = self.mutated(random, *self.seeds[0])
        path.write_bytes(data)
        taken = self.taken(lambda: self.read(path))
        if self.package is not None:
            values, count = np.zeros(3, np.float32), ctypes.c_int64()
            arguments = (data, len(data), values.ctypes.data, 3, ctypes.byref(count))
            theirs = self.c.taken("read_person", self.package.handle, b"person", *arguments)
            agree("person", (taken[0], ""), (theirs[0], ""), False)
            if taken[0] and values.tobytes() != self.vector.tobytes():
                raise Finding(f"person: Python {self.vector.tolist()}; C {values.tolist()}")
        return taken[0]


class TemplateTarget(FileTarget):
    """Meshes: .ply, .obj and .npz."""

    def make_seeds(self) -> list[tuple[str, bytes]]:
        self.face = emoface.Package.load(SEED_PACKAGE).face
        points, faces = self.face.template, self.face.faces
        head = f"element vertex {len(points)}\nproperty float x\nproperty float y\nproperty float z\n"
        head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
        rows = "".join(f"{x} {y} {z}\n" for x, y, z in points)
        text = rows + "".join(f"3 {a} {b} {c}\n" for a, b, c in faces)
        binary = points.astype("<f4").tobytes() + b"".join(b"\3" + row.astype("<i4").tobytes() for row in faces)
        double = head.replace("float", "double").replace("list uchar int", "list int uint")
        binary_double = points.astype("<f8").tobytes()
        binary_double += b"".join(struct.pack("<i3I", 3, *row) for row in faces.tolist())
        obj = "".join(f"v {x} {y} {z}\n" for x, y, z in points)
        obj += "".join(f"f {a + 1}/1/1 {b + 1}//2 {c + 1}\n" for a, b, c in faces)
        buffer = io.BytesIO()
        np.savez(buffer, template=points, faces=faces)
        return [
            (".ply", b"ply\nformat ascii 1.0\ncomment x\n" + (head + text).encode()),
            (".ply", b"ply\nformat binary_little_endian 1.0\n" + head.encode() + binary),
            (".ply", b"ply\nformat binary_little_endian 1.0\n" + double.encode() + binary_double),
            (".obj", obj.encode()),
            (".npz", buffer.getvalue()),
        ]

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        if suffix == ".npz" and random.random() < 0.7:
            return m.mutate_npz(random, data)
        if random.random() < 0.5:
            return super().mutated(random, suffix, data)
        # Words of the text replaced by others: bytes alone seldom give another keyword.
        words = data.split(b" ")
        for _ in range(random.choice((1, 1, 2, 4))):
            odd = (
                b"-1",
                b"0",
                b"1e39",
                b"nan",
                b"99999999999999999999",
                b"list",
                b"double",
                b"",
                b"3",
                b"1.5",
                b"\xff",
            )
            words[random.randrange(len(words))] = random.choice((*odd, random.choice(words)))
        return b" ".join(words)

    def read(self, path: Path) -> object:
        read_mesh(path)
        return read_template(path, self.face)


class RigTarget(FileTarget):
    """Blendshapes: .glb and .npz."""

    def make_seeds(self) -> list[tuple[str, bytes]]:
        self.face = emoface.Package.load(SEED_PACKAGE).face
        shapes = np.random.default_rng(1).normal(0, 0.01, (2, *self.face.template.shape)).astype(np.float32)
        arrays = {"blendshape_names": np.array(["jawOpen", "smile"]), "blendshapes": shapes, "faces": self.face.faces}
        buffer, packed = io.BytesIO(), io.BytesIO()
        np.savez(buffer, **arrays)
        step = {"blendshape_step": np.full(2, 1e-5, np.float32), "blendshapes": (shapes / 1e-5).astype(np.int16)}
        np.savez(packed, **{**arrays, **step})
        return [(".npz", buffer.getvalue()), (".npz", packed.getvalue()), (".glb", self._glb(shapes))]

    def _glb(self, shapes: np.ndarray) -> bytes:
        faces, count = self.face.faces.astype("<u2"), len(self.face.template)
        sparse_rows = np.array([0, 3], "<u2")
        parts = [self.face.template.astype("<f4"), faces, shapes[0].astype("<f4"), sparse_rows, shapes[1][[0, 3]]]
        binary, views = b"", []
        for part in parts:
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": part.nbytes})
            binary += part.tobytes() + bytes(-part.nbytes % 4)
        vector = {"componentType": 5126, "type": "VEC3", "count": count}
        sparse = {"count": 2, "indices": {"bufferView": 3, "componentType": 5123}, "values": {"bufferView": 4}}
        document = {
            "asset": {"version": "2.0"},
            "buffers": [{"byteLength": len(binary)}],
            "bufferViews": views,
            "accessors": [
                {**vector, "bufferView": 0},
                {"componentType": 5123, "type": "SCALAR", "count": faces.size, "bufferView": 1},
                {**vector, "bufferView": 2, "byteOffset": 0},
                {**vector, "sparse": sparse},
            ],
            "nodes": [{"mesh": 0, "rotation": [0, 0, 0, 1], "scale": [1, 1, 1]}],
            "meshes": [
                {
                    "primitives": [
                        {"attributes": {"POSITION": 0}, "indices": 1, "targets": [{"POSITION": 2}, {"POSITION": 3}]}
                    ],
                    "extras": {"targetNames": ["jawOpen", "smile"]},
                }
            ],
        }
        return self._chunks(json.dumps(document).encode(), binary)

    @staticmethod
    def _chunks(text: bytes, binary: bytes) -> bytes:
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + len(binary)
        head = struct.pack("<4sIIII", b"glTF", 2, size, len(text), 0x4E4F534A)
        return head + text + struct.pack("<II", len(binary), 0x004E4942) + binary

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        if random.random() < 0.3:
            return super().mutated(random, suffix, data)
        if suffix == ".npz":
            return m.mutate_npz(random, data)
        (length,) = struct.unpack_from("<I", data, 12)
        document, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
        if random.random() < 0.2:
            binary = m.mutate_bytes(random, binary)
        return self._chunks(m.json_text(random, m.mutate_json(random, document)), binary)

    def read(self, path: Path) -> object:
        return read_blendshapes(path, self.face)


class SoundTarget(FileTarget):
    """Sound files of every container that we read."""

    KINDS = (
        *(("WAV", kind) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610")),
        *(("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("W64", "PCM_16"), ("RF64", "PCM_16")),
        *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("WAVEX", "PCM_16")),
        *((container, "PCM_16") for container in ("SVX", "NIST", "HTK", "IRCAM", "PVF", "PAF", "VOC")),
    )

    def make_seeds(self) -> list[tuple[str, bytes]]:
        seeds = []
        for container, kind in self.KINDS:
            if kind in soundfile.available_subtypes(container):
                buffer = io.BytesIO()
                channels = 1 if kind == "GSM610" or container in ("HTK", "SVX") else 2
                soundfile.write(
                    buffer,
                    sound(0.1)[: 1600 // channels * channels].reshape(-1, channels),
                    16000,
                    kind,
                    None,
                    container,
                )
                seeds.append((f".{container.lower()}", buffer.getvalue()))
        oggs = [data for suffix, data in seeds if suffix == ".ogg"]
        mp3s = [data for suffix, data in seeds if suffix == ".mp3"]
        return [*seeds, (".ogg", b"".join(oggs[:1] * 2)), *((".mp3", data * 2) for data in mp3s)]

    def mutated(self, random: Random, suffix: str, data: bytes) -> bytes:
        if random.random() < 0.5:
            # What a container says of itself stands at the beginning.
            return m.mutate_bytes(random, data[:128], rounds=random.choice((1, 2))) + data[128:]
        return super().mutated(random, suffix, data)

    def run(self, random: Random) -> bool:
        if random.random() < 0.9:
            return super().run(random)
        # The same through a pipe, whose end alone says how much there is.
        suffix, data = random.choice(self.seeds)
        data = self.mutated(random, suffix, data)
        outlet, inlet = os.pipe()
        writer = threading.Thread(target=self._fill, args=(inlet, data))
        writer.start()
        try:
            return self.taken(lambda: read_sound(f"/dev/fd/{outlet}"))[0]
        finally:
            os.close(outlet)
            writer.join()

    @staticmethod
    def _fill(inlet: int, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError), open(inlet, "wb") as pipe:
            pipe.write(data)

    def read(self, path: Path) -> object:
        return read_sound(path)
