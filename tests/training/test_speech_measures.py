"""Measures of speech on motion made by hand: each where it must be 0, 1 and in between."""

import numpy as np
import pytest
from hand_made_mouth import FPS, HandMadeFace, measured, moved, spoken
from synthetic_corpus import TinyRig

from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.data.synthetic.rig import Rig
from emoface_training.data.synthetic.visemes import speech_parameters
from emoface_training.errors import OptionsError
from emoface_training.measures.mouth import MASKS, MouthGauge, tucked_below
from emoface_training.measures.speech import SpeechMeasures, class_of, inside, is_free
from emoface_training.measures.tracks import correlation, flutter, lag_ms, runs, settled_pauses

# Two p b m, two free consonants, one beside a labial, one beside a pause, and pauses of a second
SPEECH = [
    ("SIL", 0.0, 1.0), ("T", 1.0, 1.1), ("AA", 1.1, 1.4), ("K", 1.4, 1.5), ("IY", 1.5, 1.7), ("P", 1.7, 1.8),
    ("S", 1.8, 1.9), ("AE", 1.9, 2.2), ("N", 2.2, 2.3), ("EH", 2.3, 2.5), ("M", 2.5, 2.6), ("AO", 2.6, 3.0),
    ("SIL", 3.0, 4.0),
]  # fmt: skip
FRAMES = 120
TIME = np.arange(FRAMES) / FPS


def gap(*closed: tuple[float, float], wide: float = 10.0, shut: float = 0.0) -> np.ndarray:
    """mm [120]: shut in the pauses and in the given times, wide elsewhere."""
    track = np.full(FRAMES, wide)
    for start, end in ((0.0, 1.0), (3.0, 4.0), *closed):
        track[(start - 1e-9 <= TIME) & (end + 1e-9 >= TIME)] = shut
    return track


P, M, K, N = (1.7, 1.8), (2.5, 2.6), (1.4, 1.5), (2.2, 2.3)
RULES = moved(gap(P, M))


def test_what_is_free_stands_apart_from_labials_and_pauses() -> None:
    assert [phoneme[0] for phoneme in SPEECH if is_free(phoneme, SPEECH)] == ["K", "N"]
    assert not is_free(("AA", 1.1, 1.4), SPEECH)
    assert [class_of(name) for name in ("B", "V", "NG", "W", "IY", "AY")] == [
        "p b m", "f v", "k g ng", "other consonants", "other vowels", "open vowels",
    ]  # fmt: skip


def test_a_phoneme_between_two_frames_has_the_nearest_one() -> None:
    assert inside(("K", 0.01, 0.02), 30) == slice(0, 1)
    assert inside(("K", 0.1, 0.2), 30) == slice(3, 7)


@pytest.mark.parametrize(
    ("shown", "recall", "precision", "free", "per_10_s", "closures"),
    [
        ((P, M), 1.0, 1.0, 0.0, 0.0, 2),
        ((P, K), 0.5, 0.5, 0.5, 5.0, 2),
        ((K, N), 0.0, 0.0, 1.0, 10.0, 2),
        ((), 0.0, 0.0, 0.0, 0.0, 0),
        # one smear over everything closes all p b m, and is one closure of theirs: the free consonants tell
        (((1.3, 2.7),), 1.0, 1.0, 1.0, 0.0, 1),
        (((0.9, 1.2),), 0.0, 0.0, 0.0, 0.0, 0),  # lips that part late are the pause's
    ],
)
def test_closures_and_false_ones(shown, recall, precision, free, per_10_s, closures) -> None:
    figures = measured(SPEECH, moved(gap(*shown)), RULES).figures()
    assert (figures["closures"], figures["bilabials"]) == (recall, 2)
    assert (figures["closure_precision"], figures["closures_in_speech"]) == (precision, closures)
    assert (figures["free_closed"], figures["free"]) == (free, 2)
    assert figures["speech_s"] == pytest.approx(2.0)
    assert figures["false_closures_per_10_s"] == pytest.approx(per_10_s)


def test_closed_is_below_a_millimetre_and_a_tenth_of_the_rules_reach() -> None:
    assert measured(SPEECH, RULES, RULES).closed_below == pytest.approx(0.001)
    small = moved(gap(P, M, wide=5.0))
    assert measured(SPEECH, small, small).closed_below == pytest.approx(0.0005)
    for distance, closed in ((0.99, 1.0), (1.01, 0.0), (-0.5, 1.0)):
        shown = moved(gap(P, M, shut=distance))
        assert measured(SPEECH, shown, moved(gap(P, M, wide=12.0))).figures()["closures"] == closed, distance


