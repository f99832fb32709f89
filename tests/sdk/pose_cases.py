"""Head rotations and translations for tests."""

from __future__ import annotations

import numpy as np


def rotations(count: int, seed: int = 0, about: float = np.pi) -> np.ndarray:
    """Rotations (n, 3, 3) float32 by up to `about` radians about any axis (Rodrigues' formula)."""
    random = np.random.default_rng(seed)
    axis = random.standard_normal((count, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = random.uniform(0, about, count)[:, None, None]
    x, y, z = axis.T
    zero = np.zeros(count)
    cross = np.stack([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    return (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).astype(np.float32)


def about_axis(axis: int, angle: float) -> np.ndarray:
    """The rotation (3, 3) by an angle about x, y or z, right-handed."""
    one, other = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[one, one] = matrix[other, other] = np.cos(angle)
    matrix[other, one], matrix[one, other] = np.sin(angle), -np.sin(angle)
    return matrix


def assert_rotations(matrices: np.ndarray, most: float = 1e-6) -> None:
    """Orthonormal, and no reflections."""
    products = np.asarray(matrices, np.float64).transpose(0, 2, 1) @ matrices
    assert np.abs(products - np.eye(3)).max(initial=0) < most
    assert np.allclose(np.linalg.det(matrices), 1, atol=1e-5)
