"""What is said in the clips of a shard, in which emotion, and how it is recorded."""

from collections.abc import Callable

import numpy as np

from emoface_training.vocabulary import EMOTIONS, LEVELS

from . import text, text_lexicon, text_pairs
from .clips import Line
from .voice_actors import ESPEAK_VARIANTS, NEURAL_VOICES, Actor

CLIPS = 16
_LONGEST = 4.5  # seconds of a text at the normal rate
_PAUSES, _NO_SPEECH, _PLAIN = 0.6, 0.03, 0.4
_SALAD, _PAIRS = 0.4, 0.25  # shares of what one voice says; the rest are sentences
_RICH_PAIRS = 0.2
_OTHER_VOICE = 0.6
_NEUTRAL_EVERY = 4  # of one voice's clips: what calibration learns from


def mirror(statement: int, rng: np.random.Generator) -> list[Line]:
    """One statement in every emotion and level."""
    return [
        Line(
            text.STATEMENTS[statement], emotion, level, statement,
            rough=True, pauses=bool(rng.random() < _PAUSES),
        )
        for emotion in EMOTIONS
        for level in range(len(LEVELS))
    ]  # fmt: skip


def rich(split: str, actor: Actor, rng: np.random.Generator) -> list[Line]:
    """Varied sentences: in training each by somebody else, else by one voice with every emotion equally often."""
    training = split == "train"
    family = "test" if split.startswith("test_") else split
    lines = []
    for i in range(CLIPS):
        if rng.random() < _NO_SPEECH:
            lines.append(_silence())
            continue
        emotion = EMOTIONS[i % len(EMOTIONS)]
        if training:
            emotion = "neutral" if rng.random() < _PLAIN else _emotion(rng)
        words = _pairs(family, rng) if family != "test" and rng.random() < _RICH_PAIRS else _sentences(family, rng)
        line = Line(words, emotion, int(rng.integers(2)), pauses=bool(rng.random() < _PAUSES))
        line = line._replace(held_out=split == "test_prosody")
        lines.append(_lent(line, actor, rng) if training else line)
    return lines


def of_one_voice(rng: np.random.Generator) -> list[Line]:
    """One unknown voice in every emotion; most of what it says has no sense."""
    lines = []
    for i in range(CLIPS):
        if rng.random() < _NO_SPEECH:
            lines.append(_silence())
            continue
        emotion = "neutral" if i % _NEUTRAL_EVERY == 0 else _emotion(rng)
        kind = rng.random()
        if kind < _SALAD:
            words = text_lexicon.sentence(_LONGEST, rng)
        else:
            words = _pairs("train", rng) if kind < _SALAD + _PAIRS else _sentences("train", rng)
        lines.append(Line(words, emotion, int(rng.integers(2)), rough=True, pauses=bool(rng.random() < _PAUSES)))
    return lines


def _silence() -> Line:
    return Line("", "neutral", 0)


def _emotion(rng: np.random.Generator) -> str:
    return EMOTIONS[1 + rng.integers(len(EMOTIONS) - 1)]


def _lent(line: Line, actor: Actor, rng: np.random.Generator) -> Line:
    """Many voices for one way of moving: what the model hears must not depend on the timbre."""
    other = ""
    if rng.random() < _OTHER_VOICE:
        if actor.engine == "espeak":
            other = f"{actor.voice.split('+')[0]}+{rng.choice(ESPEAK_VARIANTS)}"
        elif actor.engine == "kokoro":
            other = str(rng.choice(NEURAL_VOICES))
    natural = line.emotion == "neutral" and actor.formants == 1.0 and rng.random() < 0.6
    return line._replace(
        voice=other,
        pitch=1.0 if natural else float(np.exp(rng.normal(0, 0.1))),
        formants=1.0 if natural else float(rng.uniform(0.93, 1.07)),
        rough=True,
        vocoder=not natural,
        newcomer=True,
    )


def _of_family(draw: Callable[[], str], family: str) -> str:
    """A text that a hash puts into this family, training or validation."""
    while True:
        said = draw()
        if text.is_validation(said) == (family == "validation"):
            return said


def _pairs(family: str, rng: np.random.Generator) -> str:
    return _of_family(lambda: text_pairs.sentence(_LONGEST, rng), family)


def _sentences(family: str, rng: np.random.Generator) -> str:
    first = text.sentence(family, _LONGEST, rng)
    left = _LONGEST - text.estimated_seconds(first)
    if left > 1.5 and rng.random() < 0.6:
        second = text.sentence(family, left, rng)
        if text.estimated_seconds(second) <= left:
            return f"{first} {second}"
    return first
