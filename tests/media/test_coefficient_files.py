"""Files of animations without vertices: coefficients and exact weights, and what cannot be written is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import handmade
import handmade_basis
import numpy as np
import pytest

from emoface import Animation, Package, animate
from emoface.errors import OutputError
from emoface.writers import write

AUDIO = (0.2 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


def clip_of(tmp_path: Path, blendshapes: bool, vertices: bool) -> Animation:
    """One second of a package whose coefficients are of its blendshapes."""
    files = handmade_basis.with_basis(handmade.package_files(), fused=False, offsets=False, stored="blendshapes")
    path = tmp_path / "package"
    package = Package.load(path if path.exists() else handmade.write_folder(path, files))
    return animate(AUDIO, 16000, package, vertices=vertices, blendshapes=blendshapes, backend="ort-cpu")


@pytest.mark.parametrize("suffix", [".mp4", ".png", ".glb"])
def test_what_needs_vertices_is_refused(tmp_path: Path, suffix: str) -> None:
    clip = clip_of(tmp_path, False, False)
    with pytest.raises(OutputError, match=f"without vertices for a {suffix} file"):
        write(tmp_path / f"clip{suffix}", clip)
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_files_without_vertices(tmp_path: Path) -> None:
    clip, names = clip_of(tmp_path, True, False), list(handmade_basis.NAMES)
    for suffix in (".npz", ".csv", ".glb"):
        write(tmp_path / f"clip{suffix}", clip)
    with np.load(tmp_path / "clip.npz") as arrays:
        assert arrays["vertices"].shape == (30, 0, 3) and "emotion_coefficients" not in arrays.files
        assert arrays["coefficients"].tobytes() == clip.coefficients.tobytes()
    with open(tmp_path / "clip.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [f"{float(rows[7][name]):.6f}" for name in names] == [f"{value:.6f}" for value in clip.coefficients[7]]
    data = (tmp_path / "clip.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert document["meshes"][0]["extras"]["targetNames"] == names
    assert document["asset"]["extras"]["morph_residual_m"] == 0
    write(tmp_path / "vertices.glb", clip_of(tmp_path, True, True))
    other = (tmp_path / "vertices.glb").read_bytes()
    assert other[20 + int.from_bytes(other[12:16], "little") :] == data[20 + int.from_bytes(data[12:16], "little") :]
    residual = json.loads(other[20 : 20 + int.from_bytes(other[12:16], "little")])["asset"]["extras"]
    assert residual["morph_residual_m"] < 1e-6
