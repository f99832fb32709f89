"""Controls and retargeting of the C interface: those of Python, and the same bits for any cut."""

from __future__ import annotations

import ctypes
import io
from ctypes import byref, c_int64, c_void_p

import c_interface as abi
import numpy as np
import pytest
from c_interface import AnimatorConfig, Controls, StatusError, joined, same_bits

from emoface import FrameBatch, Package
from emoface.rig import Retarget, RigControls

NAMES = ("upper_strength", "lower_strength", "upper_smoothing", "lower_smoothing", "sync_offset")
PLAIN = {name: getattr(RigControls(), name) for name in RigControls.limits()}
CONTROLS = {
    "strength": (1.5, 0.7, 0.0, 0.0, 0.0),
    "smoothing": (1.0, 1.0, 0.2, 0.04, 0.0),
    "shift": (1.0, 1.0, 0.0, 0.0, 0.125),
    "mute": (0.0, 0.0, 0.0, 0.0, 0.0),
    "all": (2.0, 0.5, 0.05, 0.02, -0.1),
}


@pytest.fixture(scope="module")
def parted_path(package_path, tmp_path_factory):
    """The package with a mask of the upper face."""
    import handmade

    loaded = Package.load(package_path)
    files = {name: loaded.file(name) for name in loaded.manifest.files}
    files["manifest.json"] = loaded.manifest.to_text().encode()
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face)
    arrays["mask_eyes_forehead"] = np.flatnonzero(arrays["template"][:, 1] > 0).astype(np.int32)
    files = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    return handmade.write_zip(tmp_path_factory.mktemp("controls") / "parted.emoface", files)


@pytest.fixture(scope="module")
def parted(api, parted_path):
    return api.open(parted_path)


@pytest.fixture(scope="module")
def parted_python(parted_path):
    return Package.load(parted_path)


def controls(*values: float) -> Controls:
    return Controls(**dict(zip(NAMES, values, strict=True)))


def voice(package: abi.Package, *values: float, **options) -> abi.Voice:
    given = controls(*values)
    return package.animator(controls=ctypes.addressof(given), blendshapes=1, **options)


def python_frames(package: Package, audio: np.ndarray, *values: float) -> FrameBatch:
    animator = package.animator(backend="ort-cpu", blendshapes=True, controls=RigControls(*values))
    return FrameBatch.concat([animator.step(audio), animator.flush(0.3)])


@pytest.mark.parametrize("name", CONTROLS)
def test_frames_equal_pythons_and_any_cut_gives_the_same_bits(parted, parted_python, sound, name):
    audio = sound(1.3)
    expected = python_frames(parted_python, audio, *CONTROLS[name])
    animator = voice(parted, *CONTROLS[name])
    got = animator.run(audio, tail=0.3)
    np.testing.assert_array_equal(got["time"], expected.time)
    tolerance = 1e-4 * parted.info.motion_range / parted.info.unit_in_metres
    np.testing.assert_allclose(got["vertices"], expected.vertices, rtol=0, atol=tolerance)
    np.testing.assert_allclose(got["blendshapes"], expected.blendshape_weights, rtol=0, atol=1e-4)
    plain = parted.animator(blendshapes=1).run(audio, tail=0.3)
    assert (got["vertices"].tobytes() == plain["vertices"].tobytes()) == (name == "shift")
    random = np.random.default_rng(2)
    for _ in range(3):
        animator.api.call("reset", animator.handle)
        same_bits(animator.run(*np.split(audio, np.sort(random.integers(0, len(audio), 25))), tail=0.3), got)


def test_defaults_change_no_bit(parted, api, sound):
    given = Controls()
    assert api.call("controls_init", byref(given), ctypes.sizeof(given)) == "OK"
    assert {name: getattr(given, name) for name in PLAIN} == PLAIN
    older = Controls(mask_level=7.0)  # beyond its struct_size: left alone
    assert api.call("controls_init", byref(older), Controls.mask_level.offset) == "OK"
    assert (older.upper_strength, older.sync_offset, older.mask_level) == (1.0, 0.0, 7.0)
    assert older.struct_size == Controls.mask_level.offset
    plain = parted.animator(blendshapes=1)
    same = parted.animator(blendshapes=1, controls=ctypes.addressof(given))
    same_bits(same.run(sound(0.7)), plain.run(sound(0.7)))
    same = parted.animator(blendshapes=1, controls=ctypes.addressof(older))
    plain.api.call("reset", plain.handle)
    same_bits(same.run(sound(0.7)), plain.run(sound(0.7)))


