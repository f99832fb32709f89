"""Visemes of the 52 weights: Oculus' 15, VRM's vowels, Preston-Blair's mouths, by one map that is a data file.

`visemes.json` says all of it, for readers in any language. A *feature* is a weighted sum of shapes, brought to 0 to 1.
A viseme has one or more *poses*, points in the space of features. Its distance from a frame is the least of its poses':

    d = sum over features of gain[f] (feature[f] - pose[f])^2

and its weight exp(-sharpness d), divided by the sum of these over the visemes of the set, so that they sum to 1. Where
a set hides a viseme (VRM has no name for a mouth at rest), the others sum to less. `benchmarks/visemes.py` makes the
file from the corpus's visemes and measures it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from emoface.errors import SenderError

FILE = "visemes.json"


@dataclass(frozen=True)
class VisemeMap:
    """One set of visemes.

    Attributes:
        features: by name, the weight of every shape in it.
        gains: of the features, in their order.
        sharpness: how soon one viseme gives way to the next.
        poses: by viseme, points in the space of features, at least one.
        hidden: visemes that have no name for a receiver.
    """

    features: Mapping[str, Mapping[str, float]]
    gains: tuple[float, ...]
    sharpness: float
    poses: Mapping[str, tuple[tuple[float, ...], ...]]
    hidden: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the visemes that are given."""
        return tuple(name for name in self.poses if name not in self.hidden)

    def all_weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights by viseme, hidden ones too, of weights by ARKit's names; shapes that are not given are 0."""
        point = [
            min(max(sum(share * weights.get(shape, 0.0) for shape, share in parts.items()), 0.0), 1.0)
            for parts in self.features.values()
        ]
        distances = {name: min(self._distance(point, pose) for pose in poses) for name, poses in self.poses.items()}
        least = min(distances.values())
        shares = {name: math.exp(-self.sharpness * (distance - least)) for name, distance in distances.items()}
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}

    def weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights by viseme of weights by ARKit's names, 0 to 1."""
        return {name: weight for name, weight in self.all_weights(weights).items() if name not in self.hidden}

    def _distance(self, point: list[float], pose: tuple[float, ...]) -> float:
        return sum(gain * (x - p) * (x - p) for gain, x, p in zip(self.gains, point, pose, strict=True))


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files(__package__).joinpath(FILE).read_text("utf-8"))
    return content


def viseme_sets() -> tuple[str, ...]:
    """Names of the sets there are."""
    return tuple(_content()["sets"])


def viseme_map(name: str) -> VisemeMap:
    """The set of this name.

    Raises:
        SenderError: there is none.
    """
    if name not in viseme_sets():
        raise SenderError(f"visemes={name!r}", f"one of {', '.join(viseme_sets())}", "See docs/send.md.")
    return map_of(_content(), name)


def map_of(content: Mapping[str, Any], name: str) -> VisemeMap:
    """A set of what a file of this form holds."""
    chosen, features = content["sets"][name], content["features"]
    return VisemeMap(
        {feature: dict(about["shapes"]) for feature, about in features.items()},
        tuple(float(about["gain"]) for about in features.values()),
        float(chosen["sharpness"]),
        {viseme: tuple(map(tuple, poses)) for viseme, poses in chosen["poses"].items()},
        frozenset(chosen["hidden"]),
    )
