"""One phoneme alphabet for every speech engine: ARPAbet without stress, plus ``SIL``.

flite and festival name their phonemes almost in ARPAbet. eSpeak NG has its own mnemonics, which depend on the accent,
and it marks the *burst* of a stop rather than the start of its closure; :func:`from_espeak` moves those starts back by
offsets measured against an independent aligner.
"""

from collections.abc import Iterable
from typing import NamedTuple

from emoface_training.errors import CorpusError

SIL = "SIL"
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG",
    "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
PHONEMES = (SIL, *VOWELS, *CONSONANTS)
PHONEME_INDEX = {name: index for index, name in enumerate(PHONEMES)}

BILABIALS = frozenset({"P", "B", "M"})
LABIODENTALS = frozenset({"F", "V"})
OPEN_VOWELS = frozenset({"AA", "AE", "AO", "EH", "AY", "AW"})
VOICELESS_STOPS = frozenset({"P", "T", "K", "CH"})
VOICED_STOPS = frozenset({"B", "D", "G", "JH"})


class Segment(NamedTuple):
    """One phoneme with its start and end in seconds."""

    phoneme: str
    start: float
    end: float


# The names in which the US phone set of flite and festival departs from ARPAbet.
_FESTIVAL = {
    "PAU": SIL, "H#": SIL, "SIL": SIL, "SSIL": SIL, "BRTH": SIL,
    "AX": "AH", "AXR": "ER", "HV": "HH", "EL": "L", "EM": "M", "EN": "N", "DX": "T", "NX": "N",
}  # fmt: skip

# eSpeak NG mnemonics of the English accents (US, GB, RP, Scotland) and of the phonemes they borrow.
_ESPEAK = {
    # consonants
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "m": "M", "n": "N", "N": "NG", "f": "F", "v": "V",
    "s": "S", "z": "Z", "S": "SH", "Z": "ZH", "T": "TH", "D": "DH", "h": "HH", "l": "L", "r": "R", "w": "W",
    "j": "Y", "tS": "CH", "dZ": "JH", "x": "K", "*": "T", "?": "T", "C": "HH", "Q": "G", "@L": "L", "hw": "W",
    # vowels
    "I": "IH", "i": "IY", "E": "EH", "e": "EH", "a": "AE", "aa": "AE", "A": "AA", "0": "AA", "O": "AO", "o": "OW",
    "U": "UH", "u": "UW", "V": "AH", "@": "AH", "3": "ER", "y": "UW", "Y": "UH",
    # vowels that lose or gain an r, and the diphthongs
    "A@": "AA", "o@": "AO", "O@": "AO", "e@": "EH", "i@": "IY", "I@": "IY", "U@": "UH", "eI": "EY", "aI": "AY",
    "OI": "OY", "oU": "OW", "aU": "AW", "VI": "AY", "VR": "ER", "IR": "ER", "ER": "ER",
    "aI@": "AY", "aU@": "AW", "oI": "OY", "@U": "OW",
    # pauses
    "_": SIL, "|": SIL, ";": SIL, "||": SIL,
}  # fmt: skip

# Marks that eSpeak appends for length, variants and word boundaries; they do not change the ARPAbet class.
_ESPEAK_MARKS = ":#-/!'`~\"^0123456789"

# Seconds by which eSpeak's events come late, at its default rate.
_LATE_VOICELESS_STOP = 0.049
_LATE_VOICED_STOP = 0.027
_LATE_OTHER = 0.011
ESPEAK_DEFAULT_RATE = 175


def arpabet_of_festival(name: str) -> str:
    """ARPAbet name of a flite or festival phone, e.g. ``ax`` -> ``AH``; raises CorpusError for an unknown one."""
    upper = name.upper().rstrip("012")
    mapped = _FESTIVAL.get(upper, upper)
    if mapped not in PHONEME_INDEX:
        raise CorpusError(f"the flite/festival phone {name!r}", "one of the US phone set", "Extend _FESTIVAL.")
    return mapped


def arpabet_of_espeak(name: str) -> str:
    """ARPAbet name of an eSpeak NG mnemonic, e.g. ``i:`` -> ``IY``; raises CorpusError for an unknown one."""
    if name in _ESPEAK:
        return _ESPEAK[name]
    if name.rstrip(":").startswith("3"):
        return "ER"
    stem = name
    while stem and stem[-1] in _ESPEAK_MARKS:
        stem = stem[:-1]
        if stem in _ESPEAK:
            return _ESPEAK[stem]
    if name.startswith("_"):
        return SIL
    raise CorpusError(f"the eSpeak phoneme {name!r}", "one of its English accents", "Extend _ESPEAK.")


def merge(segments: Iterable[Segment]) -> list[Segment]:
    """Drop empty segments and join neighbouring pauses."""
    merged: list[Segment] = []
    for segment in segments:
        if segment.end - segment.start < 1e-4:
            continue
        if merged and segment.phoneme == SIL and merged[-1].phoneme == SIL:
            merged[-1] = Segment(SIL, merged[-1].start, segment.end)
        else:
            merged.append(segment)
    return merged


def from_festival(raw: Iterable[tuple[str, float, float]]) -> list[Segment]:
    """Segments of flite or festival; their starts agree with an independent aligner within 6 ms."""
    return merge(Segment(arpabet_of_festival(name), start, end) for name, start, end in raw)


def from_espeak(events: list[tuple[str, float]], duration: float, rate: float = ESPEAK_DEFAULT_RATE) -> list[Segment]:
    """Segments from eSpeak's phoneme events ``(mnemonic, seconds)`` in a signal of ``duration`` seconds.

    Starts are moved to where the articulation starts; the shift scales with the speaking rate (words per minute).
    """
    names = [SIL] + [arpabet_of_espeak(name) for name, _ in events]
    starts = [0.0] + [time for _, time in events]
    scale = min(1.5, ESPEAK_DEFAULT_RATE / rate)
    for i in range(1, len(names)):
        if names[i] in VOICELESS_STOPS:
            shift = _LATE_VOICELESS_STOP
        elif names[i] in VOICED_STOPS:
            shift = _LATE_VOICED_STOP
        else:
            shift = _LATE_OTHER
        starts[i] = max(starts[i] - shift * scale, starts[i - 1] + (0.01 if i > 1 else 0.0))
    ends = [*starts[1:], max(duration, starts[-1])]
    return merge(Segment(*item) for item in zip(names, starts, ends, strict=True))
