"""Cases of gaze and head sway, for layers in Python and in C++: options of the C interface, and what Python calls them.

The face looks, blinks and has pivots; see `handmade_gaze`.
"""

from __future__ import annotations

from typing import Any

from emoface.rig import Blinks, Gaze, HeadSway

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "asked for": ({"gaze": 1, "head_sway": 1}, {"gaze": True, "head_sway": True}),
    "none": ({"gaze": -1, "head_sway": -1}, {"gaze": False, "head_sway": False}),
    "gaze alone": ({"head_sway": -1}, {"head_sway": False}),
    "head sway alone": ({"gaze": -1}, {"gaze": False}),
    "half": ({"gaze_strength": 0.5, "head_sway_strength": 0.5}, {"gaze": 0.5, "head_sway": 0.5}),
    "most": ({"gaze_strength": 2.0, "head_sway_strength": 2.0}, {"gaze": 2, "head_sway": 2}),
    "the blinks' seed": ({"blink_seed": 7}, {"blinks": 7}),
    "without blinks": ({"blinks": -1, "blink_seed": 7}, {"blinks": False}),
    "often": ({"blink_seed": 4294967295, "blink_rate": 40.0}, {"blinks": Blinks(4294967295, 40)}),
    "seeds of their own": (
        {"blink_seed": 3, "gaze_seed": 4294967295, "head_sway_seed": 8, "gaze_strength": 1.3},
        {"blinks": 3, "gaze": Gaze(1.3, 4294967295), "head_sway": HeadSway(seed=8)},
    ),
    "an identity": ({"identity": b"wide"}, {"identity": "wide"}),
}
"""Name -> fields of `emoface_animator_config`, options of `Package.animator`."""
