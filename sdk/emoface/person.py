"""A person: weights of the styles or persons that one model was trained on, by name, in a file of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emoface.errors import PersonError
from emoface.manifest_schema import MOST_TEXT, is_text, shown
from emoface.strict_json import parse_object

if TYPE_CHECKING:
    from emoface.manifest import Manifest

HEAVIEST = 10.0
"""Largest weight of a style, an emotion, a level or a person; the least is 0. They need not sum to 1: a larger sum is
more of the same, and all 0 is none of them."""
FORMAT = 1
PERSONAL = ("style", "person")
"""Conditions that a person is a value of."""
_KEYS = ("emoface_person", "name", "model_sha256", "weights")
_LARGEST_FILE = 1 << 20
_REMEDY = "Make it again, for this model: Person(name, package.manifest.model_sha256, weights).save(path)."


@dataclass(frozen=True)
class Person:
    """Weights for the condition `style` or `person` of one model. Small, immutable; compare with ==.

    Attributes:
        name: of the person, 1 to 1000 characters.
        model_sha256: `model_sha256` of the manifests of the model's packages: of another model the weights mean
            something else.
        weights: by the name of a style or a person, at least one; names that are left out have 0. From 0 to 10, taken
            as they are: they need not sum to 1.

    Raises:
        PersonError: a value that is none of these.
    """

    name: str
    model_sha256: str
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not is_text(self.name):
            expected = f"text of 1 to {MOST_TEXT} characters, no control characters"
            raise PersonError(f"name = {self.name!r}", expected, _REMEDY)
        if not isinstance(self.model_sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.model_sha256):
            raise PersonError(f"model_sha256 = {self.model_sha256!r}", "64 lower-case hexadecimal digits", _REMEDY)
        if not isinstance(self.weights, Mapping) or not self.weights:
            got = "an empty object" if isinstance(self.weights, Mapping) else repr(self.weights)
            raise PersonError(f"weights = {got}", "an object of names and at least one weight", _REMEDY)
        for key, weight in self.weights.items():
            if not is_text(key):
                expected = f"a name of 1 to {MOST_TEXT} characters, no control characters"
                raise PersonError(f"weights.{shown(str(key))}", expected, _REMEDY)
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not number or not 0 <= weight <= HEAVIEST:  # false for NaN
                raise PersonError(
                    f"weights.{shown(key)} = {weight!r}",
                    f"numbers from 0 to {HEAVIEST:g}",
                    "Pass for example 0.5 for half of it, 1 for all.",
                )
        weights = {key: float(weight) for key, weight in self.weights.items()}
        object.__setattr__(self, "weights", MappingProxyType(weights))

    def __hash__(self) -> int:
        return hash((self.name, self.model_sha256, frozenset(self.weights.items())))

    def __reduce__(self) -> tuple[type[Person], tuple[Any, ...]]:
        return Person, (self.name, self.model_sha256, dict(self.weights))  # a mapping proxy cannot be pickled

    def save(self, path: str | Path) -> None:
        """Write it as JSON; `Person.load` gives the same.

        Raises:
            OutputError: the file cannot be written.
        """
        # Imported here: few write files.
        from emoface.writers.atomic import replacing

        values = (FORMAT, self.name, self.model_sha256, dict(self.weights))
        text = json.dumps(dict(zip(_KEYS, values, strict=True)), indent=1, ensure_ascii=False)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Person:
        """Read what `save` wrote.

        Raises:
            PersonError: no such file, one of more than 1 MiB, or another content; names the file and the field.
        """
        file = Path(path)
        try:
            size = file.stat().st_size
            data = file.read_bytes() if size <= _LARGEST_FILE else b""
        except (OSError, ValueError) as error:
            raise PersonError(f"{file}: {error}", "a person file that can be read", _REMEDY) from None
        try:
            if size > _LARGEST_FILE:
                raise PersonError(f"{size} bytes", f"at most {_LARGEST_FILE}", _REMEDY)
            return cls(*_fields(data))
        except PersonError as error:
            raise PersonError(f"{file}: {error.got}", error.expected, error.remedy) from None

    def weights_for(self, manifest: Manifest, condition: str) -> dict[str, float]:
        """The weights as a value of the condition "style" or "person" of a package.

        Raises:
            PersonError: a package of another model, or one that does not say of which model it is; a weight of a name
                that the condition does not have.
        """
        if condition not in PERSONAL:
            raise PersonError(
                f"a person for the condition {condition!r}",
                " or ".join(PERSONAL),
                "Other conditions take a name or weights.",
            )
        own = manifest.model_sha256
        if not own:
            raise PersonError(
                f"person {self.name!r} for package {manifest.name!r}, which has no model_sha256",
                "a package that names its model: of format 2",
                "Export the model again in format 2, or pass the weights themselves.",
            )
        if self.model_sha256 != own:
            raise PersonError(
                f"person {self.name!r} of the model {self.model_sha256[:12]}...",
                f"one of the model {own[:12]}... ({manifest.name})",
                "Take the package of the model that the person was made for, or make the person for this one.",
            )
        choices = manifest.choices(condition)
        for key in self.weights:
            if key not in choices:
                raise PersonError(
                    f"person {self.name!r} with weights.{shown(key)}, no {condition} of package {manifest.name!r}",
                    f"one of {', '.join(choices)}" if choices else "a package with names for it",
                    "Names are case-sensitive; `emoface inspect` lists them.",
                )
        return dict(self.weights)


def _fields(data: bytes) -> tuple[Any, Any, Any]:
    """name, model_sha256 and weights of a file's bytes."""
    try:
        values = parse_object(data, 2)
    except ValueError as error:
        expected = "a JSON object in UTF-8 (RFC 8259) without a key twice"
        raise PersonError(f"JSON = {error}", expected, _REMEDY) from None
    for key in _KEYS:
        if key not in values:
            raise PersonError(f"{key} = nothing (the field is missing)", f"the fields {', '.join(_KEYS)}", _REMEDY)
        if key == "emoface_person" and (type(values[key]) is not int or values[key] != FORMAT):
            raise PersonError(f"{key} = {values[key]!r}", str(FORMAT), "Update the SDK with `pip install -U emoface`.")
    for key in values:
        if key not in _KEYS:
            raise PersonError(f"{shown(key)} = an unknown field", f"only {', '.join(_KEYS)}", _REMEDY)
    return values["name"], values["model_sha256"], values["weights"]


def given_person(condition: str, value: object, choices: tuple[str, ...]) -> Person | None:
    """The person that a condition's value is or names as a file (a Path, or a text that ends with .json); else None.

    Raises:
        PersonError: as `Person.load`.
    """
    if isinstance(value, Person):
        return value
    named = isinstance(value, str) and value.endswith(".json") and value not in choices
    if condition in PERSONAL and (named or isinstance(value, Path)):
        return Person.load(value)  # type: ignore[arg-type]
    return None
