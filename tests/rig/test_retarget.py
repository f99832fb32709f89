"""Motion on another mesh of the same topology."""

from __future__ import annotations

import numpy as np
import pytest

from emoface.errors import RigError, TemplateError
from emoface.package import Face
from emoface.rig import Retarget


@pytest.fixture(scope="module")
def other(face: Face) -> np.ndarray:
    """Another person: a longer, narrower head with a stronger chin."""
    template = face.template * np.array([0.92, 1.12, 1.05], np.float32)
    chin = np.clip((-0.06 - face.template[:, 1]) / 0.05, 0, 1)
    return template + chin[:, None] * np.array([0, -0.01, 0.012], np.float32)


def test_same_face_keeps_its_motion(face: Face, motion: np.ndarray) -> None:
    assert np.abs(Retarget(face, face.template).offsets(motion[:5]) - motion[:5]).max() < 1e-6


def test_turn_scale_and_place_of_a_copy_are_followed_exactly(face: Face, motion: np.ndarray) -> None:
    angle = 0.7
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    copy = 1.7 * face.template @ turn.T + np.array([1.0, -2.0, 0.5])
    found = Retarget(face, copy).offsets(motion[:5])
    assert np.abs(found - 1.7 * motion[:5] @ turn.T).max() < 1e-5


def test_closed_lips_stay_closed_and_open_ones_open(face: Face, other: np.ndarray, motion: np.ndarray) -> None:
    retarget = Retarget(face, other)
    upper, lower = face.masks["upper_lip_inner"], face.masks["lower_lip_inner"]

    def gap(vertices: np.ndarray) -> np.ndarray:
        return np.linalg.norm(vertices[..., upper, :] - vertices[..., lower, :], axis=-1).mean(axis=-1)

    assert face.blendshapes is not None
    closed = face.blendshapes["jawOpen"] + face.blendshapes["mouthClose"]
    assert abs(gap(face.template + closed) - gap(face.template)) < 4e-4
    assert abs(gap(other + retarget.offsets(closed[None])[0]) - gap(other)) < 8e-4
    source, target = gap(face.template + motion), gap(other + retarget.offsets(motion))
    assert np.corrcoef(source, target)[0, 1] > 0.99


def test_shapes_follow_too_and_any_cut_gives_the_same_bits(face: Face, other: np.ndarray, motion: np.ndarray) -> None:
    retarget = Retarget(face, other, face.faces)
    whole = retarget.offsets(motion[:20])
    parts = [retarget.offsets(part) for part in (motion[:1], motion[1:8], motion[8:8], motion[8:20])]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert face.blendshapes is not None
    jaw = retarget.blendshapes(face.blendshapes.select(["jawOpen"]))
    scale = np.linalg.norm(jaw["jawOpen"], axis=1).max() / np.linalg.norm(face.blendshapes["jawOpen"], axis=1).max()
    assert 0.9 < scale < 1.25


def test_meshes_that_do_not_fit(face: Face, tmp_path: object) -> None:
    with pytest.raises(RigError, match=r"shape \(5022, 3\) to retarget to; expected shape \(5023, 3\)"):
        Retarget(face, face.template[1:])
    with pytest.raises(RigError, match=r"triangles with SHA-256 .*same topology"):
        Retarget(face, face.template, face.faces[::-1])
    for broken in (face.template * np.nan, face.template * np.array([1, 1, 0], np.float32)):
        with pytest.raises(RigError, match="flat mesh, or one with NaN"):
            Retarget(face, broken)
    np.savez(f"{tmp_path}/other.npz", template=face.template[:-1], faces=face.faces)
    with pytest.raises(TemplateError):
        Retarget(face, f"{tmp_path}/other.npz")
    with pytest.raises(RigError, match=r"offsets of shape \(3, 7, 3\)"):
        Retarget(face, face.template).offsets(np.zeros((3, 7, 3)))
