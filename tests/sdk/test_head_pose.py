"""Rotations of the head: made orthonormal, refused, seen as quaternions and angles, brought to rest."""

from __future__ import annotations

import numpy as np
import pytest
from pose_cases import about_axis, assert_rotations, rotations

from emoface import FrameBatch
from emoface.errors import RuntimeFailure
from emoface.head_pose import between, checked_rotations, euler_angles, posed, quaternions, towards_rest

NONE = np.zeros((5, 0, 0), np.float32)


def checked(rotation: np.ndarray, translation: np.ndarray | None = None, unit: float = 1.0) -> np.ndarray:
    still = np.zeros((len(rotation), 3), np.float32)
    return checked_rotations(rotation.astype(np.float32), still if translation is None else translation, unit)


def test_noisy_rotations_become_orthonormal():
    exact = rotations(500)
    noisy = exact + np.random.default_rng(1).uniform(-2e-4, 2e-4, exact.shape).astype(np.float32)
    made = checked(noisy)
    assert_rotations(made)
    assert np.abs(made - exact).max() < 1e-3 and made.dtype == np.float32
    assert_rotations(checked(exact))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda r: r.__setitem__((2, 1, 1), np.nan), "NaN or infinite head pose"),
        (lambda r: r.__setitem__((2, 0, 1), np.inf), "NaN or infinite head pose"),
        (lambda r: r[2].__imul__(-1), "a reflection"),
        (lambda r: r[2, :, 2].__imul__(-1), "a reflection"),
        (lambda r: r[2].__imul__(0), "off orthonormal by 1;"),
        (lambda r: r[2].__imul__(1.001), "off orthonormal by 0.002"),
        (lambda r: r[2, :, 0].__iadd__(0.002 * r[2, :, 1]), "off orthonormal by 0.002"),
        (lambda r: r[2].__imul__(1e30), "off orthonormal by 1e[+]60"),
    ],
)
def test_what_is_no_rotation_is_refused(change, match):
    made = rotations(4)
    change(made)
    with pytest.raises(RuntimeFailure, match=match):
        checked(made)


@pytest.mark.parametrize(("value", "unit"), [(np.nan, 1.0), (-np.inf, 1.0), (1000.1, 1.0), (1000.1e3, 1e-3)])
def test_translations_are_finite_and_not_too_far(value, unit):
    moved = np.zeros((4, 3), np.float32)
    moved[1, 2] = 1000 / unit
    checked(rotations(4), moved, unit)
    moved[1, 2] = value
    with pytest.raises(RuntimeFailure, match="NaN or infinite" if not np.isfinite(value) else "a head translation"):
        checked(rotations(4), moved, unit)


def test_quaternions_turn_as_the_matrices_do():
    made = np.concatenate([rotations(200), [about_axis(axis, np.pi) for axis in range(3)], [np.eye(3)]])
    made = made.astype(np.float32)
    q = quaternions(made)
    assert (q[:, 3] >= 0).all() and np.allclose((q**2).sum(axis=1), 1, atol=1e-12)
    points = np.random.default_rng(2).standard_normal((len(made), 3))
    axis, w = q[:, :3], q[:, 3:]
    turned = points + 2 * np.cross(axis, np.cross(axis, points) + w * points)
    assert np.allclose(turned, (made @ points[:, :, None])[:, :, 0], atol=1e-5)


def test_angles_are_those_of_a_yaw_of_a_pitch_of_a_roll():
    random = np.random.default_rng(3)
    for yaw, pitch, roll in random.uniform((-3, -1.5, -3), (3, 1.5, 3), (50, 3)):
        matrix = about_axis(1, yaw) @ about_axis(0, pitch) @ about_axis(2, roll)
        assert np.allclose(euler_angles(matrix[None]), [[yaw, pitch, roll]], atol=1e-6)
    for pitch in (np.pi / 2, -np.pi / 2):
        matrix = about_axis(1, 0.4) @ about_axis(0, pitch)
        assert np.allclose(euler_angles(matrix[None]), [[0.4, pitch, 0]], atol=1e-6)


def test_signs_of_the_angles():
    """+Y up, +Z front: the face's own left is +X."""
    front, left = np.array([0, 0, 1.0]), np.array([1.0, 0, 0])
    assert (about_axis(1, 0.3) @ front)[0] > 0  # yaw: towards its left
    assert (about_axis(0, 0.3) @ front)[1] < 0  # pitch: down
    assert (about_axis(2, 0.3) @ left)[1] > 0  # roll: the left side rises, the head tilts to its right


def test_a_share_of_a_rotation():
    made = rotations(100)
    shares = np.linspace(0, 1, 100, dtype=np.float32)
    left = towards_rest(made, shares)
    assert_rotations(left)
    assert np.array_equal(left[0], np.eye(3)) and left[-1].tobytes() == made[-1].tobytes()
    angle = [np.linalg.norm(euler_angles(towards_rest(about_axis(1, 2.0)[None], np.array([s])))) for s in shares]
    assert (np.diff(angle) > 0).all()
    assert towards_rest(NONE, shares[:5]).shape == (5, 0, 0)


def test_between_two_rotations():
    first, second = rotations(2, seed=1, about=0.3), rotations(2, seed=2, about=0.3)
    assert between(first, second, np.zeros(2, np.float32)).tobytes() == first.tobytes()
    assert np.allclose(between(first, second, np.ones(2, np.float32)), second, atol=1e-6)
    half = about_axis(1, 0.25)
    middle = between(np.eye(3, dtype=np.float32)[None], (half @ half)[None], np.array([0.5], np.float32))
    assert np.allclose(middle[0], half, atol=1e-6)
    # The short way, though the quaternions lie on opposite sides.
    near, far = about_axis(1, np.pi - 0.1), about_axis(1, np.pi + 0.1)
    middle = between(near[None], far[None], np.array([0.5], np.float32))
    assert np.allclose(middle[0], about_axis(1, np.pi), atol=1e-6)
    assert between(NONE, NONE, np.zeros(5, np.float32)).shape == (5, 0, 0)


def test_views_of_a_batch():
    vertices = np.random.default_rng(4).standard_normal((5, 7, 3)).astype(np.float32)
    empty = np.zeros((5, 0), np.float32)
    plain = FrameBatch(np.arange(5) / 30, vertices, empty, empty)
    assert not plain.has_head_pose and plain.posed_vertices is vertices
    assert plain.head_rotation.shape == (5, 0, 0) and plain.head_translation.shape == (5, 0)
    assert plain.head_quaternion.shape == plain.head_euler.shape == (5, 0)
    turned, moved = rotations(5), np.arange(15, dtype=np.float32).reshape(5, 3)
    batch = FrameBatch(plain.time, vertices, empty, empty, head_rotation=turned, head_translation=moved)
    expected = np.einsum("nij,nvj->nvi", turned, vertices) + moved[:, None]
    assert np.allclose(batch.posed_vertices, expected, atol=1e-5) and batch.posed_vertices.dtype == np.float32
    assert np.array_equal(posed(vertices, turned, moved), batch.posed_vertices)
    assert batch.head_quaternion.shape == (5, 4) and batch.head_euler.shape == (5, 3)
    both = FrameBatch.concat([batch, batch])
    assert both.head_rotation.shape == (10, 3, 3) and both.head_translation.shape == (10, 3)