def test_a_struct_without_controls_is_an_older_callers(parted, sound):
    config = AnimatorConfig(backend=b"ort-cpu", controls=1)  # beyond its struct_size: never read
    config.struct_size = AnimatorConfig.controls.offset
    same_bits(abi.Voice(parted, config).run(sound(0.4)), parted.animator().run(sound(0.4)))
    assert parted.api.call("animator_config_init", byref(config), config.struct_size) == "OK"
    assert config.controls == 1
    for size in (config.struct_size - 8, config.struct_size + 4, ctypes.sizeof(config) + 8):
        config.struct_size = size
        with pytest.raises(StatusError, match="struct_size") as caught:
            abi.Voice(parted, config)
        assert caught.value.name == "ARGUMENT"


@pytest.mark.parametrize("cut", [0, 700, 12345])
def test_snapshots_go_on_in_c_and_in_python(parted, parted_python, sound, cut):
    audio, values = sound(1.2), CONTROLS["all"]
    animator = voice(parted, *values)
    whole = animator.run(audio)
    animator.api.call("reset", animator.handle)
    head = animator.step(audio[:cut])
    data = animator.snapshot()
    other = voice(parted, *values)
    other.restore(data)
    same_bits(joined([head, other.step(audio[cut:]), other.flush()]), whole)
    tolerance = 1e-4 * parted.info.motion_range / parted.info.unit_in_metres
    python = parted_python.animator(backend="ort-cpu", channels=1, blendshapes=True, controls=RigControls(*values))
    python.restore(data)
    rest = FrameBatch.concat([python.step(audio[cut:]), python.flush()])
    np.testing.assert_allclose(rest.vertices, whole["vertices"][len(head["time"]) :], rtol=0, atol=tolerance)
    python.reset()
    python.step(audio[:cut])
    other.restore(python.snapshot())
    rest = joined([other.step(audio[cut:]), other.flush()])
    np.testing.assert_allclose(rest["vertices"], whole["vertices"][len(head["time"]) :], rtol=0, atol=tolerance)


def test_snapshots_of_other_controls_are_refused(parted, sound):
    plain, moved = parted.animator(blendshapes=1), voice(parted, *CONTROLS["all"])
    for animator, data in (
        (plain, moved.snapshot()),
        (moved, plain.snapshot()),
        (moved, voice(parted, 2.0, 0.5, 0.05, 0.02, 0.1).snapshot()),
    ):
        before = animator.snapshot()
        with pytest.raises(StatusError, match="controls") as caught:
            animator.restore(data)
        assert caught.value.name == "SNAPSHOT"
        assert animator.snapshot() == before


def test_sample_shifts_the_face_in_time(parted, sound):
    audio = sound(1.0)
    offset = 0.125
    whole = voice(parted, 1.5, 0.7, 0.1, 0.0, offset).run(audio)
    live = voice(parted, 1.5, 0.7, 0.1, 0.0, offset)
    live.api.call("start", live.handle, None)
    live.api.call("push", live.handle, audio.ctypes.data, len(audio))
    live.api.call("flush", live.handle, 0.0, None, 0, None)
    live.api.call("stop", live.handle)
    for index in (0, 7, 20):
        status, frame = live.sample(whole["time"][index] + 1e-12)
        assert status == "OK"
        np.testing.assert_allclose(frame["vertices"][0], whole["vertices"][index], atol=1e-6)
        assert frame["time"][0] == pytest.approx(index / 30 + offset)
    assert live.sample(0.0)[0] == "NOTICE_EARLY"
    status, frame = live.sample(9.0)
    assert (status, frame["time"][0]) == ("NOTICE_LATE", whole["time"][-1])
    assert live.statistics().newest_time == whole["time"][-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upper_strength", -0.1),
        ("upper_strength", 3.1),
        ("lower_strength", float("nan")),
        ("upper_smoothing", 2.0),
        ("lower_smoothing", -0.01),
        ("lower_smoothing", float("inf")),
        ("sync_offset", -1.5),
        ("sync_offset", 1.01),
    ],
)
def test_controls_out_of_range(parted, name, value):
    given = controls(1.0, 1.0, 0.0, 0.0, 0.0)
    setattr(given, name, value)
    with pytest.raises(StatusError, match=f"{name} = .*expected a number from.*in range") as caught:
        parted.animator(controls=ctypes.addressof(given))
    assert caught.value.name == "ARGUMENT"


def test_controls_of_another_size(parted, api):
    given = controls(1.0, 1.0, 0.0, 0.0, 0.0)
    given.struct_size = 4
    with pytest.raises(StatusError, match=r"emoface_controls\.struct_size = 4"):
        parted.animator(controls=ctypes.addressof(given))
    for arguments in ((None, ctypes.sizeof(given)), (byref(given), 4)):
        with pytest.raises(StatusError) as caught:
            api.call("controls_init", *arguments)
        assert caught.value.name == "ARGUMENT"


