"""Controls of parts of the face in a stream: each does what it says, the same bits for any cut, typed errors."""

from __future__ import annotations

import itertools

import handmade
import handmade_controls
import numpy as np
import pytest
from handmade_controls import CONTROLS

from emoface import FrameBatch, Package
from emoface.cli.main import main
from emoface.errors import RigError, SnapshotError
from emoface.rig import Blinks, RigControls


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Package:
    folder = tmp_path_factory.mktemp("controls")
    return Package.load(handmade.write_zip(folder / "controlled.emoface", handmade_controls.package_files()))


def frames_of(package: Package, audio: np.ndarray, cuts=(), **options) -> FrameBatch:
    with package.animator(**{"blinks": Blinks(3, 40), **options}) as animator:
        parts = [animator.step(audio[a:b]) for a, b in itertools.pairwise([0, *cuts, len(audio)])]
        return FrameBatch.concat([*parts, animator.flush(0.4)])


@pytest.mark.parametrize("name", CONTROLS)
def test_any_cut_gives_the_same_bits(package, sound, name):
    audio, controls = sound(1.4), RigControls(**CONTROLS[name])
    whole = frames_of(package, audio, blendshapes=True, controls=controls)
    cuts = np.sort(np.random.default_rng(5).integers(0, len(audio), 20))
    cut = frames_of(package, audio, cuts, blendshapes=True, controls=controls)
    for field in ("time", "vertices", "blendshape_weights"):
        assert getattr(cut, field).tobytes() == getattr(whole, field).tobytes(), field
    plain = frames_of(package, audio, blendshapes=True)
    assert cut.vertices.tobytes() != plain.vertices.tobytes()
    # What is added goes with the motion: the last frame of a tail is the face at rest.
    np.testing.assert_allclose(whole.vertices[-1], plain.vertices[-1], atol=0.02 if "smoothing" in str(controls) else 0)


def test_snapshots_go_on_and_others_are_refused(package, sound):
    audio, controls = sound(1.0), RigControls(**CONTROLS["all"])
    whole = frames_of(package, audio, blinks=None, controls=controls)
    first, second = (package.animator(controls=controls) for _ in range(2))
    head = first.step(audio[:7000])
    second.restore(first.snapshot())
    rest = FrameBatch.concat([head, second.step(audio[7000:]), second.flush(0.4)])
    assert rest.vertices.tobytes() == whole.vertices.tobytes()
    other = package.animator(controls=RigControls(**{**CONTROLS["all"], "tongue_strength": 1.6}))
    with pytest.raises(SnapshotError, match="controls"):
        other.restore(first.snapshot())


def test_controls_as_they_were_have_the_snapshots_that_they_had():
    assert RigControls(1.5, 0.8, 0.05, 0.02, -0.1).identity == [1.5, 0.8, 0.05, 0.02, -0.1]
    assert len(RigControls(lip_open_offset=0.1).identity) == len(RigControls.limits())


def test_blink_strength_and_offset(package, sound):
    audio = sound(1.4)
    off, none = (
        frames_of(package, audio, blinks=False),
        frames_of(package, audio, controls=RigControls(blink_strength=0.0)),
    )
    assert none.vertices.tobytes() == off.vertices.tobytes()
    # Motion so small that no eye of this face is open wider than lids reach.
    closed = RigControls(upper_strength=0.1, lower_strength=0.1, blink_offset=1.0)
    shut, always = frames_of(package, audio, controls=closed), frames_of(package, audio, blinks=False, controls=closed)
    # Shut is shut: blinks find nothing to close any more.
    assert shut.vertices.tobytes() == always.vertices.tobytes()
    for frame in shut.vertices[:30] - package.face.template:
        assert all(lid.opening(frame.astype(np.float32)) < 1e-3 for lid in package.lids)


def test_a_narrow_lid_closes_by_its_share(package, sound):
    audio = sound(0.6)
    plain, narrow = (
        frames_of(package, audio, blinks=False, gaze=False, controls=RigControls(eyelid_open_offset=offset))
        for offset in (0.0, -0.5)
    )
    for before, after in zip(plain.vertices[:15], narrow.vertices[:15], strict=True):
        for lid in package.lids:
            wide, narrowed = (lid.opening(frame - package.face.template) for frame in (before, after))
            assert narrowed == pytest.approx(wide / 2, abs=1e-3)


