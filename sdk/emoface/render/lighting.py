"""A three-light portrait set-up in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """A distant light: `direction` towards it in camera axes (+X right, +Y up, +Z viewer), linear `colour`."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]

    @property
    def unit(self) -> FloatArray:
        """The direction at length 1, (3,)."""
        vector = np.asarray(self.direction, np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


@dataclass(frozen=True)
class Lighting:
    """Key, fill and rim light over a soft sky-and-ground ambient.

    `wrap` lets diffuse light reach past the terminator, further in red than in blue: the cheap look of light that
    scatters in skin. `catch` is a lamp that shows only as a reflection: the point of light in an eye. All colours are
    linear.
    """

    lights: tuple[Light, ...] = (
        Light((-0.50, 0.55, 0.80), (1.10, 1.02, 0.94)),
        Light((0.85, 0.05, 0.60), (0.20, 0.24, 0.30)),
        Light((0.65, 0.55, -0.75), (0.62, 0.66, 0.74)),
    )
    catch: Light = Light((-0.36, 0.30, 0.88), (1.3, 1.3, 1.3))
    sky: tuple[float, float, float] = (0.30, 0.32, 0.36)
    ground: tuple[float, float, float] = (0.15, 0.12, 0.11)
    wrap: tuple[float, float, float] = (0.30, 0.20, 0.16)
    sheen: float = 0.07

    def diffuse(self, normals: FloatArray, occlusion: FloatArray) -> FloatArray:
        """Light that arrives at surfaces with unit `normals` (V, 3), of which the share `occlusion` (V,) is open sky.

        Returns (V, 3) linear factors for the albedo.
        """
        up = (0.5 + 0.5 * normals[:, 1:2]).astype(np.float32)
        ambient = up * np.asarray(self.sky, np.float32) + (1 - up) * np.asarray(self.ground, np.float32)
        total = ambient * occlusion[:, None]
        wrap = np.asarray(self.wrap, np.float32)
        soft = (0.35 + 0.65 * occlusion)[:, None]
        for light in self.lights:
            lambert = np.clip(((normals @ light.unit)[:, None] + wrap) / (1 + wrap), 0, None)
            total = total + soft * lambert * np.asarray(light.colour, np.float32)
        return np.asarray(total, np.float32)

    def specular(self, normals: FloatArray, exponent: float) -> FloatArray:
        """Blinn-Phong highlights (P, 3) at unit `normals` (P, 3), for a viewer on +Z."""
        return _highlights(self.lights, normals, exponent)

    def reflection(self, normals: FloatArray) -> FloatArray:
        """Highlights (P, 3) on wet surfaces with unit `normals` (P, 3): the lights, and `catch` as a small dot."""
        return _highlights(self.lights, normals, 90.0) + _highlights((self.catch,), normals, 400.0)


def _highlights(lights: tuple[Light, ...], normals: FloatArray, exponent: float) -> FloatArray:
    total = np.zeros((len(normals), 3), np.float32)
    for light in lights:
        half = light.unit + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        facing = np.clip(normals @ half, 0, None) ** np.float32(exponent)
        total += facing[:, None] * np.asarray(light.colour, np.float32)
    return total


def encode_srgb(linear: FloatArray) -> NDArray[np.uint8]:
    """Linear values, 1 is white, to 8-bit sRGB of the same shape; values outside 0..1 are clipped."""
    index = np.clip(linear * np.float32(_STEPS - 1) + np.float32(0.5), 0, _STEPS - 1)
    return np.asarray(_TABLE[index.astype(np.uint16)], np.uint8)


def decode_srgb(encoded: tuple[int, int, int]) -> FloatArray:
    """One 8-bit sRGB colour to linear values (3,)."""
    value = np.asarray(encoded, np.float64) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _srgb_table(steps: int) -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, steps)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(encoded * 255), np.uint8)


_STEPS = 16384
_TABLE: NDArray[np.uint8] = _srgb_table(_STEPS)
