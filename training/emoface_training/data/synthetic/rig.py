"""The rig's face: the canonical human head, and parameters to its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emoface_training.face import HEAD_FILE
from emoface_training.face.motion import NAMES

from .parameters import RIG_PARAMETERS
from .weights import weights


@dataclass(frozen=True)
class Rig:
    """Template and shapes; build with `Rig.load()`.

    template: float32 [V, 3] metres (+Y up, +Z front). faces: int32 [F, 3]. colours: float32 [V, 3] linear 0..1.
    masks: vertex indices by region name. names: the 52 shapes'. fields: float32 [52, V * 3] metres.
    """

    template: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.float32]
    masks: dict[str, NDArray[np.int32]]
    names: tuple[str, ...]
    fields: NDArray[np.float32]

    @classmethod
    def load(cls, path: str | Path = HEAD_FILE) -> Rig:
        """Read a face made by `emoface face make`.

        Raises:
            ValueError: the file's shapes are not the ones this code was written for.
        """
        with np.load(path, allow_pickle=False) as data:
            names = tuple(str(name) for name in data["blendshape_names"]) if "blendshape_names" in data else ()
            if names != NAMES:
                raise ValueError(f"{path}: {len(names)} shapes, expected ARKit's 52; make it: emoface face make")
            steps = data["blendshape_step"].astype(np.float32)[:, None, None]
            return cls(
                template=np.asarray(data["template"], dtype=np.float32),
                faces=np.ascontiguousarray(data["faces"], dtype=np.int32),
                colours=np.asarray(data["colours"], dtype=np.float32),
                masks={n[5:]: np.asarray(data[n], dtype=np.int32) for n in data.files if n.startswith("mask_")},
                names=names,
                fields=(data["blendshapes"].astype(np.float32) * steps).reshape(len(names), -1),
            )

    def coefficients(self, parameters: ArrayLike) -> NDArray[np.float32]:
        """Weights [T, 52] of the shapes for parameters [T, P].

        Raises:
            ValueError: parameters are not [T, P].
        """
        p = np.asarray(parameters, dtype=np.float64)
        if p.ndim != 2 or p.shape[1] != len(RIG_PARAMETERS):
            raise ValueError(
                f"rig parameters have shape {p.shape}, expected (frames, {len(RIG_PARAMETERS)}); "
                "order the columns as RIG_PARAMETERS"
            )
        return weights(p)

    def offsets(self, parameters: ArrayLike) -> NDArray[np.float32]:
        """Vertex offsets [T, V, 3] in metres relative to the template, for parameters [T, P].

        Zero parameters give exactly zero offsets.

        Raises:
            ValueError: parameters are not [T, P].
        """
        found = self.coefficients(parameters)
        return (found @ self.fields).reshape(len(found), *self.template.shape)
