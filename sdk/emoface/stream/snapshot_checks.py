"""What a snapshot says, compared with the stream that it is put into: nothing in it is trusted.

Every field is checked for type, range and what the others say, before anything is changed. The C++ runtime
(csrc/runtime/snapshot_reader.cpp) checks in the same order and names the same field: tests/runtime/snapshot_cases.py
is the table of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.audio import chunk
from emoface.audio.offset import LARGEST_COUNT, LOUDEST
from emoface.manifest import concrete_shape
from emoface.stream.snapshot import Arrays, integer, refused, require_array, shown

if TYPE_CHECKING:
    from emoface.stream.driver import Driver

KEYS = ("identity", "fed", "blocks", "frames", "resampler", "offset", "tracks", "conditions", "ended", "channels")
LONGEST_TAIL_S = 60.0
# Years of audio; beyond, products of counters could leave 64 bits where C++ computes them.
_MOST, _MOST_BLOCKS = 1 << 42, 1 << 32
_MOST_CHANNELS = 64
_LOUDEST_MEAN = chunk.LOUDEST * 1.0001  # of channels: they are averaged in float32
_RIG = "rig."
_SAME_OPTIONS = "Restore it into an animator made with the same package and options."


def check_header(header: Mapping[str, Any], identity: Mapping[str, Any], channels: int | None) -> None:
    """The fields there must be, the identity, and what an animator itself remembers.

    Args:
        header: of the snapshot.
        identity: package, backend, precision, rate, ... of this stream.
        channels: those that this stream was made with, or None.
    """
    for key in header:
        if key not in KEYS:
            raise refused("header", f"an unknown field {shown(key)}", "the fields of version 2")
    for key in KEYS:
        if key not in header:
            raise refused("header", f"no field {key}", "the fields of version 2")
    _check_identity(header["identity"], identity)
    if type(header["ended"]) is not bool:
        raise refused("ended", shown(header["ended"]), "true or false")
    found = header["channels"]
    if found is not None and channels not in (None, integer(found, "channels", 1, _MOST_CHANNELS)):
        raise refused("channels", str(found), str(channels), _SAME_OPTIONS)


def _check_identity(found: Any, mine: Mapping[str, Any]) -> None:
    if not isinstance(found, dict):
        raise refused("identity", shown(found), "a JSON object")
    for key, value in mine.items():
        if not _same(found.get(key), value):
            got = shown(found[key]) if key in found else "nothing"
            raise refused(f"identity.{key}", got, shown(value), _SAME_OPTIONS)
    for key, value in found.items():
        if key not in mine:
            raise refused("identity", f"{shown(key)}: {shown(value)}", "nothing of this name", _SAME_OPTIONS)


def _same(found: Any, mine: Any) -> bool:
    if isinstance(mine, list):
        # Numbers of a list are numbers: C++ writes a seed as a float.
        return (
            isinstance(found, list)
            and len(found) == len(mine)
            and all(type(a) in (int, float) and a == b for a, b in zip(found, mine, strict=True))
        )
    return type(found) is type(mine) and bool(found == mine)


def check_rig(arrays: Arrays, mine: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of blendshapes and smoothing, which must be of the kinds of `mine`."""
    for name in sorted(arrays):
        if name.startswith(_RIG) and name[len(_RIG) :] not in mine:
            raise refused(
                "arrays",
                f"{shown(name)}, of a stream with blendshapes or smoothing",
                "a stream without",
                "Restore it into an animator made with the same blendshapes and controls.",
            )
    found = {name: require_array(arrays, _RIG + name, array.dtype, array.shape) for name, array in mine.items()}
    if "started" in found and found["started"][0] not in (0, 1):
        raise refused(f"{_RIG}started", str(found["started"][0]), "0 or 1")
    if "weights" in found and not ((found["weights"] >= 0) & (found["weights"] <= 1)).all():
        raise refused(f"{_RIG}weights", "weights out of range", "weights from 0 to 1")
    return found