def test_a_face_without_the_mask(package):
    given = controls(2.0, 1.0, 0.0, 0.0, 0.0)
    with pytest.raises(StatusError, match="without the mask 'eyes_forehead'") as caught:
        package.animator(controls=ctypes.addressof(given))
    assert caught.value.name == "PACKAGE"
    given = controls(2.0, 2.0, 0.0, 0.0, 0.0)
    package.animator(controls=ctypes.addressof(given))


def test_golden_vectors_know_no_controls(parted):
    given = controls(2.0, 0.5, 0.3, 0.3, 0.5)
    assert parted.verify(AnimatorConfig(backend=b"ort-cpu", controls=ctypes.addressof(given))).passed == 1


class Retargeting:
    """emoface_retarget with numpy arrays."""

    def __init__(self, package: abi.Package, template: np.ndarray, faces: np.ndarray | None = None) -> None:
        self.api, self.handle = package.api, c_void_p()
        vertices = np.ascontiguousarray(template, np.float32)
        pointers = (vertices.ctypes.data, c_int64(len(vertices)), None if faces is None else faces.ctypes.data)
        count = c_int64(0 if faces is None else len(faces))
        self.api.call("retarget_create", package.handle, c_void_p(pointers[0]), pointers[1], c_void_p(pointers[2]),
                      count, byref(self.handle))  # fmt: skip

    def __del__(self) -> None:
        self.api.library.emoface_retarget_release(self.handle)

    def offsets(self, offsets: np.ndarray) -> np.ndarray:
        given, moved = np.ascontiguousarray(offsets, np.float32), np.zeros(offsets.shape, np.float32)
        self.api.call("retarget_offsets", self.handle, c_void_p(given.ctypes.data), c_int64(len(given)),
                      c_void_p(moved.ctypes.data))  # fmt: skip
        return moved


def test_retargeting_equals_pythons(api, tiny_package):
    package, face = api.open(tiny_package), Package.load(tiny_package).face
    angle = 0.5
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    chin = np.clip((-0.06 - face.template[:, 1]) / 0.05, 0, 1)[:, None] * np.array([0, -0.01, 0.012])
    target = ((face.template * np.array([0.92, 1.12, 1.05]) + chin) @ turn.T).astype(np.float32)
    offsets = np.random.default_rng(5).normal(0, 0.01, (4, *face.template.shape)).astype(np.float32)
    expected = Retarget(face, target, face.faces).offsets(offsets)
    retarget = Retargeting(package, target, np.ascontiguousarray(face.faces, np.int32))
    got = retarget.offsets(offsets)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(offsets).max())
    assert np.concatenate([retarget.offsets(offsets[:1]), retarget.offsets(offsets[1:])]).tobytes() == got.tobytes()
    same = Retargeting(package, face.template).offsets(offsets)
    np.testing.assert_allclose(same, offsets, rtol=0, atol=1e-6)


def test_meshes_that_do_not_fit(package, api, python_package):
    face = python_package.face
    turned = np.ascontiguousarray(face.faces[::-1], np.int32)
    broken = face.template.copy()
    broken[3, 1] = np.nan
    for match, arguments in (
        ("a mesh of 11 vertices to retarget to; expected 12", (face.template[1:],)),
        ("other triangles", (face.template, turned)),
        ("other triangles", (face.template, turned[1:])),
        ("flat mesh, or one with NaN", (broken,)),
        ("flat mesh, or one with NaN", (face.template * np.array([1, 0, 1], np.float32),)),
    ):
        with pytest.raises(StatusError, match=match) as caught:
            Retargeting(package, *arguments)
        assert caught.value.name == "TEMPLATE"
    retarget = Retargeting(package, face.template)
    null, out = c_void_p(), c_void_p()
    some = c_void_p(np.zeros(36, np.float32).ctypes.data)
    for function, arguments in (
        ("retarget_create", (null, some, c_int64(12), null, c_int64(0), byref(out))),
        ("retarget_create", (package.handle, null, c_int64(12), null, c_int64(0), byref(out))),
        ("retarget_create", (package.handle, some, c_int64(12), null, c_int64(3), byref(out))),
        ("retarget_create", (package.handle, some, c_int64(12), null, c_int64(0), null)),
        ("retarget_offsets", (null, some, c_int64(1), some)),
        ("retarget_offsets", (retarget.handle, null, c_int64(1), some)),
        ("retarget_offsets", (retarget.handle, some, c_int64(1), null)),
        ("retarget_offsets", (retarget.handle, some, c_int64(-1), some)),
    ):
        with pytest.raises(StatusError) as caught:
            api.call(function, *arguments)
        assert caught.value.name == "ARGUMENT"
    api.library.emoface_retarget_release(None)
