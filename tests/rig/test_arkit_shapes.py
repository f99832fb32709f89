"""The 52 shapes of the procedural head do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from emoface.package import Face
from emoface.rig import ARKIT_52, Blendshapes
from emoface_training.data.synthetic import arkit
from emoface_training.data.synthetic.rig import Rig
from rig_measures import lip_gap, lip_protrusion, lip_width

MM = 1e-3


@pytest.fixture(scope="module")
def shapes(face: Face) -> Blendshapes:
    assert face.blendshapes is not None
    return face.blendshapes


def posed(face: Face, shapes: Blendshapes, **weights: float) -> np.ndarray:
    return face.template + sum(weight * shapes[name] for name, weight in weights.items())


def test_all_names_are_there_and_every_shape_moves(shapes: Blendshapes) -> None:
    assert sorted(ARKIT_52) == list(shapes.names)
    reach = np.linalg.norm(shapes.shapes, axis=2).max(axis=1)
    assert reach.min() > 2.5 * MM and reach.max() < 45 * MM


def test_committed_file_is_what_the_code_builds(shapes: Blendshapes) -> None:
    built = arkit.build_shapes(Rig.load())
    assert tuple(built) == shapes.names
    assert np.abs(np.stack(list(built.values())) - shapes.shapes).max() < 3e-6


def test_left_is_the_heads_left_and_mirrors_right(face: Face, shapes: Blendshapes) -> None:
    x = face.template[:, 0]
    for name in ARKIT_52:
        if not name.endswith("Left") or name in ("jawLeft", "mouthLeft"):
            continue
        left, right = shapes[name], shapes[f"{name[:-4]}Right"]
        size = np.linalg.norm(left, axis=1)
        assert (size * x).sum() / size.sum() > 0.008, name  # centred on +x
        assert np.isclose(np.linalg.norm(right), np.linalg.norm(left), rtol=1e-3), name
        assert not size[x < -0.016].any(), name
    for name in ("jaw", "mouth"):
        assert shapes[f"{name}Left"][:, 0].max() > 8 * MM and shapes[f"{name}Right"][:, 0].min() < -8 * MM


def test_mouth(face: Face, shapes: Blendshapes) -> None:
    rest = face.template
    gap = lip_gap(posed(face, shapes, jawOpen=1))[0]
    assert gap > 15 * MM
    for amount in (0.3, 0.6, 1.0):
        assert lip_gap(posed(face, shapes, jawOpen=amount, mouthClose=amount))[0] < 0.2 * MM
    width, forward = lip_width(rest)[0], lip_protrusion(rest)[0]
    pucker, funnel = posed(face, shapes, mouthPucker=1), posed(face, shapes, mouthFunnel=1)
    assert lip_width(pucker)[0] < 0.6 * width and lip_protrusion(pucker)[0] > forward + 3 * MM
    assert lip_gap(pucker)[0] < 1 * MM < 6 * MM < lip_gap(funnel)[0]
    assert lip_width(posed(face, shapes, mouthSmileLeft=1, mouthSmileRight=1))[0] > 1.1 * width
    assert lip_width(posed(face, shapes, mouthStretchLeft=1, mouthStretchRight=1))[0] > 1.1 * width
    assert lip_gap(posed(face, shapes, mouthLowerDownLeft=1, mouthLowerDownRight=1))[0] > 3 * MM
    assert lip_gap(posed(face, shapes, mouthUpperUpLeft=1, mouthUpperUpRight=1))[0] > 3 * MM
    for sealed in ("cheekPuff", "mouthLeft", "mouthRight", "mouthPressLeft", "mouthDimpleLeft"):
        assert lip_gap(posed(face, shapes, **{sealed: 1.0}))[0] < 0.7 * MM, sealed
    tongue, lips = face.masks["tongue"], face.masks["lips"]
    assert posed(face, shapes, tongueOut=1, jawOpen=0.7)[tongue, 2].max() > rest[lips, 2].max() + 5 * MM
    moved = np.linalg.norm(shapes["tongueOut"], axis=1) > 0
    assert set(np.flatnonzero(moved)) <= set(tongue.tolist())


def test_eyes(face: Face, shapes: Blendshapes) -> None:
    balls = face.masks["eyeballs"]
    left = balls[face.template[balls, 0] > 0]
    front = left[np.argmax(face.template[left, 2])]
    for name, axis, sign in (("Up", 1, 1), ("Down", 1, -1), ("In", 0, -1), ("Out", 0, 1)):
        assert sign * shapes[f"eyeLook{name}Left"][front, axis] > 3 * MM
        assert not shapes[f"eyeLook{name}Right"][left].any()
        centre = face.template[left].mean(axis=0)
        turned = face.template[left] + shapes[f"eyeLook{name}Left"][left]
        before = np.linalg.norm(face.template[left] - centre, axis=1)
        assert np.abs(np.linalg.norm(turned - turned.mean(axis=0), axis=1) - before).max() < 0.1 * MM
    eyes = face.masks["eyes"]
    assert shapes["eyeBlinkLeft"][eyes, 1].min() < -6 * MM and shapes["eyeWideLeft"][eyes, 1].max() > 1.5 * MM
    brows = face.masks["brows"]
    assert shapes["browInnerUp"][brows, 1].max() > 5 * MM and shapes["browDownLeft"][brows, 1].min() < -4 * MM
    inner = brows[np.abs(face.template[brows, 0]) < 0.02]
    outer = brows[np.abs(face.template[brows, 0]) > 0.042]
    assert shapes["browInnerUp"][inner, 1].mean() > 3 * abs(shapes["browInnerUp"][outer, 1].mean())
