"""The rig on the human head: rest, contact, mouth shapes, expressions that tell classes apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import BILABIALS, LABIODENTALS, SIL
from emoface_training.data.synthetic.rig import HEAD_FILE, Rig
from emoface_training.data.synthetic.visemes import TARGETS

SIDES = ("brow_side", "mouth_side")
MM = 1e-3


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig.load()


def parameters(**values: float) -> np.ndarray:
    return np.array([[values.get(name, 0.0) for name in RIG_PARAMETERS]])


def vertices(rig: Rig, **values: float) -> np.ndarray:
    return (rig.template + rig.offsets(parameters(**values))[0]).astype(np.float64)


def uttered(phoneme: str) -> dict[str, float]:
    return dict(zip(RIG_PARAMETERS, TARGETS[phoneme], strict=False))


def some(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (frames, len(RIG_PARAMETERS)))


def gap(rig: Rig, points: np.ndarray) -> float:
    """Opening of the middle of the lips beyond rest, metres."""

    def height(at: np.ndarray) -> float:
        upper, lower = rig.masks["upper_lip_inner"], rig.masks["lower_lip_inner"]
        return float((at[upper, 1] - at[lower, 1])[len(upper) // 2 - 1 : len(upper) // 2 + 2].mean())

    return height(points) - height(rig.template.astype(np.float64))


def width(rig: Rig, points: np.ndarray) -> float:
    return float(np.ptp(points[rig.masks["lips"], 0]))


def forward(rig: Rig, points: np.ndarray) -> float:
    lips = np.concatenate([rig.masks["upper_lip_inner"][3:6], rig.masks["lower_lip_inner"][3:6]])
    return float((points[lips, 2] - rig.template[lips, 2]).mean())


def tucked(rig: Rig, points: np.ndarray) -> float:
    lip = points[rig.masks["lower_lip_inner"][3:6]].mean(axis=0)
    return float(np.linalg.norm(points[rig.masks["teeth_upper"]] - lip, axis=1).min())


def test_rest_is_exactly_zero(rig: Rig) -> None:
    offsets = rig.offsets(np.zeros((2, len(RIG_PARAMETERS))))
    assert offsets.shape == (2, 5023, 3) and offsets.dtype == np.float32 and not offsets.any()


def test_frame_by_frame(rig: Rig) -> None:
    given = some(6, 1)
    whole = rig.offsets(given)
    alone = np.concatenate([rig.offsets(given[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(whole, alone, atol=1e-7)


def test_wrong_shape_says_what_is_expected(rig: Rig) -> None:
    with pytest.raises(ValueError, match=rf"\(3, 20\).*expected \(frames, {len(RIG_PARAMETERS)}\)"):
        rig.offsets(np.zeros((3, 20)))


def test_a_face_of_other_shapes_is_refused(tmp_path) -> None:
    with np.load(HEAD_FILE) as data:
        arrays = dict(data)
    for names in (arrays["blendshape_names"][::-1], None):
        arrays.pop("blendshape_names")
        if names is not None:
            arrays["blendshape_names"] = names
        np.savez(tmp_path / "head.npz", **arrays)
        with pytest.raises(ValueError, match="shapes, expected ARKit's 52"):
            Rig.load(tmp_path / "head.npz")


def test_weights_are_arkits(rig: Rig) -> None:
    given = some(200, 4) * 1.4
    given[:, [RIG_PARAMETERS.index(name) for name in SIDES]] -= 0.7
    weights = rig.coefficients(given)
    assert weights.shape == (200, 52) and weights.min() >= 0.0 and weights.max() <= 1.0
    assert not weights[:, [i for i, name in enumerate(rig.names) if name.startswith("eyeLook")]].any()


def test_lips_touch_when_closed_whatever_else_happens(rig: Rig) -> None:
    given = some(60, 2)
    given[:, RIG_PARAMETERS.index("lips_close")] = 1.0
    gaps = [gap(rig, points) for points in rig.template + rig.offsets(given).astype(np.float64)]
    assert min(gaps) > -0.6 * MM and max(gaps) < 0.9 * MM


def test_lip_gap_grows_with_the_jaw(rig: Rig) -> None:
    gaps = [gap(rig, vertices(rig, jaw_open=jaw)) for jaw in np.linspace(0, 1, 8)]
    assert (np.diff(gaps) > MM).all() and 11 * MM < gaps[-1] < 17 * MM


@pytest.mark.parametrize("phoneme", sorted(TARGETS))
def test_every_phoneme_shows_what_it_must(rig: Rig, phoneme: str) -> None:
    points = vertices(rig, **uttered(phoneme))
    if phoneme in BILABIALS or phoneme == SIL:
        assert abs(gap(rig, points)) < 0.3 * MM
    elif phoneme in LABIODENTALS:
        assert tucked(rig, points) < 0.55 * tucked(rig, vertices(rig, jaw_open=0.15))
    else:
        assert gap(rig, points) > 1.5 * MM, "no other consonant comes near to closed lips"
        assert tucked(rig, points) > 0.7 * tucked(rig, rig.template.astype(np.float64))


def test_round_and_spread_lips_are_as_wide_apart_as_peoples(rig: Rig) -> None:
    oo, ee = vertices(rig, **uttered("UW")), vertices(rig, **uttered("IY"))
    assert 8 * MM < width(rig, ee) - width(rig, oo) < 13 * MM
    assert forward(rig, oo) > 4 * MM > 1 * MM > forward(rig, ee)


def test_the_tongue_shows_in_th_and_stays_in_where_there_is_no_way_out(rig: Rig) -> None:
    tongue = rig.names.index("tongueOut")
    assert rig.coefficients(parameters(**uttered("TH")))[0, tongue] > 0.3
    assert rig.coefficients(parameters(tongue_up=1.0))[0, tongue] == 0.0
    assert rig.coefficients(parameters(tongue_up=1.0, jaw_open=0.5, lips_close=1.0))[0, tongue] == 0.0


def test_blink_moves_no_mouth_and_speech_no_eyes(rig: Rig) -> None:
    blink = rig.offsets(parameters(blink=1.0))[0]
    assert np.abs(blink[rig.masks["lips"]]).max() < 1e-4 < 0.005 < np.abs(blink[rig.masks["eyes"]]).max()
    speech = rig.offsets(parameters(jaw_open=1.0, lips_round=1.0))[0]
    assert np.abs(speech[rig.masks["eyes_forehead"]]).max() < MM and not speech[rig.masks["eyeballs"]].any()


def test_upper_teeth_and_eyeballs_never_move(rig: Rig) -> None:
    offsets = rig.offsets(some(20, 3))
    for name in ("teeth_upper", "eyeballs"):
        assert not offsets[:, rig.masks[name]].any(), name


def test_every_parameter_moves_something(rig: Rig) -> None:
    for name in RIG_PARAMETERS:
        base = {"lips_close": {"jaw_open": 0.5}, "tongue_up": {"jaw_open": 0.5}}.get(name, {})
        if name in SIDES:
            base = {"brow_outer_up": 0.7, "smile": 0.7}
        change = rig.offsets(parameters(**base, **{name: 1.0 if name not in SIDES else 0.5})) - rig.offsets(
            parameters(**base)
        )
        assert np.abs(change).max() > 0.8 * MM, name


def test_classes_are_told_apart_by_the_upper_face_alone(rig: Rig) -> None:
    """Pairwise 1 mm RMS at the level normal, calm and neutral 0.3."""
    upper = rig.masks["eyes_forehead"]

    def shown(emotion: str) -> np.ndarray:
        amount = expression.NORMAL_STRENGTH * (emotion != "neutral")
        return vertices(rig, **{name: amount * value for name, value in expression.POSES[emotion].items()})[upper]

    faces = {emotion: shown(emotion) for emotion in expression.POSES}
    for one, other in itertools.combinations(faces, 2):
        apart = np.sqrt(np.square(faces[one] - faces[other]).sum(axis=1).mean())
        assert apart > (0.3 if {one, other} == {"neutral", "calm"} else 1.0) * MM, (one, other, apart)
