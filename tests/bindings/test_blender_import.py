"""examples/blender_import.py: its data part, and what it tells Blender (a stand-in where Blender is not here)."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pytest
import soundfile

import emoface

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("blender_import", ROOT / "examples" / "blender_import.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def animation(tiny_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `emoface animate` writes for a second of sound."""
    from emoface.cli.main import main

    folder = tmp_path_factory.mktemp("blender")
    time = np.arange(16000) / 16000
    soundfile.write(folder / "speech.wav", 0.4 * np.sin(2 * np.pi * 180 * time), 16000)
    arguments = ["animate", str(folder / "speech.wav"), "-o", str(folder / "face.npz"), "--package", str(tiny_package)]
    assert main(arguments) == 0
    return folder / "face.npz"


def test_axes_and_winding(script: ModuleType, animation: Path, tiny_package: Path) -> None:
    read = script.read_npz(animation)
    package = emoface.Package.load(tiny_package)
    assert read.vertices.shape == (30, len(package.face.template), 3) and read.fps == 30
    up, front = np.array([0, 1, 0]), np.array([0, 0, 1])
    assert script.to_blender(up).tolist() == [0, 0, 1]
    assert script.to_blender(front).tolist() == [0, -1, 0]
    a, b, c = (read.template[read.faces[:, corner]] for corner in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a) > 0).all(), "triangles face outwards"


def test_point_cache(script: ModuleType, tmp_path: Path) -> None:
    vertices = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    script.write_pc2(tmp_path / "a.pc2", vertices)
    data = (tmp_path / "a.pc2").read_bytes()
    assert struct.unpack("<12siiffi", data[:32]) == (b"POINTCACHE2\0", 1, 4, 0.0, 1.0, 2)
    assert np.array_equal(np.frombuffer(data[32:], "<f4").reshape(2, 4, 3), vertices)


def test_scene(script: ModuleType, animation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blender = MagicMock()
    monkeypatch.setitem(sys.modules, "bpy", blender)
    sound = animation.with_name("speech.wav")
    assert script.main([str(animation), "--sound", str(sound), "--save", str(animation.with_suffix(".blend"))]) == 0
    made = blender.data.meshes.new.return_value
    template, edges, faces = made.from_pydata.call_args.args
    read = script.read_npz(animation)
    assert (template, edges, faces) == (read.template.tolist(), [], read.faces.tolist())
    modifier = blender.data.objects.new.return_value.modifiers.new.return_value
    assert (modifier.cache_format, modifier.frame_start) == ("PC2", 1)
    assert Path(modifier.filepath).stat().st_size == 32 + read.vertices.nbytes
    assert (blender.context.scene.frame_end, blender.context.scene.render.fps) == (30, 30)
    assert blender.ops.wm.save_as_mainfile.called


def test_what_is_wrong_is_said(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "noise.npz").write_bytes(b"no arrays")
    np.savez(tmp_path / "other.npz", a=1)
    for name in ("none.npz", "noise.npz", "other.npz"):
        with pytest.raises(SystemExit, match=name):
            script.read_npz(tmp_path / name)
    with pytest.raises(SystemExit, match=r"\.npz or \.glb"):
        script.main([str(tmp_path / "face.fbx")])
    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(SystemExit, match="inside Blender"):
        script.main([str(tmp_path / "face.npz")])
