"""Gaze: natural in time, a function of seed, frame and speech, lids and blinks with it, off where it is not wanted."""

from __future__ import annotations

import json

import handmade
import handmade_gaze
import handmade_voice
import layer_cases
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import FrameBatch, Package, animate_file
from emoface.cli.main import main
from emoface.errors import RigError, SnapshotError
from emoface.frames import FRAME_ARRAYS
from emoface.options import BARE
from emoface.rig import Blinks, Gaze, HeadSway, RigControls
from emoface.rig.gaze import SHAPES, Fixations, GazeLayer
from emoface.rig.layers import LayerFrames
from emoface.rig.speech import Speech, SpeechLayer

STILL = {"blinks": False, "head_sway": False}


@pytest.fixture(scope="module")
def files(files):
    return handmade_gaze.with_gaze(files)


@pytest.fixture(scope="module")
def package_path(files, tmp_path_factory):
    return handmade.write_zip(tmp_path_factory.mktemp("gaze") / "looking.emoface", files)


@pytest.fixture(scope="module")
def package(package_path) -> Package:
    return Package.load(package_path)


def same(a: FrameBatch, b: FrameBatch) -> None:
    for name in FRAME_ARRAYS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def whole_of(package: Package, audio: np.ndarray, **options) -> FrameBatch:
    with package.animator(**options) as animator:
        return animator.whole(audio)


def turned(package: Package, speech: Speech, gaze: Gaze = Gaze(), fps: int = 30, **options) -> np.ndarray:  # noqa: B008
    """Degrees (n, 2, 2) to the face's left and up, of the left and the right eye of a face at rest."""
    count = len(speech.since)
    nothing = np.zeros((count, 0), np.float32)
    frames = LayerFrames(
        0, np.zeros((count, handmade.V, 3), np.float32), np.zeros((count, 0, 0), np.float32), nothing, nothing
    )
    frames.speech = speech
    for name, value in options.items():
        setattr(frames, name, value)
    GazeLayer(gaze, package.eyes, fps, None).apply(frames)
    degrees = {name: frames.added[name] * look.degrees for name, look in zip(SHAPES, package.eyes, strict=True)}
    left = degrees["eyeLookOutLeft"] - degrees["eyeLookInLeft"], degrees["eyeLookUpLeft"] - degrees["eyeLookDownLeft"]
    right = (
        degrees["eyeLookInRight"] - degrees["eyeLookOutRight"],
        degrees["eyeLookUpRight"] - degrees["eyeLookDownRight"],
    )
    return np.stack([np.stack(left, axis=1), np.stack(right, axis=1)], axis=1)


def talk(*phrases: tuple[float, bool], fps: int = 30) -> Speech:
    """Phrases and pauses so many seconds long."""
    speaking = np.concatenate([np.full(round(seconds * fps), said) for seconds, said in phrases])
    since, at = np.zeros(len(speaking), np.int64), 1
    for index in range(len(speaking)):
        at = 0 if index and speaking[index] != speaking[index - 1] else at + 1 if index else 1
        since[index] = at
    return Speech(np.zeros(len(speaking)), speaking, since)


