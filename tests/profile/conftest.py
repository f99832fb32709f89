"""The tiny packages, one short sound per voice, and frames of voices alone."""

from __future__ import annotations

import numpy as np
import pytest

from emoface import FrameBatch, Package

FIELDS = ("time", "vertices", "emotion", "emotion_weight")


@pytest.fixture(scope="session")
def package(tiny_package) -> Package:
    return Package.load(tiny_package)


@pytest.fixture(scope="session")
def sound():
    """seconds, rate, seed -> float32 noise that swells, the same every time."""

    def make(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        count = round(seconds * rate)
        return (0.3 * random.standard_normal(count) * np.linspace(0.1, 1.0, count)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def alone():
    """Frames of an animator fed at once, flush included."""

    def run(package: Package, audio: np.ndarray, **options) -> FrameBatch:
        with package.animator(**options) as animator:
            return FrameBatch.concat([animator.step(audio), animator.flush()])

    return run


@pytest.fixture(scope="session")
def same_bits():
    def check(a: FrameBatch, b: FrameBatch) -> None:
        for field in FIELDS:
            left, right = getattr(a, field), getattr(b, field)
            assert left.shape == right.shape, field
            assert left.tobytes() == right.tobytes(), field

    return check
