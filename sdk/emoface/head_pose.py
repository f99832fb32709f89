"""Poses of the head: a rotation R and a translation T of the whole face, beside the motion within it.

A posed vertex is R v + T, about the origin of the template's axes: R's columns are where the axes go. Angles and
quaternions are views of it.

What streams hand out is computed in float64 with + - * / and square roots alone, in the order written here:
csrc/runtime/head_pose.cpp does the same and gives the same bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emoface.errors import RuntimeFailure

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

MOST_OFF = 1e-3
"""Most that a product of two columns of a graph's rotation may differ from that of an orthonormal matrix."""
FARTHEST_M = 1000.0
"""Longest translation in metres."""

_REMEDY = "Call reset(). If it happens again, verify the package with `emoface verify`."


def checked_rotations(rotation: Floats, translation: Floats, unit_in_metres: float) -> Floats:
    """The rotations of graphs, made orthonormal: to 1e-6, with determinant +1.

    Args:
        rotation: (n, 3, 3); (n, 0, 0) where there are none, which is returned as it is.
        translation: (n, 3) in the package's unit.
        unit_in_metres: that unit.

    Raises:
        RuntimeFailure: a value that is not finite, columns that are off orthonormal by more than `MOST_OFF`, a
            reflection, a translation beyond `FARTHEST_M`.
    """
    if not rotation.size:
        return rotation
    columns = [rotation[:, :, column].astype(np.float64) for column in range(3)]
    moved = translation.astype(np.float64)
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise RuntimeFailure("a NaN or infinite head pose from the graphs", "finite head poses", _REMEDY)
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        off = float(np.abs(_dot(columns[a], columns[b]) - float(a == b)).max())
        if off > MOST_OFF:
            got = f"a head rotation from the graphs whose columns are off orthonormal by {off:.3g}"
            raise RuntimeFailure(got, f"at most {MOST_OFF:g}", _REMEDY)
    if not (_dot(columns[0], _cross(columns[1], columns[2])) > 0).all():
        raise RuntimeFailure("a head rotation from the graphs that is a reflection", "determinant 1", _REMEDY)
    farthest = float((np.sqrt(_dot(moved, moved)) * unit_in_metres).max())
    if farthest > FARTHEST_M:
        got = f"a head translation from the graphs of {farthest:g} m"
        raise RuntimeFailure(got, f"at most {FARTHEST_M:g} m", _REMEDY)
    return _orthonormal(columns[0], columns[1])


def towards_rest(rotation: Floats, shares: Floats) -> Floats:
    """Rotations (n, 3, 3) of which a share (n,) from 0 to 1 is left, the rest being none: normalised lerp.

    Share 1 leaves a rotation's bits as they are, share 0 gives the identity. (n, 0, 0) is returned as it is.
    """
    if not rotation.size:
        return rotation
    share = shares.astype(np.float64)[:, None]
    turned = quaternions(rotation) * share
    turned[:, 3:] = turned[:, 3:] + (1.0 - share)
    return np.where((shares == 1)[:, None, None], rotation, _matrices(_normalised(turned)))


def between(first: Floats, second: Floats, shares: Floats) -> Floats:
    """Rotations (n, 3, 3) on the way from `first` to `second`, shares (n,) of it: normalised lerp, the short way.

    For neighbouring frames. Share 0 gives the bits of `first`. (n, 0, 0) is returned as it is.
    """
    if not first.size:
        return first
    share = shares.astype(np.float64)[:, None]
    start, end = quaternions(first), quaternions(second)
    apart = (start * end).sum(axis=1, keepdims=True) < 0
    turned = start * (1.0 - share) + np.where(apart, -end, end) * share
    return np.where((shares == 0)[:, None, None], first, _matrices(_normalised(turned)))


def turned_about(turns: Doubles, pivot: Floats, rotation: Floats, translation: Floats) -> tuple[Floats, Floats]:
    """Poses of heads that first turn about a pivot.

    Args:
        turns: (n, 3) radians about X, Y, Z, together much less than half a turn.
        pivot: (3,), in the template's unit.
        rotation, translation: (n, 3, 3) and (n, 3), poses that follow; (n, 0, 0) and (n, 0) where there are none.

    Returns:
        Rotations (n, 3, 3), orthonormal to 1e-6, and translations (n, 3).
    """
    q = np.ones((len(turns), 4))
    q[:, :3] = turns * 0.5
    made, moved = _exact_matrices(_normalised(q)), np.empty((len(turns), 3))
    at = pivot.astype(np.float64)
    for axis in range(3):
        moved[:, axis] = at[axis] - _dot(made[:, axis], at)
    if rotation.size:
        after = rotation.astype(np.float64)
        first, second = (np.stack([_dot(after[:, row], made[:, :, k]) for row in range(3)], axis=1) for k in (0, 1))
        shifted = [_dot(after[:, row], moved) for row in range(3)]
        moved = np.stack(shifted, axis=1) + translation.astype(np.float64)
        return _orthonormal(first, second), moved.astype(np.float32)
    return made.astype(np.float32), moved.astype(np.float32)


