"""The phoneme maps are total over what the engines can say, and the measured time shifts are applied."""

from itertools import pairwise

import numpy as np
import pytest

from emoface_training.data.synthetic import phonemes
from emoface_training.data.synthetic.phonemes import PHONEMES, SIL, Segment, from_espeak, from_festival, merge
from emoface_training.data.synthetic.visemes import DIPHTHONGS, TARGETS
from emoface_training.errors import CorpusError

_US = (
    "aa ae ah ao aw ax axr ay b ch d dh dx eh el em en er ey f g hh hv ih iy jh k l m n nx ng ow oy p r s sh t th uh "
    "uw v w y z zh pau h# brth"
)
_ESPEAK = (
    "p b t d k g m n N f v s z S Z T D h l r w j tS dZ t# l# r- n- w# z/2 t2 I I2 I# i i: E E2 E# e a aa a# a2 A: A@ 0 "
    "0# O: O O2 O@ o@ o: U u: u V @ @2 @5 @- @L 3 3: 3# eI eI# aI OI oU oU# aU aI@ aI3 aU@ e@ i@ i@3 U@ I@ _ _: _:: ;"
)
US_PHONE_SET, ESPEAK_ENGLISH = _US.split(), _ESPEAK.split()


@pytest.mark.parametrize("name", US_PHONE_SET)
def test_every_phone_of_the_us_set_is_mapped(name: str) -> None:
    assert phonemes.arpabet_of_festival(name) in PHONEMES


@pytest.mark.parametrize("name", ESPEAK_ENGLISH)
def test_every_english_espeak_phoneme_is_mapped(name: str) -> None:
    assert phonemes.arpabet_of_espeak(name) in PHONEMES


def test_the_maps_keep_the_sounds_that_the_face_shows() -> None:
    assert [phonemes.arpabet_of_espeak(p) for p in ("p", "b", "m", "f", "v", "u:", "_:")] == [
        "P", "B", "M", "F", "V", "UW", SIL,
    ]  # fmt: skip
    assert [phonemes.arpabet_of_festival(p) for p in ("em", "pau", "ax")] == ["M", SIL, "AH"]


@pytest.mark.parametrize("mapping", [phonemes.arpabet_of_espeak, phonemes.arpabet_of_festival])
def test_an_unknown_phoneme_is_an_error_and_not_a_guess(mapping) -> None:
    with pytest.raises(CorpusError, match="expected"):
        mapping("qqq")


def test_every_phoneme_has_a_mouth_shape() -> None:
    assert set(TARGETS) | set(DIPHTHONGS) == set(PHONEMES)
    assert all(part in TARGETS for pair in DIPHTHONGS.values() for part in pair)


def test_pauses_merge_and_empty_segments_go() -> None:
    raw = [Segment(SIL, 0, 0.1), Segment(SIL, 0.1, 0.1), Segment(SIL, 0.1, 0.3), Segment("M", 0.3, 0.4)]
    assert merge(raw) == [Segment(SIL, 0, 0.3), Segment("M", 0.3, 0.4)]


def test_festival_segments_are_taken_as_they_are() -> None:
    assert from_festival([("pau", 0.0, 0.2), ("m", 0.2, 0.3)]) == [Segment(SIL, 0.0, 0.2), Segment("M", 0.2, 0.3)]


def test_espeak_stops_start_before_their_burst_and_the_shift_follows_the_rate() -> None:
    events = [("a", 0.2), ("p", 0.4), ("a", 0.5), ("b", 0.7), ("l", 0.8)]
    starts = {s.phoneme: s.start for s in from_espeak(events, 1.0)}
    assert starts["P"] == pytest.approx(0.4 - 0.049)
    assert starts["B"] == pytest.approx(0.7 - 0.027)
    assert starts["L"] == pytest.approx(0.8 - 0.011)
    fast = {s.phoneme: s.start for s in from_espeak(events, 1.0, rate=350)}
    assert fast["P"] == pytest.approx(0.4 - 0.049 / 2)


def test_espeak_segments_are_contiguous_and_in_order() -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0.05, 2.0, 40))
    segments = from_espeak([("p", float(t)) for t in times], 2.1)
    assert segments[0].start == 0.0 and segments[-1].end == 2.1
    assert all(a.end == b.start for a, b in pairwise(segments))
    assert all(s.end > s.start for s in segments)
