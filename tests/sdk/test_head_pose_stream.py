"""A package that moves the head: the same poses for any cut, after reset and restore, alone and in a pool."""

from __future__ import annotations

import handmade
import handmade_head
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_cases import assert_rotations

from emoface import AnimatorPool, FrameBatch, Package, animate
from emoface.errors import RuntimeFailure
from emoface.frames import FRAME_ARRAYS
from emoface.rig import RigControls
from emoface.verification import verify_cuts, verify_golden


@pytest.fixture(scope="module", params=["frame", "frames"])
def moving(request, tmp_path_factory) -> Package:
    """The handmade package with a head, and golden vectors."""
    folder = tmp_path_factory.mktemp("head")
    files = handmade_head.with_head(handmade.package_files(), request.param)
    return Package.load(handmade.write_with_golden(folder, files))


def same(a: FrameBatch, b: FrameBatch) -> None:
    for name in FRAME_ARRAYS:
        assert getattr(a, name).shape == getattr(b, name).shape, name
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def test_poses_are_rotations_and_the_face_is_as_without_them(moving, package, sound, run_whole):
    audio = sound(2.0)
    with moving.animator() as animator, package.animator() as still:
        assert animator.step(audio[:0]).head_rotation.shape == (0, 3, 3)
        frames, plain = run_whole(animator, audio), run_whole(still, audio)
    assert frames.head_rotation.shape == (60, 3, 3) and frames.head_translation.shape == (60, 3)
    assert_rotations(frames.head_rotation)
    assert np.abs(frames.head_euler).max() > 0.3 and np.abs(frames.head_translation).max() > 0.02
    assert frames.vertices.tobytes() == plain.vertices.tobytes()
    assert plain.head_rotation.shape == (60, 0, 0) and plain.head_translation.shape == (60, 0)


@settings(max_examples=6, deadline=None)
@given(rate=st.sampled_from((8000, 16000, 44100)), cuts=st.lists(st.integers(0, 9000), max_size=12))
def test_random_cuts_reset_and_restore(moving, sound, run_whole, rate, cuts):
    audio = sound(9000 / rate, rate)
    with moving.animator(sample_rate=rate) as animator, moving.animator(sample_rate=rate) as other:
        whole = run_whole(animator, audio)
        animator.reset()
        batches = []
        for piece in np.split(audio, sorted(cuts)):
            batches.append(animator.step(piece))
            other.restore(animator.snapshot())
            animator, other = other, animator
        same(FrameBatch.concat([*batches, animator.flush()]), whole)


def test_voices_of_a_pool_are_those_alone(moving, sound):
    sounds = [sound(1.0) * gain for gain in (1.0, 0.3, 0.7)]
    with AnimatorPool(moving, 3) as pool:
        batches = [pool.step_all(sounds), pool.flush_all(tail_s=0.3)]
    for voice, audio in enumerate(sounds):
        with moving.animator() as animator:
            alone = FrameBatch.concat([animator.step(audio), animator.flush(0.3)])
        same(FrameBatch.concat([batch[voice] for batch in batches]), alone)


def test_a_tail_brings_the_head_to_rest(moving, sound):
    audio = sound(1.0)
    with moving.animator() as animator:
        frames = FrameBatch.concat([animator.step(audio), animator.flush(0.5)])
    assert_rotations(frames.head_rotation)
    assert np.array_equal(frames.head_rotation[-1], np.eye(3)) and not frames.head_translation[-1].any()
    with moving.animator() as animator:
        straight = FrameBatch.concat([animator.step(audio), animator.flush()])
    assert frames.head_rotation[:30].tobytes() == straight.head_rotation.tobytes()


def test_verification(moving):
    checks = verify_golden(moving) + verify_cuts(moving)
    assert {"golden head.rotation", "golden head.translation"} <= {check.name for check in checks}
    assert [check.name for check in checks if not check.passed] == []


def test_a_clip_that_comes_later_holds_rotations(moving, sound):
    audio = sound(1.0)
    plain = animate(audio, 16000, moving)
    shifted = animate(audio, 16000, moving, controls=RigControls(sync_offset=0.05))
    assert_rotations(shifted.head_rotation)
    assert np.abs(shifted.head_rotation[10] - plain.head_rotation[8]).max() > 1e-3  # 1.5 frames later
    whole = animate(audio, 16000, moving, controls=RigControls(sync_offset=0.1))
    assert whole.head_rotation[3:].tobytes() == plain.head_rotation[:-3].tobytes()


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("NaN", "NaN or infinite head pose"),
        ("reflection", "that is a reflection"),
        ("not orthonormal", "off orthonormal by 0.00"),
        ("far", "head translation from the graphs of"),
    ],
)
def test_what_a_graph_must_not_give(tmp_path, sound, fault, match):
    files = handmade_head.with_head(handmade.package_files(), "frame", fault)
    package = Package.load(handmade.write_zip(tmp_path / "x.emoface", files))
    with package.animator() as animator:
        with pytest.raises(RuntimeFailure, match=match):
            animator.step(sound(0.5))
        with pytest.raises(RuntimeFailure, match="after a failed step"):
            animator.step(sound(0.5))