def quaternions(rotation: Floats) -> Doubles:
    """Unit quaternions (n, 4) x, y, z, w with w >= 0 of rotations (n, 3, 3)."""
    r = rotation.astype(np.float64)
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = [[r[:, row, column] for column in range(3)] for row in range(3)]
    # Four times the products of the quaternion's parts with each other. The largest part divides best.
    table = np.empty((len(r), 4, 4))
    table[:, 0, 0] = 1.0 + xx - yy - zz
    table[:, 1, 1] = 1.0 - xx + yy - zz
    table[:, 2, 2] = 1.0 - xx - yy + zz
    table[:, 3, 3] = 1.0 + xx + yy + zz
    table[:, 0, 1] = table[:, 1, 0] = xy + yx
    table[:, 0, 2] = table[:, 2, 0] = xz + zx
    table[:, 1, 2] = table[:, 2, 1] = yz + zy
    table[:, 0, 3] = table[:, 3, 0] = zy - yz
    table[:, 1, 3] = table[:, 3, 1] = xz - zx
    table[:, 2, 3] = table[:, 3, 2] = yx - xy
    largest = np.argmax(np.diagonal(table, axis1=1, axis2=2), axis=1)
    rows = _normalised(table[np.arange(len(r)), largest])
    return np.where(rows[:, 3:] < 0, -rows, rows)


def euler_angles(rotation: Floats) -> Doubles:
    """Yaw, pitch, roll (n, 3) in radians: R = Ry(yaw) Rx(pitch) Rz(roll), each right-handed about its axis.

    With +Y up and +Z front, positive yaw turns the face to its own left, positive pitch lowers it, and positive roll
    tilts it to its own right. Pitch lies within +-pi/2; at its ends, where the other two are one, roll is 0.
    """
    r = rotation.astype(np.float64)
    level = np.sqrt(r[:, 0, 2] * r[:, 0, 2] + r[:, 2, 2] * r[:, 2, 2])
    upright = level > 1e-6
    yaw = np.where(upright, np.arctan2(r[:, 0, 2], r[:, 2, 2]), np.arctan2(-r[:, 2, 0], r[:, 0, 0]))
    roll = np.where(upright, np.arctan2(r[:, 1, 0], r[:, 1, 1]), 0.0)
    return np.stack([yaw, np.arctan2(-r[:, 1, 2], level), roll], axis=1)


def posed(vertices: Floats, rotation: Floats, translation: Floats) -> Floats:
    """R v + T for vertices (n, V, 3), rotations (n, 3, 3) and translations (n, 3); without poses the vertices."""
    if not rotation.shape[1]:
        return vertices
    return np.asarray(vertices @ rotation.transpose(0, 2, 1) + translation[:, None], np.float32)


def _dot(a: Doubles, b: Doubles) -> Doubles:
    """Products of vectors (..., 3), summed in the order of the axes."""
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def _cross(a: Doubles, b: Doubles) -> Doubles:
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _orthonormal(first: Doubles, second: Doubles) -> Floats:
    """Rotations whose first two columns are near those given: Gram and Schmidt's, and the third at right angles."""
    x = first / np.sqrt(_dot(first, first))[:, None]
    y = second - _dot(x, second)[:, None] * x
    y = y / np.sqrt(_dot(y, y))[:, None]
    return np.stack([x, y, _cross(x, y)], axis=2).astype(np.float32)


def _normalised(q: Doubles) -> Doubles:
    squares = q[:, 0] * q[:, 0] + q[:, 1] * q[:, 1] + q[:, 2] * q[:, 2] + q[:, 3] * q[:, 3]
    return np.asarray(q / np.sqrt(squares)[:, None])


def _matrices(q: Doubles) -> Floats:
    """Rotations of unit quaternions."""
    return _exact_matrices(q).astype(np.float32)


def _exact_matrices(q: Doubles) -> Doubles:
    x, y, z, w = q.T
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)
