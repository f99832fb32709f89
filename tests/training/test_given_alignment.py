"""Alignments from a file: what becomes of them, and everything that can be wrong in one."""

import json
from pathlib import Path

import pytest

from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.errors import AlignmentError
from emoface_training.evaluation.given_alignment import alignment_of, read_alignments

GOOD = {"text": "hey ma", "seconds": 1.0, "phones": [["SIL", -0.1, 0.1], ["hh", 0.1, 0.2], ["EY1", 0.2, 0.4],
        ["M", 0.5, 0.6], ["AA0", 0.6, 0.95], ["SIL", 0.95, 1.1]]}  # fmt: skip


def written(folder: Path, content: object) -> Path:
    path = folder / "align.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_phones_cover_the_sound_and_gaps_are_silence(tmp_path) -> None:
    given = read_alignments(written(tmp_path, {"a": GOOD}))
    found = alignment_of(given, "a", 1.0)
    assert (found.text, found.recognised) == ("hey ma", False)
    assert found.segments == [
        Segment("SIL", 0.0, 0.1), Segment("HH", 0.1, 0.2), Segment("EY", 0.2, 0.4), Segment("SIL", 0.4, 0.5),
        Segment("M", 0.5, 0.6), Segment("AA", 0.6, 0.95), Segment("SIL", 0.95, 1.0),
    ]  # fmt: skip


def test_text_and_seconds_may_be_left_out(tmp_path) -> None:
    given = read_alignments(written(tmp_path, {"a": {"phones": [["M", 0.2, 0.4]]}}))
    assert given["a"].emotion is None
    assert alignment_of(given, "a", 9.0).segments[-1] == Segment("SIL", 0.4, 9.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"align\.json: which cannot be read as JSON"),
        ("[" * 100000, r"align\.json: which cannot be read as JSON"),
        ([1], r"which holds list; expected an object of recordings by name"),
        ({}, r"which holds dict; expected an object of recordings by name"),
        ({"a": []}, r"recording 'a': without a list of phones"),
        ({"a": {"phones": []}}, r"recording 'a': without a list of phones"),
        ({"a": GOOD | {"text": 3}}, r"recording 'a': text 3; expected a string"),
        ({"a": GOOD | {"emotion": "glad"}}, r"recording 'a': emotion 'glad'; expected one of neutral, calm"),
        ({"a": GOOD | {"emotion": []}}, r"recording 'a': emotion \[\]; expected one of neutral, calm"),
        ({"a": GOOD | {"seconds": -1}}, r"recording 'a': seconds -1; expected a positive number"),
        ({"a": GOOD | {"seconds": True}}, r"seconds True; expected a positive number"),
        ({"a": GOOD | {"phones": [["M", 0.1]]}}, r"phone 0: \['M', 0\.1\]; expected \[name, start, end\]"),
        ({"a": GOOD | {"phones": [["M", "0", 1]]}}, r"phone 0: .*expected \[name, start, end\]"),
        ('{"a": {"phones": [["M", 0, NaN]]}}', r"phone 0: .*expected \[name, start, end\]"),
        ({"a": GOOD | {"phones": [["Q", 0, 1]]}}, r"phone 0: 'Q'; expected ARPAbet or SIL"),
        ({"a": GOOD | {"phones": [["M", 1, 1]]}}, r"phone 0: from 1 to 1 s; expected an end behind its start"),
        ({"a": GOOD | {"phones": [["M", 0, 1], ["AA", 0.5, 2]]}}, r"phone 1: from 0\.5 to 2 s; .*phones in order"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, content, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        read_alignments(written(tmp_path, content))


def test_a_file_that_is_missing_or_of_another_sound_is_named(tmp_path) -> None:
    with pytest.raises(AlignmentError, match=r"none\.json: which cannot be read"):
        read_alignments(tmp_path / "none.json")
    given = read_alignments(written(tmp_path, {"a": GOOD}))
    with pytest.raises(AlignmentError, match=r"no alignment for 'b' among 1 \(a, \.\.\.\)"):
        alignment_of(given, "b", 1.0)
    with pytest.raises(AlignmentError, match=r"an alignment of 1\.00 s for a sound of 2\.00 s"):
        alignment_of(given, "a", 2.0)
