"""Head sway: slow, smooth, nodding with the speech, a pose of any face that has a pivot, off where it is not wanted."""

from __future__ import annotations

import handmade
import handmade_gaze
import handmade_head
import numpy as np
import pytest

from emoface import FrameBatch, Package, animate
from emoface.errors import RigError
from emoface.frames import FRAME_ARRAYS
from emoface.head_pose import euler_angles, posed, turned_about
from emoface.options import BARE
from emoface.rig import HeadSway, RigControls
from emoface.rig.head_sway import SwayLayer
from emoface.rig.layers import LayerFrames
from emoface.rig.speech import Speech
from emoface.writers import write_all

SWAYING = {"blinks": False, "gaze": False}


@pytest.fixture(scope="module")
def files(files):
    return handmade_gaze.with_gaze(files)


@pytest.fixture(scope="module")
def package(files, tmp_path_factory) -> Package:
    return Package.load(handmade.write_zip(tmp_path_factory.mktemp("sway") / "turning.emoface", files))


def whole_of(package: Package, audio: np.ndarray, **options) -> FrameBatch:
    with package.animator(**options) as animator:
        return animator.whole(audio)


def angles(package: Package, speech: Speech, sway: HeadSway = HeadSway(), fps: int = 30) -> np.ndarray:  # noqa: B008
    """Degrees (n, 3) of yaw, pitch and roll."""
    count = len(speech.since)
    nothing = np.zeros((count, 0), np.float32)
    frames = LayerFrames(0, np.zeros((count, 0, 3), np.float32), nothing[:, :, None], nothing, nothing)
    frames.speech = speech
    SwayLayer(sway, package.face, fps).apply(frames)
    return np.degrees(euler_angles(frames.head_rotation))


def talk(seconds: float, fps: int = 30, stressed: float = 0.0, end: float = 1e9) -> Speech:
    """Speech until `end`, then silence; a stress every `stressed` seconds."""
    count = round(seconds * fps)
    speaking = np.arange(count) < end * fps
    since = np.where(speaking, np.arange(count) + 1, np.arange(count) - round(end * fps))
    stress = np.zeros(count)
    if stressed:
        stress[:: round(stressed * fps)] = 1.0
    return Speech(np.where(speaking, stress, 0.0), speaking, since)


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_sway_is_slow_and_small(package, fps):
    """Minutes of speech that is stressed as often as it can be."""
    moves = angles(package, talk(300.0, fps, stressed=0.5), HeadSway(seed=5), fps)
    assert 0.3 < np.sqrt((moves[:, [0, 2]] ** 2).mean()) < 1.5
    assert np.sqrt(((moves - moves.mean(axis=0)) ** 2).sum(axis=1).mean()) < 1.8
    assert np.abs(moves).max() < 5
    steps = np.sqrt((np.diff(moves, axis=0) ** 2).sum(axis=1))
    assert steps.max() * fps / 30 < 0.3
    # Band-limited: without nods, hardly anything of it is faster than 1 Hz.
    calm = angles(package, talk(300.0, fps), HeadSway(seed=5), fps)
    power = np.abs(np.fft.rfft(calm - calm.mean(axis=0), axis=0)) ** 2
    assert power[np.fft.rfftfreq(len(calm), 1 / fps) > 1].sum() < 0.01 * power.sum()


def test_a_stress_is_nodded(package):
    speech, plain = talk(4.0), talk(4.0)
    speech.stress[60] = 1.0
    nod = angles(package, speech)[:, 1] - angles(package, plain)[:, 1]
    assert not nod[:60].any()
    assert 0.6 < nod.max() < 2.2 and 3 <= np.argmax(nod) - 60 <= 12
    assert np.abs(nod[60 + 45 :]).max() < 0.1
    # Heads turn and tilt as they did.
    np.testing.assert_allclose(angles(package, speech)[:, [0, 2]], angles(package, plain)[:, [0, 2]], atol=0.1)


def test_the_head_is_lower_at_the_end_of_a_phrase_and_rests(package):
    for seed in range(1, 9):
        ended = angles(package, talk(20.0, end=4.0), HeadSway(seed=seed))
        going = angles(package, talk(20.0), HeadSway(seed=seed))
        assert (ended[:120] == going[:120]).all()
        still = angles(package, Speech(np.zeros(600), np.zeros(600, bool), np.arange(600) + 1), HeadSway(seed=seed))
        lower = ended[:, 1] - still[:, 1]
        assert lower[120:160].max() > lower[119] + 0.3
        # In a long silence what is left is the calm sway of one who listens.
        np.testing.assert_allclose(ended[480:], still[480:], atol=0.02)
        assert np.abs(ended[480:]).max() < 0.8