def test_lips_in_pauses() -> None:
    def pauses(track: np.ndarray) -> tuple[float, float]:
        figures = measured(SPEECH, moved(track), RULES).figures()
        assert (figures["pauses"], figures["silent_frames"]) == (2, 44)
        return figures["pauses_closed"], figures["silence_closed"]

    assert pauses(gap()) == (1.0, 1.0)
    assert pauses(gap() + 2.0) == (0.0, 0.0)
    half = gap()
    half[TIME > 3.0] = 2.0
    shut, frames = pauses(half)
    assert (shut, frames) == (0.5, 0.5)


def test_tucks_and_false_ones() -> None:
    said = [("SIL", 0.0, 1.0), ("F", 1.0, 1.1), ("AA", 1.1, 1.4), ("K", 1.4, 1.5), ("AA", 1.5, 2.0), ("V", 2.0, 2.1),
            ("AA", 2.1, 3.0), ("SIL", 3.0, 4.0)]  # fmt: skip

    def tucked(*times: tuple[float, float]) -> tuple[float, float]:
        teeth = np.full(FRAMES, 5.0)
        for start, end in times:
            teeth[(start <= TIME) & (end >= TIME)] = 1.0
        figures = measured(said, moved(gap(), teeth=teeth), RULES).figures()
        assert (figures["labiodentals"], figures["free"]) == (2, 1)
        return figures["tucks"], figures["false_tucks"]

    assert tucked((1.0, 1.1), (2.0, 2.1)) == (1.0, 0.0)
    assert tucked((2.0, 2.1), (1.4, 1.5)) == (0.5, 1.0)
    assert tucked() == (0.0, 0.0)


def test_aperture_and_rounding_are_shares_of_the_rules() -> None:
    said = [("UW", 0.0, 1.0), ("IY", 1.0, 2.0), ("OW", 2.0, 3.0), ("AA", 3.0, 4.0)]
    rules = moved(np.linspace(0, 20, FRAMES), width=np.where((TIME < 1) | ((TIME >= 2) & (TIME < 3)), 30.0, 50.0))

    def shares(share: float) -> tuple[float, float, float]:
        width = 40.0 + share * np.where((TIME < 1) | ((TIME >= 2) & (TIME < 3)), -10.0, 10.0)
        figures = measured(said, moved(share * np.linspace(0, 20, FRAMES), width=width), rules).figures()
        assert (figures["rounded"], figures["spread"]) == (2, 1)
        return figures["aperture"], figures["rounding"], figures["rounding_mm"]

    whole = shares(1.0)
    for share in (0.0, 0.25, 1.0):
        assert shares(share) == pytest.approx([share, share, share * whole[2]], abs=1e-12)
    assert whole[2] == pytest.approx(20.0, abs=2.0)  # the last frame of each vowel has the next one's width


def test_flutter_is_the_share_of_energy_over_8_hz() -> None:
    time = np.arange(240) / 30
    slow, fast = np.sin(2 * np.pi * 2 * time), np.sin(2 * np.pi * 12 * time)
    assert flutter([slow], 30) == pytest.approx(0.0, abs=1e-4)
    assert flutter([fast], 30) == pytest.approx(1.0, abs=1e-4)
    assert flutter([slow + fast], 30) == pytest.approx(0.5, abs=1e-3)
    assert flutter([slow, fast], 30) == pytest.approx(0.5, abs=1e-3)
    assert flutter([np.full(240, 3.0), np.zeros(1)], 30) == 0.0
    rules = moved(5.0 + slow)
    figures = measured([("AA", 0.0, 8.0)], moved(5.0 + slow + 0.1 * fast), rules).figures()
    assert figures["flutter"] == pytest.approx(0.01 / 1.01, rel=0.02)
    assert figures["flutter_to_rules"] > 100.0


@pytest.mark.parametrize("late", [-0.1, -0.02, 0.0, 0.015, 0.05, 0.1])
def test_a_constant_delay_is_found_between_frames(late: float) -> None:
    generator = np.random.default_rng(1)
    parts = [(generator.uniform(0.5, 4.0), generator.uniform(0, 6)) for _ in range(6)]

    def track(time: np.ndarray) -> np.ndarray:
        return sum(np.sin(2 * np.pi * rate * time + phase) for rate, phase in parts)

    time = np.arange(200) / 30
    assert lag_ms([track(time - late), track(time - late + 50)], [track(time), track(time + 50)], 30) == pytest.approx(
        1000 * late, abs=2.0
    )


