"""Quadratic programs with a box: small, dense, strictly convex, solved to the end from a good first guess."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_TOLERANCE = 1e-10
_BULK_ROUNDS = 8


def solve_box(matrix: Doubles, linear: Doubles, start: Doubles) -> Doubles:
    """argmin over 0 <= w <= 1 of 1/2 w' A w - b' w.

    Args:
        matrix: A (K, K), symmetric positive definite, entries of the order of 1.
        linear: b (K,).
        start: (K,) within the box. A guess with the right weights at their bounds costs one small linear solve.

    Primal active set method: minimise over the free weights, stop at the first bound that is met and fix that weight;
    when the minimum lies inside, free the fixed weights whose gradient points inwards. All of them at once in the
    first rounds, which is fast, then one by one, which always ends.
    """
    w = start.copy()
    free = (w > 0) & (w < 1)
    rounds = 0
    while True:
        _minimise_free(matrix, linear, w, free)
        gradient = matrix @ w - linear
        inwards = np.where(free, 0.0, np.where(w <= 0, -gradient, gradient))
        wrong = inwards > _TOLERANCE
        if not wrong.any() or rounds > _BULK_ROUNDS + 4 * len(w):
            return w
        if rounds < _BULK_ROUNDS:
            free |= wrong
        else:
            free[int(np.argmax(inwards))] = True
        rounds += 1


def _minimise_free(matrix: Doubles, linear: Doubles, w: Doubles, free: npt.NDArray[np.bool_]) -> None:
    """Move w to the minimum over the free weights, fixing those that meet a bound on the way."""
    while (inside := np.flatnonzero(free)).size:
        fixed = np.where(free, 0.0, w)
        right = linear[inside] - matrix[inside] @ fixed
        wanted = np.linalg.solve(matrix[np.ix_(inside, inside)], right)
        here = w[inside]
        move = wanted - here
        low, high = wanted < 0, wanted > 1
        if not (low.any() or high.any()):
            w[inside] = wanted
            return
        share = np.full(len(inside), np.inf)
        share[low] = here[low] / -move[low]
        share[high] = (1.0 - here[high]) / move[high]
        least = share.min()
        w[inside] = np.clip(here + least * move, 0.0, 1.0)
        met = share <= least
        w[inside[met & low]] = 0.0
        w[inside[met & high]] = 1.0
        free[inside[met]] = False
