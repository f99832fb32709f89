"""Parts of the face that controls move by themselves: the tongue in its jaw, the gap of the lips, the lids.

Everything is computed frame by frame, from the frame alone. csrc/runtime/face_parts.cpp does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError

if TYPE_CHECKING:
    from emoface.package import Face
    from emoface.rig.blinks import Lid

Floats = npt.NDArray[np.float32]

INNER = ("teeth_lower", "teeth_upper", "tongue", "eyeballs")
"""Masks of what is no skin."""
_TONGUE, _CARRIER = "tongue", "teeth_lower"
_PARTING = ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")
_WIDE = ("eyeWideLeft", "eyeWideRight")
_INNER_LIPS = ("upper_lip_inner", "lower_lip_inner")
_CENTRAL = 0.5  # of what the shapes part most: pairs of the lips that are parted less lie in the corners


def _mask(face: Face, name: str, control: str) -> npt.NDArray[np.int32]:
    if not len(mask := face.masks.get(name, np.zeros(0, np.int32))):
        raise RigError(
            f"a face without the mask {name!r}",
            f"the mask that {control} needs",
            f"Leave {control} out, or export the package with the mask.",
        )
    return mask


def _shapes(face: Face, names: tuple[str, ...], control: str) -> list[Floats]:
    known = () if face.blendshapes is None else face.blendshapes.names
    if missing := [name for name in names if name not in known]:
        raise RigError(
            f"a face without the blendshape {missing[0]!r}",
            f"{', '.join(names)}, which {control} needs",
            f"Leave {control} out, or export the package with these shapes.",
        )
    assert face.blendshapes is not None
    return [face.blendshapes[name] for name in names]


class Tongue:
    """The tongue's own motion: what is left when that of the jaw is taken away.

    The jaw's motion at the tongue is the affine map that fits the lower teeth best, which is exact where they are
    turned and moved as a whole.

    Args:
        face: that is animated.
        strength: factor on the own motion.
        height, depth: by how much the tip is higher and farther out, in the face's unit.

    Raises:
        RigError: the face has no tongue or no lower teeth, or they are flat.
    """

    def __init__(self, face: Face, strength: float, height: float, depth: float) -> None:
        control = "a control of the tongue"
        self._tongue, self._teeth = _mask(face, _TONGUE, control), _mask(face, _CARRIER, control)
        self._more = strength - 1.0
        template = face.template.astype(np.float64)
        tongue, teeth = template[self._tongue], template[self._teeth]
        # Around the teeth's middle and in their size, so that the sums are well conditioned.
        middle = teeth.mean(axis=0)
        size = float(np.abs(teeth - middle).max())
        rows, self._rows = (
            np.column_stack([(points - middle) / (size or 1.0), np.ones(len(points))]) for points in (teeth, tongue)
        )
        normal = rows.T @ rows
        if np.linalg.matrix_rank(normal) < 4:
            raise RigError("lower teeth that lie in a plane", "teeth with height, width and depth", "Repair the mask.")
        self._fit = np.linalg.solve(normal, rows.T)
        depths = tongue[:, 2]
        t = (depths - depths.min()) / ((depths.max() - depths.min()) or 1.0)
        self._shift = ((t * t * (3.0 - 2.0 * t))[:, None] * np.array([0.0, height, depth])).astype(np.float32)

    def scale(self, frame: Floats) -> None:
        """Scale the own motion in a frame's offsets (V, 3), in place."""
        if not self._more:
            return
        carried = self._rows @ (self._fit @ frame[self._teeth].astype(np.float64))
        own = frame[self._tongue].astype(np.float64) - carried
        frame[self._tongue] += (self._more * own).astype(np.float32)

    def add(self, frame: Floats, share: np.float32) -> None:
        """Move the tip in a frame's offsets (V, 3), in place."""
        frame[self._tongue] += share * self._shift


class LipOffset:
    """Lips that are parted a little more, or closed until they touch.

    Args:
        face: that is animated.
        weight: of the shapes that part the lips.

    Raises:
        RigError: the face lacks these shapes, or, to close its lips, the masks of their inner rims.
    """

    def __init__(self, face: Face, weight: float) -> None:
        shapes = np.stack(_shapes(face, _PARTING, "lip_open_offset"))
        parting: Floats = shapes.sum(axis=0, dtype=np.float32)
        self._weight = weight
        self._moving = np.flatnonzero((parting != 0).any(axis=1))
        self._parting: Floats = parting[self._moving]
        if weight > 0:
            return
        upper, lower = (_mask(face, name, "lip_open_offset") for name in _INNER_LIPS)
        x, y = face.template[:, 0].astype(np.float64), face.template[:, 1].astype(np.float64)
        lower = lower[np.abs(x[upper][:, None] - x[lower]).argmin(axis=1)]
        parted = parting[upper, 1].astype(np.float64) - parting[lower, 1]
        central = (parted > 0) & (parted >= _CENTRAL * parted.max())
        if not central.any():
            raise RigError(
                "shapes that do not part the lips", "+Y up, and shapes that do", "Leave lip_open_offset out."
            )
        self._upper, self._lower, self._parted = upper[central], lower[central], parted[central]
        self._rest = y[self._upper] - y[self._lower]

    def add(self, frame: Floats, share: np.float32) -> None:
        """Part or close the lips in a frame's offsets (V, 3), in place."""
        weight = self._weight
        if weight < 0:
            gap = self._rest + (frame[self._upper, 1].astype(np.float64) - frame[self._lower, 1])
            weight = -min(-weight, max(float((gap / self._parted).min()), 0.0))
        frame[self._moving] += share * np.float32(weight) * self._parting


class EyelidOffset:
    """Lids that are opened wider, or closed by a part of what is between them.

    Args:
        face: that is animated.
        weight: of `eyeWide`; below 0 how much is closed.
        lids: gives the lids of the face's eyes.

    Raises:
        RigError: the face lacks the shapes.
    """

    def __init__(self, face: Face, weight: float, lids: Callable[[], tuple[Lid, ...]]) -> None:
        self._weight = weight
        self._lids = lids() if weight < 0 else ()
        self._wide = list[tuple[npt.NDArray[np.intp], Floats]]()
        for shape in _shapes(face, _WIDE, "eyelid_open_offset") if weight > 0 else ():
            moving = np.flatnonzero((shape != 0).any(axis=1))
            self._wide.append((moving, shape[moving]))

    def add(self, frame: Floats, share: np.float32) -> None:
        """Open or close the lids in a frame's offsets (V, 3), in place."""
        for moving, shape in self._wide:
            frame[moving] += share * np.float32(self._weight) * shape
        for lid in self._lids:
            frame[lid.moving] += share * np.float32(-self._weight * lid.opening(frame) * lid.full) * lid.shape
