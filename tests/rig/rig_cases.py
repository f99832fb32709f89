"""The handmade package of the SDK's tests, with blendshapes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "sdk"))

import handmade


def handmade_shapes() -> dict[str, np.ndarray]:
    """Three shapes for the handmade package's face, as `face.npz` holds them."""
    steps = np.random.default_rng(11).integers(-9000, 9000, (3, handmade.V, 3)).astype(np.int16)
    names = np.array(["browInnerUp", "jawOpen", "mouthSmileLeft"])
    return {"blendshape_names": names, "blendshapes": steps, "blendshape_step": np.full(3, 4e-6, np.float32)}


def shaped_files() -> dict[str, bytes]:
    """The handmade package with `handmade_shapes` and a mask of the upper face."""
    face = handmade.face_arrays()
    upper = np.flatnonzero(face["template"][:, 1] > 0).astype(np.int32)
    arrays = {**face, **handmade_shapes(), "mask_eyes_forehead": upper}
    return handmade.with_file(handmade.package_files(), "face.npz", handmade.npz(**arrays))


def noise(seconds: float = 2.0) -> np.ndarray:
    """A sound at 16 kHz."""
    return (0.2 * np.random.default_rng(3).standard_normal(int(16000 * seconds))).astype(np.float32)
