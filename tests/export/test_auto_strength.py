"""`auto_strength` is a short way to write the emotion's weights, at the start and later; what is none is named."""

import dataclasses

import numpy as np
import pytest

from emoface.errors import ConditionError
from emoface.frames import FrameBatch
from emoface.package import Package
from emoface.stream.choices import check_auto_strength, weakened

SOUND = (0.2 * np.random.default_rng(4).standard_normal(16000)).astype(np.float32)


@pytest.fixture(scope="module")
def package(tiny_package) -> Package:
    return Package.load(tiny_package)


def run(package: Package, later: object = None, **options: object) -> np.ndarray:
    with package.animator(precision="fp32", blinks=False, **options) as animator:  # type: ignore[arg-type]
        parts = [animator.step(SOUND[:8000])]
        if later is not None:
            animator.set_emotion(later)
        return FrameBatch.concat([*parts, animator.step(SOUND[8000:]), animator.flush()]).vertices


def test_it_is_sugar_over_weights(package):
    plain = run(package, emotion={"auto": 0.7, "neutral": 0.3})
    assert np.array_equal(run(package, auto_strength=0.7), plain)
    assert not np.array_equal(run(package), plain)
    assert np.array_equal(run(package, auto_strength=0), run(package, emotion="neutral"))
    assert np.array_equal(run(package, auto_strength=1), run(package))
    assert np.array_equal(run(package, auto_strength=0.2, emotion="happy"), run(package, emotion="happy"))


def test_it_holds_for_an_emotion_that_is_set_later(package):
    expected = run(package, later={"auto": 0.5, "neutral": 0.5}, emotion="happy")
    assert np.array_equal(run(package, later="auto", emotion="happy", auto_strength=0.5), expected)
    preferred = run(package, later={"auto": 0.35, "happy": 0.3, "neutral": 0.35}, emotion="sad")
    halved = run(package, later={"auto": 0.7, "happy": 0.3}, emotion="sad", auto_strength=0.5)
    assert np.array_equal(halved, preferred)


def test_a_vector_keeps_its_sum_and_is_read_only(package):
    manifest = package.manifest
    vector = np.zeros(9, np.float32)
    vector[[2, 8]] = 0.25, 0.75
    mixed = weakened(manifest, "emotion", vector, 0.4)
    np.testing.assert_allclose(mixed[[0, 2, 8]], [0.45, 0.25, 0.3], rtol=1e-6)
    assert not mixed.flags.writeable and weakened(manifest, "style", vector, 0.4) is vector


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, [0.5]])
def test_what_is_no_strength_is_refused(package, strength):
    with pytest.raises(ConditionError, match=r"auto_strength=.* a number from 0 to 1"):
        package.animator(auto_strength=strength)


def test_a_package_without_the_choice_says_so(package):
    manifest = dataclasses.replace(package.manifest, emotions=("plain", *package.manifest.emotions[1:]))
    assert check_auto_strength(manifest, 1.0) == 1.0
    with pytest.raises(ConditionError, match=r"auto_strength=0\.5 with emotions plain, .* auto and neutral among them"):
        check_auto_strength(manifest, 0.5)
