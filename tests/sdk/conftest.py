"""One handmade package and one short sound for all SDK tests."""

from __future__ import annotations

from pathlib import Path

import handmade
import numpy as np
import pytest

from emoface import FrameBatch, Package

FIELDS = ("time", "vertices", "emotion", "emotion_weight")


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    return handmade.package_files()


@pytest.fixture(scope="session")
def package_path(files, tmp_path_factory) -> Path:
    return handmade.write_zip(tmp_path_factory.mktemp("package") / "handmade.emoface", files)


@pytest.fixture(scope="session")
def package(package_path) -> Package:
    return Package.load(package_path)


@pytest.fixture(scope="session")
def sound():
    """seconds, rate -> float32 noise, the same every time."""

    def make(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        return (0.2 * random.standard_normal(round(seconds * rate))).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def run_whole():
    """An animator's frames for audio fed at once, flush included."""

    def run(animator, audio) -> FrameBatch:
        return FrameBatch.concat([animator.step(audio), animator.flush()])

    return run


@pytest.fixture(scope="session")
def run_cut():
    """An animator's frames for audio fed in pieces of the given lengths, cycling through them, flush included."""

    def run(animator, audio, lengths) -> FrameBatch:
        batches, start, turn = [], 0, 0
        while start < len(audio):
            length = lengths[turn % len(lengths)]
            batches.append(animator.step(audio[start : start + length]))
            start, turn = start + length, turn + 1
        return FrameBatch.concat([*batches, animator.flush()])

    return run


@pytest.fixture(scope="session")
def same_bits():
    """Assert that two batches are equal in every bit."""

    def check(a: FrameBatch, b: FrameBatch) -> None:
        for field in FIELDS:
            left, right = getattr(a, field), getattr(b, field)
            assert left.dtype == right.dtype
            assert left.shape == right.shape
            assert left.tobytes() == right.tobytes(), field

    return check
