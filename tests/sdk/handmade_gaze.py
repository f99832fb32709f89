"""The handmade package with a face that can look, blink and turn.

To `handmade_voice.blinking_face` come two eyeballs, of a pupil and the point behind it, shapes that turn them, lids
that follow downwards, pivots and an identity with a pivot of its own.
"""

from __future__ import annotations

from unittest import mock

import handmade
import handmade_basis
import handmade_voice
import numpy as np

from emoface.rig.gaze import SHAPES

RADIUS = 0.012
DEGREES = {"In": 30.0, "Out": 25.0, "Up": 20.0, "Down": 15.0}
BALLS = {"Left": (8, 9), "Right": (10, 11)}
PIVOT = (0.0, -0.02, 0.01)


def looking_face() -> dict[str, np.ndarray]:
    """Arrays of `face.npz`, format 2."""
    face = handmade_voice.blinking_face()
    template = face["template"]
    face["blendshapes"][:, 8:] = 0
    for side, (pupil, behind) in BALLS.items():
        x = 0.035 if side == "Left" else -0.035
        template[pupil], template[behind] = (x, 0.02, 0.04 + RADIUS), (x, 0.02, 0.04 - RADIUS)
    shapes = []
    for name in SHAPES:
        side = "Left" if name.endswith("Left") else "Right"
        direction = name.removeprefix("eyeLook").removesuffix(side)
        outwards = 1.0 if side == "Left" else -1.0
        to = {"In": (-outwards, 0), "Out": (outwards, 0), "Up": (0, 1), "Down": (0, -1)}[direction]
        angle, shape = np.deg2rad(DEGREES[direction]), np.zeros_like(template)
        turned = np.array([to[0] * np.sin(angle), to[1] * np.sin(angle), np.cos(angle) - 1.0]) * RADIUS
        for vertex, sign in zip(BALLS[side], (1, -1), strict=True):
            shape[vertex] = sign * turned
        if direction == "Down":
            shape[[upper for upper, _ in handmade_voice.LIDS[f"eyeBlink{side}"]], 1] = -0.004
        shapes.append(shape)
    return {
        **face,
        "mask_eyeballs": np.array([8, 9, 10, 11], np.int32),
        "blendshape_names": np.array([*map(str, face["blendshape_names"]), *SHAPES]),
        "blendshapes": np.concatenate([face["blendshapes"], shapes]).astype(np.float32),
        "pivots": np.array([PIVOT, (0, -0.02, 0.02), (0.035, 0.02, 0.04), (-0.035, 0.02, 0.04)], np.float32),
        "identity.wide": (template * np.array([1.2, 1, 1])).astype(np.float32),
        "identity.wide.pivots": np.array([(0, -0.03, 0.0)] * 4, np.float32),
    }


def with_gaze(files: dict[str, bytes], *, without: tuple[str, ...] = (), **changes: np.ndarray) -> dict[str, bytes]:
    """The package with that face, in format 2; arrays of `face.npz` may be replaced or left out."""
    face = {name: array for name, array in {**looking_face(), **changes}.items() if name not in without}
    return handmade.with_file(handmade.with_manifest(files, format=2), "face.npz", handmade.npz(**face))


def with_coefficients(files: dict[str, bytes]) -> dict[str, bytes]:
    """The package with that face, whose motion lies in its blendshapes."""
    face = looking_face()
    with mock.patch.object(handmade_basis, "R", len(face["blendshapes"])):
        return handmade_basis.with_basis(files, fused=False, offsets=False, stored="blendshapes", others=face)
