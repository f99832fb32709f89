"""Motion in a basis in the C interface and the backend `native`: Python's bits, with vertices or not; real time."""

from __future__ import annotations

import ctypes
import time

import c_interface as abi
import handmade
import handmade_basis
import numpy as np
import pytest
from c_interface import StatusError, joined, same_bits
from handmade_basis import NAMES, R, shapes, with_basis

from emoface import FrameBatch, Package
from emoface.backends import available_backends
from emoface.frames import FRAME_ARRAYS

KINDS = {
    "beside": {},
    "instead": {"offsets": False, "stored": "float"},
    "one branch": {"fused": False},
    "of blendshapes": {"fused": False, "offsets": False, "stored": "blendshapes"},
}
COEFFICIENTS = ("coefficients", "emotion_coefficients")
NAMES_COEFFICIENTS = 9


@pytest.fixture(scope="module", params=KINDS)
def moving_path(request, tmp_path_factory):
    """The handmade package with a basis, and golden vectors."""
    folder = tmp_path_factory.mktemp("basis")
    files = with_basis(handmade.package_files(), **KINDS[request.param])
    return handmade.write_with_golden(folder, files)


@pytest.fixture(scope="module")
def moving(api, moving_path):
    return api.open(moving_path)


def same_motion(got: dict[str, np.ndarray], expected: FrameBatch, *names: str) -> None:
    for name in names or ("vertices", *COEFFICIENTS):
        if name in got:
            assert got[name].shape == getattr(expected, name).shape, name
            assert got[name].tobytes() == getattr(expected, name).tobytes(), name
        else:
            assert not getattr(expected, name).size, name


def test_coefficients_and_offsets_have_pythons_bits(moving, moving_path, sound):
    audio = sound(2.0)
    expected = handmade.run(moving_path, audio, 0.5)
    assert moving.info.coefficients == R
    got = moving.animator().run(*np.split(audio, [1, 9999, 20000]), tail=0.5)
    same_motion(got, expected)
    assert not got["coefficients"][-1].any() and got["offsets"][-1].any()


def test_the_basis_is_handed_out(moving, package):
    library = moving.api.library
    assert moving.names(NAMES_COEFFICIENTS) == list(NAMES)
    for index, shape in enumerate(shapes()):
        address = library.emoface_package_basis(moving.handle, None, index)
        assert np.ctypeslib.as_array((ctypes.c_float * shape.size).from_address(address)).tobytes() == shape.tobytes()
    for index in (-1, R):
        assert library.emoface_package_basis(moving.handle, None, index) is None
    assert library.emoface_package_basis(moving.handle, b"nobody", 0) is None
    assert package.info.coefficients == 0 and package.names(NAMES_COEFFICIENTS) == []
    assert library.emoface_package_basis(package.handle, None, 0) is None


def test_without_vertices_all_else_is_the_same(moving, moving_path, sound):
    audio = sound(1.0)
    bare, whole = (moving.animator(skip_vertices=skip).run(audio, tail=0.4) for skip in (1, 0))
    same_bits(bare, {name: array for name, array in whole.items() if name not in ("vertices", "offsets")})
    same_motion(bare, handmade.run(moving_path, audio, 0.4, vertices=False), *COEFFICIENTS)
    room = np.zeros((30, 36), np.float32)
    for name in ("vertices", "offsets"):
        out = abi.Frames(**{name: room.ctypes.data})
        voice = moving.animator(skip_vertices=1)
        with pytest.raises(StatusError, match="array for vertices") as caught:
            voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 30, None)
        assert caught.value.name == "ARGUMENT" and voice.info().samples_fed == 0


