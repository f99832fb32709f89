"""What reads a user's bytes: each target makes one mutated input and gives it to every reader that we have of it.

A reader takes an input or refuses it with an error of ours. Anything else is a finding: another exception, two readers
that disagree, and, seen from outside (`mutate.py`), a crash or a hang.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import io
import json
import os
import shutil
import struct
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import mutations as m
import numpy as np
import soundfile

import emoface
from emoface.audio.files import read_sound
from emoface.calibration import Calibration
from emoface.errors import EmoFaceError
from emoface.rig.basis_files import read_blendshapes
from emoface.template_files import read_mesh, read_template

ROOT = Path(__file__).parents[2]
SEED_PACKAGE = ROOT / "tests" / "sdk" / "frozen" / "format1.emoface"


class Finding(Exception):
    """Two readers disagree, or one lets an error through that is none of ours."""


def load(path: str) -> ModuleType:
    """A module of the tests by its path."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # For the modules that it imports: those beside it, and the handmade package.
    sys.path += (folders := [str(ROOT / "tests" / name) for name in (Path(path).parent, "sdk")])
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.path[-len(folders) :]
    return module


class Target:
    """One kind of input. `run` returns whether it was taken."""

    def run(self, random: Random) -> bool:
        raise NotImplementedError

    @staticmethod
    def taken(read: Callable[[], object]) -> tuple[bool, str]:
        """Whether a Python reader takes the input, and what it says."""
        try:
            read()
        except EmoFaceError as error:
            return False, error.got
        return True, ""


class CReader:
    """libemoface through ctypes, where it is built."""

    def __init__(self) -> None:
        abi = load("runtime/c_interface.py")
        self.found = abi.LIBRARY.is_file()
        if self.found:
            self.abi = abi
            self.api = abi.Api(abi.load())
            self.api.call("onnxruntime_load", abi.onnxruntime_library().encode())

    def taken(self, function: str, *arguments: object) -> tuple[bool, str]:
        """Whether a call works, and what the error says that it got."""
        try:
            self.api.call(function, *arguments)
        except self.abi.StatusError as error:
            if error.name == "INTERNAL":
                raise Finding(f"C: {error}") from None
            return False, self.api.last_error().removeprefix("got ")
        return True, ""

    def voice(self, package: Any) -> Any:
        """An animator, as `Animator` makes it by default."""
        return package.animator(channels=1, blinks=-1)

    def run(self, voice: Any, audio: np.ndarray) -> None:
        """Step and flush: they may fail."""
        for call in (voice.step, lambda _: voice.flush()):
            try:
                call(audio)
            except self.abi.StatusError as error:
                if error.name == "INTERNAL":
                    raise Finding(f"C: {error}") from None
                voice.api.call("reset", voice.handle)


def run_python(voice: emoface.Animator, audio: np.ndarray) -> None:
    """Step and flush: they may fail, with an error of ours."""
    for call in (lambda: voice.step(audio), voice.flush):
        try:
            call()
        except EmoFaceError:
            voice.reset()


def sound(seconds: float = 0.2) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal(round(16000 * seconds))).astype(np.float32)


def agree(kind: str, python: tuple[bool, str], c: tuple[bool, str], names: bool) -> None:
    same = python[1].split(" = ")[0] == c[1].split(" = ")[0]
    if python[0] != c[0] or (names and not same):
        raise Finding(f"{kind}: Python {_verdict(python)}; C {_verdict(c)}")


def _verdict(taken: tuple[bool, str]) -> str:
    return "takes it" if taken[0] else f"refuses {taken[1][:150]!r}"


class SnapshotTarget(Target):
    """Snapshots with a digest that is right; what is taken must go on."""

    def __init__(self) -> None:
        self.drafts = load("runtime/snapshot_drafts.py")
        self.audio = sound()
        package = emoface.Package.load(SEED_PACKAGE)
        self.python = package.animator(backend="ort-cpu", channels=1, blinks=False)
        self.seeds = []
        for size in (0, 500, 1600, 5500):
            self.python.reset()
            self.python.step(self.audio[:1].repeat(size))
            self.python.set_emotion("sad", at=2.0)
            self.seeds.append(self.python.snapshot())
        self.python.flush()
        self.seeds.append(self.python.snapshot())
        self.c = CReader()
        if self.c.found:
            self.c_package = self.c.api.open(SEED_PACKAGE)
            self.c_voice = self.c.voice(self.c_package)

    def run(self, random: Random) -> bool:
        data = self._mutated(random)
        python = self.taken(lambda: self.python.restore(data))
        if self.c.found:
            c = self.c.taken("restore", self.c_voice.handle, data, len(data))
            agree("snapshot", python, c, names=True)
            if c[0]:
                self.c.run(self.c_voice, self.audio)
        if python[0]:
            run_python(self.python, self.audio)
        return python[0]

    def _mutated(self, random: Random) -> bytes:
        seed = random.choice(self.seeds)
        if random.random() < 0.2:
            data = m.mutate_bytes(random, seed, self.seeds)
            if random.random() < 0.9 and len(data) > 48:
                data = data[:16] + hashlib.sha256(data[48:]).digest() + data[48:]
            return data
        draft = self.drafts.Draft(seed)
        for _ in range(random.choice((1, 1, 2))):
            if random.random() < 0.5 and draft.values:
                name = random.choice(list(draft.values))
                draft.set(name, m.mutate_array(random, draft.values[name]))
            else:
                changed = m.mutate_json(random, {"header": draft.header, "arrays": draft.table})
                draft.header, draft.table = changed.pop("header", {}), changed.pop("arrays", [])
                draft.extra = changed
                break
        if random.random() < 0.1:
            draft.change_text = lambda text: m.json_text(random, json.loads(text))
        if random.random() < 0.05:
            draft.tail = random.randbytes(random.choice((1, 4, 1000)))
        return bytes(draft.pack())


