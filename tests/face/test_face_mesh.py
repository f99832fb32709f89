"""The committed head: size, topology, masks, symmetry, rest state of the mouth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emoface_training.data.synthetic.rig import FACES_SHA256, HEAD_FILE, Rig

VERTICES = 5023
REQUIRED_MASKS = (
    "lips", "jaw", "eyes_forehead", "eyes", "forehead", "nose", "cheeks", "teeth_upper", "teeth_lower", "tongue",
    "eyeballs", "mouth_inner", "neck", "scalp", "ears", "upper_lip_inner", "lower_lip_inner",
)  # fmt: skip
DISJOINT = ("lips", "mouth_inner", "teeth_upper", "teeth_lower", "tongue", "eyeballs", "eyes", "ears", "neck", "scalp")


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig.load()


def _directed_edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _mirror(rig: Rig) -> np.ndarray:
    """Index [V] of the vertex that mirrors each vertex, by position; -1 where there is none."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(rig.template).query(rig.template * np.array([-1, 1, 1]), k=1)
    return np.where(distance < 1e-5, index, -1)


def test_size_types_and_hash(rig: Rig) -> None:
    assert rig.template.shape == (VERTICES, 3) and rig.template.dtype == np.float32
    assert rig.faces.dtype == np.int32 and 9300 <= len(rig.faces) <= 9900
    assert rig.colours.shape == (VERTICES, 3) and rig.colours.min() >= 0 and rig.colours.max() <= 1
    assert len(FACES_SHA256) == 64
    assert HEAD_FILE.stat().st_size < 1_000_000


def test_every_vertex_is_used_and_no_triangle_degenerate(rig: Rig) -> None:
    assert len(np.unique(rig.faces)) == VERTICES
    a, b, c = (rig.template[rig.faces[:, k]].astype(np.float64) for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    # upper and lower lip coincide at rest, but never inside one triangle
    assert (area > 0).all()


def test_manifold_and_consistently_oriented(rig: Rig) -> None:
    directed = _directed_edges(rig.faces)
    assert len(np.unique(directed, axis=0)) == len(directed), "an edge is used twice in one direction"
    _, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert uses.max() == 2


def test_the_skin_is_closed_but_for_the_neck(rig: Rig) -> None:
    """One sheet with lips, mouth, lids and nostrils: its open edges are the neck's and the rims behind the lids."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = _directed_edges(rig.faces)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (VERTICES, VERTICES))
    _, sheet = connected_components(graph, directed=False)
    for name in ("cheeks", "scalp", "neck", "lips", "mouth_inner", "eyes", "upper_lip_inner"):
        assert (sheet[rig.masks[name]] == sheet[rig.masks["nose"][0]]).all(), name
    own = edges[sheet[edges[:, 0]] == sheet[rig.masks["nose"][0]]]
    once, uses = np.unique(np.sort(own, axis=1), axis=0, return_counts=True)
    rim = np.unique(once[uses == 1])
    lowest = rig.template[:, 1].min() + 0.01
    assert np.isin(rim, rig.masks["eyes"]).sum() == 2 * 32
    assert (rig.template[np.setdiff1d(rim, rig.masks["eyes"]), 1] < lowest).all()


def test_nostrils_are_dark_passages(rig: Rig) -> None:
    """Below the tip of the nose something much darker than skin lies higher than its rim."""
    nose = rig.masks["nose"]
    light = rig.colours[nose].max(axis=1)
    dark = nose[light < 0.1 * np.median(light)]
    assert len(dark) >= 2 * 14
    assert (rig.template[dark, 0] > 0.003).sum() == (rig.template[dark, 0] < -0.003).sum() == len(dark) // 2
    rim = rig.template[nose[(light > 0.3 * np.median(light)) & (rig.template[nose, 1] < -0.039)], 1]
    assert rig.template[dark, 1].mean() > rim.mean() + 0.003


def test_head_is_the_size_of_a_head(rig: Rig) -> None:
    low, high = rig.template.min(axis=0), rig.template.max(axis=0)
    assert 0.13 < high[0] - low[0] < 0.19
    assert 0.24 < high[1] - low[1] < 0.29  # with the neck
    nose = rig.template[rig.masks["nose"]]
    assert nose[:, 2].max() == pytest.approx(high[2], abs=1e-4), "the nose points to +Z"
    assert rig.template[rig.masks["forehead"], 1].mean() > rig.template[rig.masks["jaw"], 1].mean()


def test_surface_faces_outwards(rig: Rig) -> None:
    scalp = np.isin(rig.faces, rig.masks["scalp"]).all(axis=1)
    for part in (scalp, np.isin(rig.faces, rig.masks["forehead"]).all(axis=1)):
        tri = rig.template[rig.faces[part]]
        normal = np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0])
        outward = (normal * (tri.mean(axis=1) - np.array([0, 0.02, -0.01]))).sum(axis=1)
        assert (outward > 0).mean() > 0.99


def test_masks_exist_in_range_without_repeats(rig: Rig) -> None:
    for name in REQUIRED_MASKS:
        ids = rig.masks[name]
        assert len(ids) > 0, name
        assert len(np.unique(ids)) == len(ids), name
        assert ids.min() >= 0 and ids.max() < VERTICES, name


def test_parts_are_disjoint(rig: Rig) -> None:
    for one, other in itertools.combinations(DISJOINT, 2):
        assert len(np.intersect1d(rig.masks[one], rig.masks[other])) == 0, f"{one} and {other} overlap"
    assert np.isin(rig.masks["eyes"], rig.masks["eyes_forehead"]).all()
    assert np.isin(rig.masks["forehead"], rig.masks["eyes_forehead"]).all()


def test_inner_lips_are_pairs_that_touch_at_rest(rig: Rig) -> None:
    upper, lower = rig.masks["upper_lip_inner"], rig.masks["lower_lip_inner"]
    assert len(upper) == len(lower) == 31
    assert len(np.intersect1d(upper, lower)) == 0
    assert np.abs(rig.template[upper] - rig.template[lower]).max() < 1e-6
    assert abs(rig.template[upper[15], 0]) < 1e-6, "element 15 is the middle of the lips"


def test_template_and_triangles_are_symmetric(rig: Rig) -> None:
    mirror = _mirror(rig)
    assert (mirror >= 0).mean() > 0.999
    # lips coincide at rest, so compare triangles by their corner positions rather than indices
    centre = rig.template[rig.faces].mean(axis=1)
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(centre).query(centre * np.array([-1, 1, 1]))
    assert (distance < 1e-5).mean() > 0.99
