"""Sentences: random phonetically rich ones, and the fixed statements of the emotional mirror.

The three families never meet. Training and validation sentences share the training vocabulary, and a hash of the
sentence decides which of the two it belongs to; test sentences use content words that training never sees.
"""

import re
import zlib

import numpy as np

from .text_words import STATEMENTS, TEMPLATES, TEST, TRAIN

__all__ = ["STATEMENTS", "content_words", "estimated_seconds", "sentence", "vocabulary"]

# Prepositions inside vocabulary entries; with the fixed words of the templates they are shared by both vocabularies.
_PREPOSITIONS = frozenset({"in", "on", "at", "by", "before", "after", "every", "each", "very"})
_SLOT = re.compile(r"\{(\w+)\}")
_VALIDATION_SHARE = 8  # one sentence in eight of the training vocabulary is kept for validation
_CHARACTERS_PER_SECOND = 14.0


def vocabulary(split: str) -> dict[str, tuple[str, ...]]:
    """Word class -> entries of the ``train`` or ``test`` vocabulary; a hyphen in an entry stands for a space."""
    table = TEST if split == "test" else TRAIN
    return {kind: tuple(dict.fromkeys(words.replace("-", "_").split())) for kind, words in table.items()}


def content_words(split: str) -> set[str]:
    """All single lower-case words that the slots of a vocabulary can bring into a sentence."""
    entries = [entry for words in vocabulary(split).values() for entry in words]
    return {word.lower() for entry in entries for word in entry.split("_")} - _PREPOSITIONS


def is_validation(text: str) -> bool:
    """Whether a sentence of the training vocabulary belongs to validation."""
    return zlib.crc32(text.encode()) % _VALIDATION_SHARE == 0


def estimated_seconds(text: str) -> float:
    """Rough speaking time at the normal rate, in seconds."""
    return len(text) / _CHARACTERS_PER_SECOND


def _draw(words: dict[str, tuple[str, ...]], rng: np.random.Generator) -> str:
    template = TEMPLATES[rng.integers(len(TEMPLATES))]

    def fill(match: re.Match[str]) -> str:
        choices = words[match.group(1)]
        return choices[rng.integers(len(choices))].replace("_", " ")

    text = _SLOT.sub(fill, template)
    text = re.sub(r"\ba (?=[aeiouAEIOU])", "an ", text)
    return text[0].upper() + text[1:]


def sentence(family: str, longest: float, rng: np.random.Generator) -> str:
    """One sentence of the family ``train``, ``validation`` or ``test``, of about ``longest`` seconds at most."""
    words = vocabulary("test" if family == "test" else "train")
    best = ""
    for _ in range(200):
        text = _draw(words, rng)
        if family != "test" and is_validation(text) != (family == "validation"):
            continue
        if estimated_seconds(text) <= longest:
            return text
        if not best or len(text) < len(best):
            best = text
    return best
