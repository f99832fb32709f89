"""Files with named weights: ARKit tables, GLB, npz, and the command line that writes them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import soundfile
from needs import lacking
from rig_cases import noise

from emoface import Animation
from emoface.cli.main import main
from emoface.errors import OutputError
from emoface.package import Face
from emoface.rig import ARKIT_52, Blendshapes, BlendshapeSolver
from emoface.writers import write

HERE = Path(__file__).parent
LIVE_LINK_START = ["EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft"]
LIVE_LINK_END = ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"]


@pytest.fixture(scope="module")
def spoken(face: Face, motion: np.ndarray) -> Animation:
    """Two seconds of the rig with the weights that the solver finds."""
    assert face.blendshapes is not None
    offsets = motion[:60]
    return Animation(
        time=np.arange(60) / 30,
        vertices=face.template + offsets,
        emotion=np.zeros((60, 0), np.float32),
        emotion_weight=np.zeros((60, 0), np.float32),
        face=face,
        fps=30,
        audio=np.zeros(32000, np.float32),
        audio_rate=16000,
        blendshapes=face.blendshapes,
        blendshape_weights=BlendshapeSolver(face.blendshapes).solve(offsets),
    )


@pytest.fixture(scope="module")
def glb(spoken: Animation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glb") / "face.glb"
    write(path, spoken)
    return path


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_csv_is_a_live_link_face_table(spoken: Animation, tmp_path: Path) -> None:
    write(tmp_path / "x.csv", spoken)
    head, *table = rows(tmp_path / "x.csv")
    assert head[:7] == ["Timecode", "BlendShapeCount", *LIVE_LINK_START]
    assert head[-10:-3] == LIVE_LINK_END and len(head) == 2 + 61
    assert [name[0].lower() + name[1:] for name in head[2:54]] == list(ARKIT_52)
    assert len(table) == 60 and {len(row) for row in table} == {63} and {row[1] for row in table} == {"61"}
    assert [table[k][0] for k in (0, 29, 30)] == ["00:00:00:00.000", "00:00:00:29.000", "00:00:01:00.000"]
    order = [spoken.blendshapes.names.index(name) for name in ARKIT_52]  # type: ignore[union-attr]
    assert np.allclose(np.array(table)[:, 2:54].astype(float), spoken.blendshape_weights[:, order], atol=6e-7)
    assert not np.array(table)[:, 54:].astype(float).any()


def test_csv_of_other_shapes_keeps_their_names(spoken: Animation, tmp_path: Path) -> None:
    assert spoken.blendshapes is not None
    own = Blendshapes(("jawOpen", "Müde, links"), spoken.blendshapes.shapes[:2])
    write(tmp_path / "x.csv", replace(spoken, blendshapes=own, blendshape_weights=spoken.blendshape_weights[:, :2]))
    head, *table = rows(tmp_path / "x.csv")
    assert head == ["Timecode", "BlendShapeCount", "jawOpen", "Müde, links"] and table[0][1] == "2"
    more = Blendshapes(
        (*spoken.blendshapes.names, "extra"), np.concatenate([spoken.blendshapes.shapes, own.shapes[:1]])
    )
    weights = np.concatenate([spoken.blendshape_weights, np.full((60, 1), 0.25, np.float32)], axis=1)
    write(tmp_path / "y.csv", replace(spoken, blendshapes=more, blendshape_weights=weights))
    head, *table = rows(tmp_path / "y.csv")
    assert head[-1] == "extra" and table[5][-1] == "0.250000" and len(head) == len(table[5]) == 64


def test_csv_without_weights_is_refused(spoken: Animation, tmp_path: Path) -> None:
    bare = replace(spoken, blendshapes=None, blendshape_weights=np.zeros((60, 0), np.float32))
    with pytest.raises(OutputError, match=r"without blendshape weights .*--blendshapes"):
        write(tmp_path / "x.csv", bare)
    assert not list(tmp_path.iterdir())


def test_npz_carries_names_and_weights(spoken: Animation, tmp_path: Path) -> None:
    write(tmp_path / "x.npz", spoken)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as data:
        assert tuple(data["blendshape_names"]) == tuple(sorted(ARKIT_52))
        assert np.array_equal(data["blendshape_weights"], spoken.blendshape_weights)
    write(tmp_path / "y.npz", replace(spoken, blendshapes=None))
    with np.load(tmp_path / "y.npz", allow_pickle=False) as data:
        assert "blendshape_names" not in data.files


def test_glb_has_names_weights_and_says_what_is_left(glb: Path, spoken: Animation) -> None:
    document = pygltflib.GLTF2().load(str(glb))
    assert document.meshes[0].extras["targetNames"] == sorted(ARKIT_52)
    assert len(document.meshes[0].primitives[0].targets) == 52
    sampler = document.animations[0].samplers[0]
    accessor = document.accessors[sampler.output]
    view = document.bufferViews[accessor.bufferView]
    weights = np.frombuffer(document.binary_blob(), "<f4", accessor.count, view.byteOffset).reshape(60, 52)
    assert np.array_equal(weights, spoken.blendshape_weights)
    assert spoken.blendshapes is not None
    left = spoken.vertices - spoken.face.template - spoken.blendshapes.offsets(weights)
    assert document.asset.extras["morph_residual_m"] == pytest.approx(np.linalg.norm(left, axis=2).max(), rel=1e-3)


@pytest.mark.skipif(bool(lacking("node", "three")), reason=lacking("node", "three"))
def test_khronos_validator_finds_nothing(glb: Path) -> None:
    script = (
        "const v = require('gltf-validator'), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    done = subprocess.run(
        ["node", "-e", script, glb], capture_output=True, text=True, timeout=120, check=True, cwd=HERE
    )
    issues = json.loads(done.stdout)
    assert issues["numErrors"] == 0 and issues["messages"] == []


@pytest.mark.skipif(bool(lacking("node", "three", "chromium")), reason=lacking("node", "three", "chromium"))
def test_three_js_shows_every_name_and_plays_the_clip(glb: Path, spoken: Animation) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    command = ["node", HERE / "three_check.mjs", glb, browser, "1.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["names"] == sorted(ARKIT_52) and found["vertices"] == 5023
    assert found["clips"] == ["speech"] and found["duration"] == pytest.approx(59 / 30, abs=1e-4)
    assert np.allclose(found["influences"], spoken.blendshape_weights[30], atol=1e-4)
    assert 0.05 < found["drawn"] < 0.9


@pytest.fixture
def wav(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "in.wav", noise(0.5), 16000)
    return str(tmp_path / "in.wav")


def test_command_line_writes_weights(wav: str, shaped_path: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("x.csv", "x.glb", "x.npz")]
    options = [word for path in outputs for word in ("-o", str(path))]
    assert main(["animate", wav, *options, "--package", str(shaped_path), "--lower-strength", "1.2"]) == 0
    assert rows(outputs[0])[0][2:] == ["browInnerUp", "jawOpen", "mouthSmileLeft"] and len(rows(outputs[0])) == 16
    names = pygltflib.GLTF2().load(str(outputs[1])).meshes[0].extras["targetNames"]
    assert names == ["browInnerUp", "jawOpen", "mouthSmileLeft"]
    again = tmp_path / "y.npz"
    command = ["animate", wav, "-o", str(again), "--package", str(shaped_path), "--blendshapes", str(outputs[1])]
    assert main([*command, "--lower-strength", "1.2"]) == 0
    with np.load(outputs[2]) as first, np.load(again) as second:
        assert np.abs(first["blendshape_weights"] - second["blendshape_weights"]).max() < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--upper-strength", "5"], "upper_strength=5.0"),
        (["--sync-offset", "-2"], "sync_offset=-2.0"),
        (["--blendshapes", "none.glb"], "no such file"),
        (["--blendshapes", "in.wav"], "a .glb or .npz file"),
    ],
)
def test_command_line_refuses(
    wav: str, shaped_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    command = ["animate", wav, "-o", str(tmp_path / "x.npz"), "--package", str(shaped_path), *options]
    assert main(command) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "x.npz").exists()


def test_example_draws_a_sheet_of_the_shapes(shaped_path: Path, tmp_path: Path) -> None:
    from PIL import Image

    example = HERE.parents[1] / "examples" / "blendshape_sheet.py"
    command = [sys.executable, example, tmp_path / "sheet.png", "--package", shaped_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "3 shapes" in done.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (9 * 180, 228) and len(sheet.convert("RGB").getcolors(1 << 24)) > 20
