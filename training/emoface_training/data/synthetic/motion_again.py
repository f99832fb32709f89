"""The motion of a corpus made again by this version's rules, from what its shards keep; nothing is spoken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emoface_training.errors import CorpusError, OptionsError

from ..corpus import FORMAT, read_description, read_shard, write_arrays, write_description
from .clips import motion
from .parameters import RIG_PARAMETERS
from .phonemes import PHONEMES, Segment
from .workers import each


def make_motion(root: str | Path, workers: int = 1) -> int:
    """Replace the parameters of every shard; returns how many there are.

    What was interrupted is begun again: until the end the corpus cannot be opened. Raises CorpusError for another
    format, or a shard that keeps nothing of the loudness its motion followed.
    """
    root = Path(root)
    if workers < 1:
        raise OptionsError(f"{workers} workers", "at least one", "Correct --workers.")
    description = read_description(root)
    if description.get("format") != FORMAT:
        raise CorpusError(
            f"{root}, a corpus of format {description.get('format')}",
            f"format {FORMAT}, which keeps what motion is made from",
            "Make the corpus again with `emoface data synth`.",
        )
    shards = sorted(root.glob("*/*/[0-9]*.npz"))
    write_description(root, {**description, "parameters": []})
    for _ in each(_remake, workers, shards):
        pass
    write_description(root, {**description, "parameters": list(RIG_PARAMETERS)})
    return len(shards)


def _remake(path: Path) -> None:
    shard = read_shard(path)
    frames, edges = np.diff(shard["parameter_offsets"]), shard["energy_offsets"]
    if not np.array_equal(frames, np.diff(edges)):
        raise CorpusError(
            f"{path}, which keeps no loudness of its clean speech", "one value a frame", "Make this shard by yourself."
        )
    rows = []
    for clip in range(len(frames)):
        mine = np.flatnonzero(shard["segment_clip"] == clip)
        times = zip(*(shard[f"segment_{name}"][mine] for name in ("phoneme", "start", "end")), strict=True)
        segments = [Segment(PHONEMES[number], float(start), float(end)) for number, start, end in times]
        energy = shard["energy"][edges[clip] : edges[clip + 1]]
        emotion, level, seed = (int(shard[name][clip]) for name in ("emotion", "level", "motion_seed"))
        rows.append(motion(path.parent.name, segments, energy, emotion, level, seed))
    write_arrays(path, {**shard, "parameters": np.concatenate(rows)})
