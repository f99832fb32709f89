"""Blinks: natural in time, a function of seed and frame alone, never past closed, and off where they are not wanted."""

from __future__ import annotations

import json

import handmade
import handmade_voice
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import FrameBatch, Package
from emoface.cli.main import main
from emoface.errors import RigError, SnapshotError
from emoface.rig import Blinks, RigControls
from emoface.rig.blinks import BlinkSchedule, EyeBlinks

SEED = 11  # blinks at 0.82 s


@pytest.fixture(scope="module")
def files(files):
    return handmade_voice.with_lids(files)


@pytest.fixture(scope="module")
def package_path(files, tmp_path_factory):
    return handmade.write_zip(tmp_path_factory.mktemp("blinks") / "blinking.emoface", files)


@pytest.fixture(scope="module")
def package(package_path) -> Package:
    return Package.load(package_path)


def starts(blinks: Blinks, minutes: int) -> np.ndarray:
    return np.array([start for minute in range(minutes) for start in blinks.starts(minute)])


@pytest.mark.parametrize("seed", [0, 1, 4294967295])
def test_intervals_are_natural(seed):
    gaps = np.diff(starts(Blinks(seed), 300))
    double = gaps < 1000
    assert 0.07 < double.mean() < 0.16
    assert gaps[double].min() >= 300
    assert gaps[double].max() <= 450
    plain = gaps[~double]
    assert 3200 < np.median(plain) < 4000
    assert np.percentile(plain, 5) > 1300
    assert np.percentile(plain, 95) < 8500
    # Skewed to the right, as people's intervals are.
    assert plain.mean() > np.median(plain)


@pytest.mark.parametrize("rate", [4, 10, 15.0, 25.5, 40])
def test_the_rate_is_about_the_one_asked_for(rate):
    assert len(starts(Blinks(5, rate), 400)) / 400 == pytest.approx(rate, rel=0.2)
    assert np.diff(starts(Blinks(5, rate), 400)).min() >= 300
    for kind in (np.float32, np.float64):
        assert Blinks(5, kind(rate)) == Blinks(5, rate)
        assert Blinks(5, kind(rate)).starts(3) == Blinks(5, rate).starts(3)


def test_no_blink_crosses_a_minute():
    for minute in range(200):
        held = Blinks(minute).starts(minute)
        assert 60000 * minute + 500 <= held[0]
        assert held[-1] + 270 <= 60000 * (minute + 1)


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_lids_close_quickly_rest_and_open_slowly(fps):
    blinks = Blinks(11)
    schedule = BlinkSchedule(blinks, fps)
    closures = np.array([schedule.closure(frame) for frame in range(60 * fps)])
    times = 1000 * np.arange(60 * fps) / fps
    expected = np.zeros(len(times))
    for start in blinks.starts(0):
        since = times - start
        closed = np.where(since < 80, since / 80, np.where(since < 120, 1.0, 1.0 - (since - 120) / 150))
        closed = np.clip(closed, 0, 1)
        expected += np.where(since >= 0, closed**2 * (3 - 2 * closed), 0)
        assert (closures[(since >= 0) & (since < 270)] == 4096).any()
    np.testing.assert_allclose(closures / 4096, expected, atol=2e-3)
    assert closures.dtype.kind == "i"


def test_a_frame_hours_away_costs_no_way_there():
    """Any order of frames gives the same closures."""
    frames = np.random.default_rng(0).integers(0, 30 * 3600 * 24, 300)
    forwards, backwards = BlinkSchedule(Blinks(2), 30), BlinkSchedule(Blinks(2), 30)
    expected = {int(frame): forwards.closure(int(frame)) for frame in np.sort(frames)}
    for frame in frames:
        assert backwards.closure(int(frame)) == expected[int(frame)]