def test_lips_close_until_they_touch(package, sound):
    audio = sound(0.6)
    still = {"upper_strength": 0.0, "lower_strength": 0.0}
    closed = frames_of(package, audio, blinks=False, gaze=False, controls=RigControls(**still, lip_open_offset=-0.2))
    template = package.face.template
    gap = closed.vertices[:15, 8:10, 1] - closed.vertices[:15, 10:, 1]
    assert (gap >= -1e-6).all() and (gap < template[8, 1] - template[10, 1]).all()
    open_ = frames_of(package, audio, blinks=False, gaze=False, controls=RigControls(**still, lip_open_offset=0.2))
    assert (open_.vertices[:15, 8:10, 1] - open_.vertices[:15, 10:, 1] > 0.01).all()


def test_skin_moves_by_itself(package, sound):
    audio, template = sound(0.6), package.face.template
    plain, half = (
        frames_of(package, audio, blinks=False, gaze=False, controls=RigControls(skin_strength=s)).vertices - template
        for s in (1.0, 0.5)
    )
    inner = np.unique(np.concatenate([package.face.masks[m] for m in ("teeth_lower", "tongue", "eyeballs")]))
    skin = np.setdiff1d(np.arange(len(template)), inner)
    np.testing.assert_allclose(half[:, inner], plain[:, inner], atol=1e-7)
    np.testing.assert_allclose(half[:, skin], plain[:, skin] / 2, atol=1e-6)


@pytest.mark.parametrize("name", RigControls.limits())
@pytest.mark.parametrize("value", [-9.0, 9.0, float("nan"), "1", True])
def test_values_out_of_range(name, value):
    with pytest.raises(RigError, match=f"{name}=.*expected a number from"):
        RigControls(**{name: value})


def test_a_softness_between_the_packages_mask_and_the_least():
    with pytest.raises(RigError, match=r"mask_softness=0\.0005"):
        RigControls(mask_softness=0.0005)


@pytest.mark.parametrize(
    ("controls", "missing"),
    [
        ({"tongue_strength": 2.0}, "mask_tongue"),
        ({"tongue_height_offset": 1.0}, "mask_teeth_lower"),
        ({"lip_open_offset": -0.1}, "mask_lower_lip_inner"),
        ({"lip_open_offset": 0.1}, "mouthLowerDownLeft"),
        ({"eyelid_open_offset": 0.1}, "eyeWideRight"),
        ({"eyelid_open_offset": -0.1}, "eyeBlinkLeft"),
        ({"blink_offset": 0.1}, "eyeBlinkRight"),
    ],
)
def test_what_a_face_does_not_have_is_named(tmp_path, controls, missing):
    arrays = handmade_controls.face_arrays()
    if missing.startswith("mask_"):
        del arrays[missing]
    else:
        names = arrays["blendshape_names"]
        arrays["blendshape_names"] = np.where(names == missing, "other", names)
    files = handmade.with_file(handmade.package_files(), "face.npz", handmade.npz(**arrays))
    package = Package.load(handmade.write_zip(tmp_path / "lacking.emoface", files))
    with pytest.raises(RigError, match=missing.removeprefix("mask_")):
        package.animator(controls=RigControls(**controls))


def test_the_command_has_every_control(package, tmp_path, sound, capsys):
    import soundfile

    soundfile.write(tmp_path / "in.wav", sound(0.4), 16000)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in CONTROLS["all"].items()]
    path = handmade.write_zip(tmp_path / "p.emoface", handmade_controls.package_files())
    outs = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    for out, more in zip(outs, (options, []), strict=True):
        assert main(["animate", str(tmp_path / "in.wav"), "-o", out, "--package", str(path), *more]) == 0
    moved, plain = (np.load(out)["vertices"] for out in outs)
    assert np.abs(moved - plain).max() > 1e-3
    assert main(["animate", str(tmp_path / "in.wav"), "-o", outs[0], "--tongue-strength", "4"]) == 2
    assert "tongue_strength=4.0" in capsys.readouterr().err
