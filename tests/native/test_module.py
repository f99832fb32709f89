"""emoface._native: numpy arrays in and out, and every kind of bad input as a Python exception."""

import threading

import numpy as np
import pytest
from spiral_forms import native_module

V, K, CIN, COUT, DELTA = 21, 5, 12, 2, 3


@pytest.fixture
def native():
    return native_module()


@pytest.fixture
def arrays():
    random = np.random.default_rng(1)
    return {
        "x": random.standard_normal((2, 4, V, CIN)).astype(np.float32),
        "partial": random.standard_normal((2, DELTA - 1, V, COUT)).astype(np.float32),
        "spiral": random.integers(0, V, (V, K)).astype(np.int32),
        "weight": random.standard_normal((COUT, DELTA * K * CIN)).astype(np.float32),
        "bias": random.standard_normal(COUT).astype(np.float32),
    }


def test_isa_report(native):
    report = native.isa()
    assert report["available"][0] == "scalar"
    assert report["best"] == report["available"][-1]


def test_operator_object_equals_the_function(native, arrays):
    operator = native.SpiralConv3D(arrays["spiral"], arrays["weight"], arrays["bias"], DELTA)
    assert (operator.isa, operator.delta) == (native.isa()["best"], DELTA)
    for got, want in zip(
        operator(arrays["x"], arrays["partial"]), native.spiral_conv3d(**arrays, delta=DELTA), strict=True
    ):
        assert np.array_equal(got, want)


def test_results_can_go_into_arrays_that_exist_and_sums_in_place(native, arrays):
    operator = native.SpiralConv3D(arrays["spiral"], arrays["weight"], arrays["bias"], DELTA)
    want_y, want_rest = operator(arrays["x"], arrays["partial"])
    y, sums = np.empty_like(want_y), arrays["partial"].copy()
    operator.run_into(arrays["x"], sums, y, sums)
    assert np.array_equal(y, want_y) and np.array_equal(sums, want_rest)


def test_strided_input_and_wide_indices_are_read_right(native, arrays):
    want = native.spiral_conv3d(**arrays, delta=DELTA)[0]
    arrays["x"] = np.repeat(arrays["x"], 2, axis=1)[:, ::2]
    arrays["spiral"] = arrays["spiral"].astype(np.int64)
    assert not arrays["x"].flags.c_contiguous
    assert np.array_equal(native.spiral_conv3d(**arrays, delta=DELTA)[0], want)


def test_one_frame_windows_have_no_sums(native, arrays):
    weight = arrays["weight"][:, : K * CIN].copy()
    operator = native.SpiralConv3D(arrays["spiral"], weight, arrays["bias"], 1)
    y, rest = operator(arrays["x"])
    assert y.shape == (2, 4, V, COUT) and rest.shape == (2, 0, V, COUT)
    assert np.array_equal(operator(arrays["x"], rest)[0], y)
    with pytest.raises(ValueError, match="delta = 1"):
        operator(arrays["x"], arrays["partial"])


def test_many_threads_share_one_operator(native, arrays):
    operator = native.SpiralConv3D(arrays["spiral"], arrays["weight"], arrays["bias"], DELTA)
    want = operator(arrays["x"], arrays["partial"])[0]
    results = [None] * 4

    def work(slot):
        results[slot] = all(np.array_equal(operator(arrays["x"], arrays["partial"])[0], want) for _ in range(50))

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("x", lambda a: a.astype(np.float64), TypeError, r"got x float64 .* expected float32 \[B, n, 21, 12\]"),
        ("x", lambda a: a.tolist(), TypeError, "got x of type list; expected a numpy array"),
        ("x", lambda a: a[0], ValueError, r"got x float32 \(4, 21, 12\); expected float32 \[B, n, 21, 12\]"),
        ("x", lambda a: a[..., :7], ValueError, r"got x float32 \(2, 4, 21, 7\)"),
        ("x", lambda a: a[:, :0], ValueError, r"got x float32 \(2, 0, 21, 12\)"),
        (
            "partial",
            lambda a: a[:1],
            ValueError,
            r"got partial float32 \(1, 2, 21, 2\); expected float32 \[2, 2, 21, 2\]",
        ),
        ("partial", lambda a: None, TypeError, "got partial of type NoneType"),
        ("spiral", lambda a: a + V, ValueError, "a spiral lists a vertex that does not exist"),
        ("spiral", lambda a: a.astype(np.int64) - V, ValueError, "a spiral lists a vertex that does not exist"),
        ("spiral", lambda a: a.astype(np.float32), TypeError, r"got spiral float32 \(21, 5\); expected int32 \[V, K\]"),
        ("spiral", lambda a: a[:0], ValueError, r"got spiral int32 \(0, 5\)"),
        ("weight", lambda a: a[:, :-1], ValueError, r"got weight float32 \(2, 179\); expected .* delta = 3, K = 5"),
        ("weight", lambda a: a.astype(np.float16), TypeError, "got weight float16"),
        ("bias", lambda a: a[:1], ValueError, r"got bias float32 \(1,\); expected float32 \[2\]"),
    ],
)
def test_bad_arrays_are_refused(native, arrays, name, change, error, message):
    arrays[name] = change(arrays[name])
    with pytest.raises(error, match=message):
        native.spiral_conv3d(**arrays, delta=DELTA)