def test_fixations_are_natural():
    """Intervals as people's, most saccades of 1 to 6 degrees, glances with blinks more often than without."""
    blinks, minutes = Blinks(3), 20
    fixations = Fixations(3, 30, blinks)
    starts, places = [], []
    for cell in range(6 * minutes):
        begin, where = fixations.drawn(cell)
        assert 10_000 * cell - 150 <= begin[0] and begin[-1] < 10_000 * (cell + 1)
        starts += begin
        places += where
    gaps, sizes = np.diff(starts), np.hypot(*np.diff(places, axis=0).T)
    assert gaps.min() > 0 and gaps.max() < 4200
    assert 650 < np.median(gaps) < 950
    assert ((sizes >= 1) & (sizes <= 6)).mean() > 0.5
    assert sizes.max() < 20
    assert np.abs(places).max() <= 9
    shut = {start for minute in range(minutes) for start in blinks.starts(minute)}
    with_blink = np.isin(starts, list(shut))
    far = np.abs(np.array(places)[:, 0]) >= 4
    assert with_blink.sum() > 60
    assert far[with_blink].mean() > 3 * far[~with_blink].mean() > 0.1


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60, 120])
def test_saccades_are_fast_and_fixations_steady(package, fps):
    speech = talk((60.0, True), fps=fps)
    looks = turned(package, speech, fps=fps)
    middle = looks.mean(axis=1)
    speeds = np.hypot(*np.diff(middle, axis=0).T) * fps
    # What drifts is slow; a saccade of 3 degrees is over in 28 ms, one of 15 in 54.
    assert np.percentile(speeds, 75) < 4
    assert 60 < speeds.max() < 600
    moving = speeds > 20
    runs = np.split(moving, np.flatnonzero(np.diff(moving)) + 1)
    longest = max(len(run) for run in runs if run[0])
    assert longest <= 1 + np.ceil(0.06 * fps)
    # Both eyes turn together, a little towards each other.
    inwards = (looks[:, 1, 0] - looks[:, 0, 0]) / 2
    assert np.allclose(inwards, 1.8, atol=1e-4)
    assert np.allclose(looks[:, 0, 1], looks[:, 1, 1])


def test_the_same_moments_at_any_rate(package):
    """Where 25 and 50 fps have a frame at the same moment they look to the same place."""
    slow, fast = (turned(package, talk((20.0, True), fps=fps), fps=fps) for fps in (25, 50))
    np.testing.assert_allclose(slow, fast[::2], atol=1e-4)


def test_one_thinks_in_pauses_and_comes_back(package):
    away, pauses = 0, 0
    for seed in range(1, 25):
        looks = turned(package, talk((2.0, True), (1.5, False), (2.0, True)), Gaze(seed=seed)).mean(axis=1)
        listener = turned(package, talk((5.5, True)), Gaze(seed=seed)).mean(axis=1)
        off = np.hypot(*(looks - listener).T)
        assert not off[: 60 + 12].any()
        # 150 ms after the phrase has begun the eyes start on their way back.
        assert not off[105 + 8 :].any()
        pauses += 1
        away += off[60:105].max() > 6
        assert off.max() < 18
    assert 0.3 < away / pauses < 0.9


def test_a_long_silence_looks_at_the_listener(package):
    silent = turned(package, talk((1.0, True), (20.0, False)), Gaze(seed=2))
    listening = turned(package, talk((21.0, True)), Gaze(seed=2))
    assert (silent[30 + 30 * 4 :] == listening[30 + 30 * 4 :]).all()


def test_the_eyes_stay_where_they_look_while_the_head_turns(package):
    speech = talk((1.0, True))
    angle = np.deg2rad(5)
    yaw = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    pitch = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    still = turned(package, speech)
    for turn, expected in ((yaw, (-5.0, 0.0)), (pitch, (0.0, 5.0))):
        posed = turned(package, speech, head_rotation=np.tile(turn.astype(np.float32), (30, 1, 1)))
        np.testing.assert_allclose((posed - still).mean(axis=1), np.tile(expected, (30, 1)), atol=0.05)


def test_strength_and_limits(package):
    whole, half = (turned(package, talk((20.0, True)), Gaze(strength)) for strength in (1.0, 0.5))
    np.testing.assert_allclose(half, whole / 2, atol=1e-4)
    with package.animator(gaze=2, **STILL, blendshapes=True) as animator:
        assert animator.gaze == Gaze(2.0)
        weights = animator.whole(np.zeros(16000 * 20, np.float32)).blendshape_weights
    assert weights.max() <= 1.0 + 1e-6


@settings(max_examples=10, deadline=None)
@given(
    length=st.integers(0, 40000),
    pieces=st.lists(st.integers(0, 5000), min_size=1).filter(lambda pieces: max(pieces) > 500),
    seed=st.integers(0, 2**32 - 1),
    case=st.sampled_from(sorted(layer_cases.CASES)),
)
def test_any_cut_gives_the_same_bits(package, sound, run_whole, run_cut, length, pieces, seed, case):
    audio = sound(2.5, seed=seed % 100)[:length]
    audio[8000:16000] = 0
    with package.animator(**layer_cases.CASES[case][1]) as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        same(run_cut(animator, audio, pieces), whole)


