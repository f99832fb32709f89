"""Values of conditions: the table that the C interface runs as well, and what only Python can be given."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal

import numpy as np
import pytest
from condition_cases import MOMENTS, NAMES, VECTORS

from emoface.cli.options import weights
from emoface.errors import ConditionError, UsageError
from emoface.stream.conditions import condition_vector


def expectation(accepted):
    return nullcontext() if accepted else pytest.raises(ConditionError)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", VECTORS)
def test_vectors(package, case):
    condition, values, accepted = VECTORS[case]
    for given in (values, np.array(values), tuple(values)):
        with expectation(accepted):
            found = condition_vector(package.manifest, condition, given)
            assert found.dtype == np.float32
            assert found.tolist() == np.array(values, np.float32).tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", [name for name in VECTORS if name not in ("too few", "too many")])
def test_the_same_numbers_by_name(package, case):
    condition, values, accepted = VECTORS[case]
    choices = package.manifest.choices(condition)
    with expectation(accepted and bool(choices)):
        given = dict(zip(choices or ("x",), values, strict=False))
        assert condition_vector(package.manifest, condition, given).tolist() == np.array(values, np.float32).tolist()


@pytest.mark.parametrize("case", NAMES)
def test_names(package, case):
    condition, name, accepted = NAMES[case]
    with expectation(accepted):
        assert condition_vector(package.manifest, condition, name).sum() == 1


@pytest.mark.parametrize("case", MOMENTS)
def test_moments(package, case):
    at, accepted = MOMENTS[case]
    with package.animator() as animator, expectation(accepted):
        animator.set_level("strong", at=at)


@pytest.mark.parametrize("value", [10**400, True, "0.5", None, Decimal("0.5"), 1j, np.float64(1e39), b"1"])
def test_weights_that_are_no_numbers_in_range(package, value):
    with pytest.raises(ConditionError, match="numbers from 0 to 10"):
        condition_vector(package.manifest, "style", {"anna": value})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "value",
    [
        [10**400, 0],
        [True, False],
        ["1", "0"],
        [[1, 0], [1]],
        [1j, 0],
        1e39,
        object(),
        {"anna": {}},
        {},
        {1: 1.0},
        b"anna",
    ],
)
def test_values_that_are_no_vectors(package, value):
    with pytest.raises(ConditionError):
        condition_vector(package.manifest, "style", value)


@pytest.mark.parametrize("at", [10**400, Decimal(1), "now", True, np.float32(np.inf)])
def test_moments_that_are_no_seconds(package, at):
    with package.animator() as animator, pytest.raises(ConditionError, match="seconds of audio time"):
        animator.set_level("strong", at=at)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("happy=much", "name=weight"),
        ("happy=", "name=weight"),
        ("happy=0.5,", "name=weight"),
        ("happy=0.5,happy=0.5", "'happy' twice"),
        (" happy = 0.5 , happy=1", "'happy' twice"),
    ],
)
def test_weights_on_the_command_line_that_cannot_be_read(text, match):
    with pytest.raises(UsageError, match=match):
        weights("emotion", text)


@pytest.mark.parametrize("text", ["happy=-0.5", "happy=1e39", "happy=nan", "happy=11", "=1"])
def test_weights_on_the_command_line_out_of_range(package, text):
    with pytest.raises(ConditionError):
        condition_vector(package.manifest, "emotion", weights("emotion", text))


def test_weights_on_the_command_line():
    assert weights("emotion", "happy=0.7, sad=0.3") == {"happy": 0.7, "sad": 0.3}
    assert weights("emotion", "happy") == "happy"
    assert weights("style", None) is None
