"""How emotions are acted: several ways each, held-out ways that nobody in training uses, people who differ."""

from __future__ import annotations

import numpy as np
import pytest

from emoface_training.data.synthetic import prosody
from emoface_training.data.synthetic.phonemes import SIL, Segment
from emoface_training.data.synthetic.prosody import FIELDS, HELD_OUT_WAYS, WAYS, Prosody, Way
from emoface_training.vocabulary import EMOTIONS


def box(way: Way) -> dict[str, tuple[float, float]]:
    plain = Prosody()
    return {name: way.get(name, (getattr(plain, name),) * 2) for name in FIELDS}


def test_every_emotion_has_ways_and_others_that_are_held_out() -> None:
    assert set(WAYS) == set(HELD_OUT_WAYS) == set(EMOTIONS)
    assert all(len(WAYS[e]) >= 2 for e in EMOTIONS if e != "neutral")
    names = [name for table in (WAYS, HELD_OUT_WAYS) for ways in table.values() for name in ways]
    assert len(names) == len(set(names)) and sum(map(len, HELD_OUT_WAYS.values())) >= len(EMOTIONS)
    for table in (WAYS, HELD_OUT_WAYS):
        for way in (way for ways in table.values() for way in ways.values()):
            assert set(way) <= set(FIELDS) and all(low < high for low, high in way.values())


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_no_held_out_way_can_be_mistaken_for_one_of_training(emotion: str) -> None:
    for held_out in HELD_OUT_WAYS[emotion].values():
        for known in (way for ways in WAYS.values() for way in ways.values()):
            a, b = box(held_out), box(known)
            assert any(a[f][0] >= b[f][1] or a[f][1] <= b[f][0] for f in FIELDS), (emotion, known)


def test_draws_follow_the_seed_and_stay_where_speech_is_possible() -> None:
    def draws(seed: int) -> list[tuple[Prosody, str]]:
        rng = np.random.default_rng(seed)
        who = prosody.speaker(rng)
        return [
            prosody.draw(e, level, who, rng, held_out=h) for e in EMOTIONS for level in (0, 1) for h in (False, True)
        ]

    assert draws(1) == draws(1) != draws(2)
    for seed in range(60):
        for how, _ in draws(seed):
            assert 0.55 <= how.rate <= 1.6 and 0 <= how.breath <= 0.7 and how.jitter >= 0 and how.tremor >= 0
            assert 0.85 <= how.formants <= 1.15 and all(isinstance(value, float) for value in how)


def test_neutral_speech_keeps_to_rates_of_0_8_to_1_25_and_all_ways_are_used() -> None:
    rng = np.random.default_rng(8)
    rates, used, held = [], set(), set()
    for _ in range(300):
        who = prosody.speaker(rng)
        rates.append(prosody.draw("neutral", 0, who, rng)[0].rate)
        used |= {prosody.draw(e, 1, who, rng)[1] for e in EMOTIONS}
        held |= {prosody.draw(e, 1, who, rng, held_out=True)[1] for e in EMOTIONS}
    assert 0.8 <= min(rates) < 0.87 and 1.15 < max(rates) <= 1.25 and np.median(rates) == pytest.approx(1, abs=0.03)
    assert used == {name for ways in WAYS.values() for name in ways}
    assert held == {name for ways in HELD_OUT_WAYS.values() for name in ways} and not used & held


def test_people_depart_in_the_direction_of_the_emotion_each_in_their_own_measure() -> None:
    rng = np.random.default_rng(9)
    people = [prosody.speaker(rng) for _ in range(80)]

    def mean(emotion: str, level: int, field: str) -> float:
        drawn = [getattr(prosody.draw(emotion, level, who, rng)[0], field) for who in people for _ in range(3)]
        return float(np.mean(drawn))

    assert mean("sad", 1, "rate") < mean("sad", 0, "rate") < mean("neutral", 0, "rate") - 0.05
    assert mean("surprised", 1, "pitch") > mean("happy", 1, "pitch") > 1.5 > mean("calm", 1, "pitch")
    assert mean("angry", 1, "effort") > 3 and mean("angry", 1, "tilt") > 2 and mean("sad", 1, "tilt") < -1.5
    assert mean("fearful", 1, "tremor") > 0.2 > mean("happy", 1, "tremor")
    efforts = [np.mean([prosody.draw("angry", 1, who, rng)[0].effort for _ in range(12)]) for who in people]
    assert np.std(efforts) > 0.8


def test_contours_rise_at_the_end_of_each_phrase_and_tremble_where_asked() -> None:
    segments = [
        Segment(SIL, 0, 0.2),
        Segment("AA", 0.2, 1.0),
        Segment("M", 1.0, 1.2),
        Segment(SIL, 1.2, 1.5),
        Segment("IY", 1.5, 2),
    ]
    spans = prosody.phrases(segments)
    assert spans == [(0.2, 1.2), (1.5, 2)]
    rise = prosody.contour(400, 0.005, spans, Prosody(pitch=2, slope=6), np.random.default_rng(0))
    assert rise[0] == 2 and rise[239] == pytest.approx(2 + 6 * 0.85, abs=0.1) and rise[239] > rise[100] < rise[399]
    calm, shaky = (
        prosody.contour(400, 0.005, spans, Prosody(jitter=j, tremor=t), np.random.default_rng(0))
        for j, t in ((0, 0), (0.2, 0.4))
    )
    assert not calm.any() and 0.25 < shaky.std() < 0.5


def test_a_wide_range_goes_up_more_than_down_and_a_narrow_one_shrinks_both() -> None:
    octaves = np.array([6.0, 7.0, 8.0])

    def sung(**how: float) -> np.ndarray:
        return prosody.melody(octaves, 7.0, 0.1, [(0.0, 0.3)], Prosody(**how), np.random.default_rng(0))

    wide = sung(range=2.0)
    assert wide[2] == 9 and 5 < wide[0] < 6 and wide[1] == 7
    assert np.array_equal(sung(range=0.5), [6.5, 7.0, 7.5]) and np.array_equal(sung(), octaves)


def test_a_phrase_that_shall_rise_does_not_fall() -> None:
    falling = np.linspace(7.3, 6.5, 100)

    def end(slope: float) -> float:
        sung = prosody.melody(falling, 7.0, 0.01, [(0.0, 1.0)], Prosody(slope=slope), np.random.default_rng(0))
        return float(sung[-1] - sung[60])

    assert end(0) < -0.3 and end(-3) < end(0) and end(7) > 0.3
