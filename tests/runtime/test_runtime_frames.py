"""Frames of the C interface: those of Python, and the same bits for any cut."""

from __future__ import annotations

import ctypes
import io
import json
import zipfile

import c_interface as abi
import numpy as np
import onnxruntime
import pytest
from c_interface import AnimatorConfig, StatusError, joined, same_bits

from emoface import Animator, FrameBatch

RATES = (8000, 16000, 22050, 44100, 48000)


def whole(animator: Animator, audio: np.ndarray, tail: float = 0.0) -> FrameBatch:
    return FrameBatch.concat([animator.step(audio), animator.flush(tail)])


def assert_close(package, got: dict[str, np.ndarray], expected: FrameBatch) -> None:
    tolerance = 1e-4 * package.info.motion_range / package.info.unit_in_metres
    np.testing.assert_array_equal(got["time"], expected.time)
    np.testing.assert_allclose(got["vertices"], expected.vertices, rtol=0, atol=tolerance)
    np.testing.assert_allclose(got["emotion"], expected.emotion, rtol=0, atol=1e-5)
    np.testing.assert_allclose(got["emotion_weight"], expected.emotion_weight, rtol=0, atol=1e-5)


def test_golden_vectors(package):
    result = package.verify()
    assert result.passed == 1
    assert result.frames == 3
    assert result.offsets_error <= result.tolerance == pytest.approx(1e-4)


def test_golden_vectors_of_the_default_package(api):
    package = api.open(abi.ROOT / "sdk" / "emoface" / "packages" / "default.emoface")
    result = package.verify()
    assert result.passed == 1, f"{result.offsets_error} of the motion range; limit {result.tolerance}"


