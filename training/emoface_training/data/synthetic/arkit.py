"""The 52 face shapes of Apple's ARKit for the procedural head, made from the rig's displacement fields.

`python -m emoface_training.data.synthetic.arkit --out arkit.npz` rebuilds the committed file. Left and right are those
of the head: its left is +x. Every shape is the displacement at weight 1, to be added linearly.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import arkit_eyes, arkit_mouth, eyes, head_ears, head_nose, mouth
from .head_parts import Array, Parts, smoothstep
from .rig import Rig

STEP_M = 2e-6
"""Metres per integer step of the stored shapes: errors stay below a micrometre."""

_PAIRED: dict[str, Callable[[dict[str, Array]], Array]] = {
    "browDown": lambda f: f["brow_down"],
    "browOuterUp": lambda f: f["brow_outer_up"],
    "cheekSquint": lambda f: 1.15 * f["cheek_raise"] + 0.35 * f["lower_lid"],
    # half of the arc over the cornea, which a linear shape cannot follow: neither pupil nor closed lid sticks out much
    "eyeBlink": lambda f: f["blink"] + 0.5 * f["blink_arc"],
    "eyeSquint": lambda f: 0.95 * f["lower_lid"] + 0.28 * f["blink"] + 0.25 * f["cheek_raise"],
    "eyeWide": lambda f: f["eye_wide"],
    "mouthFrown": lambda f: f["frown"],
    "mouthLowerDown": lambda f: f["lower_lip_down"],
    "mouthPress": lambda f: f["lips_press"],
    "mouthSmile": lambda f: f["smile"],
    "mouthStretch": lambda f: f["lips_stretch"],
    "mouthUpperUp": lambda f: f["upper_lip_up"],
    "noseSneer": lambda f: f["nose_wrinkle"],
}
_WHOLE: dict[str, Callable[[dict[str, Array]], Array]] = {
    "browInnerUp": lambda f: f["brow_inner_up"],
    "jawForward": lambda f: f["jaw_forward"],
    "jawOpen": lambda f: f["jaw_1"] + f["jaw_2"] + f["jaw_3"],
    # closes what jawOpen opens: with both at 1 the lips touch
    "mouthClose": lambda f: f["close_jaw_1"] + f["close_jaw_2"] + f["close_jaw_3"],
    "mouthFunnel": lambda f: (
        0.62 * f["round"] + 1.4 * f["round_open"] + 0.50 * f["upper_lip_up"] + 0.75 * f["lower_lip_down"]
    ),
    "mouthPucker": lambda f: f["round"],
}


def named_parts(rig: Rig) -> Parts:
    """Labels and groups of the head's parts for the committed head: the parts are made in a fixed order, skin last."""
    parts = Parts()
    mouth.add_lips(parts)
    eyes.add_eyes(parts)
    mouth.add_teeth(parts)
    mouth.add_tongue(parts)
    head_ears.add_ears(parts)
    head_nose.add_nostrils(parts)
    eyes.add_lashes(parts)
    eyes.add_brows(parts)
    parts.add(rig.template[len(parts) :], "skin")
    return parts


def left_share(x: Array, half_width: float) -> Array:
    """Share [V] of the head's left in a shape: 0 to 1 over 2 half_width around the middle; left + right = 1."""
    return smoothstep(-half_width, half_width, x)


def build_shapes(rig: Rig) -> dict[str, NDArray[np.float64]]:
    """The 52 shapes by name, each [V, 3] in metres."""
    points = rig.template.astype(np.float64) * 100.0
    parts = named_parts(rig)
    fields = {n: v.reshape(-1, 3).astype(np.float64) * 100.0 for n, v in zip(rig.names, rig.fields, strict=True)}
    shapes = {name: recipe(fields) for name, recipe in _WHOLE.items()}
    left = {"eye": left_share(points[:, 0], 0.3), "brow": left_share(points[:, 0], 0.9)}
    left |= {"mouth": left_share(points[:, 0], 1.5), "cheek": left["brow"], "nose": left_share(points[:, 0], 0.8)}
    paired = {name: recipe(fields) for name, recipe in _PAIRED.items()}
    paired |= arkit_mouth.paired_shapes(parts, points, rig.faces)
    for name, shape in paired.items():
        share = next(value for region, value in left.items() if name.startswith(region))[:, None]
        shapes[f"{name}Left"], shapes[f"{name}Right"] = shape * share, shape * (1.0 - share)
    shapes |= arkit_mouth.whole_shapes(parts, points, rig.faces)
    shapes |= arkit_eyes.look_shapes(parts, points, fields)
    jaw = fields["jaw_forward"][:, 2:] / fields["jaw_forward"][:, 2].max()
    for name, side in (("jawLeft", 1.0), ("jawRight", -1.0)):
        shapes[name] = jaw * np.array([0.85 * side, 0.0, -0.05])
    return {name: shape * 0.01 for name, shape in sorted(shapes.items())}


def shape_arrays(rig: Rig) -> dict[str, NDArray[np.generic]]:
    """Arrays of `arkit.npz`: names [52], int16 shapes [52, V, 3], metres per step, hash of the head's triangles."""
    shapes = build_shapes(rig)
    stacked = np.stack(list(shapes.values()))
    return {
        "blendshape_names": np.array(list(shapes)),
        "blendshapes": np.round(stacked / STEP_M).astype(np.int16),
        "blendshape_step": np.full(len(shapes), STEP_M, np.float32),
        "faces_sha256": np.array(hashlib.sha256(rig.faces.astype("<i4").tobytes()).hexdigest()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the ARKit shapes of the procedural head.")
    parser.add_argument("--out", type=Path, required=True, help="file to write, for example arkit.npz")
    options = parser.parse_args()
    np.savez_compressed(options.out, **shape_arrays(Rig.load()))
    print(f"{options.out}: {options.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