def test_what_never_moves_has_no_delay_and_no_correlation() -> None:
    still, moving = np.zeros(40), np.sin(np.arange(40.0))
    assert lag_ms([still], [moving], 30) == lag_ms([np.zeros(1)], [np.zeros(1)], 30) == 0.0
    assert correlation(still, moving) == 0.0
    figures = measured(SPEECH, moved(np.zeros(FRAMES)), RULES).figures()
    assert figures["gap_correlation"] == figures["jaw_correlation"] == figures["aperture"] == figures["flutter"] == 0.0
    exact = measured(SPEECH, RULES, RULES).figures()
    assert exact["gap_correlation"] == pytest.approx(1.0) and exact["flutter_to_rules"] == 1.0


def test_jaw_correlation_is_the_lower_teeth_s() -> None:
    wave = np.sin(np.arange(FRAMES))
    for sign in (1.0, -1.0):
        figures = measured(SPEECH, moved(gap(), jaw=5 + sign * wave), moved(gap(), jaw=5 + wave)).figures()
        assert figures["jaw_correlation"] == pytest.approx(sign)


def test_the_table_by_classes() -> None:
    classes = measured(SPEECH, moved(gap(P, K)), RULES).classes()
    assert classes["p b m"] == {
        "count": 2, "closed": 0.5, "closed_rules": 1.0, "gap_mm": pytest.approx(5.0), "gap_rules_mm": 0.0,
    }  # fmt: skip
    assert (classes["k g ng"]["closed"], classes["k g ng"]["closed_rules"]) == (1.0, 0.0)
    assert classes["t d n l"]["count"] == 2 and classes["open vowels"]["count"] == 4
    assert "f v" not in classes and sum(row["count"] for row in classes.values()) == len(SPEECH) - 2


def test_events_say_what_was_judged_and_why() -> None:
    events = measured(SPEECH, moved(gap(P, K)), RULES).events()
    assert [(event.kind, event.phoneme, event.hit) for event in events] == [
        ("free", "K", True), ("bilabials", "P", True), ("free", "N", False), ("bilabials", "M", False),
    ]  # fmt: skip
    assert events[2].measured == pytest.approx(0.01)


def test_joined_measures_judge_all_clips_by_one_limit() -> None:
    parts = [measured(SPEECH, moved(gap(P, M)), RULES), measured(SPEECH, moved(gap(K)), RULES)]
    whole = SpeechMeasures.joined(parts).figures()
    assert (whole["closures"], whole["bilabials"]) == (0.5, 4)
    assert (whole["closure_precision"], whole["false_closures_per_10_s"]) == (pytest.approx(2 / 3), pytest.approx(2.5))


def test_a_clip_without_phonemes_has_motion_but_no_events() -> None:
    figures = measured([], moved(gap()), RULES).figures()
    assert figures["bilabials"] == figures["free"] == figures["pauses"] == figures["closures_in_speech"] == 0
    assert figures["aperture"] == pytest.approx(1.0)


def test_a_mouth_is_found_by_geometry_whatever_the_order_and_the_unit() -> None:
    face, millimetres = HandMadeFace(), HandMadeFace(0.001)
    offsets = moved(np.linspace(0, 12, 7), width=np.linspace(30, 50, 7), teeth=3.0, jaw=np.linspace(0, 9, 7))
    gauge = MouthGauge(face)
    np.testing.assert_allclose(gauge.gap(offsets), np.linspace(0, 0.012, 7), atol=1e-12)
    np.testing.assert_allclose(gauge.width(offsets), np.linspace(0.03, 0.05, 7), atol=1e-12)
    np.testing.assert_allclose(gauge.jaw_drop(offsets), np.linspace(0, 0.009, 7), atol=1e-12)
    np.testing.assert_allclose(gauge.teeth_distance(offsets), 0.003, atol=1e-12)
    shuffled = HandMadeFace()
    shuffled.masks = {name: np.random.default_rng(0).permutation(mask) for name, mask in face.masks.items()}
    for name in ("gap", "width", "jaw_drop", "teeth_distance"):
        expected = getattr(gauge, name)(offsets)
        np.testing.assert_allclose(getattr(MouthGauge(shuffled), name)(offsets), expected, atol=1e-12)
        np.testing.assert_allclose(getattr(MouthGauge(millimetres), name)(1000 * offsets), expected, atol=1e-12)