@settings(max_examples=10, deadline=None)
@given(
    length=st.integers(0, 24000),
    pieces=st.lists(st.integers(0, 5000), min_size=1).filter(lambda pieces: max(pieces) > 500),
    seed=st.integers(0, 2**32 - 1),
    blendshapes=st.booleans(),
)
def test_any_cut_gives_the_same_bits(package, sound, run_whole, run_cut, same_bits, length, pieces, seed, blendshapes):
    audio = sound(1.5)[:length]
    with package.animator(blinks=Blinks(seed, 40), blendshapes=blendshapes) as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        cut = run_cut(animator, audio, pieces)
    same_bits(cut, whole)
    assert cut.blendshape_weights.tobytes() == whole.blendshape_weights.tobytes()


def frames_of(package, audio, **options) -> FrameBatch:
    """Motion so small that the model itself does not close the eyes of this face."""
    options = {"controls": RigControls(upper_strength=0.1, lower_strength=0.1), **options}
    with package.animator(**options) as animator:
        return FrameBatch.concat([animator.step(audio), animator.flush()])


def test_off_is_as_if_there_were_no_shapes(package, files, tmp_path, sound, same_bits):
    bare = Package.load(handmade.write_folder(tmp_path / "bare", handmade_voice.without_shapes(files)))
    audio = sound(1.5)
    off = frames_of(package, audio, blinks=False)
    same_bits(off, frames_of(bare, audio))
    on = frames_of(package, audio, blinks=SEED)
    moved = (on.vertices != off.vertices).any(axis=2)
    schedule = BlinkSchedule(Blinks(SEED), 30)
    closing = np.array([schedule.closure(frame) > 0 for frame in range(len(on))])
    assert closing.any()
    np.testing.assert_array_equal(moved.any(axis=1), closing)
    # Vertices that the shapes do not move stay as they are.
    assert not moved[:, 8:].any()


def test_seeds_differ_and_repeat(package, sound, same_bits):
    audio = sound(1.5)
    first = frames_of(package, audio, blinks=Blinks(1, 40))
    same_bits(frames_of(package, audio, blinks=Blinks(1, 40)), first)
    assert (frames_of(package, audio, blinks=Blinks(2, 40)).vertices != first.vertices).any()
    same_bits(frames_of(package, audio, blinks=True), frames_of(package, audio))
    same_bits(frames_of(package, audio, blinks=0), frames_of(package, audio))


def test_snapshot_in_the_middle_of_a_blink(package, sound, same_bits):
    audio, place = sound(1.5), 15200
    whole = frames_of(package, audio, blinks=SEED)
    options = {"controls": RigControls(0.1, 0.1), "blinks": SEED}
    with package.animator(**options) as one, package.animator(**options) as two:
        before = one.step(audio[:place])
        assert BlinkSchedule(Blinks(SEED), 30).closure(len(before)) > 0
        data = one.snapshot()
        two.restore(data)
        same_bits(FrameBatch.concat([before, two.step(audio[place:]), two.flush()]), whole)
        for other in (4, False, Blinks(SEED, 16)):
            with (
                package.animator(**{**options, "blinks": other}) as stranger,
                pytest.raises(SnapshotError, match="blinks"),
            ):
                stranger.restore(data)
        with package.animator(**{**options, "blinks": False}) as plain, pytest.raises(SnapshotError, match="blinks"):
            one.restore(plain.snapshot())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(0, 0.02), closure_frame=st.integers(0, 40))
def test_lids_never_pass_each_other(package, seed, size, closure_frame):
    """Whatever the expression: narrow, shut, turned inside out by the model, or wide open."""
    offsets = np.random.default_rng(seed).normal(0, size, (1, handmade.V, 3)).astype(np.float32)
    blinks = Blinks(SEED)
    frame = blinks.starts(0)[0] * 30 // 1000 + closure_frame
    before, after = offsets[0].copy(), offsets.copy()
    EyeBlinks(package.lids, 30, blinks).add(frame, after)
    template = package.face.template
    for pairs in handmade_voice.LIDS.values():
        gaps, closed, shut = [], [], False
        for place, (upper, lower) in enumerate(pairs):
            whole = handmade_voice.GAPS[place]
            gap = (template[upper] + after[0, upper] - template[lower] - after[0, lower])[1]
            was = (template[upper] + before[upper] - template[lower] - before[lower])[1]
            shut |= was <= 0.1 * whole
            gaps.append((gap - 0.1 * whole) / whole)
            closed.append(gap == pytest.approx(was, abs=1e-7))
        assert all(closed) if shut else min(gaps) >= -1e-5


