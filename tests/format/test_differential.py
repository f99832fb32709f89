"""Python and C read the same packages, whatever is changed in them."""

from __future__ import annotations

import random

import differential
import package_readers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

pytestmark = pytest.mark.skipif("c" not in package_readers.READERS, reason="no C++ runtime: build it")

FILES, MANIFEST = differential.base()
PATHS = sorted(differential.paths(MANIFEST), key=str)
LEAVES = some.none() | some.booleans() | some.integers() | some.text()
LEAVES |= some.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)  # libraries may flush them to 0
VALUES = some.one_of(
    some.sampled_from(differential.EDGES),
    some.just(differential.DELETED),
    some.recursive(
        LEAVES,
        lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=4), inner, max_size=4),
        max_leaves=6,
    ),
)


def same(answers: tuple[package_readers.Answer, package_readers.Answer]) -> None:
    python, c = answers
    assert (python.verdict, python.place) == (c.verdict, c.place)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(path=some.sampled_from(PATHS), value=VALUES)
def test_any_value_in_any_field(path, value) -> None:
    same(differential.of_manifest(FILES, differential.with_value(MANIFEST, path, value)))


def test_archives_with_changed_bytes(tmp_path) -> None:
    chance, whole = random.Random(1), differential.BASE.read_bytes()
    verdicts = set()
    for _ in range(150):
        answers = differential.of_archive(differential.changed_bytes(whole, chance), tmp_path / "x.emoface")
        same(answers)
        verdicts.add(answers[0].verdict)
    assert verdicts >= {"OK", "PACKAGE_INTEGRITY"}
