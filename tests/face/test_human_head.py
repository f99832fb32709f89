"""The human head: topology, shapes, eyes, texture, and contact of lips and teeth on every person."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from needs import FACE, lacking

from emoface.face_assets import read_assets
from emoface.face_file import read_blendshapes
from emoface.render.camera import Camera
from emoface.render.raster import Triangles, rasterise
from emoface.rig import ARKIT_52
from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic import weights as rig_weights
from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.data.synthetic.visemes import CLOSE
from emoface_training.face import HEAD_FILE, build, contact, eyeballs, gaps, layout, motion, paint, persons, png, wheel

pytestmark = pytest.mark.skipif(bool(lacking("face-data")), reason=lacking("face-data"))
Array = np.ndarray


@pytest.fixture(scope="module")
def data() -> wheel.Wheel:
    return wheel.Wheel(FACE)


@pytest.fixture(scope="module")
def head(data: wheel.Wheel) -> build.Head:
    return build.build(data)


@pytest.fixture(scope="module")
def people(data: wheel.Wheel, head: build.Head) -> dict[str, tuple[Array, Array]]:
    return {name: build.fitted(data, head, person) for name, person in persons.NAMED.items()}


def posed(head: build.Head, **weights: float) -> Array:
    return contact.pose(head.template, head.shapes, weights)


def seen(head: build.Head, points: Array, *parts: str) -> int:
    """Pixels of parts in a picture from the front."""
    camera = Camera(target=(0.0, 7.3, 1.2), distance=12.0, field_of_view=0.08)
    pixels, depth = camera.project(points, 400, 300)
    triangles = Triangles.project(pixels, depth, head.cut.faces.astype(np.int32))
    fragments = rasterise(triangles, 400, 300)
    return int(np.isin(triangles.corners[fragments.triangle, 0], head.cut.of(*parts)).sum())


def test_topology(head: build.Head) -> None:
    faces = head.cut.faces
    assert head.template.shape == (5023, 3) and len(np.unique(faces)) == 5023
    side = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, count = np.unique(side, axis=0, return_counts=True)
    assert count.max() == 2, "an edge of three triangles"
    corner = head.raw[faces]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    assert area.min() > 1e-9
    # The neck ends on a smooth surface: its rim is the skin's outermost open edge.
    open_edge = np.unique(np.unique(side, axis=0)[count == 1])
    rim = open_edge[(head.cut.part[open_edge] == 0) & (head.raw[open_edge, 1] < 6.0)]
    away = np.hypot(head.raw[rim, 0], 0.9 * (head.raw[rim, 2] - 0.2))
    assert len(rim) > 40 and np.abs(np.diff(np.sort(head.raw[rim, 1] - 1.2 * np.maximum(0, away - 0.75)))).max() < 0.1


def test_both_sides_mirror_each_other(head: build.Head) -> None:
    left = head.template[head.template[:, 0] > 1e-6][::4]
    mirrored = head.template[head.template[:, 0] < -1e-6] * [-1, 1, 1]
    nearest = np.abs(left[:, None] - mirrored[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 0.01, "a millimetre"


def test_masks_have_the_names_that_are_asked_for(head: build.Head) -> None:
    from emoface_training.face.regions import masks

    found = masks(head.cut, head.mouth, head.raw, head.lid)
    with np.load(HEAD_FILE) as data:
        assert found.keys() == {name.removeprefix("mask_") for name in data.files if name.startswith("mask_")}
    assert all(len(index) for index in found.values())
    for one, two in (("lips", "mouth_inner"), ("eyeballs", "eyes"), ("teeth_upper", "teeth_lower"), ("ears", "scalp")):
        assert not set(found[one]) & set(found[two]), (one, two)
    upper, lower = found["upper_lip_inner"], found["lower_lip_inner"]
    assert len(upper) == len(lower) >= 9 and len(upper) % 2 == 1
    middle = len(upper) // 2
    assert abs(head.template[upper[middle], 0]) < 1e-6 > abs(head.template[lower[middle], 0])
    assert (np.diff(head.template[lower, 0]) < 0).all(), "from the head's left"
    assert np.abs(head.template[upper, 0] - head.template[lower, 0]).max() < 0.02


def test_shapes_are_arkits(head: build.Head) -> None:
    assert sorted(ARKIT_52) == list(motion.NAMES)
    moved = np.abs(head.shapes).max(axis=2) > 1e-6
    assert moved.any(axis=1).all()
    row = {name: k for k, name in enumerate(motion.NAMES)}
    tongue, teeth = head.cut.of("tongue"), head.cut.of("teeth_upper")
    assert set(np.flatnonzero(moved[row["tongueOut"]])) <= set(tongue)
    assert not moved[:, teeth].any(), "the upper teeth are of the skull"
    for name in motion.NAMES:
        if name.endswith("Left") and not name.startswith(("jaw", "mouthLeft")):
            left, right = head.shapes[row[name]], head.shapes[row[name.replace("Left", "Right")]]
            assert np.abs(left).max() == pytest.approx(np.abs(right).max(), rel=0.05), name
            assert np.abs(left[head.raw[:, 0] > 0]).sum() > 2 * np.abs(left[head.raw[:, 0] < 0]).sum(), name


def test_eyes_look_where_they_should(head: build.Head) -> None:
    for side, sign in (("left", 1), ("right", -1)):
        ball = head.cut.of(f"eye_{side}")
        centre, radius = head.eyes[side]
        for direction, (pitch, yaw) in eyeballs.TURNS.items():
            points = posed(head, **{f"eyeLook{direction}{side.capitalize()}": 1.0})[ball]
            ahead = (points[0] - centre) / np.linalg.norm(points[0] - centre)
            assert np.rad2deg(np.arctan2(ahead[0], ahead[2])) == pytest.approx(sign * yaw, abs=0.1)
            assert np.rad2deg(np.arcsin(ahead[1])) == pytest.approx(-pitch, abs=0.1)
            assert np.linalg.norm(points - centre, axis=1).min() == pytest.approx(radius, rel=1e-6), "stays round"


def test_lids_hide_the_eyes_in_a_blink(head: build.Head) -> None:
    rest = seen(head, head.template, "eye_left", "eye_right")
    assert rest > 1000
    assert seen(head, posed(head, eyeBlinkLeft=1.0, eyeBlinkRight=1.0), "eye_left", "eye_right") < 0.03 * rest
    assert seen(head, posed(head, eyeWideLeft=1.0, eyeWideRight=1.0), "eye_left", "eye_right") > 1.2 * rest


def test_contact_of_the_canonical_head(head: build.Head) -> None:
    """Closed lips touch, nothing crosses or pierces: at rest, in every shape, in f and v, in every frame of a clip."""
    found = gaps.contact(head.mouth, head.template, head.shapes)
    assert found.closed < 0.2, found
    assert found.lips > 0 and found.teeth > 0.1, found
    assert found.tuck[0] > 0.1 and found.tuck[1] < 1.5, found
    raw = gaps.pose_gaps(head.mouth, head.raw, head.shapes[:0], {})
    assert raw.max() > 0.5, "the data themselves do not close the lips: without the correction this test fails"


def test_contact_of_every_person(head: build.Head, people: dict[str, tuple[Array, Array]]) -> None:
    for name, (template, _) in people.items():
        for weights in ({}, *({"jawOpen": x, "mouthClose": x} for x in (0.3, 1.0))):
            lips = gaps.pose_gaps(head.mouth, template, head.shapes, weights)
            assert lips.min() > 0 and lips.max() < 0.2, (name, weights, lips)
        for weights in (
            {"mouthRollUpper": 1.0},
            {"mouthPucker": 1.0},
            {"mouthFunnel": 1.0, "jawOpen": 0.3},
            {"jawOpen": 1.0},
        ):
            points = contact.pose(template, head.shapes, weights)
            assert head.mouth.lip_gaps(points).min() > 0, (name, weights)
            assert min(head.mouth.teeth_gaps(points, half).min() for half in ("upper", "lower")) > 0, (name, weights)
        tuck = head.mouth.teeth_gaps(contact.pose(template, head.shapes, contact.TUCK), "upper", ("lower",))[5:14]
        assert tuck.min() > 0 and tuck.max() < 0.016, (name, tuck)


def test_persons_differ_and_keep_their_eyes_in_place(head: build.Head, people: dict[str, tuple[Array, Array]]) -> None:
    shape = {name: template for name, (template, _) in people.items()} | {"canonical": head.template}
    names = sorted(shape)
    for k, one in enumerate(names):
        for two in names[k + 1 :]:
            assert np.linalg.norm(shape[one] - shape[two], axis=1).mean() > 0.015, (one, two)  # 1.5 mm
    for name, (template, pivots) in people.items():
        for row, side in enumerate(eyeballs.SIDES, 2):
            ball = template[head.cut.of(f"eye_{side}")]
            reach = np.linalg.norm(ball - pivots[row], axis=1)
            radius = head.eyes[side][1]
            assert reach.min() == pytest.approx(radius, rel=1e-3) and reach.max() < 1.05 * radius, name


def test_layout_has_no_overlap(head: build.Head) -> None:
    assert head.uvs.min() >= 0 and head.uvs.max() <= 1
    centres = head.uvs[head.uv_faces].mean(axis=1)
    for number, (left, top, right, bottom) in enumerate(layout.PLACES.values()):
        inside = centres[head.piece == number]
        assert len(inside) and (inside >= [left, top]).all() and (inside <= [right, bottom]).all()
    corner = head.uvs[head.uv_faces]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
    texels = head.canvas(256)
    assert len(texels.pixel) / 256**2 == pytest.approx(area, rel=0.05), "texels that two triangles share"


def test_texture_is_painted_by_rule(head: build.Head) -> None:
    small = build.texture(head, None, 128)
    assert np.array_equal(small, build.texture(head, None, 128))
    dark = build.texture(head, persons.NAMED["issa"], 128)
    face = (slice(50, 78), slice(48, 62))
    assert small[face].mean() > 1.5 * dark[face].mean()
    colours = build.vertex_colours(head, small)
    eye = head.cut.of("eye_left")
    assert colours[eye[0]].max() < 0.1 < colours[eye[-30]].min(), "pupil and white"


def test_arrays_are_those_of_a_face_file(data: wheel.Wheel, head: build.Head) -> None:
    arrays = build.arrays(data, head, {"ada": persons.NAMED["ada"]}, None, build.texture(head, None, 64))
    assert arrays["template"].dtype == np.float32 and np.ptp(arrays["template"][:, 1]) == pytest.approx(0.34, abs=0.02)
    assert arrays["uv_faces"].shape == arrays["faces"].shape and arrays["uv_faces"].max() < len(arrays["uvs"])
    assets = read_assets(arrays, 5023, len(arrays["faces"]))
    assert list(assets["identities"]) == ["ada"] and read_blendshapes(arrays, 5023).names == motion.NAMES
    assert arrays["normal_groups"].shape == (len(arrays["faces"]),)
    assert arrays["identity.ada"].shape == (5023, 3) and arrays["identity.ada.pivots"].shape == (4, 3)
    step = arrays["blendshape_step"][:, None, None]
    np.testing.assert_allclose(arrays["blendshapes"] * step, head.shapes * 0.1, atol=0.26e-5)
    assert arrays["pivots"][2, 0] > 0 > arrays["pivots"][3, 0], "the left eye lies at +x"
    digest = hashlib.sha256(arrays["faces"].astype("<i4").tobytes()).hexdigest()
    assert digest == "4d8c848a7507ae57a691089b8193216286b8d44d5ea8b16019b92b5bc0ccb6c0", (
        "another topology: everything made for this one is void"
    )


def test_png_is_read_by_others() -> None:
    image = pytest.importorskip("PIL.Image")
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(image.open(io.BytesIO(png.encode(picture)))), picture)


def test_paint_covers_the_brows_and_the_scalp(head: build.Head) -> None:
    top = head.raw[:, 1] > 8.3
    assert paint.hair(head.raw[top]).min() > 0.9
    assert paint.hair(head.raw[head.mouth.ring < 5]).max() == 0
    assert 0.3 < paint.brow(head.raw).max() <= 0.95


def test_the_committed_head_is_what_the_code_builds(data: wheel.Wheel, head: build.Head) -> None:
    picture = build.texture(head, None, 1024)
    built = build.arrays(data, head, persons.NAMED, None, picture)
    with np.load(HEAD_FILE) as stored:
        assert sorted(stored.files) == sorted(built)
        for name, array in built.items():
            if array.dtype.kind == "U":
                assert np.array_equal(stored[name], array)
            else:
                most = {"blendshapes": 1, "colours": 5e-3}.get(name, 0 if array.dtype.kind == "i" else 1e-6)
                assert np.abs(stored[name].astype(np.float64) - array).max() <= most, name
    image = pytest.importorskip("PIL.Image")
    painted = np.asarray(image.open(HEAD_FILE.with_suffix(".png"))).astype(np.int16)
    assert np.abs(painted - picture).mean() < 0.05, "make it again: emoface face make -o head.npz"


@pytest.mark.parametrize("emotion", sorted(expression.POSES))
def test_lips_never_cross_and_teeth_never_pierce_in_emotional_speech(
    head: build.Head, people: dict[str, tuple[Array, Array]], emotion: str
) -> None:
    """Signed gaps of every second frame of a sentence's motion, at the strong level, on two persons."""
    words = "SIL M AY M AH DH ER B AO T F AY V B IH G P L AH M Z SIL DH AH JH AH JH W UH D V UW SIL"
    names = words.split(" ")
    edges = np.linspace(0.0, 0.085 * len(names), len(names) + 1)
    segments = [Segment(name, a, b) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]
    frames = int(edges[-1] * 30)
    energy = np.random.default_rng(1).uniform(0.2, 1.1, frames)
    style = expression.actor_style(f"actor {emotion}")
    moved = expression.motion(segments, energy, emotion, 1, style, np.random.default_rng(2))
    found = rig_weights.weights(moved).astype(np.float64)
    chosen = sorted(people)[len(emotion) % len(people)]
    for template in (head.template, people[chosen][0]):
        for frame in range(0, frames, 2):
            points = template + np.tensordot(found[frame], head.shapes, 1)
            lips = head.mouth.lip_gaps(points) * gaps.MILLIMETRES
            teeth = min(head.mouth.teeth_gaps(points, half).min() for half in ("upper", "lower")) * gaps.MILLIMETRES
            assert lips.min() > -0.1 and teeth > -0.1, (chosen, frame, lips.min(), teeth)
            if moved[frame, CLOSE] > 0.99:
                assert lips.max() < 0.8, (chosen, frame, lips.max())