class PackageTarget(Target):
    """A package whose manifest, arrays, graphs or archive are mutated, with hashes put right to come through.

    Args:
        part: "archive", "manifest", "arrays" or "graph".
    """

    def __init__(self, part: str) -> None:
        self.part = part
        with zipfile.ZipFile(SEED_PACKAGE) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.files["manifest.json"])
        if part == "arrays":
            self._replace("face.npz", self._shaped(self.files["face.npz"]))
        self.folder = tempfile.TemporaryDirectory(prefix="emoface-fuzz-")
        self.path = Path(self.folder.name) / "mutated.emoface"
        self.whole = SEED_PACKAGE.read_bytes()
        self.graphs = [data for name, data in self.files.items() if name.endswith(".onnx")]
        if part == "graph":
            self.graphs += [case.build() for case in load("format/graph_cases.py").CASES]
            self.graphs = [data for data in self.graphs if len(data) < 1 << 16]
        self.audio = sound()
        self.c = CReader()

    @staticmethod
    def _shaped(face: bytes) -> bytes:
        """A face with blendshapes."""
        with np.load(io.BytesIO(face)) as file:
            arrays = dict(file)
        shapes = np.random.default_rng(3).integers(-900, 900, (3, *arrays["template"].shape), np.int16)
        names = np.array(["jawOpen", "eyeBlinkLeft", "größe"])
        step = np.full(3, 1e-5, np.float32)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays, blendshapes=shapes, blendshape_names=names, blendshape_step=step)
        return buffer.getvalue()

    def _replace(self, name: str, data: bytes) -> None:
        self.files[name] = data
        self.manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    def run(self, random: Random) -> bool:
        data = self._mutated(random)
        self.path.write_bytes(data)
        if self.part != "graph" and random.random() < 0.2:
            self._compare_folder(data)
        loaded: list[emoface.Package] = []
        python = self.taken(lambda: loaded.append(emoface.Package.load(self.path)))
        if self.c.found:
            handle = ctypes.c_void_p()
            c = self.c.taken("package_open_memory", data, len(data), ctypes.byref(handle))
            package = self.c.abi.Package(self.c.api, handle) if c[0] else None
            agree(self.part, python, c, names=False)
            if package is not None and self.part != "arrays":
                self._animate_c(package)
        if not python[0]:
            return False
        with contextlib.suppress(EmoFaceError):
            loaded[0].golden()
        if self.part == "arrays":
            return True
        try:
            voice = loaded[0].animator(backend="ort-cpu", channels=1)
        except EmoFaceError:
            return False
        with voice:
            if loaded[0].manifest.streams:
                run_python(voice, self.audio)
        return True

    def _compare_folder(self, data: bytes) -> None:
        """The same package as a folder, where it is one that can be unpacked."""
        path = self.path.with_suffix("")
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    if Path(name).name == name and "\0" not in name:
                        (path / name).write_bytes(archive.read(name))
        except Exception:  # whatever zipfile makes of an archive that is none
            return
        python = self.taken(lambda: emoface.Package.load(path))
        if self.c.found:
            handle = ctypes.c_void_p()
            c = self.c.taken("package_open", os.fsencode(path), ctypes.byref(handle))
            if c[0]:
                self.c.abi.Package(self.c.api, handle)
            agree(f"{self.part} in a folder", python, c, names=False)

    def _animate_c(self, package: Any) -> None:
        try:
            voice = self.c.voice(package)
        except self.c.abi.StatusError as error:
            if error.name == "INTERNAL":
                raise Finding(f"C: {error}") from None
            return
        self.c.run(voice, self.audio)

    def _mutated(self, random: Random) -> bytes:
        if self.part == "archive":
            if random.random() < 0.5:
                return m.mutate_bytes(random, self.whole)
            return m.mutate_zip(random, self.files)
        files = dict(self.files)
        manifest = self.manifest
        if self.part == "manifest":
            files["manifest.json"] = m.json_text(random, m.mutate_json(random, manifest))
            return m.mutate_zip(random, files, share=0)
        if self.part == "arrays":
            name = random.choice(("face.npz", "face.npz", "golden.npz"))
            changed = (
                m.mutate_npz(random, files[name]) if random.random() < 0.7 else m.mutate_bytes(random, files[name])
            )
        else:
            name = random.choice([name for name in files if name.endswith(".onnx")])
            name, seed = (name, files[name]) if random.random() < 0.5 else ("mix.onnx", random.choice(self.graphs))
            mutate = m.mutate_message if random.random() < 0.8 else m.mutate_bytes
            changed = seed if random.random() < 0.1 else mutate(random, seed, self.graphs)
        entry = {"sha256": hashlib.sha256(changed).hexdigest(), "bytes": len(changed)}
        manifest = {**manifest, "files": {**manifest["files"], name: entry}}
        files |= {name: changed, "manifest.json": json.dumps(manifest).encode()}
        return m.mutate_zip(random, files, share=0)


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


TARGETS: dict[str, Callable[[], Target]] = {
    "snapshot": SnapshotTarget,
    "manifest": lambda: PackageTarget("manifest"),
    "archive": lambda: PackageTarget("archive"),
    "arrays": lambda: PackageTarget("arrays"),
    "graph": lambda: PackageTarget("graph"),
    "calibration": CalibrationTarget,
    "template": TemplateTarget,
    "rig": RigTarget,
    "sound": SoundTarget,
}
