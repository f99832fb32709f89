"""Contact sheet of the synthetic face in characteristic poses, drawn with the SDK's renderer.

`python -m emoface_training.data.synthetic.preview --out face.png`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .rig import Rig
from .rig_measures import pose

# name, turn of the head in radians, rig parameters
POSES: tuple[tuple[str, float, dict[str, float]], ...] = (
    ("neutral", 0.0, {}),
    ("aa", 0.0, {"jaw_open": 0.75}),
    ("m", 0.0, {"jaw_open": 0.12, "lips_close": 1.0}),
    ("oo", 0.0, {"jaw_open": 0.14, "lips_round": 1.0}),
    ("oh", 0.0, {"jaw_open": 0.45, "lips_round": 0.7}),
    ("ee", 0.0, {"jaw_open": 0.14, "lips_wide": 1.0, "upper_lip_up": 0.35, "lower_lip_down": 0.5}),
    ("f", 0.0, {"jaw_open": 0.12, "lip_tuck": 1.0}),
    ("th", 0.0, {"jaw_open": 0.22, "tongue_up": 0.9, "upper_lip_up": 0.2, "lower_lip_down": 0.2}),
    ("smile", 0.0, {"smile": 0.9, "cheek_raise": 0.7, "eye_squint": 0.25}),
    ("happy, speaking", 0.0, {"smile": 0.7, "cheek_raise": 0.6, "jaw_open": 0.35, "upper_lip_up": 0.25}),
    ("angry", 0.0, {"brow_down": 1.0, "eye_squint": 0.35, "nose_wrinkle": 0.4, "lips_press": 0.6, "frown": 0.2}),
    ("sad", 0.0, {"brow_inner_up": 1.0, "brow_down": 0.15, "frown": 0.9, "blink": 0.15}),
    ("surprised", 0.0, {"brow_inner_up": 1.0, "brow_outer_up": 1.0, "eye_wide": 1.0, "jaw_open": 0.55,
                        "lips_round": 0.25}),
    ("disgusted", 0.0, {"nose_wrinkle": 1.0, "upper_lip_up": 0.6, "brow_down": 0.6, "eye_squint": 0.5, "frown": 0.4}),
    ("fearful", 0.0, {"brow_inner_up": 1.0, "brow_outer_up": 0.4, "brow_down": 0.4, "eye_wide": 1.0,
                      "lips_stretch": 0.9, "jaw_open": 0.25}),
    ("brows up", 0.0, {"brow_inner_up": 1.0, "brow_outer_up": 1.0, "eye_wide": 0.4}),
    ("blink", 0.0, {"blink": 1.0}),
    ("three quarters", -0.65, {}),
    ("profile", -1.5, {}),
    ("oo, three quarters", -0.65, {"jaw_open": 0.14, "lips_round": 1.0}),
)  # fmt: skip


def contact_sheet(rig: Rig, size: int = 320, columns: int = 5) -> NDArray[np.uint8]:
    """Picture [rows * size, columns * size, 3] of all POSES, each with its name."""
    from PIL import Image, ImageDraw

    from emoface.render import portrait

    tiles = []
    for name, yaw, values in POSES:
        renderer = portrait(rig.template, rig.faces, rig.colours, rig.masks, (size, size), yaw=yaw)
        tile = Image.fromarray(renderer.frame(rig.template + rig.offsets(pose(**values))[0]))
        ImageDraw.Draw(tile).text((8, 6), name, fill=(30, 30, 30))
        tiles.append(np.asarray(tile))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the synthetic face in characteristic poses.")
    parser.add_argument("--out", type=Path, required=True, help="picture to write, for example face.png")
    parser.add_argument("--size", type=int, default=320, help="pixels per pose (default 320)")
    options = parser.parse_args()
    from PIL import Image

    Image.fromarray(contact_sheet(Rig.load(), options.size)).save(options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
