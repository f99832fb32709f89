"""The head's pose in written scenes, where a layer moves a head that the model leaves still."""

from __future__ import annotations

import json
from pathlib import Path

import handmade
import handmade_gaze
import numpy as np

from emoface import Package, animate
from emoface.writers import write_all


def test_a_scene_turns_the_head_and_without_sway_does_not(tmp_path: Path) -> None:
    files = handmade_gaze.with_gaze(handmade.package_files())
    package = Package.load(handmade.write_zip(tmp_path / "turning.emoface", files))
    sound = (0.2 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    paths = {}
    for name, options in (("on", {}), ("off", {"head_sway": False})):
        write_all([tmp_path / f"{name}.glb"], animate(sound, 16000, package, **options))
        data = (tmp_path / f"{name}.glb").read_bytes()
        document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
        paths[name] = {channel["target"]["path"] for channel in document["animations"][0]["channels"]}
    assert paths["on"] - paths["off"] == {"rotation", "translation"}