@pytest.mark.parametrize("case", sorted(layer_cases.CASES))
def test_snapshots_go_on(package, sound, case):
    audio, options = sound(2.5), {"channels": 1, **layer_cases.CASES[case][1]}
    audio[8000:20000] = 0
    with package.animator(**options) as one, package.animator(**options) as two:
        before = one.step(audio[:14000])
        two.restore(one.snapshot())
        rest = FrameBatch.concat([two.step(audio[14000:]), two.flush(0.5)])
        same(FrameBatch.concat([one.step(audio[14000:]), one.flush(0.5)]), rest)
        assert len(before)


def test_snapshots_say_whose_they_are(package):
    with package.animator(gaze=Gaze(seed=4), channels=1) as animator:
        data = animator.snapshot()
    for options in ({"gaze": Gaze(seed=5)}, {"gaze": False}, {"gaze": Gaze(0.5, 4)}):
        with package.animator(**options, channels=1) as other, pytest.raises(SnapshotError, match="gaze"):
            other.restore(data)


def test_a_snapshot_with_any_finite_values_goes_on(package, sound):
    """Whatever the arrays hold, frames are finite, and the layers find back to where they belong."""
    random = np.random.default_rng(1)
    with package.animator() as animator:
        for largest in (1.0, 1e6, 3e38):
            state = animator._layers.state()
            for name, array in state.items():
                if array.dtype == np.float32:
                    state[name] = (random.uniform(-largest, largest, array.shape)).astype(np.float32)
                elif array.dtype == np.int64:
                    state[name] = random.integers(-(2**62), 2**62, array.shape)
            animator._layers.restore(state)
            frames = animator.step(sound(1.0))
            assert np.isfinite(frames.vertices).all() and np.isfinite(frames.head_rotation).all()


def test_the_tail_ends_at_the_template(package, sound):
    with package.animator() as animator:
        animator.step(sound(1.0))
        frames = animator.flush(0.5)
    assert (frames.vertices[-1] == package.face.template).all()
    assert (frames.head_rotation[-1] == np.eye(3)).all() and not frames.head_translation[-1].any()
    assert (frames.vertices[-4] != package.face.template).any() and frames.head_translation[-4].any()


def test_off_is_the_bare_model(package, files, tmp_path, sound):
    """The bits of a package whose face cannot look, blink or turn."""
    plain = handmade_gaze.with_gaze(
        files, without=("blendshapes", "blendshape_names", "pivots", "identity.wide.pivots")
    )
    bare = Package.load(handmade.write_folder(tmp_path / "bare", plain))
    with package.animator(**BARE) as off, bare.animator() as none:
        assert (off.gaze, off.head_sway, off.blinks) == (none.gaze, none.head_sway, none.blinks) == (None, None, None)
        same(off.whole(sound(1.5), 0.5), none.whole(sound(1.5), 0.5))
    on, off = (whole_of(package, sound(1.5), **options) for options in (STILL, BARE))
    moved = (on.vertices != off.vertices).any(axis=2)
    assert moved[:, [8, 9, 10, 11]].any(axis=1).all()
    # Vertices that the shapes do not move stay as they are: the lower lids.
    assert not moved[:, [lower for pairs in handmade_voice.LIDS.values() for _, lower in pairs]].any()


def test_controls_leave_gaze_alone(package, sound):
    mute = RigControls(upper_strength=0.0, lower_strength=0.0)
    whole = [whole_of(package, sound(1.0), **options) for options in ({"controls": mute, **STILL}, STILL, BARE)]
    quiet, plain, off = (frames.vertices for frames in whole)
    np.testing.assert_allclose(quiet - package.face.template, plain - off, atol=1e-6)