@pytest.mark.parametrize("delta", [0, -1, 2**40])
def test_bad_windows_are_refused(native, arrays, delta):
    with pytest.raises(ValueError, match=r"delta"):
        native.spiral_conv3d(**arrays, delta=delta)


def test_unknown_instruction_sets_are_refused(native, arrays):
    with pytest.raises(ValueError, match="got isa='sse9'; expected one of auto, scalar, avx2, avx512"):
        native.spiral_conv3d(**arrays, delta=DELTA, isa="sse9")


def test_arrays_to_write_to_must_be_writeable_in_place(native, arrays):
    operator = native.SpiralConv3D(arrays["spiral"], arrays["weight"], arrays["bias"], DELTA)
    y, sums = np.empty((2, 4, V, COUT), np.float32), arrays["partial"].copy()
    y.flags.writeable = False
    with pytest.raises(ValueError, match="got y that is not C-contiguous and writeable"):
        operator.run_into(arrays["x"], sums, y, sums)
    with pytest.raises(ValueError, match="got y that is not C-contiguous"):
        operator.run_into(arrays["x"], sums, np.empty((2, 4, V, 2 * COUT), np.float32)[..., ::2], sums)


def test_misaligned_arrays_are_refused_or_copied(native, arrays):
    room = np.zeros(arrays["x"].nbytes + 1, np.uint8)
    shifted = room[1:].view(np.float32).reshape(arrays["x"].shape)
    shifted[...] = arrays["x"]
    want = native.spiral_conv3d(**arrays, delta=DELTA)[0]
    arrays["x"] = shifted
    try:
        assert np.array_equal(native.spiral_conv3d(**arrays, delta=DELTA)[0], want)
    except ValueError as error:
        assert "multiple of 4 bytes" in str(error)


@pytest.mark.parametrize("activation", ["elu", "none"])
def test_vertex_layer(native, activation):
    random = np.random.default_rng(2)
    audio = random.standard_normal((4, CIN)).astype(np.float32)
    constants = random.standard_normal((3, V, CIN)).astype(np.float32)
    available = np.array([0, 1, 2, 2])
    want = audio.astype(np.float64)[:, None] + constants[available]
    if activation == "elu":
        want = np.where(want > 0, want, np.expm1(want))
    for isa in native.isa()["available"]:
        got = native.vertex_layer(audio, constants, available, activation, isa)
        np.testing.assert_allclose(got, want, rtol=0, atol=5e-7)
    out = np.empty_like(got)
    assert native.vertex_layer(audio, constants, available, activation, out=out) is out
    with pytest.raises(ValueError, match=r"got available=3; expected 0 \.\.\. delta - 1"):
        native.vertex_layer(audio, constants, available + 1, activation)
    with pytest.raises(ValueError, match="got activation='relu'; expected elu or none"):
        native.vertex_layer(audio, constants, available, "relu")


def test_blend(native):
    random = np.random.default_rng(3)
    difference = (20 * random.standard_normal(300)).astype(np.float32)
    emotion, content = random.standard_normal((2, 300, 3)).astype(np.float32)
    weight = 1 / (1 + np.exp(-difference.astype(np.float64)))
    for isa in native.isa()["available"]:
        offsets, got = native.blend_branches(difference, emotion, content, isa)
        np.testing.assert_allclose(got, weight, rtol=0, atol=1e-6)
        np.testing.assert_allclose(offsets, content + weight[:, None] * (emotion - content), rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match=r"got content float32 \(299, 3\); expected float32 \[300, 3\]"):
        native.blend_branches(difference, emotion, content[1:])
