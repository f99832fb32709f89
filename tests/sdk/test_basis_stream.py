"""Motion in a basis: coefficients beside or instead of offsets, the same bits for any cut, with vertices or without."""

from __future__ import annotations

import io

import handmade
import handmade_basis
import numpy as np
import pytest
from handmade import V
from handmade_basis import NAMES, R, shapes, with_basis
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import AnimatorPool, FrameBatch, Package, animate
from emoface.backends import available_backends
from emoface.errors import PackageError, RigError, RuntimeFailure, UsageError
from emoface.frames import FRAME_ARRAYS
from emoface.rig import Blendshapes, RigControls
from emoface.stream.expansion import Expansion
from emoface.verification import verify_cuts, verify_golden

KINDS = {
    "beside": {},
    "instead": {"offsets": False, "stored": "float"},
    "one branch": {"fused": False},
    "one branch, instead": {"fused": False, "offsets": False},
}


def written(folder, **kind) -> Package:
    """The package with golden vectors of a run of it."""
    files = with_basis(handmade.package_files(), **kind)
    return Package.load(handmade.write_with_golden(folder, files))


@pytest.fixture(scope="module", params=KINDS)
def moving(request, tmp_path_factory) -> Package:
    return written(tmp_path_factory.mktemp("basis"), **KINDS[request.param])


@pytest.fixture(scope="module")
def direct(tmp_path_factory) -> Package:
    """A package whose coefficients are of its blendshapes."""
    return written(tmp_path_factory.mktemp("direct"), fused=False, offsets=False, stored="blendshapes")


def same(a: FrameBatch, b: FrameBatch, *without: str) -> None:
    for name in set(FRAME_ARRAYS) - set(without):
        assert getattr(a, name).shape == getattr(b, name).shape, name
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def whole(package: Package, audio, tail: float = 0.0, **options) -> FrameBatch:
    with package.animator(**{"backend": "ort-cpu", **options}) as animator:
        return animator.whole(audio, tail)


def sums(frames: FrameBatch, basis: np.ndarray) -> np.ndarray:
    """Offsets by the rule, in float64."""
    a, b = (
        np.einsum("nr,rvc->nvc", c.astype(np.float64), basis)
        for c in (
            frames.coefficients,
            frames.emotion_coefficients if frames.emotion_coefficients.size else frames.coefficients,
        )
    )
    return a + (b - a) * frames.emotion_weight[..., None]


def test_offsets_are_coefficients_times_basis(moving, sound):
    frames = whole(moving, sound(1.0))
    assert frames.vertices.shape == (30, V, 3) and frames.coefficients.shape == (30, R)
    assert np.abs(frames.coefficients).max() > 0.5
    assert np.abs(frames.vertices - moving.face.template - sums(frames, shapes())).max() < 2e-7
    assert moving.face.basis.names == NAMES and moving.face.basis.shapes.tobytes() == shapes().tobytes()


def test_sums_are_made_in_order_and_in_single_precision():
    random = np.random.default_rng(1)
    basis, weight = random.standard_normal((5, 7, 3)).astype(np.float32), random.random((2, 7)).astype(np.float32)
    a, b = random.standard_normal((2, 2, 5)).astype(np.float32)
    made = np.empty((2, 7, 3), np.float32)
    Expansion(basis).offsets(a, b, weight, made)
    for frame in range(2):
        for vertex in range(7):
            for axis in range(3):
                first = second = None
                for r in range(5):
                    x, y = basis[r, vertex, axis] * a[frame, r], basis[r, vertex, axis] * b[frame, r]
                    first, second = (x, y) if r == 0 else (np.float32(first + x), np.float32(second + y))
                expected = np.float32(first + np.float32(np.float32(second - first) * weight[frame, vertex]))
                assert made[frame, vertex, axis] == expected


@pytest.mark.parametrize("vertices", [True, False])
def test_random_cuts_reset_and_restore(moving, sound, vertices):
    @settings(max_examples=4, deadline=None)
    @given(rate=st.sampled_from((8000, 16000, 44100)), cuts=st.lists(st.integers(0, 9000), max_size=12))
    def check(rate, cuts):
        audio = sound(9000 / rate, rate)
        with (
            moving.animator(sample_rate=rate, vertices=vertices) as animator,
            moving.animator(sample_rate=rate, vertices=vertices) as other,
        ):
            expected = FrameBatch.concat([animator.step(audio), animator.flush(0.2)])
            animator.reset()
            batches = []
            for piece in np.split(audio, sorted(cuts)):
                batches.append(animator.step(piece))
                other.restore(animator.snapshot())
                animator, other = other, animator
            same(FrameBatch.concat([*batches, animator.flush(0.2)]), expected)

    check()


def test_without_vertices_all_else_is_the_same(moving, sound):
    audio = sound(1.0)
    with moving.animator(vertices=False) as animator:
        assert animator.step(audio[:0]).vertices.shape == (0, 0, 3) and not animator.has_vertices
        assert [stage.spec.name for stage in animator._driver.plan.stages] == ["content", "mood", "mix", "decoder"]
        bare = animator.whole(audio, 0.5)
    assert bare.vertices.shape == (45, 0, 3) and bare.posed_vertices.shape == (45, 0, 3)
    same(bare, whole(moving, audio, 0.5, backend="auto"), "vertices")


