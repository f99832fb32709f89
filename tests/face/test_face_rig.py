"""The rig: rest, determinism, lip closure, mouth shapes, eyelids, low rank, and its measures."""

from __future__ import annotations

import numpy as np
import pytest

import rig_measures as measures
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.rig import HEAD_FILE, Rig
from rig_measures import pose


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig.load()


def _vertices(rig: Rig, **values: float) -> np.ndarray:
    return rig.template + rig.offsets(pose(**values))


def _random(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (frames, len(RIG_PARAMETERS)))


def test_rest_is_exactly_zero(rig: Rig) -> None:
    offsets = rig.offsets(np.zeros((2, 21)))
    assert offsets.shape == (2, 5023, 3) and offsets.dtype == np.float32
    assert not offsets.any()


def test_deterministic_and_frame_by_frame(rig: Rig) -> None:
    parameters = _random(6, 1)
    whole = rig.offsets(parameters)
    np.testing.assert_array_equal(whole, Rig.load().offsets(parameters))
    alone = np.concatenate([rig.offsets(parameters[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(whole, alone, atol=1e-7)


def test_wrong_shape_says_what_is_expected(rig: Rig) -> None:
    with pytest.raises(ValueError, match=r"\(3, 20\).*expected \(frames, 21\)"):
        rig.offsets(np.zeros((3, 20)))


def test_foreign_topology_is_refused(tmp_path) -> None:
    with np.load(HEAD_FILE) as data:
        arrays = dict(data)
    arrays["faces"] = arrays["faces"][:, ::-1]
    np.savez(tmp_path / "head.npz", **arrays)
    with pytest.raises(ValueError, match="faces hash"):
        Rig.load(tmp_path / "head.npz")


def test_lips_touch_when_closed_whatever_else_happens(rig: Rig) -> None:
    parameters = _random(60, 2)
    parameters[:, RIG_PARAMETERS.index("lips_close")] = 1.0
    gap = measures.contact_gap(rig.template + rig.offsets(parameters))
    assert gap.max() < 0.0003


def test_lip_gap_grows_with_the_jaw(rig: Rig) -> None:
    jaw = np.linspace(0, 1, 8)
    parameters = np.concatenate([pose(jaw_open=j) for j in jaw])
    vertices = rig.template + rig.offsets(parameters)
    assert (np.diff(measures.lip_gap(vertices)) > 0.001).all()
    assert (np.diff(measures.jaw_drop(vertices)) > 0.001).all()
    assert measures.lip_gap(vertices)[-1] > 0.02


def test_oo_is_round(rig: Rig) -> None:
    vertices = _vertices(rig, lips_round=1.0, jaw_open=0.2)[0]
    upper = vertices[rig.masks["upper_lip_inner"]].astype(np.float64)
    lower = vertices[rig.masks["lower_lip_inner"]].astype(np.float64)
    outline = np.concatenate([upper, lower[::-1]])[:, :2]
    width, height = np.ptp(outline, axis=0)
    assert 0.6 < height / width < 1.4
    x, y = outline.T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    # an ellipse fills pi / 4 of its box, a diamond one half
    assert area / (width * height) > 0.72


def test_open_mouth_is_an_oval(rig: Rig) -> None:
    vertices = _vertices(rig, jaw_open=0.8)[0]
    upper, lower = vertices[rig.masks["upper_lip_inner"]], vertices[rig.masks["lower_lip_inner"]]
    gap = (upper - lower)[:, 1]
    x = upper[:, 0] / upper[0, 0]
    half = np.interp(0.7, x[15::-1], gap[15::-1])
    assert half > 0.6 * gap[15], "at 70 % of its half width a V would be only 30 % open"


def test_f_tucks_the_lip_under_visible_teeth(rig: Rig) -> None:
    vertices = _vertices(rig, lip_tuck=1.0, jaw_open=0.15)
    assert measures.phoneme_check("F", vertices).all()
    assert measures.teeth_shown(vertices)[0] > 0.002
    assert not measures.phoneme_check("F", rig.template[None]).any()


@pytest.mark.parametrize(
    ("phoneme", "values"),
    [
        ("M", {"lips_close": 1.0, "jaw_open": 0.3}),
        ("UW", {"lips_round": 0.9, "jaw_open": 0.15}),
        ("AA", {"jaw_open": 0.6}),
        ("IY", {"lips_wide": 0.9, "jaw_open": 0.15}),
        ("SIL", {}),
    ],
)
def test_phoneme_poses_pass_their_checks(rig: Rig, phoneme: str, values: dict[str, float]) -> None:
    assert measures.phoneme_check(phoneme, _vertices(rig, **values)).all()


def test_phoneme_poses_fail_the_other_checks(rig: Rig) -> None:
    opened = _vertices(rig, jaw_open=0.6)
    assert not measures.phoneme_check("M", opened).any()
    assert not measures.phoneme_check("UW", opened).any()
    with pytest.raises(ValueError, match="no visible check"):
        measures.phoneme_check("K", opened)


def test_protrusion_and_width_tell_oo_from_ee(rig: Rig) -> None:
    oo, ee = _vertices(rig, lips_round=1.0), _vertices(rig, lips_wide=1.0)
    assert measures.lip_protrusion(oo)[0] > 0.004 > measures.lip_protrusion(ee)[0]
    assert measures.lip_width(oo)[0] < 0.6 * measures.lip_width(ee)[0]


def test_lids_stay_clear_of_the_eyeballs(rig: Rig) -> None:
    left = rig.masks["eyeballs"][rig.template[rig.masks["eyeballs"], 0] > 0]
    ball = rig.template[left].astype(np.float64)
    design = np.concatenate([2 * ball, np.ones((len(ball), 1))], axis=1)
    solution = np.linalg.lstsq(design, (ball**2).sum(axis=1), rcond=None)[0]
    centre = solution[:3]
    radius = np.sqrt(solution[3] + centre @ centre)
    lids = np.setdiff1d(rig.masks["eyes"], rig.masks["forehead"])
    lids = lids[np.linalg.norm(rig.template[lids, :2] - centre[:2], axis=1) < 0.8 * radius]
    # the innermost ring is the rim behind the margin and lies inside on purpose
    lids = lids[np.linalg.norm(rig.template[lids] - centre, axis=1) > radius]
    assert len(lids) > 40
    parameters = np.concatenate(
        [pose(blink=b, eye_squint=s, eye_wide=w) for b in (0, 0.3, 0.6, 1) for s in (0, 1) for w in (0, 1)]
    )
    moved = rig.template[lids] + rig.offsets(parameters)[:, lids]
    assert (np.linalg.norm(moved - centre, axis=-1).min() - radius) > 0.0


def test_blink_moves_no_mouth_and_speech_no_eyes(rig: Rig) -> None:
    blink = rig.offsets(pose(blink=1.0))[0]
    assert np.abs(blink[rig.masks["lips"]]).max() < 1e-5
    assert np.abs(blink[rig.masks["eyes"]]).max() > 0.005
    speech = rig.offsets(pose(jaw_open=1.0, lips_round=1.0))[0]
    assert np.abs(speech[rig.masks["eyes_forehead"]]).max() < 1e-3
    assert not speech[rig.masks["eyeballs"]].any()


def test_upper_teeth_and_ears_never_move(rig: Rig) -> None:
    offsets = rig.offsets(_random(20, 3))
    for name in ("teeth_upper", "ears", "eyeballs"):
        assert not offsets[:, rig.masks[name]].any(), name


def test_lower_teeth_move_rigidly(rig: Rig) -> None:
    ids = rig.masks["teeth_lower"]
    rest = rig.template[ids].astype(np.float64)
    moved = _vertices(rig, jaw_open=1.0)[0, ids].astype(np.float64)
    for a, b in ((0, len(ids) - 1), (3, len(ids) // 2), (10, 40)):
        assert np.linalg.norm(moved[a] - moved[b]) == pytest.approx(np.linalg.norm(rest[a] - rest[b]), abs=3e-4)


def test_every_parameter_moves_something_and_symmetrically(rig: Rig) -> None:
    from scipy.spatial import cKDTree

    nose_and_jaw = np.concatenate([rig.masks[n] for n in ("nose", "jaw", "cheeks", "eyes", "forehead", "tongue")])
    rest = rig.template[nose_and_jaw]
    _, mirror = cKDTree(rest).query(rest * np.array([-1, 1, 1]))
    for name in RIG_PARAMETERS:
        # lips_close undoes an opening, so look at it with the jaw open
        base = {"jaw_open": 0.5} if name == "lips_close" else {}
        change = (rig.offsets(pose(**base, **{name: 1.0})) - rig.offsets(pose(**base)))[0]
        assert np.abs(change).max() > 0.001, name
        part = change[nose_and_jaw]
        np.testing.assert_allclose(part[mirror] * np.array([-1, 1, 1]), part, atol=1e-4, err_msg=name)


def test_rank_32_is_exact_to_a_tenth_of_a_millimetre(rig: Rig) -> None:
    moving = rig.fields.reshape(len(rig.fields), -1)
    used = np.flatnonzero(np.abs(moving).max(axis=0) > 1e-5)[::8]
    fit = rig.coefficients(_random(600, 4)).astype(np.float64) @ moving[:, used]
    test = rig.coefficients(_random(100, 5)).astype(np.float64) @ moving[:, used]
    mean = fit.mean(axis=0)
    _, _, axes = np.linalg.svd(fit - mean, full_matrices=False)
    kept = (test - mean) @ axes[:32].T @ axes[:32]
    assert np.abs(test - mean - kept).max() < 1e-4


def test_measures_refuse_other_meshes() -> None:
    with pytest.raises(ValueError, match="expected"):
        measures.lip_gap(np.zeros((2, 10, 3)))
    with pytest.raises(ValueError, match="unknown rig parameter"):
        pose(jaw=1.0)