def test_weights_show_the_gaze(package, sound):
    """Solved weights have what was added, beside the model's own motion."""
    audio = np.zeros(48000, np.float32)
    on, off = (whole_of(package, audio, blendshapes=True, **options) for options in (STILL, BARE))
    weights, before = on.blendshape_weights, off.blendshape_weights
    looks = [package.blendshapes.names.index(name) for name in SHAPES]
    others = [place for place in range(weights.shape[1]) if place not in looks]
    # The lids that go down with the eyes are a little of a blink to the solver.
    changes = np.abs(weights - before).max(axis=0)
    assert changes[looks].max() > 2 * changes[others].max() > 0


def test_weights_that_are_coefficients_have_what_was_added(tmp_path, sound):
    files = handmade_gaze.with_coefficients(handmade.package_files())
    package = Package.load(handmade.write_zip(tmp_path / "basis.emoface", files))
    frames = whole_of(package, sound(2.0), blendshapes=True, blinks=False)
    added = frames.blendshape_weights - frames.coefficients
    looks = [package.blendshapes.names.index(name) for name in SHAPES]
    assert added[:, looks].max() > 0.05
    assert not np.delete(added, looks, axis=1).any()
    expected = np.einsum("nr,rvc->nvc", frames.blendshape_weights.astype(np.float64), package.blendshapes.shapes)
    np.testing.assert_allclose(frames.vertices - package.face.template, expected, atol=1e-6)
    for option in ("gaze", "head_sway"):
        with pytest.raises(RigError, match=f"{option}=0.5 and vertices=False, which leaves no"):
            package.animator(vertices=False, **{option: 0.5})
    with package.animator(vertices=False) as animator:
        assert (animator.gaze, animator.head_sway) == (None, None)


def test_a_voice_of_a_pool_looks_as_alone(package, sound):
    audio = sound(1.2)
    with package.pool(voices=1, capacity=2) as pool, package.animator() as one, package.animator(blinks=7) as two:
        seventh = pool.join(blinks=7)
        assert (pool[seventh].gaze, pool[seventh].head_sway) == (Gaze(seed=7), HeadSway(seed=7))
        steps, ends = pool.step_all([audio, audio]), pool.flush_all()
        for voice, alone in enumerate((one, two)):
            same(FrameBatch.concat([steps[voice], ends[voice]]), FrameBatch.concat([alone.step(audio), alone.flush()]))
    assert (steps[0].vertices != steps[1].vertices).any()
    assert (steps[0].head_rotation != steps[1].head_rotation).any()


def test_a_lips_mask_is_not_needed(files, tmp_path, sound):
    package = Package.load(
        handmade.write_folder(tmp_path / "mute", handmade_gaze.with_gaze(files, without=("mask_lips",)))
    )
    layer = SpeechLayer(package.face, 30)
    nothing = np.zeros((5, 0), np.float32)
    frames = LayerFrames(0, np.ones((5, handmade.V, 3), np.float32), nothing[:, :, None], nothing, nothing)
    layer.apply(frames)
    assert not frames.speech.speaking.any() and not frames.speech.stress.any()
    with package.animator() as animator:
        assert np.isfinite(animator.whole(sound(1.0)).vertices).all()


def test_speech_is_heard_in_the_lips(package):
    """Lips that open and shut speak, lips that are held do not, however far; stresses are apart."""
    width = 0.1
    layer = SpeechLayer(package.face, 30)
    layer._width = width
    time = np.arange(240) / 30
    opening = np.where(time < 4, 0.05 * (1 - np.cos(2 * np.pi * 4 * time)) * (1 + 2 * (time % 1 < 0.3)), 0.08)
    offsets = np.zeros((240, handmade.V, 3), np.float32)
    offsets[:, :4, 1] = -(opening * width)[:, None]
    nothing = np.zeros((240, 0), np.float32)
    frames = LayerFrames(0, offsets, nothing[:, :, None], nothing, nothing)
    layer.apply(frames)
    speech = frames.speech
    assert speech.speaking[10:118].all() and not speech.speaking[150:].any()
    stressed = np.flatnonzero(speech.stress)
    assert 2 <= len(stressed) <= 8 and np.diff(stressed).min() >= 13
    assert (speech.stress[stressed] > 0).all() and speech.stress.max() <= 1
    changes = np.flatnonzero(np.diff(speech.speaking.astype(int))) + 1
    assert (speech.since[changes] == 0).all()