def test_a_snapshot_goes_on_with_and_without_vertices(moving, sound):
    audio = sound(1.0)
    expected = whole(moving, audio, vertices=False)
    with moving.animator(backend="ort-cpu") as animator, moving.animator(backend="ort-cpu", vertices=False) as bare:
        head = animator.step(audio[:7000])
        bare.restore(animator.snapshot())
        tail = FrameBatch.concat([bare.step(audio[7000:]), bare.flush()])
    assert np.concatenate([head.coefficients, tail.coefficients]).tobytes() == expected.coefficients.tobytes()


@pytest.mark.parametrize("vertices", [True, False])
def test_voices_of_a_pool_are_those_alone(moving, sound, vertices):
    sounds = [sound(1.0) * gain for gain in (1.0, 0.3, 0.7)]
    with AnimatorPool(moving, 3, vertices=vertices) as pool:
        batches = [pool.step_all(sounds), pool.flush_all(tail_s=0.3)]
    for voice, audio in enumerate(sounds):
        same(
            FrameBatch.concat([batch[voice] for batch in batches]),
            whole(moving, audio, 0.3, backend="auto", vertices=vertices),
        )


def test_a_tail_brings_coefficients_to_rest(moving, sound):
    audio = sound(1.0)
    frames, straight = whole(moving, audio, 0.5), whole(moving, audio)
    assert not frames.coefficients[-1].any() and not frames.emotion_coefficients[-1].any()
    assert np.array_equal(frames.vertices[-1], moving.face.template)
    assert frames.coefficients[:30].tobytes() == straight.coefficients.tobytes()
    assert np.abs(frames.vertices - moving.face.template - sums(frames, shapes())).max() < 2e-7


def test_verification(moving):
    checks = verify_golden(moving) + verify_cuts(moving)
    names = {check.name for check in checks}
    assert "golden decoder.coefficients" in names
    beside = "offsets" in moving.manifest.outputs
    assert ("golden offsets as coefficients times basis" in names) == beside
    assert ("golden offsets of the coefficients" in names) != beside
    assert [check.name for check in checks if not check.passed] == []


def test_a_basis_that_does_not_make_the_offsets_fails(tmp_path, sound):
    package = written(tmp_path)
    files = {name: package.file(name) for name in package.manifest.files}
    files["manifest.json"] = package.manifest.to_text().encode()
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face)
    arrays["basis"] = (arrays["basis"] * np.float16(1.01)).astype(np.float16)
    wrong = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    checks = verify_golden(Package.load(handmade.write_zip(tmp_path / "wrong.emoface", wrong)))
    assert [c.name for c in checks if not c.passed] == ["golden offsets as coefficients times basis"]


def test_weights_of_the_basis_are_the_coefficients(direct, sound):
    audio = sound(1.0)
    assert direct.face.basis is direct.blendshapes
    for vertices in (True, False):
        frames = whole(direct, audio, 0.3, blendshapes=True, vertices=vertices)
        assert frames.blendshape_weights.tobytes() == frames.coefficients.tobytes()
        assert frames.blendshape_weights.min() < 0
    again = Blendshapes(NAMES, shapes())
    frames = whole(direct, audio, 0.3, blendshapes=again, controls=RigControls(sync_offset=0.1))
    assert frames.blendshape_weights.tobytes() == frames.coefficients.tobytes()
    # What the controls change is no longer what the coefficients say: solved, as without coefficients
    strong = whole(direct, audio, blendshapes=True, controls=RigControls(upper_strength=1.5, lower_strength=1.5))
    assert strong.blendshape_weights.min() >= 0 and strong.blendshape_weights.max() <= 1


def test_weights_that_have_to_be_solved(tmp_path, sound):
    audio = sound(0.5)
    own = {"blendshape_names": np.array(["a"]), "blendshapes": shapes(1)}
    package = written(tmp_path, fused=False, offsets=False, others=own)
    frames = whole(package, audio, blendshapes=True)
    assert frames.blendshape_weights.shape == (15, 1) and frames.blendshape_weights.min() >= 0
    exact = whole(package, audio, blendshapes=package.face.basis)
    assert exact.blendshape_weights.tobytes() == exact.coefficients.tobytes()
    with pytest.raises(RigError, match="vertices=False and blendshape weights that are solved"):
        package.animator(vertices=False, blendshapes=True)


def test_branches_that_are_fused_per_vertex_have_no_weights_of_their_own(tmp_path, sound):
    package = written(tmp_path)
    frames = whole(package, sound(0.5), blendshapes=package.face.basis)
    assert frames.blendshape_weights.min() >= 0 > frames.coefficients.min()


