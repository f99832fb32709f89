"""Person files and what every reader says of them: one table for Python and C.

For the package of `handmade_person`, the condition `person` unless another is named.
"""

from __future__ import annotations

import json

from handmade_person import MODEL_SHA256

SOUND = {"emoface_person": 1, "name": "anna", "model_sha256": MODEL_SHA256, "weights": {"mia": 0.7, "zoë": 0.5}}
_TEXT = json.dumps(SOUND)


def changed(**fields: object) -> bytes:
    """The file with other fields; None leaves one out."""
    return json.dumps({key: value for key, value in {**SOUND, **fields}.items() if value is not None}).encode()


def weighing(**weights: object) -> bytes:
    return changed(weights=weights)


# name: (bytes, the vector)
ACCEPTED: dict[str, tuple[bytes, list[float]]] = {
    "as made": (changed(), [0.7, 0.0, 0.5]),
    "UTF-8 as it is": (json.dumps(SOUND, ensure_ascii=False, indent=1).encode() + b"\n", [0.7, 0.0, 0.5]),
    "in another order": (json.dumps(dict(reversed(SOUND.items()))).encode(), [0.7, 0.0, 0.5]),
    "one of them": (weighing(noah=1), [0.0, 1.0, 0.0]),
    "a sum above 1": (weighing(mia=10, noah=10.0), [10.0, 10.0, 0.0]),
    "none of them": (weighing(mia=0), [0.0, 0.0, 0.0]),
    "a weight of 1e-300": (weighing(mia=1e-300), [0.0, 0.0, 0.0]),
    "an exponent": (_TEXT.replace("0.7", "7E-1").encode(), [0.7, 0.0, 0.5]),
    "a name that no package has": (changed(name="Ünbekannt"), [0.7, 0.0, 0.5]),
}

# name: (bytes, where the fault lies: how the text goes on after the file's name)
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "JSON = "),
    "no JSON": (b"anna", "JSON = "),
    "cut": (changed()[:-1], "JSON = "),
    "a list": (b"[1]", "JSON = "),
    "a byte order mark": (b"\xef\xbb\xbf" + changed(), "JSON = "),
    "UTF-16": (_TEXT.encode("utf-16"), "JSON = "),
    "no UTF-8": (_TEXT.replace("anna", "\xff").encode("latin-1"), "JSON = "),
    "a NUL": (changed() + b"\0", "JSON = "),
    "a key twice": (_TEXT.replace('"name"', '"name": "x", "name"').encode(), "JSON = "),
    "a weight twice": (_TEXT.replace('"mia"', '"mia": 1, "mia"').encode(), "JSON = "),
    "half a surrogate pair": (changed(name="\ud800"), "JSON = "),
    "NaN": (_TEXT.replace("0.7", "NaN").encode(), "JSON = "),
    "infinite": (_TEXT.replace("0.7", "Infinity").encode(), "JSON = "),
    "1e400": (_TEXT.replace("0.7", "1e400").encode(), "JSON = "),
    "an object as a weight": (weighing(mia={}), "JSON = "),
    "100000 brackets": (b"[" * 100_000, "JSON = "),
    "more than 1 MiB": (changed(name="a" * (1 << 20)), f"{len(changed(name='a' * (1 << 20)))} bytes"),
    "no version": (changed(emoface_person=None), "emoface_person = "),
    "version 2": (changed(emoface_person=2), "emoface_person = "),
    "version 1.0": (changed(emoface_person=1.0), "emoface_person = "),
    "version true": (changed(emoface_person=True), "emoface_person = "),
    "no name": (changed(name=None), "name = "),
    "an empty name": (changed(name=""), "name = "),
    "a number for a name": (changed(name=7), "name = "),
    "a name of 1001 characters": (changed(name="ü" * 1001), "name = "),
    "a line in a name": (changed(name="an\nna"), "name = "),
    "no hash": (changed(model_sha256=None), "model_sha256 = "),
    "a hash of 63 digits": (changed(model_sha256=MODEL_SHA256[1:]), "model_sha256 = "),
    "a hash in capitals": (changed(model_sha256=MODEL_SHA256.upper()), "model_sha256 = "),
    "no weights": (changed(weights=None), "weights = "),
    "weights of nobody": (changed(weights={}), "weights = "),
    "weights as a list": (_TEXT.replace('{"mia": 0.7, "zo\\u00eb": 0.5}', "[1]").encode(), "weights = "),
    "weights as a number": (changed(weights=1), "weights = "),
    "another field": (changed(seed=1), "seed = an unknown field"),
    "a negative weight": (weighing(mia=-0.1), "weights.mia = "),
    "a weight above 10": (weighing(mia=1, noah=10.001), "weights.noah = "),
    "a weight of 1e30": (weighing(noah=1e30), "weights.noah = "),
    "a weight of 10^30": (weighing(noah=10**30), "weights.noah = "),
    "a text as a weight": (weighing(mia="1"), "weights.mia = "),
    "true as a weight": (weighing(mia=True), "weights.mia = "),
    "null as a weight": (weighing(mia=None), "weights.mia = "),
    "an empty name of a weight": (changed(weights={"": 1}), "weights."),
}

# Files that are sound and do not fit. name: (bytes, condition, what the text says)
UNFIT: dict[str, tuple[bytes, str, str]] = {
    "another model": (changed(model_sha256="0" * 64), "person", "000000000000..."),
    "an unknown person": (weighing(mia=1, Mia=1), "person", "Mia"),
    "a style for a person": (weighing(anna=1), "person", "anna"),
    "a person for a style": (weighing(mia=1), "style", "mia"),
}
