"""Word salad from a large pronouncing dictionary: every English sound sequence, without sense.

The templates' few hundred words would let a model learn words instead of sounds. Words that look like one of the test
vocabulary are left out, so that `test_words` stays unseen.
"""

import functools
import re
from pathlib import Path

import numpy as np

from . import text
from .speech import missing

DICTIONARY = Path("/usr/share/festival/dicts/cmu/cmudict-0.4.out")
_ENTRY = re.compile(r'^\("([a-z]{3,12})" ')
_ALIKE = 4  # letters at its start that a word may not share with a test word
_LIPS = re.compile(r"[fvwpbm]")
_LIP_WEIGHT = 2.0  # words that move the lips count so many times
_JOINTS = (" ", " ", " ", " ", " ", ", ", " and ", " the ", " of ", " with a ")


def check() -> None:
    """Raise SpeechEngineError when the dictionary is missing."""
    if not DICTIONARY.is_file():
        raise missing("the lexicon", str(DICTIONARY), "festlex-cmu")


@functools.lru_cache(maxsize=1)
def lexicon() -> tuple[tuple[str, ...], np.ndarray]:
    """Words in the dictionary's order and their chances, float64 [W]; none resembles a word of the test vocabulary."""
    check()
    unseen = {word[:_ALIKE] for word in text.content_words("test")}
    words = []
    with DICTIONARY.open(encoding="latin-1") as lines:
        for line in lines:
            entry = _ENTRY.match(line)
            if entry and entry.group(1)[:_ALIKE] not in unseen and (not words or words[-1] != entry.group(1)):
                words.append(entry.group(1))
    weights = np.array([_LIP_WEIGHT if _LIPS.search(word) else 1.0 for word in words])
    return tuple(words), weights.cumsum() / weights.sum()


def sentence(longest: float, rng: np.random.Generator) -> str:
    """Random words of about ``longest`` seconds in all."""
    words, chances = lexicon()
    said = ""
    while True:
        word = words[min(int(np.searchsorted(chances, rng.random())), len(words) - 1)]
        joint = _JOINTS[rng.integers(len(_JOINTS))] if said else ""
        if said and text.estimated_seconds(said + joint + word) > longest:
            return f"{said[0].upper()}{said[1:]}."
        said += joint + word
