"""The synthetic rig: 21 parameters to vertex offsets of the procedural head.

The rig is a set of fixed displacement fields with weights that are products of parameters. Its offsets are therefore
low-rank, fast, and the same on every machine up to float32 rounding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .parameters import RIG_PARAMETERS

HEAD_FILE = Path(__file__).with_name("head.npz")
FACES_SHA256 = "1fe23626c61ab4bdad20d0e36c28450566d912563196160ff14dd955c9abd8cd"
GAP_FIELDS = (
    "jaw_1",
    "jaw_2",
    "jaw_3",
    "round_open",
    "wide",
    "upper_lip_up",
    "lower_lip_down",
    "nose_wrinkle",
    "jaw_forward",
)


def coefficients(parameters: NDArray[np.floating], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Weights [T, K] of the fields `names` for parameters [T, 21] (order RIG_PARAMETERS, nominally 0..1)."""
    p = {name: np.asarray(parameters[:, i], dtype=np.float64) for i, name in enumerate(RIG_PARAMETERS)}
    close = np.clip(p["lips_close"], 0.0, 1.0)
    tuck = np.clip(p["lip_tuck"], 0.0, 1.0) * (1.0 - close)  # closed lips leave no room for a tuck
    blink = 1.0 - (1.0 - np.clip(p["blink"], 0.0, 1.0)) * (1.0 - 0.30 * np.clip(p["eye_squint"], 0.0, 1.0))
    jaw = p["jaw_open"]
    weight = {
        "jaw_1": jaw,
        "jaw_2": jaw**2,
        "jaw_3": jaw**3,
        "round": p["lips_round"],
        "round_open": p["lips_round"],
        "wide": p["lips_wide"],
        "upper_lip_up": p["upper_lip_up"],
        "lower_lip_down": p["lower_lip_down"],
        "tuck": tuck,
        "smile": p["smile"],
        "frown": p["frown"],
        "lips_press": p["lips_press"] + 0.30 * close * (1.0 - p["lips_press"]),
        "lips_stretch": p["lips_stretch"],
        "jaw_forward": p["jaw_forward"],
        "nose_wrinkle": p["nose_wrinkle"],
        "cheek_raise": p["cheek_raise"],
        "brow_inner_up": p["brow_inner_up"],
        "brow_outer_up": p["brow_outer_up"],
        "brow_down": p["brow_down"],
        "tongue_up": p["tongue_up"],
        "blink": blink,
        "blink_arc": 4.0 * blink * (1.0 - blink),
        "eye_wide": p["eye_wide"] * (1.0 - blink),
        "lower_lid": (p["eye_squint"] + 0.4 * p["cheek_raise"]) * (1.0 - blink),
    }
    for name in GAP_FIELDS:
        # a tucked lower lip has already given up that share of the opening
        weight[f"close_{name}"] = close * (1.0 - tuck) * weight[name]
        weight[f"tuck_{name}"] = tuck * weight[name]
    weight["close_tuck"] = close * tuck
    # pressed lips stay together while the nose lifts the upper one
    press = np.clip(1.6 * p["lips_press"], 0.0, 1.0)
    weight["close_nose_wrinkle"] = (1.0 - (1.0 - close) * (1.0 - press)) * p["nose_wrinkle"] * (1.0 - tuck)
    return np.stack([weight[name] for name in names], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Rig:
    """Template and displacement fields; build with `Rig.load()`.

    template: float32 [V, 3] metres (+Y up, +Z front). faces: int32 [F, 3]. colours: float32 [V, 3] linear 0..1.
    masks: vertex indices by region name. names: field names. fields: float32 [K, V * 3] metres.
    """

    template: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.float32]
    masks: dict[str, NDArray[np.int32]]
    names: tuple[str, ...]
    fields: NDArray[np.float32]

    @classmethod
    def load(cls, path: str | Path = HEAD_FILE) -> Rig:
        """Reads `head.npz`.

        Raises:
            ValueError: the file's triangles are not the ones this code was written for.
        """
        with np.load(path, allow_pickle=False) as data:
            faces = np.ascontiguousarray(data["faces"], dtype=np.int32)
            digest = hashlib.sha256(faces.astype("<i4").tobytes()).hexdigest()
            if digest != FACES_SHA256:
                raise ValueError(
                    f"{path}: faces hash {digest}, expected {FACES_SHA256}; restore the committed head.npz"
                    " or rebuild it with `python -m emoface_training.data.synthetic.head --out head.npz`"
                )
            steps = data["rig_fields"].astype(np.float32) * data["rig_steps"].astype(np.float32)[:, None, None]
            return cls(
                template=np.asarray(data["template"], dtype=np.float32),
                faces=faces,
                colours=np.asarray(data["colours"], dtype=np.float32),
                masks={n[5:]: np.asarray(data[n], dtype=np.int32) for n in data.files if n.startswith("mask_")},
                names=tuple(str(n) for n in data["rig_names"]),
                fields=steps.reshape(len(steps), -1),
            )

    def coefficients(self, parameters: ArrayLike) -> NDArray[np.float32]:
        """Field weights [T, K] for parameters [T, 21].

        Raises:
            ValueError: parameters are not [T, 21].
        """
        p = np.asarray(parameters, dtype=np.float64)
        if p.ndim != 2 or p.shape[1] != len(RIG_PARAMETERS):
            raise ValueError(
                f"rig parameters have shape {p.shape}, expected (frames, {len(RIG_PARAMETERS)}); "
                "order the columns as RIG_PARAMETERS"
            )
        return coefficients(p, self.names)

    def offsets(self, parameters: ArrayLike) -> NDArray[np.float32]:
        """Vertex offsets [T, V, 3] in metres relative to the template, for parameters [T, 21] nominally in 0..1.

        Zero parameters give exactly zero offsets.

        Raises:
            ValueError: parameters are not [T, 21].
        """
        weights = self.coefficients(parameters)
        return (weights @ self.fields).reshape(len(weights), *self.template.shape)
