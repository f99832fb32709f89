"""The decimated face is made of the full face's vertices and moves exactly as they do."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_plan import Sphere

from emoface_training.ablation import face as faces
from emoface_training.clips.store import ClipStore
from emoface_training.data.sample import DatasetFace, VertexMotion
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.errors import OptionsError


def test_motion_and_masks_are_the_full_faces() -> None:
    rig = Sphere()
    cut = faces.decimate(rig, 60, {})
    assert len(np.unique(cut.kept)) == len(cut.kept) and 50 <= len(cut.kept) <= 70
    small = faces.decimated(rig, cut)
    parameters = np.random.default_rng(0).random((5, len(RIG_PARAMETERS))).astype(np.float32)
    assert np.array_equal(small.template, rig.template[cut.kept])
    assert np.allclose(small.offsets(parameters), rig.offsets(parameters)[:, cut.kept], rtol=0, atol=1e-7)
    for name, mask in small.masks.items():
        assert set(cut.kept[mask]) == set(cut.kept) & set(rig.masks[name])


def test_the_surface_stays_closed_and_faces_outwards() -> None:
    rig = Sphere()
    small = faces.decimated(rig, faces.decimate(rig, 60, {}))
    corners = small.template[small.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = np.einsum("fi,fi->f", normals, corners.mean(1)) > 0
    assert outwards.mean() > 0.95  # a kept vertex lies a little beside the place that it stands for
    edges = np.sort(small.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert len(small.faces) == 2 * len(small.template) - 4


def test_roughness_keeps_vertices() -> None:
    rig = Sphere(3)
    plain, rough = (faces.decimate(rig, 80, height) for height in ({}, {"lips": 4.0}))
    assert np.isin(rough.kept, rig.masks["lips"]).sum() > 1.5 * np.isin(plain.kept, rig.masks["lips"]).sum()


def test_only_the_largest_surface_is_kept() -> None:
    rig, small = Sphere(), Sphere(1)
    both = DatasetFace(
        np.concatenate([small.template, rig.template]), np.concatenate([small.faces, rig.faces + len(small.template)])
    )
    cut = faces.decimate(both, 60, {})
    assert cut.kept.min() >= len(small.template)


def test_saved_and_read(tmp_path: Path) -> None:
    cut = faces.decimate(Sphere(), 60, {})
    cut.save(tmp_path / "face.npz")
    again = faces.Decimation.load(tmp_path / "face.npz")
    assert np.array_equal(again.kept, cut.kept) and np.array_equal(again.faces, cut.faces)
    assert [path.name for path in tmp_path.iterdir()] == ["face.npz"]


def test_recorded_clips_lose_the_same_vertices(tmp_path: Path) -> None:
    from synthetic_corpus import ToneCorpus

    rig = Sphere(1)
    face = DatasetFace(rig.template, rig.faces, rig.masks, unit_in_metres=0.1)
    store = ClipStore.load(ToneCorpus(count=1).clips("train"), 30, 2)
    frames = store.clips[0].frames
    rows = rig.template + np.random.default_rng(0).standard_normal((frames, *rig.template.shape)).astype(np.float32)
    np.save(tmp_path / "clip.npy", rows.reshape(frames, -1))
    motion = VertexMotion(tmp_path / "clip.npy", np.arange(frames), rig.template)
    store = ClipStore([dataclasses.replace(store.clips[0], vertices=motion)], 30, 2)
    cut = faces.decimate(face, 20, {"lips": 0.1})
    small, less = faces.decimated(face, cut), faces.decimated_store(store, cut)
    assert small.unit_in_metres == 0.1 and isinstance(small, DatasetFace)
    assert np.array_equal(less.clips[0].vertices.offsets(3, 7), motion.offsets(3, 7)[:, cut.kept])
    assert less.clips[0].vertices.frames == frames


def test_hash_follows_every_part() -> None:
    rig = faces.decimated(Sphere(), faces.decimate(Sphere(), 60, {}))
    changes = [
        {"template": rig.template + 1e-6},
        {"faces": rig.faces[::-1]},
        {"fields": rig.fields * 2},
        {"masks": {"lips": rig.masks["lips"]}},
    ]
    hashes = {faces.face_hash(dataclasses.replace(rig, **change)) for change in ({}, *changes)}
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("vertices", "rough", "message"),
    [(162, {}, "face_vertices 162"), (4, {}, "face_vertices 4"), (60, {"chin": 1.0}, r"face_roughness_mm\.chin")],
)
def test_wrong_requests(vertices: int, rough: dict, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        faces.decimate(Sphere(), vertices, rough)


def test_a_decimation_of_another_face() -> None:
    cut = faces.decimate(Sphere(), 60, {})
    with pytest.raises(OptionsError, match="another --out"):
        faces.decimated(Sphere(1), cut)