def test_a_closed_frame_closes_narrow_and_wide_eyes(package):
    blinks = Blinks(SEED)
    schedule = BlinkSchedule(blinks, 30)
    frame = next(frame for frame in range(90) if schedule.closure(frame) == 4096)
    template, lids = package.face.template, handmade_voice.LIDS["eyeBlinkLeft"]
    for raised in (-0.008, -0.004, 0.0, 0.004):
        offsets = np.zeros((1, handmade.V, 3), np.float32)
        for upper, _ in lids:
            offsets[0, upper, 1] = raised
        EyeBlinks(package.lids, 30, blinks).add(frame, offsets)
        face = template + offsets[0]
        gaps = [
            (face[upper] - face[lower])[1] - 0.1 * gap
            for (upper, lower), gap in zip(lids, handmade_voice.GAPS, strict=True)
        ]
        assert min(gaps) == pytest.approx(0.0, abs=1e-6)
        assert max(gaps) < 0.0025


def test_a_shape_that_goes_on_after_the_lids_have_met(files, tmp_path):
    """Lids meet with what closes them, and no lid passes the other; the shape's weight says how much that is."""
    face = handmade_voice.blinking_face()
    face["blendshapes"] *= np.float32(1.6)
    given = handmade_voice.with_lids(files, blendshapes=face["blendshapes"])
    package = Package.load(handmade.write_folder(tmp_path / "far", given))
    assert [lid.full for lid in package.lids] == pytest.approx([1 / (0.9 * 1.6)] * 2, rel=1e-2)
    frame = next(frame for frame in range(90) if BlinkSchedule(Blinks(SEED), 30).closure(frame) == 4096)
    offsets = np.zeros((1, handmade.V, 3), np.float32)
    weights = EyeBlinks(package.lids, 30, Blinks(SEED)).add(frame, offsets)
    assert weights == pytest.approx(1 / (0.9 * 1.6), rel=1e-2)
    closed = package.face.template + offsets[0]
    gaps = [(closed[u] - closed[v])[1] for pairs in handmade_voice.LIDS.values() for u, v in pairs]
    assert min(gaps) > -1e-4 and max(gaps) < 5e-4


def test_weights_show_the_blink(package, sound):
    audio = sound(1.5)
    frames = frames_of(package, audio, blinks=SEED, blendshapes=True)
    off = frames_of(package, audio, blinks=False, blendshapes=True)
    schedule = BlinkSchedule(Blinks(SEED), 30)
    closed = [frame for frame in range(len(frames)) if schedule.closure(frame) == 4096]
    eyes = [package.blendshapes.names.index(name) for name in handmade_voice.LIDS]
    assert (frames.blendshape_weights[closed][:, eyes] > off.blendshape_weights[closed][:, eyes] + 0.5).all()
    # Before the first blink nothing differs.
    first = next(frame for frame in range(len(frames)) if schedule.closure(frame))
    assert (frames.blendshape_weights[:first] == off.blendshape_weights[:first]).all()


