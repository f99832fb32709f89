"""Conditions that change in time: from which moment of the audio each value holds."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import ConditionError
from emoface.manifest import Manifest
from emoface.person import HEAVIEST, given_person

Vector = npt.NDArray[np.float32]

FARTHEST = 1e4
"""Largest size of a value of another condition, such as `speaker_mean`."""


def condition_vector(manifest: Manifest, name: str, value: Any) -> Vector:
    """A caller's value as the condition's float vector, read-only.

    Args:
        manifest: the package's manifest.
        name: condition, for example "style".
        value: None (the package's default, for `style` the mean of the styles), a name, a dict of name -> weight
            (others 0), or an array of numbers of the condition's shape. Weights are taken as they are, from 0 to
            `HEAVIEST`; they need not sum to 1. Values of conditions without names lie within +-`FARTHEST`. For `style`
            and `person` also an `emoface.Person`, or its file: a Path, or a text that ends with .json and is no
            name.

    Raises:
        ConditionError: no such condition, an unknown name (the choices are listed), a wrong shape, NaN, a number out of
            range. PersonError: see `emoface.Person`.
    """
    spec = manifest.conditions.get(name)
    if spec is None:
        raise ConditionError(
            f"condition {name!r}",
            f"one of {', '.join(manifest.conditions) or 'none'}",
            "This package cannot be steered by it; leave it out.",
        )
    person = given_person(name, value, manifest.choices(name))
    if person is not None:
        value = person.weights_for(manifest, name)
    if value is None:
        vector = np.array(spec.default, np.float32)
    elif isinstance(value, str):
        vector = _weights(manifest, name, {value: 1.0}, spec.shape[0])
    elif isinstance(value, Mapping):
        vector = _weights(manifest, name, value, spec.shape[0])
    else:
        vector = _array(manifest, name, value, spec.shape)
    vector.setflags(write=False)
    return vector


def _weights(manifest: Manifest, name: str, weights: Mapping[Any, Any], size: int) -> Vector:
    choices = manifest.choices(name)
    vector = np.zeros(size, np.float32)
    if not weights:
        raise ConditionError(f"{name}={{}}", "at least one weight", f"Use one of: {', '.join(choices)}.")
    for key, weight in weights.items():
        if key not in choices:
            raise ConditionError(
                f"{name} {key!r}",
                f"one of {', '.join(choices)}" if choices else f"an array of shape ({size},)",
                "Names are case-sensitive; `emoface inspect` lists them.",
            )
        number = isinstance(weight, (int, float, np.integer, np.floating)) and not isinstance(weight, bool)
        if not number or not 0 <= weight <= HEAVIEST:  # false for NaN
            raise ConditionError(f"{name} {key!r}: {weight!r}", *_range(manifest, name))
        vector[choices.index(key)] = weight
    return vector


def _array(manifest: Manifest, name: str, value: Any, shape: tuple[int, ...]) -> Vector:
    try:
        given = np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        given = np.asarray("ragged")
    if given.dtype.kind not in "fiu":
        raise ConditionError(f"{name}={value!r}", "a name, a dict of weights or an array", "Pass one of the three.")
    if given.shape != shape:
        raise ConditionError(
            f"{name} of shape {given.shape}",
            f"values of shape {shape}",
            "Pass one number per entry, in the manifest's order.",
        )
    least, most = _limits(manifest, name)
    if not ((given >= least) & (given <= most)).all():  # false for NaN
        raise ConditionError(f"{name}={value!r}", *_range(manifest, name))
    return given.astype(np.float32)


def _limits(manifest: Manifest, name: str) -> tuple[float, float]:
    return (0.0, HEAVIEST) if manifest.choices(name) else (-FARTHEST, FARTHEST)


def _range(manifest: Manifest, name: str) -> tuple[str, str]:
    """What is expected of a condition's numbers, and the remedy."""
    least, most = _limits(manifest, name)
    return f"numbers from {least:g} to {most:g}", "Pass for example 0.5 for half of it, 1 for all."


def _moment(change: tuple[float, Vector]) -> float:
    return change[0]


class ConditionTimeline:
    """Per condition the values and the audio time, in seconds, from which each holds."""

    def __init__(self, initial: Mapping[str, Vector]) -> None:
        self._initial = dict(initial)
        self.reset()

    def reset(self) -> None:
        """Back to the values the stream was made with."""
        self._changes: dict[str, list[tuple[float, Vector]]] = {k: [(-math.inf, v)] for k, v in self._initial.items()}

    def set(self, name: str, vector: Vector, at: float) -> None:
        """Let `vector` hold from `at` on; a later call wins where two name the same moment."""
        changes = self._changes[name]
        changes.insert(bisect_right(changes, at, key=_moment), (at, vector))

    def value(self, name: str, time: float) -> Vector:
        """The vector that holds at `time`."""
        changes = self._changes[name]
        # The first value holds from minus infinity. Changes may be announced for hours to come.
        return changes[bisect_right(changes, time, key=_moment) - 1][1]

    def forget_before(self, time: float) -> None:
        """Drop values that were replaced before `time`: a stream of hours keeps only what it still needs."""
        for changes in self._changes.values():
            del changes[: bisect_right(changes, time, 1, key=_moment) - 1]

    def state(self) -> list[tuple[str, float, Vector]]:
        """All changes, for a snapshot."""
        return [(name, at, vector) for name, changes in self._changes.items() for at, vector in changes]

    def restore(self, changes: list[tuple[str, float, Vector]]) -> None:
        """Continue from `state()`."""
        self._changes = {name: [] for name in self._initial}
        for name, at, vector in changes:
            self._changes[name].append((at, vector))
