"""The table: changes of a snapshot, whether a reader takes it, and the field it names if not. For every reader.

The snapshots that are changed are of the handmade package, 16 kHz, blocks of 2 features, 30 frames per second, overlap
80, a delay of 2 features: `START` before any audio, `MIDDLE` after 5500 samples (8 blocks of 640, which leave 300
samples and one feature of each track) with a change of the emotion to come at 2 s, `END` after flush(), `SHAPED` as
`MIDDLE` with blendshape weights and smoothing. `NOISY` is as `MIDDLE`, of the handmade package of format 2,
whose stages read noise, with the seed 2^64 - 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from snapshot_drafts import Draft

START, MIDDLE, END, SHAPED, NOISY = "start", "middle", "end", "shaped", "noisy"
Change = Callable[[Draft], object]


@dataclass(frozen=True)
class Case:
    """One row: `field` None where the snapshot is to be taken."""

    name: str
    change: Change
    field: str | None
    of: str = MIDDLE


def header(key: str, value: Any) -> Change:
    return lambda draft: draft.header.__setitem__(key, value)


def inside(key: str, index: Any, value: Any) -> Change:
    return lambda draft: draft.header[key].__setitem__(index, value)


def added(key: str, amount: int) -> Change:
    return lambda draft: draft.header.__setitem__(key, draft.header[key] + amount)


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda draft: draft.set(name, change(draft.values[name]))


def text(old: bytes, new: bytes) -> Change:
    def change(draft: Draft) -> None:
        def replaced(data: bytes) -> bytes:
            assert data.count(old) >= 1, old
            return data.replace(old, new, 1)

        draft.change_text = replaced

    return change


def attribute(name: str, value: Any) -> Change:
    return lambda draft: setattr(draft, name, value)


def both(*changes: Change) -> Change:
    return lambda draft: [change(draft) for change in changes]


def spoiled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values.flat[values.size // 2] = value
        return values

    return change


def entry(index: int, place: int, value: Any) -> Change:
    return lambda draft: draft.table[index].__setitem__(place, value)


def filled(value: Any) -> Change:
    return lambda draft: draft.header["tracks"]["content.content"].__setitem__(1, value)


def condition(index: int, **changes: Any) -> Change:
    def change(draft: Draft) -> None:
        entry = draft.header["conditions"][index]
        draft.header["conditions"][index] = [changes.get("name", entry[0]), changes.get("at", entry[1])]

    return change


def shorter_header(draft: Draft) -> None:
    draft.length = len(json.dumps({"header": draft.header, "arrays": draft.table})) - 1


def shorter_body(draft: Draft) -> None:
    last = draft.table[-1][0]
    draft.values[last] = draft.values[last].ravel()[:-1]


def reversed_arrays(draft: Draft) -> None:
    draft.table.reverse()
    draft.values = {name: draft.values[name] for name, *_ in draft.table}


def reversed_conditions(draft: Draft) -> None:
    """The conditions the other way round; two values of one stay in the order of time."""
    groups: dict[str, list[Any]] = {}
    for index, (name, at) in enumerate(draft.header["conditions"]):
        groups.setdefault(name, []).append((at, draft.values[f"condition.{index}"]))
    turned = [(name, at, value) for name in reversed(groups) for at, value in groups[name]]
    draft.header["conditions"] = [[name, at] for name, at, _ in turned]
    for index, (_, _, value) in enumerate(turned):
        draft.set(f"condition.{index}", value)


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


# The largest there is
NOISE_SEED = (1 << 64) - 1
RIG = ("rig.held", "rig.started", "rig.weights")
# What is no count: each for every counter
NO_COUNTS = {
    "negative": -1 << 50,
    "2^63": 1 << 63,
    "2^64 - 1": (1 << 64) - 1,
    "2^64": 1 << 64,
    "10^300": 10**300,
    "2^62": 1 << 62,
    "2^43": 1 << 43,
    "a fraction": 1.5,
    "a whole float": 9.0,
    "text": "9",
    "null": None,
    "true": True,
    "a list": [9],
    "an object": {},
}
KINDS = {"null": None, "a number": 3, "text": "x", "a list": [], "true": True}

CASES: list[Case] = [
    Case("as it was", lambda draft: None, None),
    Case("as it was before any audio", lambda draft: None, None, START),
    Case("as it was at the end", lambda draft: None, None, END),
    Case("as it was with weights and smoothing", lambda draft: None, None, SHAPED),
    # Bytes
    Case("another magic", attribute("magic", b"EMOFACEX"), "data"),
    Case("version 0", attribute("version", 0), "version"),
    Case("version 1", attribute("version", 1), "version"),
    Case("version 3", attribute("version", 3), "version"),
    Case("version 2^32 - 1", attribute("version", 2**32 - 1), "version"),
    Case("another digest", attribute("digest", b"\0" * 32), "sha256"),
    Case("no header", attribute("length", 0), "content"),
    Case("a header one byte short", shorter_header, "content"),
    Case("a header beyond the end", attribute("length", 2**32 - 1), "length"),
    Case("a byte behind the arrays", attribute("tail", b"\0"), "arrays"),
    Case("a megabyte behind the arrays", attribute("tail", b"\0" * (1 << 20)), "arrays"),
    # JSON
    Case("a byte order mark", lambda d: setattr(d, "change_text", lambda t: b"\xef\xbb\xbf" + t), "content"),
    Case("UTF-16", lambda d: setattr(d, "change_text", lambda t: t.decode().encode("utf-16")), "content"),
    Case("bytes that are no UTF-8", text(b'"package"', b'"pack\xff"'), "content"),
    Case("a surrogate in UTF-8", text(b'"package"', b'"\xed\xa0\x80"'), "content"),
    Case("half a surrogate pair", text(b'"package"', b'"\\ud800"'), "content"),
    Case("half a surrogate pair in a value", text(b'"fp32"', b'"\\udc00"'), "content"),
    Case("a pair of surrogates", text(b'"fp32"', b'"\\ud83d\\ude00"'), "identity.precision"),
    Case("NUL in a value", text(b'"fp32"', b'"fp32\\u0000"'), "identity.precision"),
    Case("NaN", text(b'"fed": 5500', b'"fed": NaN'), "content"),
    Case("Infinity", text(b'"fed": 5500', b'"fed": Infinity'), "content"),
    Case("1e999", text(b'"fed": 5500', b'"fed": 1e999'), "content"),
    Case("an integer of 400 digits", text(b'"fed": 5500', b'"fed": 1' + b"0" * 400), "content"),
    Case("an integer of 5000 digits", text(b'"fed": 5500', b'"fed": 1' + b"0" * 5000), "content"),
    Case("an integer of 300 digits", text(b'"fed": 5500', b'"fed": 1' + b"0" * 300), "fed"),
    Case("a leading zero", text(b'"fed": 5500', b'"fed": 05500'), "content"),
    Case("a plus sign", text(b'"fed": 5500', b'"fed": +5500'), "content"),
    Case("an exponent", text(b'"fed": 5500', b'"fed": 6e3'), "fed"),
    Case("a key twice", text(b'"fed": 5500', b'"fed": 5500, "fed": 5500'), "content"),
    Case("an escaped key twice", text(b'"fed": 5500', b'"fed": 5500, "f\\u0065d": 5500'), "content"),
    Case("a key of the identity twice", text(b'"precision":', b'"precision": "fp32", "precision":'), "content"),
    Case("a comment", text(b'"fed"', b'/* */ "fed"'), "content"),
    Case("a comma too many", text(b'"fed": 5500', b'"fed": 5500,'), "content"),
    Case("a second value", lambda d: setattr(d, "change_text", lambda t: t + b" {}"), "content"),
    Case("space around", lambda d: setattr(d, "change_text", lambda t: b" \n\t\r" + t + b" \n\t\r"), None),
    Case("a list for a whole", lambda d: setattr(d, "change_text", lambda t: b"[" + t + b"]"), "content"),
    Case("null for a whole", lambda d: setattr(d, "change_text", lambda t: b"null"), "content"),
    Case("an empty object", lambda d: setattr(d, "change_text", lambda t: b"{}"), "content"),
    Case("17 levels", header("more", nested(15)), "content"),
    Case("16 levels", header("more", nested(14)), "header"),
    Case("100000 levels", text(b'"fed": 5500', b'"fed": ' + b"[" * 100_000 + b"]" * 100_000), "content"),
    Case("a third part", lambda d: d.extra.update(more=1), "content"),
    *(Case(f"{kind} for a header", attribute("header", value), "header") for kind, value in KINDS.items()),
    *(Case(f"{kind} for arrays", attribute("table", value), "arrays") for kind, value in KINDS.items() if value != []),
    Case("no arrays", both(attribute("table", []), attribute("values", {})), "pending"),
    # The table of arrays
    Case("an entry of two", lambda d: d.table[0].pop(), "arrays[0]"),
    Case("an entry of four", lambda d: d.table[1].append(0), "arrays[1]"),
    Case("text for an entry", lambda d: d.table.__setitem__(1, "pending"), "arrays[1]"),
    Case("null for an entry", lambda d: d.table.__setitem__(1, None), "arrays[1]"),
    Case("a number for a name", entry(0, 0, 7), "arrays[0]"),
    Case("a list for a name", entry(0, 0, []), "arrays[0]"),
    Case("an array twice", entry(1, 0, "pending"), "arrays[1]"),
    Case("null for a dtype", entry(0, 1, None), "arrays[0]"),
    *(
        Case(f"dtype {dtype!r}", entry(0, 1, dtype), "arrays[0]")
        for dtype in ("float64", "object", "O", "<f4", "uint8", "float32 ", "complex64", "", "int8", "V8")
    ),
    Case("a number for a shape", entry(0, 2, 240), "arrays[0]"),
    Case("an object for a shape", entry(0, 2, {}), "arrays[0]"),
    Case("a negative extent", entry(0, 2, [-1]), "arrays[0]"),
    Case("a float for an extent", entry(0, 2, [240.0]), "arrays[0]"),
    Case("true for an extent", entry(0, 2, [True]), "arrays[0]"),
    Case("text for an extent", entry(0, 2, ["240"]), "arrays[0]"),
    Case("an extent of 2^63", entry(0, 2, [1 << 63]), "arrays[0]"),
    Case("an extent of 2^41", entry(0, 2, [1 << 41]), "arrays[0]"),
    Case("a product of 2^80", entry(0, 2, [1 << 40, 1 << 40]), "arrays[0]"),
    Case("a product of 2^80 and 0", entry(0, 2, [1 << 40, 0, 1 << 40]), "arrays[0]"),
    Case("a product of 2^64", entry(0, 2, [1 << 32, 1 << 32]), "arrays[0]"),
    Case("9 axes", entry(0, 2, [1] * 9), "arrays[0]"),
    Case("values beyond the end", entry(-1, 2, [1, 1, 1 << 20]), "arrays[{last}]"),
    Case("one value beyond the end", shorter_body, "arrays[{last}]"),
    Case("another order of the arrays", reversed_arrays, None),
    Case("an unknown array", lambda d: d.set("more", np.zeros(1, np.float32)), "arrays"),
    Case("an unknown empty array", lambda d: d.set("more", np.zeros(0, np.float32)), "arrays"),
    Case("an unknown state", lambda d: d.set("state.mood.more", np.zeros((1, 1), np.float32)), "arrays"),
    Case("an unknown track", lambda d: d.set("track.mix.weight", np.zeros((1, 12), np.float32)), "arrays"),
    Case("a value of no condition", lambda d: d.set("condition.5", np.zeros(2, np.float32)), "arrays"),
    Case("an array without a name", lambda d: d.set("", np.zeros(1, np.float32)), "arrays"),
    Case("an array of the rig", lambda d: d.set("rig.weights", np.zeros(3, np.float32)), "arrays"),
    Case("an unknown array of the rig", lambda d: d.set("rig.more", np.zeros(3, np.float32)), "arrays"),
    # Fields
    *(
        Case(f"no {key}", lambda d, key=key: d.header.pop(key), "header")
        for key in (
            "identity",
            "fed",
            "blocks",
            "frames",
            "resampler",
            "offset",
            "tracks",
            "conditions",
            "ended",
            "channels",
        )
    ),
    Case("an unknown field", header("more", 1), "header"),
    Case("a field without a name", header("", 1), "header"),
    *(
        Case(f"{kind} for {key}", header(key, value), key)
        for key in ("fed", "blocks", "frames")
        for kind, value in NO_COUNTS.items()
    ),
    *(
        Case(f"{kind} for resampler[{place}]", inside("resampler", place, value), f"resampler[{place}]")
        for place in (0, 1)
        for kind, value in NO_COUNTS.items()
    ),
    *(Case(f"{kind} for resampler", header("resampler", value), "resampler") for kind, value in KINDS.items()),
    Case("three numbers for resampler", lambda d: d.header["resampler"].append(0), "resampler"),
    *(Case(f"{kind} for offset[1]", inside("offset", 1, value), "offset[1]") for kind, value in NO_COUNTS.items()),
    *(Case(f"{kind} for offset", header("offset", value), "offset") for kind, value in KINDS.items()),
    Case("three numbers for offset", lambda d: d.header["offset"].append(0), "offset"),
    Case("a float for offset[0]", inside("offset", 0, 1.5), "offset[0]"),
    Case("a sum that no sound has", header("offset", [(400 << 29) + 1, 400]), "offset[0]"),
    Case("a sum of nothing", header("offset", [1, 0]), "offset[0]"),
    Case("a negative sum", header("offset", [-(400 << 29), 400]), None),
    Case("more samples than an offset is a mean of", inside("offset", 1, (1 << 20) + 1), "offset[1]"),
    Case("an offset before any block", header("offset", [0, 400]), "offset[1]", START),
    *(Case(f"{kind} for ended", header("ended", value), "ended") for kind, value in KINDS.items() if value is not True),
    Case("1 for ended", header("ended", 1), "ended"),
    # Counters that do not fit each other
    Case("ended in the middle", header("ended", True), "fed"),
    Case("not ended at the end", header("ended", False), "fed", END),
    Case("ended before any audio", header("ended", True), None, START),
    Case("a sample more", added("fed", 1), "pending"),
    Case("a sample less", added("fed", -1), "pending"),
    Case("a block more", added("blocks", 1), "frames"),
    Case("a block less", added("blocks", -1), "frames"),
    Case("a frame more", added("frames", 1), "frames"),
    Case("0 blocks", header("blocks", 0), "frames"),
    Case("2^32 blocks", header("blocks", 1 << 32), "frames"),
    Case("2^32 + 1 blocks", header("blocks", (1 << 32) + 1), "blocks"),
    Case("2^42 samples", header("fed", 1 << 42), "fed"),
    Case("2^42 + 1 samples", header("fed", (1 << 42) + 1), "fed"),
    Case("no samples", header("fed", 0), "fed"),
    Case("a held sample before the beginning", inside("resampler", 0, -1), "resampler[0]"),
    Case("2^42 samples before any audio", header("fed", 1 << 42), "fed", START),
    Case("719 samples before any block", header("fed", 719), "pending", START),
    Case("a block's samples and no block", header("fed", 720), "fed", START),
    Case("pending too long", array("pending", lambda v: np.append(v, v[:1])), "pending"),
    Case("pending too short", array("pending", lambda v: v[1:]), "pending"),
    Case(
        "pending and samples too long",
        both(added("fed", 5000), array("pending", lambda v: np.zeros(5000 + len(v), "f"))),
        "fed",
    ),
    Case("overlap too short", array("overlap", lambda v: v[1:]), "overlap"),
    Case("an empty overlap", array("overlap", lambda v: v[:0]), "overlap"),
    Case("an overlap before any block", lambda d: d.set("overlap", np.zeros(80, "f")), "overlap", START),
    # Channels
    Case("null for channels", header("channels", None), None),
    *(
        Case(f"{value!r} for channels", header("channels", value), "channels")
        for value in (0, -1, 2, 64, 65, 10**9, 1 << 31, 1 << 32, 1 << 63, 1.0, True, False, "1", [1], {})
    ),
    # Identity
    *(Case(f"{kind} for identity", header("identity", value), "identity") for kind, value in KINDS.items()),
    *(
        Case(f"no {key} in identity", lambda d, key=key: d.header["identity"].pop(key), f"identity.{key}")
        for key in ("package", "backend", "precision", "sample_rate", "block_features")
    ),
    *(
        Case(f"{value!r} for {key} of identity", inside("identity", key, value), f"identity.{key}")
        for key in ("package", "backend", "precision", "sample_rate", "block_features")
        for value in (None, 1, "x", [], {}, 15500.0, True)
    ),
    Case("a block of 2.0", inside("identity", "block_features", 2.0), "identity.block_features"),
    Case("controls in identity", inside("identity", "controls", [1.0]), "identity"),
    Case("null for an unknown key of identity", inside("identity", "more", None), "identity"),
    Case("a noise seed where there is no noise", inside("identity", "noise_seed", 0), "identity"),
    Case("no noise seed", lambda d: d.header["identity"].pop("noise_seed"), "identity.noise_seed", NOISY),
    Case("the noise seed as it was", inside("identity", "noise_seed", NOISE_SEED), None, NOISY),
    *(
        Case(
            f"{value!r} for noise_seed of identity",
            inside("identity", "noise_seed", value),
            "identity.noise_seed",
            NOISY,
        )
        for value in (0, -1, NOISE_SEED - 1, 1 << 64, float(1 << 64), "1", None, True, [NOISE_SEED], {})
    ),
    # Tracks
    *(Case(f"{kind} for tracks", header("tracks", value), "tracks") for kind, value in KINDS.items()),
    Case("an empty object for tracks", header("tracks", {}), "tracks"),
    Case("a track less", lambda d: d.header["tracks"].pop("content.content"), "tracks"),
    Case("a track more", inside("tracks", "mix.weight", [0, False]), "tracks"),
    Case(
        "a track of another name",
        lambda d: d.header["tracks"].__setitem__("x.y", d.header["tracks"].pop("content.content")),
        "tracks",
    ),
    *(
        Case(f"{kind} for a track", inside("tracks", "content.content", value), "tracks.content.content")
        for kind, value in {**KINDS, "an object": {}}.items()
    ),
    *(
        Case(
            f"{kind} for a track's beginning",
            inside("tracks", "content.content", [value, True]),
            "tracks.content.content",
        )
        for kind, value in NO_COUNTS.items()
    ),
    *(
        Case(f"{value!r} for a track's fill", filled(value), "tracks.content.content")
        for value in (False, None, 1, "true", [])
    ),
    Case("a track of three", lambda d: d.header["tracks"]["content.content"].append(1), "tracks.content.content"),
    Case("a filled track before any block", filled(True), "tracks.content.content", START),
    Case("a track without values", lambda d: d.remove("track.content.content"), "track.content.content"),
    Case("a feature less", array("track.content.content", lambda v: v[1:]), "track.content.content"),
    Case(
        "a feature more", array("track.content.content", lambda v: np.concatenate((v, v[:1]))), "track.content.content"
    ),
    Case("narrower features", array("track.content.content", lambda v: v[:, 1:]), "track.content.content"),
    Case("features in three axes", array("track.content.content", lambda v: v[:, None]), "track.content.content"),
    Case("features in one axis", array("track.content.content", lambda v: v.ravel()), "track.content.content"),
    # Conditions
    *(
        Case(f"{kind} for conditions", header("conditions", value), "conditions")
        for kind, value in {**KINDS, "an object": {}}.items()
    ),
    *(
        Case(f"{kind} for a condition", inside("conditions", 1, value), "conditions[1]")
        for kind, value in KINDS.items()
    ),
    Case("a condition of three", lambda d: d.header["conditions"][1].append(0), "conditions[1]"),
    *(
        Case(f"{value!r} for a condition's name", condition(0, name=value), "conditions[0]")
        for value in (None, 1, True, [], "", "Style", "styl\u00e9", "x" * 1000)
    ),
    Case("another name for a condition", condition(1, name="style"), "conditions[1]"),
    *(
        Case(f"{value!r} for a first time", condition(0, at=value), "conditions[0]")
        for value in (-1, -1e300, 1e300, 1 << 63, 0.5, True, "0", [], {}, 5500)
    ),
    Case("0 for a first time", condition(0, at=0), None),
    Case("a first time that has come", condition(0, at=0.1), None),
    *(
        Case(f"{value!r} for a later time", condition(2, at=value), "conditions[2]")
        for value in (None, -1, -0.5, True, "2", [], {})
    ),
    *(Case(f"{value!r} for a later time", condition(2, at=value), None) for value in (0, 2, 1e300, 1 << 62, 0.0)),
    Case("times out of order", both(condition(1, at=0.1), condition(2, at=0.05)), "conditions[2]"),
    Case("no value of a condition", lambda d: d.header["conditions"].pop(), "conditions"),
    Case("a condition's value too short", array("condition.0", lambda v: v[1:]), "condition.0"),
    Case("a condition's value in two axes", array("condition.0", lambda v: v[None]), "condition.0"),
    Case("a condition without a value", lambda d: d.remove("condition.0"), "condition.0"),
    Case("conditions in another order", reversed_conditions, None),
    # States
    Case("a state less", lambda d: d.remove("state.mood.sum"), "state.mood.sum"),
    Case("a state of another shape", array("state.mood.sum", lambda v: v[:, :, 1:]), "state.mood.sum"),
    Case("a state of two voices", array("state.mood.sum", lambda v: np.concatenate((v, v))), "state.mood.sum"),
    Case("a state in one axis", array("state.mood.sum", lambda v: v.ravel()), "state.mood.sum"),
    Case("an empty state", array("state.mood.sum", lambda v: v[:0]), "state.mood.sum"),
    *(
        Case(f"{name} of {dtype}", array(name, lambda v, dtype=dtype: v.astype(dtype)), name)
        for name in ("pending", "overlap", "track.content.content", "condition.0", "state.decoder.fed_back")
        for dtype in ("float16", "int32", "int64")
    ),
    *(
        Case(f"{value} in {name}", array(name, spoiled(value)), name)
        for name in (
            *("pending", "overlap", "track.content.content", "track.mood.probabilities", "condition.3"),
            *("state.content.ring", "state.mood.sum", "state.mix.last", "state.decoder.fed_back"),
        )
        for value in (np.nan, np.inf, -np.inf)
    ),
    *(
        Case(f"{value} in {name}", array(name, spoiled(value)), None)
        for name in ("overlap", "track.content.content", "condition.3", "state.content.ring", "state.mood.count")
        for value in (3e38, -3e38, 1e-45)
    ),
    *(Case(f"{value} in pending", array("pending", spoiled(value)), None) for value in (16, -16, 1e-45)),
    *(Case(f"{value} in pending", array("pending", spoiled(value)), "pending") for value in (16.01, -16.01, 3e38)),
    # Blendshape weights and smoothing
    Case("a stream without weights and smoothing", lambda d: [d.remove(n) for n in RIG], "rig.held", SHAPED),
    *(
        Case(f"no {name}", lambda d, name=name: d.remove(name), name, SHAPED)
        for name in ("rig.held", "rig.started", "rig.weights")
    ),
    *(
        Case(f"{value} in {name}", array(name, spoiled(value)), name, SHAPED)
        for name in ("rig.held", "rig.weights")
        for value in (np.nan, np.inf)
    ),
    *(
        Case(f"{value} for a weight", array("rig.weights", spoiled(value)), "rig.weights", SHAPED)
        for value in (-0.01, 1.01, 3e38, -3e38)
    ),
    Case("weights of 0 and 1", array("rig.weights", lambda v: np.array([0, 1, 0], "f")), None, SHAPED),
    Case("a weight too many", array("rig.weights", lambda v: np.append(v, v[:1])), "rig.weights", SHAPED),
    Case("weights of float16", array("rig.weights", lambda v: v.astype("e")), "rig.weights", SHAPED),
    Case("smoothing of other vertices", array("rig.held", lambda v: v[1:]), "rig.held", SHAPED),
    Case("smoothing in one axis", array("rig.held", lambda v: v.ravel()), "rig.held", SHAPED),
    *(
        Case(
            f"{value} for a beginning of smoothing",
            array("rig.started", lambda v, value=value: np.array([value], "i4")),
            "rig.started",
            SHAPED,
        )
        for value in (2, -1, 1 << 30)
    ),
    Case("smoothing that has not begun", array("rig.started", lambda v: v * 0), None, SHAPED),
    Case("a beginning of float32", array("rig.started", lambda v: v.astype("f")), "rig.started", SHAPED),
    Case("another array of the rig", lambda d: d.set("rig.more", np.zeros(1, "f")), "arrays", SHAPED),
]
