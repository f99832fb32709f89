"""The order of a spiral: sequences written down from SpiralNet++'s code on OpenMesh, and the rule built anew."""

import numpy as np
import pytest
from test_spiral import grid

from emoface_training.nn.spiral import build_spirals, spirals_fit
from tiny import icosphere

TABLE_4 = [(5, 1), (9, 1), (18, 1), (18, 2), (18, 4)]
# A pole, two rings of five, the other pole
FIVE = range(1, 6)
ICOSAHEDRON = np.array(
    [(0, i, i % 5 + 1) for i in FIVE]
    + [(i, i + 5, i % 5 + 1) for i in FIVE]
    + [(i % 5 + 1, i + 5, i % 5 + 6) for i in FIVE]
    + [(11, i % 5 + 6, i + 5) for i in FIVE]
)
GRID_SPIRALS = {  # of 4 x 4 vertices, rows from below: inside, at a corner, at an edge
    5: [5, 10, 6, 1, 0, 4, 9, 14, 15, 11, 7, 2, 8, 13, 3],
    10: [10, 15, 11, 6, 5, 9, 14, 7, 2, 1, 0, 4, 8, 13, 3],
    0: [0, 4, 5, 1, 8, 9, 10, 6, 2, 12, 13, 14, 15, 11, 7],
    7: [7, 3, 2, 6, 11, 1, 5, 10, 15, 0, 4, 9, 14, 8, 13],
}
ICOSAHEDRON_SPIRALS = {
    0: [0, 5, 4, 3, 2, 1, 10, 9, 8, 7, 6],
    1: [1, 10, 5, 0, 2, 6, 11, 9, 4, 3, 7],
    6: [6, 10, 1, 2, 7, 11, 9, 5, 0, 3, 8],
    11: [11, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5],
}


@pytest.mark.parametrize(("mesh", "spirals"), [("grid", GRID_SPIRALS), ("icosahedron", ICOSAHEDRON_SPIRALS)])
def test_sequences_written_down(mesh: str, spirals: dict[int, list[int]]) -> None:
    vertices, faces = grid(4, 4) if mesh == "grid" else (np.eye(12, 3), ICOSAHEDRON)
    length = len(next(iter(spirals.values())))
    found = build_spirals(vertices, faces, length, 1)
    assert {v: found[v].tolist() for v in spirals} == spirals


def circulations(count: int, faces: np.ndarray) -> list[list[int]]:
    """Neighbours of every vertex as OpenMesh's vv_iter meets them: the next halfedge is next(opposite(this one)).

    It begins at the boundary halfedge of a vertex that has one, else at that of the last face added around it.
    """
    following, outgoing = {}, {}
    for face in faces.tolist():
        for i in range(3):
            a, b, c = face[i], face[(i + 1) % 3], face[(i + 2) % 3]
            following[a, b], outgoing[a] = (b, c), (a, b)
    boundary = {a: (a, b) for b, a in following if (a, b) not in following}
    for a, b in boundary.values():
        following[a, b] = boundary[b]
    neighbours = []
    for v in range(count):
        start = halfedge = boundary.get(v, outgoing[v])
        ring = []
        while not ring or halfedge != start:
            ring.append(halfedge[1])
            halfedge = following[halfedge[1], v]
        neighbours.append(ring)
    return neighbours


def next_ring(neighbours: list[list[int]], last: list[int], earlier: list[int]) -> list[int]:
    """SpiralNet++'s rule: around every vertex, first what comes after a vertex of the last ring, then the rest."""
    found: list[int] = []
    for v in last:
        after_last_ring = False
        for other in neighbours[v]:
            if after_last_ring and other not in last + earlier + found:
                found.append(other)
            after_last_ring = after_last_ring or other in last
        found += [other for other in neighbours[v] if other not in last + earlier + found]
    return found


def spiral_by_definition(neighbours: list[list[int]], centre: int, length: int) -> list[int]:
    spiral, ring = [centre], neighbours[centre]
    while ring:
        following = next_ring(neighbours, ring, spiral)
        spiral, ring = spiral + ring, following
        if len(spiral) >= length:
            break
    return spiral[:length]


def shuffled(faces: np.ndarray, seed: int) -> np.ndarray:
    """The same surface: faces in another order, each from another of its corners."""
    generator = np.random.default_rng(seed)
    turned = [np.roll(face, int(generator.integers(3))) for face in faces]
    return np.array(turned)[generator.permutation(len(faces))]


def meshes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sphere, faces = icosphere(2)
    holed = faces[~np.isin(faces, [7, 90]).any(1)]
    used, compact = np.unique(holed, return_inverse=True)
    return {
        "grid": grid(9, 11),
        "sphere": (sphere, shuffled(faces, 1)),
        "two holes": (sphere[used], shuffled(compact.reshape(-1, 3), 2)),
    }


@pytest.mark.parametrize(("kernel", "dilation"), TABLE_4)
@pytest.mark.parametrize("name", ["grid", "sphere", "two holes"])
def test_every_row_of_table_4_follows_the_rule(name: str, kernel: int, dilation: int) -> None:
    vertices, faces = meshes()[name]
    neighbours = circulations(len(vertices), faces)
    chosen = range(0, len(vertices), 3 if dilation == 4 else 1)
    expected = [spiral_by_definition(neighbours, v, kernel * dilation)[::dilation] for v in chosen]
    assert np.array_equal(build_spirals(vertices, faces, kernel, dilation)[list(chosen)], expected)


def test_small_components_take_the_nearest_vertices_instead() -> None:
    """A triangle and a strip beside it: no ring fills five entries, so distance alone decides."""
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 2, 0.5], [1, 0, 0.5], [9, 9, 9], [9, 9, 8]], float)
    faces = np.array([[0, 1, 2], [3, 4, 5], [4, 6, 5]])
    assert build_spirals(vertices, faces, 5, 1)[0].tolist() == [0, 2, 4, 3, 1]
    assert build_spirals(vertices, faces, 3, 1)[0].tolist() == [0, 2, 1]


def test_spirals_of_models_trained_with_another_order_still_fit_their_face() -> None:
    vertices, faces = grid(4, 4)
    spirals = build_spirals(vertices, faces, 7, 2)
    assert spirals[5].tolist() == GRID_SPIRALS[5][:14:2]
    earlier = spirals.copy()
    earlier[5, 4] = 11  # as spirals began the second ring before: ..., 9, 15, 11, 14, 7, ...
    assert spirals_fit(spirals, faces, 2) and spirals_fit(earlier, faces, 2)
    of_another_ring, another_start = spirals.copy(), spirals.copy()
    of_another_ring[5, 4] = 1
    another_start[5, 1] = 0
    assert not spirals_fit(of_another_ring, faces, 2)
    assert not spirals_fit(another_start, faces, 2)
    assert not spirals_fit(spirals, faces[:, ::-1], 2)
    assert not spirals_fit(spirals, shuffled(faces, 5), 2)
    with pytest.raises(ValueError, match="there are 16 vertices"):
        spirals_fit(spirals, faces + 1, 2)
