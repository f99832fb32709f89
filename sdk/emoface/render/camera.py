"""Perspective camera that frames a template by itself, whatever its unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface.errors import TemplateError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at `target` from `distance`, in the unit of the vertices.

    `yaw` and `pitch` (radians) orbit the camera around the target: positive yaw shows more of the face's left
    side, positive pitch looks down from above. `field_of_view` is vertical, in radians; `shift` moves the picture
    upwards by that share of half its height.
    """

    target: tuple[float, float, float]
    distance: float
    yaw: float = 0.0
    pitch: float = 0.0
    field_of_view: float = 0.40
    shift: float = 0.0

    @classmethod
    def fit(
        cls,
        vertices: NDArray[np.floating],
        aspect: float = 1.0,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        field_of_view: float = 0.40,
        margin: float = 0.05,
        crop_below: float = 0.06,
    ) -> Camera:
        """The closest camera that shows all of `vertices` (V, 3).

        `aspect` is width / height of the picture, `margin` the free share at every side. The lowest `crop_below` of
        the height is left out and the bottom edge is put there, so that the open rim of a neck is not in the picture.
        """
        points = np.asarray(vertices, np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        extent = float(np.max(high - low))
        if not np.isfinite(extent) or extent <= 0:
            raise TemplateError(
                f"a template of size {extent}", "finite vertices that are not all one point", "Check the template."
            )
        target = (low + high) / 2
        target[1] += crop_below * (high[1] - low[1]) / 2
        view = (points - target) @ _rotation(yaw, pitch).T
        view = view[points[:, 1] >= low[1] + crop_below * (high[1] - low[1])]
        scale = 1 / np.tan(field_of_view / 2) / (1 - margin)
        reach = np.maximum(np.abs(view[:, 0]) / aspect, np.abs(view[:, 1])) * scale
        return cls(
            target=(float(target[0]), float(target[1]), float(target[2])),
            distance=float(np.max(view[:, 2] + reach)),
            yaw=yaw,
            pitch=pitch,
            field_of_view=field_of_view,
            shift=-margin if crop_below > 0 else 0.0,
        )

    @property
    def rotation(self) -> FloatArray:
        """World to camera rotation (3, 3); camera axes: +X right, +Y up, +Z towards the viewer."""
        return _rotation(self.yaw, self.pitch).astype(np.float32)

    def project(self, vertices: NDArray[np.floating], width: int, height: int) -> tuple[FloatArray, FloatArray]:
        """Pixel positions (V, 2), x to the right and y downwards, and inverse depth (V,), larger is nearer.

        Inverse depth is in units of 1 / distance, so the target has 1; points behind the camera get a value <= 0.
        """
        view = (np.asarray(vertices, np.float32) - np.asarray(self.target, np.float32)) @ self.rotation.T
        depth = 1 - view[:, 2] / np.float32(self.distance)
        inverse = np.where(depth > 1e-3, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
        focal = np.float32(0.5 * height / np.tan(self.field_of_view / 2) / self.distance)
        pixels = np.empty((len(view), 2), np.float32)
        pixels[:, 0] = width / 2 + view[:, 0] * focal * inverse
        pixels[:, 1] = height / 2 * (1 - self.shift) - view[:, 1] * focal * inverse
        return pixels, inverse


def _rotation(yaw: float, pitch: float) -> NDArray[np.float64]:
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    tilt = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(tilt @ turn, np.float64)
