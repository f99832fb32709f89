"""Phoneme times of recordings that someone has aligned already, from one JSON file.

    {"NAME": {"text": "what is said", "seconds": 2.5, "phones": [["HH", 0.1, 0.18], ["AH0", 0.18, 0.3], ...]}, ...}

NAME is a sound's file name without its ending; phones are ARPAbet (digits of stress do no harm) or SIL, with start and
end in seconds, one after the other. What no phone covers is silence. "emotion" may name the class that is acted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL, Segment, merge
from emoface_training.errors import AlignmentError
from emoface_training.evaluation.speech_alignment import Alignment
from emoface_training.vocabulary import EMOTIONS

OVERLAP_S = 1e-3  # by which rounding may let a phone begin before the one before it has ended
LENGTH_S = 0.1  # by which the stated length may differ from the sound's


@dataclass(frozen=True)
class GivenAlignment:
    """text, seconds of the sound (None: not stated), phones and acted class (None: not stated) of one recording."""

    text: str
    seconds: float | None
    phones: list[Segment]
    emotion: str | None = None


def read_alignments(path: str | Path) -> dict[str, GivenAlignment]:
    """All recordings of a file by name. Raises AlignmentError that names the file, the recording and the phone."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong(path, f"which cannot be read as JSON ({error})", "an alignment") from error
    if not isinstance(content, dict) or not content:
        raise _wrong(path, f"which holds {type(content).__name__}", "an object of recordings by name")
    return {name: _recording(f"{path}, recording {name!r}", entry) for name, entry in content.items()}


def alignment_of(given: Mapping[str, GivenAlignment], name: str, seconds: float) -> Alignment:
    """The alignment of the sound `name` of so many seconds, silence up to both of its ends.

    Raises AlignmentError when it has none, or one for another length.
    """
    if name not in given:
        some = ", ".join(sorted(given)[:5])
        raise AlignmentError(
            f"no alignment for {name!r} among {len(given)} ({some}, ...)", "one per sound", "Name it as the file."
        )
    found = given[name]
    if found.seconds is not None and abs(found.seconds - seconds) > LENGTH_S:
        raise AlignmentError(
            f"an alignment of {found.seconds:.2f} s for a sound of {seconds:.2f} s", "equal lengths", "Align it anew."
        )
    covered, end = [], 0.0
    for phone, start, stop in found.phones:
        start, stop = max(start, end), min(stop, seconds)
        if stop <= start:
            continue
        covered += [Segment(SIL, end, start), Segment(phone, start, stop)]
        end = stop
    return Alignment(merge([*covered, Segment(SIL, end, seconds)]), found.text, recognised=False)


def _recording(where: str, entry: Any) -> GivenAlignment:
    if not isinstance(entry, dict) or not isinstance(entry.get("phones"), list) or not entry["phones"]:
        raise _wrong(where, "without a list of phones", 'an object with "phones"')
    text, seconds = entry.get("text", ""), entry.get("seconds")
    if not isinstance(text, str):
        raise _wrong(where, f"text {text!r}", "a string")
    if seconds is not None and not (_is_number(seconds) and seconds > 0):
        raise _wrong(where, f"seconds {seconds!r}", "a positive number")
    phones: list[Segment] = []
    for number, phone in enumerate(entry["phones"]):
        phones.append(_phone(f"{where}, phone {number}", phone, phones[-1].end if phones else -math.inf))
    emotion = entry.get("emotion")
    if emotion not in (None, *EMOTIONS):
        raise _wrong(where, f"emotion {emotion!r}", f"one of {', '.join(EMOTIONS)}")
    return GivenAlignment(text, seconds, phones, emotion)


def _phone(where: str, phone: Any, before: float) -> Segment:
    whole = isinstance(phone, list) and len(phone) == 3 and isinstance(phone[0], str)
    if not whole or not all(_is_number(value) for value in phone[1:]):
        raise _wrong(where, f"{phone!r}", "[name, start, end]")
    name = phone[0].upper().rstrip("012")
    if name not in PHONEME_INDEX:
        raise _wrong(where, f"{phone[0]!r}", f"ARPAbet or {SIL}")
    if not phone[1] < phone[2] or phone[1] < before - OVERLAP_S:
        raise _wrong(where, f"from {phone[1]:g} to {phone[2]:g} s", "an end behind its start, and phones in order")
    return Segment(name, float(phone[1]), float(phone[2]))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(where: str | Path, got: str, expected: str) -> AlignmentError:
    return AlignmentError(f"{where}: {got}", expected, "See docs/measures.md for the layout.")
