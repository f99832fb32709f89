"""The backend `native`: the C++ runtime behind the Python animator."""

from __future__ import annotations

import numpy as np
import pytest

from emoface import Animator, AnimatorPool, FrameBatch
from emoface.backends import available_backends
from emoface.errors import ConditionError, SnapshotError, UsageError
from emoface.verification import verify_cuts, verify_golden

pytestmark = pytest.mark.skipif(
    "native" not in available_backends(), reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT"
)


def run(animator: Animator, *chunks: np.ndarray, tail: float = 0.0) -> FrameBatch:
    return FrameBatch.concat([*(animator.step(chunk) for chunk in chunks), animator.flush(tail)])


def same(a: FrameBatch, b: FrameBatch) -> None:
    for field in ("time", "vertices", "emotion", "emotion_weight"):
        assert getattr(a, field).tobytes() == getattr(b, field).tobytes(), field


def test_same_bits_as_auto(python_package, sound):
    audio = sound(1.5)
    for options in ({}, {"style": "ben", "emotion": "happy", "level": "strong", "block_ms": 100}):
        expected = run(python_package.animator(backend="auto", **options), audio, tail=0.2)
        animator = python_package.animator(backend="native", **options)
        assert animator.backend == "native"
        same(run(animator, *np.split(audio, [1, 700, 9999]), tail=0.2), expected)
        animator.reset()
        same(run(animator, audio, tail=0.2), expected)


def test_verification_passes(python_package):
    checks = verify_golden(python_package, backend="native") + verify_cuts(python_package, backend="native")
    assert [check.name for check in checks[:3]] == [
        "golden decoder.offsets",
        "golden other outputs, largest",
        "golden verdict of the engine",
    ]
    assert len(checks) == 3 + 8
    assert [check.name for check in checks if not check.passed] == []


def test_conditions_and_blendshapes(python_package, sound):
    audio = sound(1.2)

    def animate(backend: str) -> FrameBatch:
        animator = python_package.animator(backend=backend, blendshapes=True)
        first = animator.step(audio[:8000])
        animator.set_emotion("sad", at=0.9)
        animator.set_style({"anna": 1.0})
        return FrameBatch.concat([first, animator.step(audio[8000:]), animator.flush()])

    native, plain = animate("native"), animate("auto")
    same(native, plain)
    assert native.blendshape_weights.tobytes() == plain.blendshape_weights.tobytes()
    animator = python_package.animator(backend="native")
    animator.step(audio)
    with pytest.raises(ConditionError, match="already computed"):
        animator.set_emotion("sad", at=0.1)


def test_snapshots(python_package, sound):
    audio = sound(1.0, 48000)
    animator = python_package.animator(backend="native", sample_rate=48000)
    expected = run(animator, audio)
    animator.reset()
    animator.set_emotion("happy", at=0.6)
    before = animator.step(audio[:20000])
    data = animator.snapshot()
    rest = FrameBatch.concat([animator.step(audio[20000:]), animator.flush()])
    assert rest.vertices.tobytes() != expected.vertices[len(before) :].tobytes()
    other = python_package.animator(backend="native", sample_rate=48000)
    other.restore(data)
    same(FrameBatch.concat([other.step(audio[20000:]), other.flush()]), rest)
    with pytest.raises(SnapshotError, match="backend"):
        python_package.animator(backend="auto", sample_rate=48000).restore(data)


def test_in_a_pool(python_package, sound):
    pool = AnimatorPool(python_package, 2, backend="native")
    audio = sound(0.6)
    batches = pool.step_all({voice: audio for voice in pool.voices})
    alone = python_package.animator(backend="auto").step(audio)
    for batch in batches:
        assert batch.vertices.tobytes() == alone.vertices.tobytes()


def test_bad_options(python_package):
    with pytest.raises(UsageError, match="threads"):
        python_package.animator(backend="native", threads=0)