def test_blinks_are_in_weights_and_vertices(tmp_path, sound):
    """Two triangles that meet when the shapes are at 1: eyes of a kind."""
    files = with_basis(handmade.package_files(), fused=False, offsets=False, stored="blendshapes")
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face)
    template = np.random.default_rng(3).standard_normal((V, 3)).astype(np.float32) * 0.1
    template[:4] = [[0, 1, 0], [0, 0.9, 0], [1, 1, 0], [1, 0.9, 0]]
    closing = np.zeros((R, V, 3), np.float32)
    closing[0, 0, 1] = closing[1, 2, 1] = -0.1
    closing[2:] = shapes()[2:] * 0.01
    arrays |= {"template": template, "blendshapes": closing}
    arrays["blendshape_names"] = np.array(["eyeBlinkLeft", "eyeBlinkRight", "jaw", "brow"])
    files = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    package = Package.load(handmade.write_zip(tmp_path / "x.emoface", files))
    audio = np.zeros(16000 * 8, np.float32)
    blinking = whole(package, audio, blendshapes=True, blinks=3)
    still = whole(package, audio, blendshapes=True, blinks=False)
    added = blinking.blendshape_weights - still.blendshape_weights
    assert added[:, :2].max() > 0.1 and not added[:, 2:].any()
    expected = np.einsum("nr,rvc->nvc", blinking.blendshape_weights.astype(np.float64), closing) + template
    assert np.abs(blinking.vertices - expected).max() < 1e-6
    assert still.blendshape_weights.tobytes() == still.coefficients.tobytes() == blinking.coefficients.tobytes()
    with pytest.raises(RigError, match="blinks=3 and vertices=False"):
        package.animator(vertices=False, blinks=3)
    assert package.animator(vertices=False).blinks is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_identity_with_a_basis_of_its_own(tmp_path, sound, kind):
    """The coefficients of the canonical face, on another template and other shapes, whatever the stages give."""
    audio, own = sound(1.0), shapes()[::-1] * np.float32(2)
    faces = {name: np.full((V, 3), 0.25 * place, np.float32) for place, name in enumerate(("anna", "ben"))}
    others = {f"identity.{name}": face for name, face in faces.items()} | {
        "identity.anna.basis": own.astype(np.float16)
    }
    package = written(tmp_path, **KINDS[kind], others=others)
    canonical = whole(package, audio, 0.3)
    anna, ben = (whole(package, audio, 0.3, identity=name) for name in faces)
    assert anna.coefficients.tobytes() == ben.coefficients.tobytes() == canonical.coefficients.tobytes()
    assert np.abs(anna.vertices - faces["anna"] - sums(anna, own)).max() < 4e-7
    assert np.abs(ben.vertices - faces["ben"] - sums(ben, shapes())).max() < 4e-7
    assert np.abs(anna.vertices - faces["anna"] - sums(anna, shapes())).max() > 1e-2
    with package.animator(identity="anna", backend="ort-cpu") as animator:
        assert animator.face.basis.names == NAMES and animator.face.basis.shapes.tobytes() == own.tobytes()
        cut = FrameBatch.concat([*(animator.step(piece) for piece in np.split(audio, [1, 7000])), animator.flush(0.3)])
    same(cut, anna)
    if "native" in available_backends():
        same(whole(package, audio, 0.3, identity="anna", backend="native"), whole(package, audio, 0.3, identity="anna"))
    bare = whole(package, audio, 0.3, identity="anna", vertices=False)
    same(bare, anna, "vertices")


def test_what_needs_vertices_is_refused(direct, package, sound):
    with pytest.raises(PackageError, match="which gives no coefficients"):
        package.animator(vertices=False)
    with pytest.raises(UsageError, match="vertices=0"):
        direct.animator(vertices=0)
    with pytest.raises(RigError, match="vertices=False and controls that move them"):
        direct.animator(vertices=False, controls=RigControls(upper_smoothing=0.1, lower_smoothing=0.1))
    clip = animate(sound(1.0), 16000, direct, vertices=False, backend="ort-cpu")
    assert not clip.has_vertices and clip.vertices.shape == (30, 0, 3)


@pytest.mark.parametrize(
    ("fault", "kind", "match"),
    [
        ("NaN", {}, "NaN or infinite coefficients"),
        ("huge", {"offsets": False, "others": {"basis": shapes() * np.float32(1e6)}}, "NaN or infinite vertex offsets"),
    ],
)
def test_what_a_graph_must_not_give(tmp_path, sound, fault, kind, match):
    files = with_basis(handmade.package_files(), fault=fault, **kind)
    package = Package.load(handmade.write_zip(tmp_path / "x.emoface", files))
    with package.animator() as animator:
        with pytest.raises(RuntimeFailure, match=match):
            animator.step(sound(0.5))
        with pytest.raises(RuntimeFailure, match="after a failed step"):
            animator.step(sound(0.5))


def test_names_where_none_are_given(tmp_path):
    files = handmade_basis.package_files()
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = {name: array for name, array in face.items() if name != "basis_names"}
    files = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    package = Package.load(handmade.write_zip(tmp_path / "x.emoface", files))
    assert package.face.basis.names == ("basis_000", "basis_001", "basis_002", "basis_003")
