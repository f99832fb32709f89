"""A large pronouncing dictionary: how words sound, and word salad from all of it, without sense.

The templates' few hundred words would let a model learn words instead of sounds. Words that look like one of the test
vocabulary are left out of salad, so that `test_words` stays unseen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoface_training.errors import CorpusError, SpeechEngineError

from . import text
from .phonemes import VOICELESS_STOPS, arpabet_of_festival
from .speech import missing

DICTIONARY = Path("/usr/share/festival/dicts/cmu/cmudict-0.4.out")
_ENTRY = re.compile(r'^\("([a-z\']+)" \S+ \((.*)\)\)$')
_SYLLABLE = re.compile(r"\(\(([a-z ]+)\) ([01])\)")
WORD = re.compile(r"[a-z']+")
_ALIKE = 4  # letters at its start that a word may not share with a test word
_LIPS = re.compile(r"[fvwpbm]")
_LIP_WEIGHT = 2.0  # words that move the lips count so many times
_JOINTS = (" ", " ", " ", " ", " ", ", ", " and ", " the ", " of ", " with a ")


class Sound(NamedTuple):
    """One phoneme of a word: ARPAbet, whether it is stressed, and whether it is the murmured vowel of ``about``."""

    phoneme: str
    stressed: bool = False
    murmured: bool = False


# Words of this project's sentences that the dictionary lacks, in its notation: a syllable each, ' before stressed ones.
_OWN = {
    "marvellous": "'m aa r|v ax|l ax s", "neighbour": "'n ey|b er", "yoghurt": "'y ow|g er t", "puffin": "'p ah|f ax n",
    "shovelful": "'sh ah|v ax l|f uh l", "parsnip": "'p aa r|s n ih p", "flapjack": "'f l ae p|jh ae k",
    "fairground": "'f eh r|g r aw n d", "famished": "'f ae|m ih sh t", "loathe": "'l ow dh", "sulky": "'s ah l|k iy",
    "whittle": "'w ih|t ax l", "barter": "'b aa r|t er",
}  # fmt: skip
# How small words sound inside a sentence.
_WEAK = {
    "a": "ax", "an": "ax n", "the": "dh ax", "of": "ax v", "to": "t ax", "for": "f er", "from": "f r ax m",
    "was": "w ax z", "were": "w er", "are": "er", "and": "ax n d", "at": "ax t", "with": "w ih dh", "in": "ih n",
    "on": "aa n", "by": "b ay", "is": "ih z", "it": "ih t", "my": "m ay", "her": "hh er", "his": "hh ih z",
    "your": "y ao r", "will": "w ih l", "that": "dh ae t", "or": "ao r", "but": "b ah t", "if": "ih f",
    "as": "ax z", "be": "b iy", "we": "w iy", "you": "y uw", "they": "dh ey", "i": "ay",
}  # fmt: skip


def check() -> None:
    """Raise SpeechEngineError when the dictionary is missing."""
    if not DICTIONARY.is_file():
        raise missing("the lexicon", str(DICTIONARY), "festlex-cmu")


def _sounds(syllables: Iterable[tuple[str, bool]]) -> tuple[Sound, ...]:
    sounds = []
    for phones, stressed in syllables:
        for phone in phones.split():
            name = arpabet_of_festival(phone)
            sounds.append(Sound(name, stressed and name[0] in "AEIOU", phone == "ax"))
    return tuple(sounds)


def _written(entry: str) -> tuple[Sound, ...]:
    return _sounds((part.removeprefix("'"), part.startswith("'")) for part in entry.split("|"))


@functools.lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    """Word -> the first pronunciation that the dictionary gives, as it stands there."""
    check()
    entries: dict[str, str] = {}
    with DICTIONARY.open(encoding="latin-1") as lines:
        for line in lines:
            entry = _ENTRY.match(line.strip())
            if entry:
                entries.setdefault(entry.group(1), entry.group(2))
    return entries


@functools.lru_cache(maxsize=65536)
def _dictionary(word: str) -> tuple[Sound, ...]:
    if word in _OWN:
        return _written(_OWN[word])
    try:
        return _sounds((phones, stress == "1") for phones, stress in _SYLLABLE.findall(_entries().get(word, "")))
    except CorpusError:  # a few entries hold slips of the pen
        return ()


def pronounce(word: str, *, weak: bool = True) -> tuple[Sound, ...]:
    """How a lower-case word sounds; empty where that is not known.

    Words that the dictionary lacks and that end in -s or -es sound like their stem with s, z or another syllable.
    ``weak``: small words as they sound inside a sentence.
    """
    if weak and word in _WEAK:
        return _written(_WEAK[word])
    known = _dictionary(word)
    if known or not word.endswith("s"):
        return known
    for stem in (word[:-1], word[:-2] if word.endswith("es") else ""):
        known = _dictionary(stem) if stem else ()
        if known:
            last = known[-1].phoneme
            if last in ("S", "Z", "SH", "ZH", "CH", "JH"):
                return (*known, Sound("IH"), Sound("Z"))
            return (*known, Sound("S" if last in VOICELESS_STOPS or last in ("F", "TH") else "Z"))
    return ()


def unknown(words: str) -> list[str]:
    """The words of a text of which nobody knows how they sound, in order."""
    return [word for word in dict.fromkeys(WORD.findall(words.lower())) if not pronounce(word)]


def check_known(words: str) -> None:
    """Raise SpeechEngineError when a text holds words of which nobody knows how they sound."""
    if strange := unknown(words):
        raise SpeechEngineError(
            f"the words {', '.join(map(repr, strange))}, which the pronouncing dictionary lacks",
            "words that it has",
            "Choose others: they would be left out.",
        )


@functools.lru_cache(maxsize=1)
def lexicon() -> tuple[tuple[str, ...], np.ndarray]:
    """Words in the dictionary's order and their chances, float64 [W]; none resembles a word of the test vocabulary."""
    unseen = {word[:_ALIKE] for word in text.content_words("test")}
    words = [w for w in _entries() if w.isalpha() and 3 <= len(w) <= 12 and w[:_ALIKE] not in unseen]
    weights = np.array([_LIP_WEIGHT if _LIPS.search(word) else 1.0 for word in words])
    return tuple(words), weights.cumsum() / weights.sum()


def word(rng: np.random.Generator) -> str:
    """A random word that is known to sound somehow."""
    words, chances = lexicon()
    while True:
        drawn = words[min(int(np.searchsorted(chances, rng.random())), len(words) - 1)]
        if pronounce(drawn):
            return drawn


def sentence(longest: float, rng: np.random.Generator) -> str:
    """Random words of about ``longest`` seconds in all."""
    said = ""
    while True:
        drawn = word(rng)
        joint = _JOINTS[rng.integers(len(_JOINTS))] if said else ""
        if said and text.estimated_seconds(said + joint + drawn) > longest:
            return f"{said[0].upper()}{said[1:]}."
        said += joint + drawn