@pytest.mark.parametrize("skip", [0, 1])
def test_random_cuts_reset_and_snapshots(moving, moving_path, sound, skip):
    audio = sound(1.5)
    voice = moving.animator(skip_vertices=skip)
    expected = voice.run(audio, tail=0.3)
    random = np.random.default_rng(0)
    for _ in range(3):
        voice.api.call("reset", voice.handle)
        cuts = np.sort(random.integers(0, len(audio), random.integers(1, 40)))
        same_bits(voice.run(*np.split(audio, cuts), tail=0.3), expected)
    voice.api.call("reset", voice.handle)
    before = voice.step(audio[:7000])
    data = voice.snapshot()
    other = moving.animator(skip_vertices=skip)
    other.restore(data)
    same_bits(joined([before, other.step(audio[7000:]), other.flush(0.3)]), expected)
    with Package.load(moving_path).animator(backend="ort-cpu", channels=1, vertices=not skip) as animator:
        animator.restore(data)
        rest = FrameBatch.concat([animator.step(audio[7000:]), animator.flush(0.3)])
        again = moving.animator(skip_vertices=skip)
        again.restore(animator.snapshot())
    got = {name: array[len(before["time"]) :] for name, array in expected.items()}
    same_motion(got, rest, *(COEFFICIENTS if skip else ("vertices", *COEFFICIENTS)))