def check_stream(driver: Driver, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Counters, tracks, conditions and states."""
    known = {"pending", "overlap"}
    blocks = _check_counters(driver, header, arrays)
    _check_offset(header["offset"], blocks)
    known |= _check_tracks(driver, header["tracks"], arrays, blocks)
    known |= _check_conditions(driver, header["conditions"], arrays, blocks)
    for stage in driver.plan.stages:
        for state, array in stage.stream.state().items():
            name = f"state.{stage.spec.name}.{state}"
            require_array(arrays, name, array.dtype, array.shape)
            known.add(name)
    for name in sorted(arrays):
        if name not in known and not name.startswith(_RIG):
            raise refused("arrays", f"an unknown array {shown(name)}", "those of a stream")


def _check_counters(driver: Driver, header: Mapping[str, Any], arrays: Arrays) -> int:
    """Counters of a stream follow from the samples fed and the blocks run: each is what the others make it."""
    clock, resampler = driver.clock, driver.resampler
    fed = integer(header["fed"], "fed", 0, _MOST)
    blocks = integer(header["blocks"], "blocks", 0, _MOST_BLOCKS)
    produced = clock.samples_for_block(blocks - 1) if blocks else 0
    if produced > _MOST:
        raise refused("blocks", str(blocks), "blocks of at most 2^42 samples")
    frames = clock.frames_after_blocks(blocks)
    _require_equal(header["frames"], "frames", frames, "those of the blocks")
    if not isinstance(header["resampler"], list) or len(header["resampler"]) != 2:
        raise refused("resampler", shown(header["resampler"]), "two integers")
    _require_equal(header["resampler"][1], "resampler[1]", produced, "the samples of the blocks")
    base = resampler.first_held(produced)
    _require_equal(header["resampler"][0], "resampler[0]", base, "the first sample that is still read")

    def due(block: int) -> int:
        return clock.due(block, resampler.rate, resampler.needed)

    ended = header["ended"]
    least = clock.frames_of(fed, resampler.rate)
    most = least + math.ceil(LONGEST_TAIL_S * clock.fps)
    # All that was due has run, and before the end no more than that.
    fits = fed < due(blocks) and (not ended or frames >= least)
    if blocks and due(blocks - 1) > fed:
        fits = fits and ended and clock.frames_after_blocks(blocks - 1) < most
    if not fits:
        raise refused("fed", str(fed), f"samples for {blocks} blocks")
    received = max(fed, resampler.needed(produced)) if ended else fed
    pending = require_array(arrays, "pending", np.float32, (received - base,))
    if len(pending) and float(np.abs(pending).max()) > _LOUDEST_MEAN:
        raise refused("pending", f"samples beyond +-{chunk.LOUDEST:g}", "audio that was let in")
    require_array(arrays, "overlap", np.float32, (clock.overlap if blocks else 0,))
    return blocks


def _check_offset(offset: Any, blocks: int) -> None:
    if not isinstance(offset, list) or len(offset) != 2:
        raise refused("offset", shown(offset), "two integers")
    heard = integer(offset[1], "offset[1]", 0, LARGEST_COUNT if blocks else 0)
    integer(offset[0], "offset[0]", -heard * LOUDEST, heard * LOUDEST)


def _require_equal(value: Any, field: str, expected: int, why: str) -> None:
    if integer(value, field, -_MOST, _MOST) != expected:
        raise refused(field, str(value), f"{expected}, {why}")


def _check_tracks(driver: Driver, tracks: Any, arrays: Arrays, blocks: int) -> set[str]:
    clock = driver.clock
    features = clock.features_after_blocks(blocks)
    start = min(clock.feature_rate * clock.frames_after_blocks(blocks) // clock.fps, features)
    if not isinstance(tracks, dict):
        raise refused("tracks", shown(tracks), "a JSON object")
    if tracks.keys() != driver.tracks.keys():
        raise refused("tracks", "other outputs", f"those that frames read: {', '.join(driver.tracks)}")
    known = set[str]()
    for key in driver.tracks:
        field, entry = f"tracks.{key}", tracks[key]
        if not isinstance(entry, list) or len(entry) != 2:
            raise refused(field, shown(entry), "[first feature, whether there are any]")
        if integer(entry[0], field, 0, _MOST) != start or entry[1] is not (features > 0):
            raise refused(field, "features that do not fit the counters", "those that coming frames read")
        if features:
            stage, output = key.split(".")
            shape = concrete_shape(driver.manifest.stage(stage).output(output).shape, features - start)[1:]
            require_array(arrays, f"track.{key}", np.float32, shape)
            known.add(f"track.{key}")
    return known


def _check_conditions(driver: Driver, conditions: Any, arrays: Arrays, blocks: int) -> set[str]:
    # No coming frame or block reads a value before.
    now = min(driver.clock.frames_after_blocks(blocks) / driver.clock.fps, driver.block_time(blocks))
    if not isinstance(conditions, list):
        raise refused("conditions", shown(conditions), "a list of [name, time]")
    specs, latest = driver.manifest.conditions, dict[str, float]()
    for index, entry in enumerate(conditions):
        field = f"conditions[{index}]"
        if not isinstance(entry, list) or len(entry) != 2:
            raise refused(field, shown(entry), "[name, time]")
        name, at = entry
        if not isinstance(name, str) or name not in specs:
            raise refused(field, shown(name), f"one of {', '.join(specs)}")
        timed = type(at) in (int, float) and at >= 0
        if name not in latest and not (at is None or (timed and at <= now)):
            raise refused(field, shown(at), f"null, or a time of at most {now:g} s, which has come")
        if name in latest and not (timed and at >= latest[name]):
            raise refused(field, shown(at), "a time not before the last")
        latest[name] = -math.inf if at is None else at
        require_array(arrays, f"condition.{index}", np.float32, specs[name].shape)
    if missing := [name for name in specs if name not in latest]:
        raise refused("conditions", f"no value of {missing[0]}", "one at least")
    return {f"condition.{index}" for index in range(len(conditions))}