def test_lips_of_unequal_counts_face_each_other_by_interpolation() -> None:
    face = HandMadeFace()
    face.masks = face.masks | {"upper_lip_inner": np.array([4, 1]), "lower_lip_inner": np.array([9, 5, 7])}
    gauge = MouthGauge(face)
    assert gauge.upper.tolist() == [1]  # nothing in the middle third: the nearest one
    offsets = moved(np.zeros(1))
    offsets[0, [5, 7], 1] = -0.002, -0.004  # its place is half way between these two
    np.testing.assert_allclose(gauge.gap(offsets), [0.003], atol=1e-12)


@pytest.mark.parametrize("name", MASKS)
def test_a_missing_mask_is_named(name: str) -> None:
    face = HandMadeFace()
    del face.masks[name]
    with pytest.raises(OptionsError, match=f"without the masks {name};"):
        MouthGauge(face)


def test_the_tuck_s_limit_is_on_the_rig_s_own_way() -> None:
    rig = TinyRig()
    # loose at jaw .15: 13 mm below the teeth, the nearest of which stands 5 mm aside; tucked: 10 mm back besides
    loose, tucked = np.linalg.norm([0.013, 0.005]), np.linalg.norm([0.013, 0.005, 0.010])
    assert tucked_below(MouthGauge(rig), rig) == pytest.approx(loose + 0.4 * (tucked - loose), abs=1e-8)


def test_the_rules_on_the_human_head_are_what_the_measures_ask_for() -> None:
    rig = Rig.load()
    names = [
        "SIL",
        "M",
        "AA",
        "K",
        "IY",
        "T",
        "UW",
        "D",
        "EY",
        "V",
        "OW",
        "N",
        "AE",
        "B",
        "EH",
        "F",
        "IH",
        "S",
        "P",
        "UH",
        "SIL",
    ]
    said = [("SIL", 0.0, 0.5), *((name, 0.5 + 0.15 * i, 0.65 + 0.15 * i) for i, name in enumerate(names[1:-1]))]
    said.append(("SIL", said[-1][2], 4.5))
    parameters = np.zeros((135, len(RIG_PARAMETERS)), np.float32)
    speech = speech_parameters([Segment(*phoneme) for phoneme in said], 135)
    parameters[:, : speech.shape[1]] = speech
    gauge = MouthGauge(rig)
    measures = SpeechMeasures(gauge, FPS, tucked_below(gauge, rig))
    measures.add(spoken(135, said), rig.offsets(parameters), rig.offsets(parameters))
    figures = measures.figures()
    assert [figures[name] for name in ("closures", "closure_precision", "tucks", "pauses_closed")] == [1.0] * 4
    assert figures["free_closed"] == figures["false_tucks"] == figures["false_closures_per_10_s"] == 0.0
    assert (figures["bilabials"], figures["labiodentals"], figures["free"]) == (3, 2, 4)
    assert 4.0 < figures["rounding_mm"] < 15.0 and figures["flutter"] < 0.05
    still = SpeechMeasures(gauge, FPS, tucked_below(gauge, rig))
    still.add(spoken(135, said), np.zeros((135, *rig.template.shape)), rig.offsets(parameters))
    figures = still.figures()
    assert (figures["closures"], figures["free_closed"], figures["tucks"]) == (1.0, 1.0, 0.0)


def test_silence_settles_for_200_ms_and_ends_80_ms_early() -> None:
    pauses = settled_pauses([("SIL", 0.0, 0.5), ("AA", 0.5, 1.0), ("SIL", 1.0, 1.25)], 40, 20)
    assert [pause.tolist() for pause in pauses] == [[4, 5, 6, 7, 8]]  # the second one ends before it has settled


def test_runs_have_a_first_frame_and_one_behind_the_last() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 2), (3, 4), (6, 7)]
    assert runs(np.zeros(3, bool)) == runs(np.zeros(0, bool)) == []


def test_phonemes_behind_the_last_frame_are_not_judged() -> None:
    measures = SpeechMeasures(MouthGauge(HandMadeFace()), FPS, 0.002)
    shown = moved(np.zeros(30))
    measures.add(spoken(30, [("AA", 0.0, 1.0), ("M", 2.0, 2.1), ("F", 2.1, 2.2)]), shown, shown)
    assert measures.events() == [] and measures.figures()["speech_s"] == pytest.approx(1.0)
