"""Values of conditions at the C interface: the table that Python runs as well."""

from __future__ import annotations

import ctypes
from contextlib import nullcontext

import numpy as np
import pytest
from c_interface import StatusError
from condition_cases import MOMENTS, NAMES, VECTORS


class Condition(ctypes.Structure):
    """emoface_condition."""

    _fields_ = [("name", ctypes.c_char_p), ("values", ctypes.c_void_p), ("count", ctypes.c_int64)]


def expectation(accepted):
    return nullcontext() if accepted else pytest.raises(StatusError)


def check(raised, text="expected "):
    if raised is not None:
        assert raised.value.name == "CONDITION"
        assert text in str(raised.value)


@pytest.mark.parametrize("case", VECTORS)
def test_vectors(api, package, case):
    condition, values, accepted = VECTORS[case]
    with np.errstate(over="ignore"):
        vector = np.array(values).astype(np.float32)
    voice = package.animator()
    with expectation(accepted) as raised:
        api.call(
            "set_condition", voice.handle, condition.encode(), vector.ctypes.data, len(vector), ctypes.c_double(-1)
        )
    check(raised)
    # The same from the beginning.
    item = Condition(condition.encode(), vector.ctypes.data, len(vector))
    with expectation(accepted) as raised:
        package.animator(conditions=ctypes.addressof(item), condition_count=1)
    check(raised)


@pytest.mark.parametrize(
    "case", [name for name, (condition, _, _) in NAMES.items() if condition in ("style", "emotion", "level", "person")]
)
def test_names(api, package, case):
    condition, name, accepted = NAMES[case]
    voice = package.animator()  # a name for it: without one it would be released before the call
    with expectation(accepted) as raised:
        api.call(f"set_{condition}", voice.handle, name.encode(), ctypes.c_double(-1))
    check(raised)


@pytest.mark.parametrize("case", MOMENTS)
def test_moments(api, package, case):
    at, accepted = MOMENTS[case]
    voice = package.animator()
    with expectation(accepted) as raised:
        api.call("set_level", voice.handle, b"strong", ctypes.c_double(at))
    check(raised, "seconds of audio time")