@pytest.mark.skipif("native" not in available_backends(), reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT")
@pytest.mark.parametrize("vertices", [True, False])
def test_the_backend_native_has_the_same_bits(moving_path, sound, vertices):
    audio = sound(1.0)
    expected = handmade.run(moving_path, audio, 0.4, backend="auto", vertices=vertices)
    got = handmade.run(moving_path, audio, 0.4, backend="native", vertices=vertices)
    for name in FRAME_ARRAYS:
        assert getattr(got, name).shape == getattr(expected, name).shape, name
        assert getattr(got, name).tobytes() == getattr(expected, name).tobytes(), name


def test_golden_vectors(moving):
    result = moving.verify()
    assert result.passed == 1 and result.frames == 3
    assert result.stages_error <= result.tolerance and result.offsets_error <= result.tolerance


def test_a_basis_that_does_not_make_the_offsets_fails(api, tmp_path):
    files = handmade_basis.package_files()
    plain = Package.load(handmade.write_zip(tmp_path / "plain.emoface", files))
    files = handmade.with_golden(plain, files)
    wrong = with_basis(handmade.package_files(), others={"basis": shapes() * np.float32(1.01)})
    files = handmade.with_file(files, "face.npz", wrong["face.npz"])
    result = api.open(handmade.write_zip(tmp_path / "wrong.emoface", files)).verify()
    assert result.passed == 0 and result.offsets_error <= result.tolerance


def test_weights_of_the_basis_are_the_coefficients(api, tmp_path, sound):
    audio = sound(1.0)
    files = with_basis(handmade.package_files(), **KINDS["of blendshapes"])
    path = handmade.write_zip(tmp_path / "x.emoface", files)
    package = api.open(path)
    for options in ({}, {"skip_vertices": 1}):
        voice = package.animator(blendshapes=1, **options)
        got = voice.run(audio, tail=0.3)
        assert got["blendshapes"].tobytes() == got["coefficients"].tobytes() and got["blendshapes"].min() < 0
        other = package.animator(blendshapes=1, **options)
        other.restore(voice.snapshot())
    with Package.load(path).animator(backend="ort-cpu", blendshapes=True, channels=1) as animator:
        animator.step(audio)
        package.animator(blendshapes=1).restore(animator.snapshot())


@pytest.mark.parametrize("kind", KINDS)
def test_an_identity_with_a_basis_of_its_own(api, tmp_path, sound, kind):
    audio, own = sound(1.0), shapes()[::-1] * np.float32(2)
    others = {"identity.anna": np.full((12, 3), 0.25, np.float32), "identity.anna.basis": own}
    path = handmade.write_zip(
        tmp_path / "x.emoface", with_basis(handmade.package_files(), **KINDS[kind], others=others)
    )
    package = api.open(path)
    got = package.animator(identity=b"anna").run(*np.split(audio, [1, 7000]), tail=0.3)
    same_motion(got, handmade.run(path, audio, 0.3, identity="anna"))
    address = package.api.library.emoface_package_basis(package.handle, b"anna", 1)
    assert np.ctypeslib.as_array((ctypes.c_float * 36).from_address(address)).tobytes() == own[1].tobytes()


def test_what_needs_vertices_is_refused(api, package, moving, tmp_path):
    controls = abi.Controls(upper_strength=2.0, lower_strength=2.0)
    cases = [
        (package, {}, "PACKAGE", "gives no coefficients"),
        (moving, {"blinks": 1}, "ARGUMENT", "skip_vertices = 1 and blinks = 1"),
        (moving, {"controls": ctypes.addressof(controls)}, "ARGUMENT", "controls that move them"),
        (moving, {"skip_vertices": 2}, "ARGUMENT", "skip_vertices = 2"),
    ]
    for opened, options, status, match in cases:
        with pytest.raises(StatusError, match=match) as caught:
            opened.animator(**{"skip_vertices": 1, **options})
        assert caught.value.name == status
    own = {"blendshape_names": np.array(["a"]), "blendshapes": shapes(1)}
    path = handmade.write_zip(tmp_path / "x.emoface", with_basis(handmade.package_files(), others=own))
    with pytest.raises(StatusError, match="blendshape weights that are solved for vertices"):
        api.open(path).animator(skip_vertices=1, blendshapes=1)


@pytest.mark.parametrize(
    ("fault", "kind", "match"),
    [
        ("NaN", {}, "NaN or infinite coefficients"),
        ("huge", {"offsets": False, "others": {"basis": shapes() * np.float32(1e6)}}, "NaN or infinite vertex offsets"),
    ],
)
def test_what_a_graph_must_not_give(api, tmp_path, sound, fault, kind, match):
    files = with_basis(handmade.package_files(), fault=fault, **kind)
    voice = api.open(handmade.write_zip(tmp_path / "x.emoface", files)).animator()
    with pytest.raises(StatusError, match=match) as caught:
        voice.run(sound(0.5))
    assert caught.value.name == "RUNTIME"


def test_arrays_for_coefficients_that_are_not_there(package, sound):
    voice = package.animator()
    audio, room = sound(0.5), np.zeros((15, R), np.float32)
    for name in COEFFICIENTS:
        out = abi.Frames(**{name: room.ctypes.data})
        with pytest.raises(StatusError, match="array for coefficients") as caught:
            voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 15, None)
        assert caught.value.name == "ARGUMENT"


@pytest.mark.parametrize("skip", [0, 1])
def test_sampled_coefficients_move_evenly(moving, sound, skip):
    audio = sound(1.0)
    expected = moving.animator(skip_vertices=skip).run(audio)
    voice = moving.animator(skip_vertices=skip)
    voice.api.call("start", voice.handle, None)
    notice, rest = voice.sample(0.0)
    assert notice == "NOTICE_NO_FRAME" and not rest["coefficients"].any()
    voice.api.call("push", voice.handle, audio.ctypes.data, len(audio))
    voice.api.call("flush", voice.handle, ctypes.c_double(0.0), None, 0, None)
    deadline = time.monotonic() + 30
    while voice.statistics().frames < 30:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for name in COEFFICIENTS:
        if name in expected:
            for frame, share in ((3, 0.0), (11, 0.25), (28, 0.9)):
                a, b = expected[name][frame : frame + 2]
                got = voice.sample((frame + share) / 30)[1][name][0]
                assert np.allclose(got, a + (b - a) * share, atol=1e-5)
    notice, last = voice.sample(5.0)
    assert notice == "NOTICE_LATE" and last["coefficients"].tobytes() == expected["coefficients"][-1:].tobytes()
    voice.api.call("stop", voice.handle)
