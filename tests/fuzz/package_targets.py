"""Snapshots and packages, which Python and C read: they must agree, and what is taken must run."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import mutations as m
import numpy as np
from target import SEED_PACKAGE, Finding, Target, load, sound

import emoface
from emoface.errors import EmoFaceError


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