def test_poses_are_rotations_about_the_pivot(package, sound):
    frames = whole_of(package, sound(3.0), **SWAYING)
    rotation = frames.head_rotation.astype(np.float64)
    np.testing.assert_allclose(rotation.transpose(0, 2, 1) @ rotation, np.tile(np.eye(3), (90, 1, 1)), atol=1e-6)
    assert (np.linalg.det(rotation) > 0).all()
    pivot = package.face.pivots[0]
    at = posed(np.tile(pivot, (90, 1, 1)), frames.head_rotation, frames.head_translation)[:, 0]
    np.testing.assert_allclose(at, np.tile(pivot, (90, 1)), atol=1e-7)
    assert np.abs(frames.head_euler).max() > 0.001
    # The face itself does not hold the pose.
    assert frames.vertices.tobytes() == whole_of(package, sound(3.0), **BARE).vertices.tobytes()
    # Another identity turns about its own pivot.
    wide = whole_of(package, sound(3.0), identity="wide", **SWAYING)
    pivot = package.face.identities["wide"].pivots[0]
    at = posed(np.tile(pivot, (90, 1, 1)), wide.head_rotation, wide.head_translation)[:, 0]
    np.testing.assert_allclose(at, np.tile(pivot, (90, 1)), atol=1e-7)


def test_turns_before_a_pose():
    """The head turns about its pivot first, then goes where the model has it."""
    random = np.random.default_rng(0)
    turns, pivot = random.normal(0, 0.05, (6, 3)), random.normal(0, 0.1, 3).astype(np.float32)
    nothing = np.zeros((6, 0), np.float32)
    first = turned_about(turns, pivot, nothing[:, :, None], nothing)
    other = turned_about(random.normal(0, 0.4, (6, 3)), pivot + 1, nothing[:, :, None], nothing)
    both = turned_about(turns, pivot, *other)
    points = random.normal(0, 0.1, (6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(posed(points, *both), posed(posed(points, *first), *other), atol=1e-6)
    rest = turned_about(np.zeros((6, 3)), pivot, nothing[:, :, None], nothing)
    assert (rest[0] == np.eye(3)).all() and not rest[1].any()


def test_a_head_that_the_model_moves_is_left_to_it(files, tmp_path, sound):
    moving = Package.load(handmade.write_zip(tmp_path / "moving.emoface", handmade_head.with_head(files)))
    audio = sound(1.0)
    own = whole_of(moving, audio, **BARE)
    with moving.animator(**SWAYING) as animator:
        assert animator.head_sway is None
        left = animator.whole(audio)
    for name in FRAME_ARRAYS:
        assert getattr(left, name).tobytes() == getattr(own, name).tobytes(), name
    more = whole_of(moving, audio, head_sway=True, **SWAYING)
    assert (more.head_rotation != own.head_rotation).any()
    np.testing.assert_allclose(more.head_rotation, own.head_rotation, atol=0.1)
    rotation = more.head_rotation.astype(np.float64)
    np.testing.assert_allclose(rotation.transpose(0, 2, 1) @ rotation, np.tile(np.eye(3), (30, 1, 1)), atol=1e-6)


def test_every_batch_has_the_pose(package, sound):
    """Those without a frame, too: batches fit together."""
    with package.animator() as animator:
        batches = [
            animator.step(sound(0.01)),
            animator.step(sound(1.0)),
            animator.step(np.zeros(0)),
            animator.flush(0.2),
        ]
    assert [batch.has_head_pose for batch in batches] == [True] * 4
    assert len(batches[0]) == 0 and batches[0].head_translation.shape == (0, 3)
    assert FrameBatch.concat(batches).head_rotation.shape[1:] == (3, 3)


def test_a_file_has_the_pose(package, sound, tmp_path):
    """Of a package that does not move the head: .npz has what frames have, and without sway what it had."""
    clip, still = (animate(sound(1.0), 16000, package, **options) for options in ({}, {"head_sway": False}))
    assert clip.has_head_pose and not still.has_head_pose
    for name, animation in (("on", clip), ("off", still)):
        write_all([tmp_path / f"{name}.npz"], animation)
    with np.load(tmp_path / "on.npz") as on, np.load(tmp_path / "off.npz") as off:
        assert on["head_rotation"].tobytes() == clip.head_rotation.tobytes()
        assert set(on.files) - set(off.files) == {"head_rotation", "head_translation"}


def test_a_shift_in_time_moves_the_pose_along(package, sound):
    plain = animate(sound(1.0), 16000, package, **SWAYING)
    late = animate(sound(1.0), 16000, package, controls=RigControls(sync_offset=0.1), **SWAYING)
    np.testing.assert_allclose(late.head_rotation[3:], plain.head_rotation[:-3], atol=1e-6)


@pytest.mark.parametrize("kind", ["pivots", "axes"])
def test_a_head_that_cannot_turn(files, tmp_path, kind):
    given, match = files, "with the axes '.Z up, .Y front'"
    if kind == "axes":
        given = handmade.with_manifest(files, axes="+Z up, +Y front")
    else:
        given, match = handmade_gaze.with_gaze(files, without=("pivots", "identity.wide.pivots")), "without pivots"
    package = Package.load(handmade.write_folder(tmp_path / "stiff", given))
    with package.animator() as animator:
        assert animator.head_sway is None
    for asked in (True, 0.5, HeadSway()):
        with pytest.raises(RigError, match=f"{match}.*head_sway=False"):
            package.animator(head_sway=asked)
