"""A stream's state to snapshot bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.stream.snapshot import Arrays, pack, unpack
from emoface.stream.snapshot_checks import check_header, check_rig, check_stream

if TYPE_CHECKING:
    from emoface.stream.driver import Driver, StreamDriver


def save_state(
    driver: StreamDriver,
    identity: Mapping[str, Any],
    extra: Mapping[str, Any],
    rig: Mapping[str, npt.NDArray[Any]],
) -> bytes:
    """Everything `driver` needs to go on, with `identity` (checked on loading), `extra` values and the rig's arrays."""
    header, arrays = driver.state()
    rig_arrays = {f"rig.{name}": array for name, array in rig.items()}
    return pack({"identity": dict(identity), **header, **extra}, arrays | rig_arrays)


def load_state(
    data: bytes, driver: StreamDriver, identity: Mapping[str, Any], channels: int | None, rig: Arrays
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Put a snapshot into `driver`; returns the header and the rig's arrays, of the shapes of `rig`.

    Checked whole before anything is changed. `channels` are those that the stream was made with, or None.
    """
    header, arrays = unpack(data)
    check_header(header, identity, channels)
    found = check_rig(arrays, rig)
    driver.restore(header, arrays)
    return header, found


def driver_state(driver: Driver) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What a snapshot's header and arrays say about a stream."""
    base, produced, held = driver.resampler.state()
    changes = driver.timeline.state()
    header = {
        "fed": driver.fed,
        "blocks": driver.blocks,
        "frames": driver.frames,
        "resampler": [base, produced],
        "offset": driver.offset.state(),
        "tracks": {key: [track.start, track.values is not None] for key, track in driver.tracks.items()},
        # Minus infinity, the time of the first value, has no JSON form.
        "conditions": [[name, None if at == -np.inf else at] for name, at, _ in changes],
    }
    arrays: dict[str, npt.NDArray[Any]] = {"pending": held, "overlap": driver.overlap}
    arrays.update((f"track.{key}", track.values) for key, track in driver.tracks.items() if track.values is not None)
    arrays.update((f"condition.{index}", vector) for index, (_, _, vector) in enumerate(changes))
    for stage in driver.plan.stages:
        arrays.update((f"state.{stage.spec.name}.{name}", array) for name, array in stage.stream.state().items())
    return header, arrays


def restore_driver(driver: Driver, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Put `driver_state` back; SnapshotError, and nothing changed, where a field does not fit the others."""
    check_stream(driver, header, arrays)
    driver.fed, driver.blocks, driver.frames = header["fed"], header["blocks"], header["frames"]
    driver.overlap = arrays["overlap"]
    base, produced = header["resampler"]
    driver.resampler.restore(base, produced, arrays["pending"])
    driver.offset.restore(*header["offset"])
    for key, (start, filled) in header["tracks"].items():
        driver.tracks[key].start = start
        driver.tracks[key].values = arrays[f"track.{key}"] if filled else None
    driver.timeline.restore(
        [
            (name, -np.inf if at is None else at, arrays[f"condition.{index}"])
            for index, (name, at) in enumerate(header["conditions"])
        ]
    )
    for stage in driver.plan.stages:
        prefix = f"state.{stage.spec.name}."
        stage.stream.restore({state.name: arrays[prefix + state.name] for state in stage.spec.state})