@pytest.mark.parametrize(
    ("without", "changes", "match"),
    [
        (("mask_eyeballs",), {}, "a face without the mask 'eyeballs'"),
        ((), {"blendshape_names": "eyeLookUpLeft"}, "a face without the blendshape 'eyeLookUpLeft'"),
        ((), {"blendshapes": "eyeLookInRight"}, "'eyeLookInRight', which does not turn the eye"),
    ],
)
def test_a_face_that_cannot_look(files, tmp_path, capsys, without, changes, match):
    face = handmade_gaze.looking_face()
    for key, name in changes.items():
        place = list(face["blendshape_names"]).index(name)
        if key == "blendshapes":
            face[key][place] *= 0.01
        else:
            face[key][place] = "other"
    given = handmade_gaze.with_gaze(files, without=without, **{key: face[key] for key in changes})
    package = Package.load(handmade.write_folder(tmp_path / "still", given))
    with package.animator() as animator:
        assert animator.gaze is None and animator.head_sway == HeadSway()
    for asked in (True, 0.5, Gaze()):
        with pytest.raises(RigError, match=f"{match}.*gaze=False"):
            package.animator(gaze=asked)
    assert main(["inspect", str(tmp_path / "still")]) == 0
    assert f"gaze         none: {match}" in capsys.readouterr().out.replace("the blendshape 'eyeLookIn", "'eyeLookIn")


def test_inspect_says_what_the_face_does(package_path, capsys):
    assert main(["inspect", str(package_path)]) == 0
    told = capsys.readouterr().out
    assert "gaze         eyes that look at a listener" in told and "head_sway    sway and nods" in told
    assert main(["inspect", str(package_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["blinks"], said["gaze"], said["head_sway"]) == (True, True, True)


@pytest.mark.parametrize("option", ["gaze", "head_sway"])
@pytest.mark.parametrize(
    ("value", "match"),
    [
        (0, "strength=0 of the .*0.1 to 2.*=False"),
        (7, "strength=7"),
        (float("nan"), "strength=nan"),
        (10**400, "strength=1000"),
        ("often", "='often'.*a strength"),
        (Blinks(), "=Blinks"),
        ({"strength": "much"}, "strength='much'"),
        ({"strength": True}, "strength=True"),
        ({"seed": -1}, "seed=-1 of the .*from 0 to 4294967295"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": True}, "seed=True"),
    ],
)
def test_bad_values(package, option, value, match):
    kind = {"gaze": Gaze, "head_sway": HeadSway}[option]
    with pytest.raises(RigError, match=match):
        package.animator(**{option: kind(**value) if isinstance(value, dict) else value})


def test_the_command_line(package_path, tmp_path, sound):
    wav = tmp_path / "in.wav"
    soundfile.write(wav, sound(1.0), 16000)
    cases = {
        (): {},
        ("--no-gaze", "--no-head-sway", "--no-blinks"): BARE,
        ("--gaze", "0.5", "--head-sway", "0.5", "--blink-seed", "7"): {"gaze": 0.5, "head_sway": 0.5, "blinks": 7},
    }
    for number, (arguments, options) in enumerate(cases.items()):
        out = tmp_path / f"{number}.npz"
        assert main(["animate", str(wav), "--package", str(package_path), "-o", str(out), *arguments]) == 0
        made, expected = np.load(out), animate_file(wav, package_path, **options)
        assert made["vertices"].tobytes() == expected.vertices.tobytes()
        assert ("head_rotation" in made) == expected.has_head_pose == (options is not BARE)
        if expected.has_head_pose:
            assert made["head_rotation"].tobytes() == expected.head_rotation.tobytes()
    with pytest.raises(SystemExit):
        main(["animate", str(wav), "-o", "x.npz", "--gaze", "0.5", "--no-gaze"])
