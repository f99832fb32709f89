"""Frames as a stream's stages gave them, before a face is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emoface.errors import RuntimeFailure
from emoface.head_pose import checked_rotations, towards_rest
from emoface.manifest import AFFECT, ROLES
from emoface.stream.expansion import Expansion
from emoface.stream.features import Floats


@dataclass(frozen=True)
class Motion:
    """Frames [first, first + n), an array for each role of `emoface.manifest.ROLES`.

    Attributes:
        first: the first frame's index.
        offsets: (n, V, 3), or (n, 0, 3) where they are not asked for.
        emotion: (n, E).
        emotion_weight: (n, W); W is V or 0.
        head_rotation, head_translation: (n, 3, 3) and (n, 3), or (n, 0, 0) and (n, 0).
        arousal, valence, confidence: (n, 1), or (n, 0).
        coefficients, emotion_coefficients: (n, R) or (n, 0).
        others_fade: whether `fade` has to bring all but the offsets to rest; False where whoever made them has done it.
    """

    first: int
    offsets: Floats
    emotion: Floats
    emotion_weight: Floats
    head_rotation: Floats
    head_translation: Floats
    arousal: Floats
    valence: Floats
    confidence: Floats
    coefficients: Floats
    emotion_coefficients: Floats
    others_fade: bool = True

    @property
    def beside_offsets(self) -> Mapping[str, Floats]:
        """What callers get as it is, by role."""
        return {role: getattr(self, role) for role in ROLES if role != "offsets"}

    def settle(self, unit_in_metres: float, expansion: Expansion | None) -> None:
        """Refuse what no graph may give, fill the offsets where they are made here, and make the head's rotations
        orthonormal.

        Raises:
            RuntimeFailure: offsets, coefficients, arousal, valence or confidence that are not finite; and as
                `emoface.head_pose.checked_rotations`.
        """
        _require_finite("coefficients", "coefficients", self.coefficients, self.emotion_coefficients)
        if expansion is not None:
            expansion.offsets(self.coefficients, self.emotion_coefficients, self.emotion_weight, self.offsets)
        _require_finite("vertex offsets", "offsets", self.offsets)
        for role in AFFECT:
            _require_finite(role, "values", getattr(self, role))
        self.head_rotation[:] = checked_rotations(self.head_rotation, self.head_translation, unit_in_metres)

    def fade(self, first: int, count: int) -> Floats:
        """Blend the motion of frames `first` ... to rest over `count` frames: smoothstep, the last is the template.

        Returns the factor (n,) of every frame.
        """
        shares = np.ones(len(self.offsets), np.float32)
        begin = max(0, first - self.first)
        for index in range(begin, len(shares)):
            t = (self.first + index - first + 1) / count
            shares[index] = np.float32(1.0 - t * t * (3.0 - 2.0 * t))
            self.offsets[index] *= shares[index]
        if self.others_fade:
            self.coefficients[begin:] *= shares[begin:, None]
            self.emotion_coefficients[begin:] *= shares[begin:, None]
            self.head_rotation[begin:] = towards_rest(self.head_rotation[begin:], shares[begin:])
            self.head_translation[begin:] *= shares[begin:, None]
        return shares


def _require_finite(name: str, expected: str, *arrays: Floats) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise RuntimeFailure(
            f"NaN or infinite {name} from the graphs",
            f"finite {expected}",
            "Call reset(). If it happens again, verify the package with `emoface verify`.",
        )