def test_the_tail_ends_at_the_template(package, sound):
    schedule = BlinkSchedule(Blinks(SEED), 30)
    last = next(frame for frame in range(90) if schedule.closure(frame) == 4096)
    tail = 6
    with package.animator(blinks=SEED) as animator:
        animator.step(sound(2.0)[: (last + 1 - tail) * 16000 // 30 + 1])
        frames = animator.flush(tail / 30)
    assert round(frames.time[-1] * 30) == last
    assert (frames.vertices[-1] == package.face.template).all()
    assert (frames.vertices[-2] != package.face.template).any()


def test_a_voice_of_a_pool_blinks_as_alone(package, sound, same_bits):
    audio = sound(1.2)
    for blinks in (SEED, False):
        with package.pool(voices=1, blinks=blinks, controls=RigControls(0.1, 0.1)) as pool:
            frames = FrameBatch.concat([*pool.step_all([audio]), *pool.flush_all()])
        same_bits(frames, frames_of(package, audio, blinks=blinks))


def test_controls_leave_blinks_alone(package, sound):
    """A mute face still blinks: strength and smoothing come first."""
    mute = RigControls(upper_strength=0.0, lower_strength=0.0)
    frames = frames_of(package, sound(1.5), controls=mute, blinks=SEED)
    offsets = frames.vertices - package.face.template
    schedule = BlinkSchedule(Blinks(SEED), 30)
    closed = [frame for frame in range(len(frames)) if schedule.closure(frame) == 4096]
    shapes = package.face.blendshapes
    expected = shapes["eyeBlinkLeft"] + shapes["eyeBlinkRight"]
    np.testing.assert_allclose(offsets[closed[0]], expected, atol=1e-7)


def test_a_package_without_the_shapes(files, tmp_path, sound, capsys):
    bare = Package.load(handmade.write_folder(tmp_path / "bare", handmade_voice.without_shapes(files)))
    with bare.animator() as animator:
        assert animator.blinks is None
    for asked in (True, 0, 7, Blinks()):
        with pytest.raises(RigError, match=r"without the blendshape 'eyeBlinkLeft'.*blinks=False"):
            bare.animator(blinks=asked)
    assert main(["inspect", str(tmp_path / "bare")]) == 0
    assert "blinks       none: a face without the blendshape 'eyeBlinkLeft'" in capsys.readouterr().out


def test_inspect_says_that_the_face_blinks(package_path, capsys):
    assert main(["inspect", str(package_path)]) == 0
    assert "blinks       about 15 a minute" in capsys.readouterr().out
    assert main(["inspect", str(package_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blinks"] is True


def test_a_shape_that_does_not_close_the_eye(files, tmp_path):
    face = handmade_voice.blinking_face()
    face["blendshapes"][1] *= 0.5
    weak = handmade_voice.with_lids(files, blendshapes=face["blendshapes"])
    package = Package.load(handmade.write_folder(tmp_path / "weak", weak))
    with package.animator() as animator:
        assert animator.blinks is None
    with pytest.raises(RigError, match="'eyeBlinkLeft', which does not close the eye"):
        package.animator(blinks=True)
    face["blendshapes"][1] = 0
    still = handmade_voice.with_lids(files, blendshapes=face["blendshapes"])
    with pytest.raises(RigError, match="does not close the eye"):
        Package.load(handmade.write_folder(tmp_path / "still", still)).animator(blinks=True)


@pytest.mark.parametrize(
    ("blinks", "match"),
    [
        (lambda: -1, "seed=-1.*from 0 to 4294967295"),
        (lambda: 2**32, "seed=4294967296"),
        (lambda: Blinks(1.5), "seed=1.5"),
        (lambda: Blinks(True), "seed=True"),
        (lambda: Blinks(0, 3.9), "rate=3.9.*from 4 to 40"),
        (lambda: Blinks(0, 41), "rate=41"),
        (lambda: Blinks(0, float("nan")), "rate=nan"),
        (lambda: Blinks(0, "often"), "rate='often'"),
        (lambda: "often", "blinks='often'.*a seed"),
        (lambda: 2.0, "blinks=2.0"),
    ],
)
def test_bad_blinks(package, blinks, match):
    with pytest.raises(RigError, match=match):
        package.animator(blinks=blinks())
