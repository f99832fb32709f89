"""Rules of the mouth: closure on P B M, tuck on F V, a shut mouth in silence; expression on top."""

import numpy as np
import pytest

from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import SIL, VOWELS, Segment
from emoface_training.data.synthetic.visemes import (
    CLOSE,
    FPS,
    JAW,
    LOWER,
    REST,
    ROUND,
    TUCK,
    WIDE,
    silence_weight,
    speech_parameters,
)  # fmt: skip
from emoface_training.errors import OptionsError
from emoface_training.vocabulary import EMOTIONS


def utterance(*names: str, each: float = 0.12, start: float = 0.0) -> list[Segment]:
    edges = start + each * np.arange(len(names) + 1)
    return [Segment(n, float(a), float(b)) for n, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def frames_of(segment: Segment) -> slice:
    return slice(int(np.ceil(segment.start * FPS)), int(np.floor(segment.end * FPS)) + 1)


@pytest.mark.parametrize("consonant", ["P", "B", "M"])
@pytest.mark.parametrize("length", [0.03, 0.06, 0.12])
@pytest.mark.parametrize("offset", [0.0, 0.011, 0.017, 0.029])
def test_bilabials_shut_the_lips_for_at_least_two_frames(consonant: str, length: float, offset: float) -> None:
    edges = np.cumsum([offset, 0.15, length, 0.15])
    segments = [
        Segment(SIL, 0.0, offset) if offset else Segment("AA", 0.0, 0.001),
        *(
            Segment(n, float(a), float(b))
            for n, a, b in zip(("AA", consonant, "AA"), edges[:-1], edges[1:], strict=True)
        ),
    ]
    out = speech_parameters(segments, int(edges[-1] * FPS))
    assert (out[:, CLOSE] >= 0.99).sum() >= 2
    assert out[out[:, CLOSE] >= 0.99, LOWER].max() < 0.01


@pytest.mark.parametrize("consonant", ["F", "V"])
def test_labiodentals_tuck_the_lower_lip_and_do_not_shut_the_mouth(consonant: str) -> None:
    segments = utterance("AA", consonant, "IY")
    out = speech_parameters(segments, 10)
    during = out[frames_of(segments[1])]
    assert during[:, TUCK].max() > 0.95
    assert out[:, CLOSE].max() == 0.0
    assert out[frames_of(segments[2])][-1, TUCK] < 0.1


def test_silence_shuts_the_mouth_within_150_ms_and_keeps_it_shut() -> None:
    segments = [*utterance("HH", "AA", "UW"), Segment(SIL, 0.36, 2.0), *utterance("AA", each=0.2, start=2.0)]
    out = speech_parameters(segments, 66)
    shut = out[int(np.ceil((0.36 + 0.15) * FPS)) : int((2.0 - 0.08) * FPS) + 1]
    assert np.abs(shut - REST).max() < 1e-9
    assert shut[:, CLOSE].min() == 1.0 and shut[:, JAW].max() == 0.0


def test_a_clip_begins_and_ends_with_a_shut_mouth_when_it_begins_and_ends_with_silence() -> None:
    segments = [Segment(SIL, 0, 0.3), Segment("AA", 0.3, 0.6), Segment(SIL, 0.6, 1.0)]
    out = speech_parameters(segments, 30)
    assert np.array_equal(out[0], REST) and np.array_equal(out[-1], REST)
    assert out[12:17, JAW].max() > 0.5


def test_a_short_gap_between_words_does_not_shut_the_mouth() -> None:
    segments = [Segment("AA", 0, 0.3), Segment(SIL, 0.3, 0.34), Segment("AA", 0.34, 0.6)]
    assert silence_weight(segments, 18).max() < 0.3


@pytest.mark.parametrize("vowel", VOWELS)
def test_vowels_open_the_lips(vowel: str) -> None:
    out = speech_parameters(utterance("K", vowel, "K", each=0.16), 14)
    assert out[6:9, CLOSE].max() == 0.0
    assert out[6:9, JAW].max() > 0.15


def test_vowels_differ_in_jaw_rounding_and_width() -> None:
    def middle(vowel: str) -> np.ndarray:
        return speech_parameters(utterance("K", vowel, "K", each=0.2), 18)[9]

    assert middle("AA")[JAW] > 2 * middle("IY")[JAW]
    assert middle("UW")[ROUND] > 0.7 > 0.1 > middle("IY")[ROUND]
    assert middle("IY")[WIDE] > 0.5 > 0.1 > middle("UW")[WIDE]


def test_no_segments_is_silence() -> None:
    assert np.array_equal(speech_parameters([], 4), np.tile(REST, (4, 1)))


def _motion(emotion: str, level: int, energy: np.ndarray | None = None) -> np.ndarray:
    segments = [Segment(SIL, 0, 0.4), *utterance("AA", "S", "IY", "M", "AA", start=0.4), Segment(SIL, 1.0, 2.0)]
    energy = np.where((np.arange(60) > 11) & (np.arange(60) < 30), 0.8, 0.0) if energy is None else energy
    style = expression.actor_style("somebody")
    return expression.motion(segments, energy, emotion, level, style, np.random.default_rng(3))


@pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
def test_strong_expressions_are_stronger_than_normal_ones(emotion: str) -> None:
    normal, strong = (_motion(emotion, level)[:, 8:-2].sum() for level in (0, 1))
    assert strong > 1.15 * normal > 0


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_keeps_the_mouth_shut_in_silence(emotion: str) -> None:
    out = _motion(emotion, 1)
    assert out.shape == (60, len(RIG_PARAMETERS)) and out.dtype == np.float32
    assert out[38:, CLOSE].min() == 1.0 and out[38:, JAW].max() == 0.0
    assert out[:, RIG_PARAMETERS.index("blink")].max() < 0.45
    sides = [RIG_PARAMETERS.index(name) for name in ("brow_side", "mouth_side")]
    assert np.delete(out, sides, axis=1).min() >= 0.0 and out.max() <= 1.3
    assert (np.ptp(out[:, sides], axis=0) == 0).all() and np.abs(out[:, sides]).max() <= 0.25


def test_an_expression_comes_with_a_phrase_and_sinks_in_a_pause() -> None:
    segments = [Segment(SIL, 0, 1.0), Segment("AA", 1.0, 2.0), Segment(SIL, 2.0, 2.1), Segment("AA", 2.1, 3.0)]
    level = expression.presence([*segments, Segment(SIL, 3.0, 6.0)], 180)
    assert (np.diff(level[:29]) < 0).all() and (np.diff(level[30:60]) > 0).all()
    assert level[60:63].min() > 0.95, "a short gap is no pause"
    assert level[89] > 0.95 > 0.65 > level[-1] > 0.5
    parts = np.concatenate([expression.presence(segments, 45), level[45:]])
    assert np.array_equal(parts, level), "what comes later does not count"


def test_louder_speech_opens_the_jaw_wider() -> None:
    quiet, loud = (_motion("neutral", 0, np.full(60, e))[:, JAW].max() for e in (0.2, 1.0))
    assert loud > 1.2 * quiet


def test_actor_styles_are_fixed_by_the_name_and_differ() -> None:
    assert expression.actor_style("slt") == expression.actor_style("slt")
    assert expression.actor_style("slt") != expression.actor_style("awb")


def test_the_energy_envelope_has_a_value_per_frame_and_is_zero_in_silence() -> None:
    audio = np.concatenate([np.zeros(8000), 0.1 * np.sin(np.arange(8000))])
    envelope = expression.energy_envelope(audio, 30)
    assert envelope.shape == (30,) and envelope[:13].max() == 0.0 and envelope[17:].min() > 0.9
    assert np.array_equal(expression.energy_envelope(np.zeros(1600), 3), np.zeros(3))


def test_an_unknown_emotion_is_refused() -> None:
    with pytest.raises(OptionsError, match="expected one of"):
        _motion("bored", 0)