def test_golden_vectors_that_differ_do_not_pass(api, package_path, tmp_path):
    import handmade

    with zipfile.ZipFile(package_path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    decoder = next(name for name in files if name.startswith("decoder"))
    changed = handmade.with_file(files, decoder, handmade.scaled(files[decoder], 1.05))
    result = api.open(handmade.write_zip(tmp_path / "changed.emoface", changed)).verify()
    assert result.passed == 0
    assert result.offsets_error > result.tolerance


@pytest.mark.parametrize(("stated", "judged"), [(50.0, 1e-4), (1e-5, 1e-5)])
def test_a_package_states_stricter_limits_and_no_looser_ones(api, package_path, tmp_path, stated, judged):
    import handmade

    from emoface import Package
    from emoface.verification import stated_relative

    with zipfile.ZipFile(package_path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    manifest["verification"] = {"tolerances": {"fp32": {"relative": stated}}}
    files["manifest.json"] = json.dumps(manifest).encode()
    path = handmade.write_zip(tmp_path / "stated.emoface", files)
    assert api.open(path).verify().tolerance == judged == stated_relative(Package.load(path).manifest)


def golden_of(path) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """The package's files, and the arrays of its golden vectors."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with np.load(io.BytesIO(files["golden.npz"])) as stored:
        return files, dict(stored)


def test_golden_errors_of_every_stage_are_pythons(api, package_path, tmp_path):
    """Python probes stage by stage; both find the same largest errors, and none where nothing was changed."""
    import handmade

    from emoface import Package
    from emoface.verification import verify_golden

    files, arrays = golden_of(package_path)
    outputs = [key for key in arrays if "." in key and not key.startswith("condition.")]
    assert len(outputs) > 3
    for changed in outputs:
        row = np.zeros_like(arrays[changed])
        row.reshape(-1)[-1] = 0.01
        golden = handmade.npz(**{**arrays, changed: arrays[changed] + row})
        path = handmade.write_zip(tmp_path / f"{changed}.emoface", handmade.with_file(files, "golden.npz", golden))
        result = api.open(path).verify()
        checks = verify_golden(Package.load(path), backend="ort-cpu")
        found = {check.name.removeprefix("golden "): check.value for check in checks}
        final = found.pop("decoder.offsets")
        assert result.passed == 0, changed
        assert (result.offsets_error, result.stages_error) == pytest.approx((final, max(found.values())), rel=1e-6)
        assert max(result.offsets_error, result.stages_error) > result.tolerance


@pytest.mark.parametrize(
    ("key", "change", "match"),
    [
        ("nobody.offsets", lambda arrays: np.zeros((3, 12, 3), np.float32), "an unknown array"),
        ("decoder.offsets", lambda arrays: arrays["decoder.offsets"][:2], "one row per listed frame"),
        ("decoder.offsets", lambda arrays: arrays["decoder.offsets"].astype(np.float64), "<f8"),
        ("content.content", lambda arrays: arrays["content.content"][..., :1], "shape"),
        ("frames", lambda arrays: np.array([0, 7, 30]), "frames within the audio"),
    ],
)
def test_golden_vectors_that_do_not_fit(api, package_path, key, change, match):
    import handmade

    files, arrays = golden_of(package_path)
    changed = handmade.with_file(files, "golden.npz", handmade.npz(**{**arrays, key: change(arrays)}))
    with pytest.raises(StatusError, match=match) as caught:
        api.open(changed).verify()  # what the manifest alone tells is refused when the package is opened
    assert caught.value.name == "MANIFEST"
    assert api.last_error_parts()[3:] == ["golden.npz", key]


def test_the_files_of_a_package_one_by_one(api, package_path, package, sound):
    files, _ = golden_of(package_path)
    opened = api.open(files)
    assert opened.text(5) == package.text(5)
    same_bits(opened.animator().run(sound(0.4)), package.animator().run(sound(0.4)))
    for changed, status, match in (
        ({name: data for name, data in files.items() if name != "face.npz"}, "PACKAGE_INTEGRITY", "face.npz"),
        ({**files, "face.npz": files["face.npz"] + b"x"}, "PACKAGE_INTEGRITY", "face.npz"),
        ({}, "PACKAGE_INTEGRITY", "manifest.json"),
    ):
        with pytest.raises(StatusError, match=match) as caught:
            api.open(changed)
        assert caught.value.name == status
    twice = (abi.File * 2)(*2 * [abi.File(b"a", b"", 0)])
    for given, count, match in ((None, 1, "files = NULL"), (twice, -1, "count = -1"), (twice, 2, "a twice")):
        with pytest.raises(StatusError, match=match):
            api.call("package_open_files", given, count, ctypes.byref(ctypes.c_void_p()))


def test_offsets_are_what_the_model_gave(package, sound):
    """Before the tail fades, before the controls; vertices are what became of them."""
    plain = package.animator(blinks=-1).run(sound(1.0), tail=0.5)
    template = np.ctypeslib.as_array(
        ctypes.cast(package.api.library.emoface_package_template(package.handle), ctypes.POINTER(ctypes.c_float)),
        (package.info.vertices, 3),
    )
    np.testing.assert_array_equal(plain["vertices"][:30], plain["offsets"][:30] + template)
    np.testing.assert_array_equal(plain["vertices"][-1], template)
    assert np.abs(plain["offsets"][-1]).max() > 0
    controls = abi.Controls(upper_strength=0.0, lower_strength=0.0)
    still = package.animator(blinks=-1, controls=ctypes.addressof(controls)).run(sound(1.0), tail=0.5)
    assert still["offsets"].tobytes() == plain["offsets"].tobytes()
    np.testing.assert_allclose(still["vertices"], np.broadcast_to(template, still["vertices"].shape), atol=1e-7)


def test_programs_made_before_there_were_offsets(package, sound):
    voice = package.animator()
    arrays = voice.arrays(15)
    out = voice.frames(arrays)
    out.struct_size = abi.Frames.offsets.offset
    audio = sound(0.5)
    voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 15, None)
    assert arrays["vertices"].any() and not arrays["offsets"].any()
    voice.api.call("start", voice.handle, None)
    assert voice.sample(0.0)[0] == "NOTICE_NO_FRAME"
    out.struct_size = ctypes.sizeof(out)
    with pytest.raises(StatusError, match="offsets"):
        voice.api.call("sample", voice.handle, 0.0, ctypes.byref(out))
    voice.api.call("stop", voice.handle)


def test_parts_of_the_last_error(api, package_path):
    with pytest.raises(StatusError) as caught:
        api.open("/no/such/package")
    got, expected, remedy, file, field = api.last_error_parts()
    assert caught.value.text == f"got {got}; expected {expected}. {remedy}"
    assert got and expected and remedy and not file and not field
    assert api.library.emoface_last_error_part(99) == api.library.emoface_last_error_part(-1) == b""


@pytest.mark.parametrize("rate", RATES)
def test_frames_equal_pythons(package, python_package, sound, rate):
    audio = sound(1.3, rate)
    animator = python_package.animator(sample_rate=rate, backend="ort-cpu")
    expected = whole(animator, audio, 0.3)
    voice = package.animator(sample_rate=rate)
    got = voice.run(audio, tail=0.3)
    assert len(got["time"]) == len(audio) * 30 // rate + 9
    assert_close(package, got, expected)
    assert voice.info().latency_samples == animator.latency.samples
    if rate == 16000:  # no resampler: the same arithmetic on both sides
        assert got["vertices"].tobytes() == expected.vertices.tobytes()


@pytest.mark.parametrize("rate", RATES)
def test_random_cuts_give_the_same_bits(package, sound, rate):
    audio = sound(2.0, rate, seed=rate)
    random = np.random.default_rng(rate)
    voice = package.animator(sample_rate=rate)
    expected = voice.run(audio)
    for _ in range(3):
        voice.api.call("reset", voice.handle)
        cuts = np.sort(random.integers(0, len(audio), random.integers(1, 60)))
        same_bits(voice.run(*np.split(audio, cuts)), expected)


def test_a_sample_at_a_time(package, sound):
    audio = sound(0.25)
    voice = package.animator()
    expected = voice.run(audio)
    voice.api.call("reset", voice.handle)
    same_bits(voice.run(*np.split(audio, len(audio))), expected)


@pytest.mark.parametrize("dtype", abi.DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_sample_formats_equal_pythons(package, python_package, sound, dtype, channels):
    mono = sound(0.6)
    audio = np.stack([mono, 0.5 * mono, -mono], 1)[:, :channels]
    scale = {"int16": 2**15, "int32": 2**31, "uint8": 2**7}.get(dtype)
    audio = (
        audio.astype(dtype) if scale is None else (audio * scale * 0.5 + (128 if dtype == "uint8" else 0)).astype(dtype)
    )
    expected = whole(python_package.animator(backend="ort-cpu"), audio[:, 0] if channels == 1 else audio)
    voice = package.animator(channels=channels, sample_format=abi.DTYPES[dtype])
    got = voice.run(audio)
    assert got["vertices"].tobytes() == expected.vertices.tobytes()


def test_conditions_at_a_time_equal_pythons(package, python_package, sound):
    audio = sound(1.5)
    animator = python_package.animator(backend="ort-cpu", style="anna", emotion="sad")
    animator.set_emotion("happy", at=0.5)
    animator.set_style({"anna": 0.25, "ben": 0.75}, at=0.8)
    mean = np.linspace(-1, 1, 6).astype(np.float32)
    animator.set_condition("speaker_mean", mean, at=0.3)
    expected = whole(animator, audio)
    voice = package.animator(style=b"anna", emotion=b"sad")
    voice.api.call("set_emotion", voice.handle, b"happy", 0.5)
    mixed = np.array([0.25, 0.75], np.float32)
    voice.api.call("set_condition", voice.handle, b"style", mixed.ctypes.data, 2, 0.8)
    voice.api.call("set_condition", voice.handle, b"speaker_mean", mean.ctypes.data, 6, 0.3)
    got = voice.run(*np.split(audio, [999, 7777]))
    assert got["vertices"].tobytes() == expected.vertices.tobytes()
    voice.api.call("reset", voice.handle)
    again = voice.run(audio)
    assert (
        again["vertices"].tobytes()
        == whole(python_package.animator(style="anna", emotion="sad"), audio).vertices.tobytes()
    )


def test_snapshots_continue_in_c_and_in_python(package, python_package, sound):
    audio = sound(2.0, 44100)
    voice = package.animator(sample_rate=44100)
    expected = voice.run(audio)
    for cut in (0, 700, 30000):
        voice.api.call("reset", voice.handle)
        before = voice.step(audio[:cut])
        data = voice.snapshot()
        other = package.animator(sample_rate=44100)
        other.restore(data)
        same_bits(joined([before, other.step(audio[cut:]), other.flush()]), expected)
        animator = python_package.animator(sample_rate=44100, backend="ort-cpu", channels=1)
        animator.restore(data)
        rest = whole(animator, audio[cut:])
        assert_close(package, {k: v[len(before["time"]) :] for k, v in expected.items()}, rest)
        animator.reset()
        animator.step(audio[:cut])
        voice.restore(animator.snapshot())
        rest = joined([voice.step(audio[cut:]), voice.flush()])
        # Its own samples at 16 kHz came from NumPy's sums
        gap = np.abs(rest["vertices"] - expected["vertices"][len(before["time"]) :]).max()
        assert gap <= 1e-4 * package.info.motion_range / package.info.unit_in_metres


def test_a_buffer_too_small_consumes_nothing(package, sound):
    audio = sound(1.0)
    voice = package.animator()
    written = ctypes.c_int64()
    arrays = voice.arrays(3)
    out = voice.frames(arrays)
    with pytest.raises(StatusError, match="room for 3") as caught:
        voice.api.call("step", voice.handle, audio.ctypes.data, len(audio), ctypes.byref(out), 3, ctypes.byref(written))
    assert caught.value.name == "BUFFER_TOO_SMALL"
    assert written.value > 3
    assert not arrays["vertices"].any()
    assert voice.info().samples_fed == 0
    got = voice.run(audio)
    same_bits(got, package.animator().run(audio))


def test_blendshape_weights_equal_pythons(package, python_package, sound):
    audio = sound(1.0)
    expected = whole(python_package.animator(backend="ort-cpu", blendshapes=True), audio)
    got = package.animator(blendshapes=1).run(*np.split(audio, [123, 4567]))
    assert package.names(4) == ["jawOpen", "mouthSmileLeft", "größe"]
    np.testing.assert_allclose(got["blendshapes"], expected.blendshape_weights, rtol=0, atol=1e-5)
    assert got["blendshapes"].max() > 0.01
    solver = ctypes.c_void_p()
    package.api.call("solver_create", package.handle, None, ctypes.byref(solver))
    weights = np.zeros(3, np.float32)
    template = python_package.face.template
    for frame, wanted in zip(got["vertices"], got["blendshapes"], strict=True):
        offsets = np.ascontiguousarray(frame - template)
        package.api.call("solver_solve", solver, offsets.ctypes.data, weights.ctypes.data)
        np.testing.assert_allclose(weights, wanted, atol=1e-4)
    package.api.library.emoface_solver_release(solver)


def test_own_template(package, python_package, sound):
    audio = sound(0.5)
    template = (python_package.face.template * 1.5).astype(np.float32)
    got = package.animator(template_vertices=template.ctypes.data, template_count=len(template)).run(audio)
    expected = whole(python_package.animator(template=template, backend="ort-cpu"), audio)
    assert got["vertices"].tobytes() == expected.vertices.tobytes()


def test_getters(package, python_package, api):
    manifest, face = python_package.manifest, python_package.face
    assert package.names(0) == list(manifest.styles)
    assert package.names(1) == list(manifest.choices("emotion"))
    assert package.names(3) == sorted(face.masks)
    assert package.names(6) == list(manifest.conditions)
    assert package.text(5) == python_package.digest
    assert json.loads(package.text(7)) == manifest.to_json()
    assert (package.info.fps, package.info.vertices) == (manifest.fps, manifest.vertices)
    assert package.info.latency_samples == manifest.latency_samples
    template = np.ctypeslib.as_array(
        ctypes.cast(api.library.emoface_package_template(package.handle), ctypes.POINTER(ctypes.c_float)),
        face.template.shape,
    )
    np.testing.assert_array_equal(template, face.template)
    count = ctypes.c_int64()
    for name, indices in face.masks.items():
        assert api.library.emoface_package_mask(package.handle, name.encode(), ctypes.byref(count))
        assert count.value == len(indices)
    assert api.library.emoface_package_mask(package.handle, b"no such mask", ctypes.byref(count)) is None
    assert api.library.emoface_onnxruntime_version().decode() == onnxruntime.__version__


def test_folder_and_memory_are_the_same_package(api, package, package_path, python_package, sound, tmp_path):
    folder = tmp_path / "größe 顔"
    with zipfile.ZipFile(package_path) as archive:
        archive.extractall(folder)
    expected = package.animator().run(sound(0.4))
    for source in (folder, package_path.read_bytes()):
        other = api.open(source)
        assert other.text(5) == package.text(5)
        same_bits(other.animator().run(sound(0.4)), expected)


def test_animators_outlive_their_package(api, package_path, sound):
    package = api.open(package_path)
    voice = package.animator()
    handle, package.handle = package.handle, ctypes.c_void_p()
    api.library.emoface_package_release(handle)
    assert len(voice.run(sound(0.5))["time"]) == 15


def test_a_struct_of_no_version_is_refused(package):
    config = AnimatorConfig()
    config.struct_size -= 4
    handle = ctypes.c_void_p()
    with pytest.raises(StatusError, match="struct_size") as caught:
        package.api.call("animator_create", package.handle, ctypes.byref(config), ctypes.byref(handle))
    assert caught.value.name == "ARGUMENT"


def test_auto_takes_the_kernels_that_lie_beside_the_library(package, api, sound):
    kernels = abi.LIBRARY.with_name(abi.LIBRARY.name.replace("emoface", "emoface_onnxruntime"))
    expected = "ort-cpu-native" if kernels.is_file() else "ort-cpu"
    assert package.animator(backend=None).info().backend.decode() == expected
    assert package.animator(backend=b"auto").info().backend.decode() == expected


@pytest.mark.parametrize("backend", ["ort-cpu", "ort-cpu-native"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_exported_packages_equal_python(api, tiny_package, sound, backend, precision):
    from emoface import Package
    from emoface.backends import available_backends

    if backend not in available_backends():
        pytest.skip(f"{backend} is not built: set ONNXRUNTIME_ROOT")
    audio = sound(1.5, 48000)
    loaded = Package.load(tiny_package)
    expected = whole(loaded.animator(backend=backend, precision=precision, sample_rate=48000), audio)
    package = api.open(tiny_package)
    options = {"backend": backend.encode(), "precision": precision.encode(), "sample_rate": 48000}
    got = package.animator(**options).run(*np.split(audio, [1, 5000, 40000]))
    same_bits(got, package.animator(**options).run(audio))
    if precision == "fp32":
        assert_close(package, got, expected)
    else:  # a rounding of the resampler's may move a quantised value by one step
        gap = np.abs(got["vertices"] - expected.vertices).max()
        assert gap <= 0.02 * package.info.motion_range / package.info.unit_in_metres
    result = package.verify(AnimatorConfig(precision=precision.encode(), backend=backend.encode()))
    assert result.passed == 1
