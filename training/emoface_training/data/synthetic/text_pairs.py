"""Words that differ in one consonant, said by the lips in some and by the tongue in others: map, nap, tap, gap.

A model that closes the lips for whatever rhymes with a closure is caught by them, and taught.
"""

from __future__ import annotations

import functools

import numpy as np

from . import text_lexicon
from .phonemes import PHONEMES
from .text import estimated_seconds

LIPS = frozenset({"P", "B", "M", "F", "V"})
TONGUE = frozenset({"N", "D", "T", "G", "L", "TH", "K"})
_LONGEST = 5  # phonemes of a word
# Only function words beside the pairs
_CARRIERS = (
    "{}.", "{}.", "{}.", "Not {0} but {1}.", "It was {0}, or was it {1}?", "{0} and {1}, and then {2} and {3}.",
    "Is it {0} or {1}?", "I have a {0}, you have a {1}.", "{0}! {1}! {2}! {3}!", "With {0}, with {1}, with {2}.",
    "If {0} is {1}, then {2} is {3}.", "They will {0}, and we will {1}.",
)  # fmt: skip


@functools.lru_cache(maxsize=1)
def families() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Families of short words that differ in one consonant: those said with the lips, and those with the tongue."""
    frames: dict[tuple[str, ...], dict[str, str]] = {}
    for word in sorted(text_lexicon.lexicon()[0], key=len):  # of one sound the shortest spelling is kept
        sounds = text_lexicon.pronounce(word)
        if not 2 <= len(sounds) <= _LONGEST or len(word) > _LONGEST + 1:
            continue
        names = tuple(sound.phoneme for sound in sounds)
        for i, name in enumerate(names):
            if name in LIPS or name in TONGUE:
                frames.setdefault((*names[:i], "*", *names[i + 1 :]), {}).setdefault(name, word)
    found = []
    for members in frames.values():
        lips = tuple(members[name] for name in PHONEMES if name in members and name in LIPS)
        tongue = tuple(members[name] for name in PHONEMES if name in members and name in TONGUE)
        if lips and tongue and len(lips) + len(tongue) >= 4:
            found.append((lips, tongue))
    return tuple(found)


def sentence(longest: float, rng: np.random.Generator) -> str:
    """A sentence or list of such words, of about ``longest`` seconds at most."""
    known = families()
    while True:
        words: list[str] = []
        for lips, tongue in (known[int(i)] for i in rng.integers(0, len(known), 2)):
            members = [*rng.permutation(lips)[:2], *rng.permutation(tongue)[:3]]
            words += [str(members[int(i)]) for i in rng.permutation(len(members))]
        carrier = _CARRIERS[rng.integers(len(_CARRIERS))]
        joint = " " if rng.random() < 0.5 else ", "
        said = carrier.format(joint.join(words[: rng.integers(4, len(words) + 1)])) if carrier == "{}." else ""
        said = said or carrier.format(*words)
        if estimated_seconds(said) <= longest:
            return said[0].upper() + said[1:]
