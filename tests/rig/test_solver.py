"""The solver: exact, bounded, sparse, steady, and the same for any cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emoface.errors import RigError
from emoface.package import Face
from emoface.rig import Blendshapes, BlendshapeSolver
from emoface.rig.active_set import solve_box


def small_basis(shapes: int = 5, vertices: int = 8, seed: int = 0) -> Blendshapes:
    offsets = np.random.default_rng(seed).normal(0, 0.01, (shapes, vertices, 3))
    return Blendshapes(tuple(f"shape{k}" for k in range(shapes)), offsets)


def test_box_problem_is_solved_exactly_from_any_start() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        count = int(generator.integers(1, 12))
        factor = generator.normal(size=(count, count))
        matrix = factor @ factor.T / count + 1e-3 * np.eye(count)
        linear = generator.normal(size=count)
        start = np.clip(generator.normal(0.5, 0.7, count), 0, 1)
        w = solve_box(matrix, linear, start)
        gradient = matrix @ w - linear
        assert w.min() >= 0 and w.max() <= 1
        assert np.abs(gradient[(w > 0) & (w < 1)]).max(initial=0) < 1e-9
        assert gradient[w == 0].min(initial=0) > -1e-9 and gradient[w == 1].max(initial=0) < 1e-9


def test_box_problem_agrees_with_all_active_sets_tried() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        factor = generator.normal(size=(4, 4))
        matrix, linear = factor @ factor.T + 0.01 * np.eye(4), generator.normal(size=4) * 3
        best = np.inf
        for state in itertools.product((0, 1, None), repeat=4):
            w = np.array([0.0 if s is None else s for s in state], float)
            free = [k for k, s in enumerate(state) if s is None]
            if free:
                w[free] = np.linalg.solve(matrix[np.ix_(free, free)], linear[free] - matrix[free] @ w)
            if w.min() >= 0 and w.max() <= 1:
                best = min(best, 0.5 * w @ matrix @ w - linear @ w)
        w = solve_box(matrix, linear, np.zeros(4))
        assert 0.5 * w @ matrix @ w - linear @ w == pytest.approx(best, abs=1e-10)


def test_weights_that_made_a_face_are_found_again() -> None:
    basis = small_basis()
    weights = np.random.default_rng(2).uniform(0, 1, (20, 5)).astype(np.float32)
    found = BlendshapeSolver(basis, sparsity=0, smoothness=0).solve(basis.offsets(weights))
    assert np.abs(found - weights).max() < 1e-3  # what the ridge costs


def test_names_and_arrays_make_a_solver_too() -> None:
    basis = small_basis()
    solver = BlendshapeSolver(basis.names, basis.shapes)
    assert solver.names == basis.names
    assert np.array_equal(solver.solve(basis.shapes), BlendshapeSolver(basis).solve(basis.shapes))


def test_weights_stay_in_bounds_beyond_what_shapes_reach() -> None:
    basis = small_basis()
    found = BlendshapeSolver(basis).solve(np.stack([3 * basis.shapes[0], -2 * basis.shapes[1]]))
    assert found.min() == 0 and found.max() == 1
    assert found[0, 0] == 1


def test_result_does_not_depend_on_unit_or_scale_of_shapes() -> None:
    basis = small_basis()
    offsets = basis.offsets(np.random.default_rng(3).uniform(0, 0.5, (6, 5)))
    metres = BlendshapeSolver(basis).solve(offsets)
    millimetres = BlendshapeSolver(basis.names, basis.shapes * 1000).solve(offsets * 1000)
    assert np.abs(metres - millimetres).max() < 1e-5
    halved = basis.shapes * np.array([1, 0.5, 1, 1, 1], np.float32)[:, None, None]
    doubled = BlendshapeSolver(basis.names, halved, sparsity=0, smoothness=0).solve(offsets)
    plain = BlendshapeSolver(basis, sparsity=0, smoothness=0).solve(offsets)
    assert np.abs(doubled[:, 1] - 2 * plain[:, 1]).max() < 2e-3


def test_sparsity_empties_weights_and_costs_accuracy(face: Face, motion: np.ndarray) -> None:
    assert face.blendshapes is not None
    counts, errors = [], []
    for sparsity in (0.0, 0.002, 0.05):
        solver = BlendshapeSolver(face.blendshapes, sparsity=sparsity, smoothness=0)
        weights = solver.solve(motion[::6])
        counts.append(int((weights > 1e-4).sum()))
        errors.append(float(solver.error(motion[::6], weights).mean()))
    assert counts[0] > counts[1] > counts[2] and errors[0] < errors[1] < errors[2]


def test_smoothness_is_a_lag_in_frames() -> None:
    basis = small_basis(shapes=1)
    step = np.concatenate([np.zeros((2, 8, 3)), np.repeat(basis.shapes, 30, axis=0)])
    weights = BlendshapeSolver(basis, sparsity=0, smoothness=3.0).solve(step)[:, 0]
    expected = 1 - (3 / 4) ** np.arange(1, 31)
    assert np.abs(weights[2:] - expected).max() < 1e-3


def test_default_rig_is_reproduced(face: Face, motion: np.ndarray) -> None:
    """The figure of the documentation: RMS over all vertices and frames, against how far the face moves."""
    assert face.blendshapes is not None
    solver = BlendshapeSolver(face.blendshapes)
    error = 1000 * np.sqrt(np.mean(solver.error(motion, solver.solve(motion)) ** 2))
    moved = 1000 * np.sqrt((motion.astype(np.float64) ** 2).sum(axis=2).mean())
    assert moved > 1.2
    assert error < 0.15 and error < 0.1 * moved


def test_opposite_shapes_are_no_fault_and_never_both_move(face: Face, motion: np.ndarray) -> None:
    assert face.blendshapes is not None
    basis = face.blendshapes
    jaw = np.concatenate([basis["jawLeft"][None] * 0.5, basis["jawRight"][None] * 0.8])
    weights = BlendshapeSolver(basis, smoothness=0).solve(jaw)
    left, right = (basis.names.index(name) for name in ("jawLeft", "jawRight"))
    assert weights[0, left] > 0.45 and weights[0, right] == 0
    assert weights[1, right] > 0.75 and weights[1, left] == 0


def test_same_bits_for_any_cut_after_reset_and_from_a_state(face: Face, motion: np.ndarray) -> None:
    assert face.blendshapes is not None
    whole = BlendshapeSolver(face.blendshapes).solve(motion)
    solver = BlendshapeSolver(face.blendshapes)
    generator = np.random.default_rng(4)
    cuts = [0, *sorted(generator.integers(0, len(motion), 9)), len(motion)]
    pieces = [solver.solve(motion[a:b]) for a, b in itertools.pairwise(cuts)]
    assert np.array_equal(np.concatenate(pieces), whole)
    solver.reset()
    assert np.array_equal(np.stack([solver.solve(frame) for frame in motion[:40]]), whole[:40])
    state = solver.state
    other = BlendshapeSolver(face.blendshapes)
    other.state = state
    assert np.array_equal(other.solve(motion[40:]), whole[40:])
    assert np.array_equal(solver.solve(motion[40:].astype(np.float64)), whole[40:])


def test_empty_shapes_keep_weight_zero() -> None:
    basis = small_basis()
    shapes = np.concatenate([basis.shapes, np.zeros((1, 8, 3))])
    solver = BlendshapeSolver([*basis.names, "tongueOut"], shapes)
    assert solver.unused == ("tongueOut",)
    assert not solver.solve(shapes)[:, 5].any()
    assert solver.solve(shapes[:0]).shape == (0, 6)


def test_rank_deficient_basis_names_the_shape() -> None:
    basis = small_basis()
    mixed = np.concatenate([basis.shapes, basis.shapes[1:2] + 0.5 * basis.shapes[3:4]])
    with pytest.raises(RigError, match=r"'extra', a combination of shape1, shape3 \(rank-deficient"):
        BlendshapeSolver([*basis.names, "extra"], mixed)
    with pytest.raises(RigError, match="without any offset"):
        BlendshapeSolver(["a", "b"], np.zeros((2, 4, 3)))


@pytest.mark.parametrize(
    ("names", "change", "message"),
    [
        (("a", "b", "c", "d", "a"), None, "'a' more than once"),
        (("a", "b", "c", "d"), None, "4 names for 5"),
        (("a", "b", "c", "d", ""), None, "one name each"),
        (("a", "b", "c", "d", "e"), np.nan, "NaN or infinite offsets in the blendshape 'd'"),
        (("a", "b", "c", "d", "e"), np.inf, "blendshape 'd'"),
    ],
)
def test_bad_bases(names: tuple[str, ...], change: float | None, message: str) -> None:
    shapes = np.array(small_basis().shapes)
    if change is not None:
        shapes[3, 2, 1] = change
    with pytest.raises(RigError, match=message):
        BlendshapeSolver(names, shapes)


@pytest.mark.parametrize("shape", [(5, 8), (0, 8, 3), (5, 0, 3), (5, 8, 2)])
def test_bases_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(RigError, match=r"expected shape \(K, V, 3\)"):
        Blendshapes(tuple("abcde")[: shape[0]], np.zeros(shape))


@pytest.mark.parametrize("values", [{"sparsity": -1}, {"smoothness": float("nan")}, {"sparsity": "much"}])
def test_bad_parameters(values: dict[str, float]) -> None:
    with pytest.raises(RigError, match=r"expected a number from 0 up"):
        BlendshapeSolver(small_basis(), **values)


def test_bad_offsets_leave_the_state() -> None:
    basis = small_basis()
    solver = BlendshapeSolver(basis)
    solver.solve(basis.shapes)
    state = solver.state
    broken = np.array(basis.shapes)
    broken[2, 0, 0] = np.nan
    with pytest.raises(RigError, match="NaN or infinite offsets"):
        solver.solve(broken)
    with pytest.raises(RigError, match=r"shape \(2, 9, 3\); expected \(n, 8, 3\), the vertices of the blendshapes"):
        solver.solve(np.zeros((2, 9, 3)))
    assert np.array_equal(solver.state, state)
    for wrong in (np.zeros(4), np.full(5, 2.0), np.full(5, np.nan)):
        with pytest.raises(RigError, match="a state of shape"):
            solver.state = wrong


def test_choosing_shapes() -> None:
    basis = small_basis()
    assert basis.select(["shape3", "shape1"]).names == ("shape3", "shape1")
    assert np.array_equal(basis.without("shape0").shapes, basis.shapes[1:])
    for call in (basis.without, basis.__getitem__, lambda name: basis.select([name])):
        with pytest.raises(RigError, match="'brow'; expected one of shape0"):
            call("brow")
    with pytest.raises(ValueError, match="read-only"):
        basis.shapes[0] = 0
