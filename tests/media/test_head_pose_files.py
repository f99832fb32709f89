"""Files of a clip whose head moves: as a node of glTF, as arrays, angles and pictures."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pose_cases import about_axis, rotations
from test_glb import array, moved, saved

from emoface.frames import Animation
from emoface.package import Face
from emoface.rig import ARKIT_52, Blendshapes
from emoface.writers import write
from emoface.writers.mp4 import write_mp4


@pytest.fixture(scope="module")
def posed(animation: Animation) -> Animation:
    """The clip with a head that turns, the last frames by more than half a turn."""
    count = len(animation)
    turned = np.stack([about_axis(1, 0.2 * k) @ about_axis(2, 0.1) for k in range(count)]).astype(np.float32)
    going = np.random.default_rng(0).normal(0, 0.1, (count, 3)).astype(np.float32)
    return replace(animation, head_rotation=turned, head_translation=going)


def test_the_node_holds_the_mesh_and_moves(tmp_path: Path, posed: Animation) -> None:
    document = saved(tmp_path, posed)
    paths = [channel.target.path for channel in document.animations[0].channels]
    assert paths == ["weights", "rotation", "translation"] and len(document.nodes) == 1
    samplers = [document.animations[0].samplers[channel.sampler] for channel in document.animations[0].channels]
    assert {sampler.input for sampler in samplers} == {samplers[0].input}
    q, going = (array(document, sampler.output) for sampler in samplers[1:])
    assert np.allclose((q**2).sum(axis=1), 1, atol=1e-6) and ((q[1:] * q[:-1]).sum(axis=1) > 0.9).all()
    _, vertices = moved(document)
    axis = q[:, None, :3]
    turned = vertices + 2 * np.cross(axis, np.cross(axis, vertices) + q[:, None, 3:] * vertices)
    assert np.abs(turned + going[:, None] - posed.posed_vertices).max() < 1e-4


def test_the_translation_is_in_metres(tmp_path: Path, posed: Animation) -> None:
    face = posed.face
    large = replace(
        posed,
        face=Face(face.template * 1000, face.faces, face.colours, face.masks, 0.001),
        vertices=posed.vertices * 1000,
        head_translation=posed.head_translation * 1000,
    )
    document = saved(tmp_path, large)
    going = array(document, document.animations[0].samplers[2].output)
    assert np.allclose(going, posed.head_translation, atol=1e-6)
    assert document.nodes[0].scale == [0.001] * 3


def test_files_without_a_pose_have_no_trace_of_one(tmp_path: Path, animation: Animation) -> None:
    document = saved(tmp_path, animation)
    assert [channel.target.path for channel in document.animations[0].channels] == ["weights"]
    write(tmp_path / "x.npz", animation)
    with np.load(tmp_path / "x.npz") as stored:
        assert not [name for name in stored if name.startswith("head")]


def test_npz_has_the_arrays(tmp_path: Path, posed: Animation) -> None:
    write(tmp_path / "x.npz", posed)
    with np.load(tmp_path / "x.npz") as stored:
        assert stored["head_rotation"].tobytes() == posed.head_rotation.tobytes()
        assert stored["head_translation"].tobytes() == posed.head_translation.tobytes()
        assert stored["head_rotation"].shape == (len(posed), 3, 3)
        assert stored["vertices"].tobytes() == posed.vertices.tobytes()


def test_pieces_hold_the_poses(posed: Animation) -> None:
    pieces = [piece.frames for piece in posed.pieces()]
    assert np.concatenate([frames.head_rotation for frames in pieces]).tobytes() == posed.head_rotation.tobytes()


@pytest.mark.parametrize("names", [ARKIT_52, ("jawOpen", "tongueOut")])
def test_csv_has_the_angles(tmp_path: Path, posed: Animation, names: tuple[str, ...]) -> None:
    shapes = np.random.default_rng(1).normal(0, 0.01, (len(names), *posed.face.template.shape)).astype(np.float32)
    weights = np.random.default_rng(2).random((len(posed), len(names))).astype(np.float32)
    write(tmp_path / "x.csv", replace(posed, blendshapes=Blendshapes(names, shapes), blendshape_weights=weights))
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        head, *table = list(csv.reader(file))
    values = np.array(table)[:, 2:].astype(float)
    place = head.index("HeadYaw") - 2
    assert head[place + 2 : place + 5] == ["HeadYaw", "HeadPitch", "HeadRoll"] and place == len(names)
    assert np.allclose(values[:, place : place + 3], posed.head_euler, atol=1e-6)
    assert np.allclose(values[:, 0], weights[:, 0], atol=1e-6)
    assert values.shape[1] == int(table[0][1]) == (61 if len(names) == 52 else 5)
    assert not values[:, place + 3 :].any()


def test_pictures_show_the_pose(tmp_path: Path, animation: Animation, posed: Animation) -> None:
    seen: list[np.ndarray] = []

    class Picture:
        width = height = 16

        def frame(self, vertices: np.ndarray) -> np.ndarray:
            seen.append(vertices)
            return np.zeros((16, 16, 3), np.uint8)

    write_mp4(tmp_path / "x.mp4", posed, renderer=Picture())  # type: ignore[arg-type]
    assert np.array_equal(np.stack(seen), posed.posed_vertices)
    write(tmp_path / "still.png", animation)
    write(tmp_path / "posed.png", replace(posed, head_rotation=rotations(len(posed), about=0.5)))
    assert (tmp_path / "still.png").read_bytes() != (tmp_path / "posed.png").read_bytes()
