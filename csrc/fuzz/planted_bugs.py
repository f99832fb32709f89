"""One bounds check of each reader, taken out of a copy: a fuzzer that does not find the gap would find nothing else.

The sources themselves know nothing of this. `tests/fuzz` holds every entry to the sources as they are.
"""

from __future__ import annotations

from typing import NamedTuple


class PlantedBug(NamedTuple):
    """What is left out: `text`, once in `file` (under csrc/runtime), becomes `instead`."""

    file: str
    text: str
    instead: str = ""


PLANTED = {
    "archive": PlantedBug("zip_reader.cpp", 'if (directory.size() - place < whole) damaged("a broken directory");'),
    "manifest": PlantedBug(
        "manifest.cpp", 'if (found == data_.end()) fault(field(key), "nothing (the field is missing)", expected);'
    ),
    "arrays": PlantedBug(
        "arrays.cpp", "length > kMostHeader || length > file.size() - start)", "length > kMostHeader)"
    ),
    "graph": PlantedBug("graph_wire.cpp", "if (length > end - position)", "if (false)"),
    "snapshot": PlantedBug(
        "snapshot_reader.cpp", "if (part.dtype != dtype || part.shape != shape) {", "if (part.dtype != dtype) {"
    ),
    "step": PlantedBug(
        "c_api_animator.cpp",
        "if (too_small(out, capacity, stream.driver().frames_of_feed(count), written)) return",
        "if (count < 0) return",
    ),
}
