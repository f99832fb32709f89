"""FLAME forward: shape, expression and jaw to vertices, by `smplx`, from the user's licensed model file.

The file is a pickle; it is read by the restricted reader (smplx's own loader would unpickle anything), and smplx's
linear blend skinning does the rest. The neck, the eyes and the global rotation stay at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emoface_training.errors import DatasetError

from .restricted_pickle import as_array, read_pickle

# FLAME's basis holds 300 shape components, then the expression components
SHAPE_COMPONENTS = 300
JOINTS = 5  # root, neck, jaw, two eyes
JAW = slice(6, 9)
FIELDS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")


@dataclass(frozen=True)
class Flame:
    """template [V, 3] m, faces [F, 3]; the rest are float32 tensors in smplx's layout."""

    template: np.ndarray
    faces: np.ndarray
    directions: torch.Tensor
    pose_directions: torch.Tensor
    joints: torch.Tensor
    parents: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def load(cls, path: Path) -> Flame:
        """Read `generic_model.pkl` or another file of FLAME's format.

        Raises DatasetError when it is missing, refused, or lacks a field.
        """
        data = read_pickle(Path(path))
        missing = [name for name in FIELDS if not isinstance(data, dict) or name not in data]
        if missing:
            raise DatasetError(f"{path} without {', '.join(missing)}", "FLAME's model file", "See flame.is.tue.mpg.de.")
        try:
            arrays = {name: as_array(data[name]) for name in FIELDS}
            template = arrays["v_template"].astype(np.float32).reshape(-1, 3)
            vertices = len(template)
            directions = arrays["shapedirs"].astype(np.float32).reshape(vertices, 3, -1)
            pose = arrays["posedirs"].astype(np.float32).reshape(3 * vertices, 9 * (JOINTS - 1)).T
            joints = arrays["J_regressor"].astype(np.float32).reshape(JOINTS, vertices)
            weights = arrays["weights"].astype(np.float32).reshape(vertices, JOINTS)
            parents = arrays["kintree_table"].astype(np.int64).reshape(2, JOINTS)[0]
        except ValueError as error:
            raise DatasetError(
                f"{path} with fields of other shapes ({error})", "FLAME's model file", "See flame.is.tue.mpg.de."
            ) from None
        parents[0] = -1
        numbers = (directions, np.ascontiguousarray(pose), joints, parents, weights)
        return cls(template, arrays["f"].astype(np.int32), *(torch.from_numpy(value) for value in numbers))

    @torch.no_grad()
    def vertices(self, shape: np.ndarray, expression: np.ndarray, jaw: np.ndarray) -> np.ndarray:
        """shape [S], expression [T, E], jaw [T, 3] (axis-angle, rad) -> vertices float32 [T, V, 3] in metres."""
        from smplx.lbs import lbs

        frames = len(expression)
        coefficients = torch.zeros(frames, self.directions.shape[2])
        coefficients[:, : len(shape)] = torch.from_numpy(np.asarray(shape, np.float32))
        last = SHAPE_COMPONENTS + expression.shape[1]
        coefficients[:, SHAPE_COMPONENTS:last] = torch.from_numpy(np.asarray(expression, np.float32))
        pose = torch.zeros(frames, 3 * JOINTS)
        pose[:, JAW] = torch.from_numpy(np.asarray(jaw, np.float32))
        template = torch.from_numpy(self.template)[None].expand(frames, -1, -1)
        posed, _ = lbs(
            coefficients, pose, template, self.directions, self.pose_directions, self.joints, self.parents, self.weights
        )
        return posed.numpy()
