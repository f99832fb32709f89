"""The handmade face with lids, and with what every control needs: a tongue, teeth, lips, wide eyes."""

from __future__ import annotations

import handmade
import handmade_voice
import numpy as np

CONTROLS = {
    "mask": {"upper_strength": 1.6, "lower_strength": 0.5, "mask_level": 0.4, "mask_softness": 0.3},
    "skin": {"skin_strength": 0.5},
    "lids wide": {"eyelid_open_offset": 0.4},
    "lids narrow": {"eyelid_open_offset": -0.3, "blink_strength": 0.5},
    "lips apart": {"lip_open_offset": 0.15},
    "lips closed": {"lip_open_offset": -0.2},
    "tongue": {"tongue_strength": 2.5, "tongue_height_offset": 1.5, "tongue_depth_offset": -2.0},
    "eyes shut": {"blink_offset": 0.6, "blink_strength": 2.0},
    "all": {
        "upper_strength": 1.2,
        "lower_strength": 0.8,
        "upper_smoothing": 0.1,
        "lower_smoothing": 0.04,
        "sync_offset": 0.05,
        "mask_level": 0.6,
        "mask_softness": 0.2,
        "skin_strength": 1.3,
        "blink_strength": 0.9,
        "blink_offset": 0.1,
        "eyelid_open_offset": 0.06,
        "lip_open_offset": -0.03,
        "tongue_strength": 1.5,
        "tongue_height_offset": -0.5,
        "tongue_depth_offset": 0.7,
    },
}
"""The table of cases of the Python and the C++ runtime: arguments of `emoface.rig.RigControls` by name."""


def face_arrays() -> dict[str, np.ndarray]:
    """`face.npz` of `handmade_voice.blinking_face` with more masks and shapes; masks may share vertices."""
    arrays = handmade_voice.blinking_face()
    template, names = arrays["template"], list(arrays["blendshape_names"])
    shapes = list(arrays["blendshapes"])
    random = np.random.default_rng(17)
    for name in ("eyeWideLeft", "eyeWideRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft"):
        shapes.append(random.normal(0, 0.002, template.shape).astype(np.float32))
        names.append(name)
    parting = random.normal(0, 0.002, template.shape).astype(np.float32)
    parting[[8, 9], 1], parting[[10, 11], 1] = 0.03, -0.03
    shapes.append(parting)
    names.append("mouthUpperUpRight")
    template[[8, 9], 1], template[[10, 11], 1] = -0.05, -0.06
    arrays.update(
        blendshape_names=np.array(names),
        blendshapes=np.stack(shapes),
        mask_eyes_forehead=np.flatnonzero(template[:, 1] > 0).astype(np.int32),
        mask_teeth_lower=np.array([0, 3, 5, 6, 9, 11], np.int32),
        mask_tongue=np.array([8, 10], np.int32),
        mask_upper_lip_inner=np.array([8, 9], np.int32),
        mask_lower_lip_inner=np.array([10, 11], np.int32),
    )
    return arrays


def package_files() -> dict[str, bytes]:
    """The handmade package with that face."""
    return handmade.with_file(handmade.package_files(), "face.npz", handmade.npz(**face_arrays()))
