"""Coefficients of a motion basis to vertex offsets, the same bits here and in C++.

A frame's offsets are a sum over the shapes in their order, each product rounded to float32 before it is added. Two
branches are fused vertex by vertex: a + (b - a) w. Every frame is made alone, so that cuts cannot reach the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from emoface.errors import PackageError, UsageError
from emoface.manifest import Manifest

if TYPE_CHECKING:
    from emoface.face_file import Face
    from emoface.rig.basis import Blendshapes

Floats = npt.NDArray[np.float32]


class Expansion:
    """Offsets of one basis.

    Args:
        shapes: (R, V, 3) float32, offsets at coefficient 1.
    """

    def __init__(self, shapes: Floats) -> None:
        self.vertices = shapes.shape[1]
        self._rows = np.ascontiguousarray(shapes, np.float32).reshape(len(shapes), -1)
        self._product = np.empty(self._rows.shape[1], np.float32)

    def offsets(self, coefficients: Floats, emotion: Floats, weight: Floats, out: Floats) -> None:
        """Fill offsets (n, V, 3) of coefficients (n, R).

        Where emotion (n, R) is no (n, 0), its sum has the share weight (n, V) of each vertex. What overflows is left
        infinite or NaN.
        """
        fused = emotion.shape[1] > 0
        other = np.empty((self.vertices, 3), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for index, frame in enumerate(out):
                self._sum(coefficients[index], frame)
                if fused:
                    self._sum(emotion[index], other)
                    other -= frame
                    other *= weight[index][:, None]
                    frame += other

    def _sum(self, coefficients: Floats, out: Floats) -> None:
        total = out.reshape(-1)
        np.multiply(self._rows[0], coefficients[0], out=total)
        for row, coefficient in zip(self._rows[1:], coefficients[1:], strict=True):
            np.multiply(row, coefficient, out=self._product)
            np.add(total, self._product, out=total)


EXPANDED_ROLES = ("coefficients", "emotion_coefficients", "emotion_weight")
"""What offsets are made of; without `emotion_coefficients` the weight does not count."""


def expanded(face: Face, manifest: Manifest, roles: Mapping[str, Floats]) -> Floats:
    """Offsets (k, V, 3) of arrays (k, ...) by role, of a face that has a basis."""
    assert face.basis is not None
    return expanded_of(face.basis, roles, "emotion_coefficients" in manifest.outputs)


def expanded_of(basis: Blendshapes, roles: Mapping[str, Floats], fused: bool) -> Floats:
    """The same of any basis; `fused`: with an emotion branch."""
    coefficients = roles["coefficients"]
    nothing = np.zeros((len(coefficients), 0), np.float32)
    made = np.empty((len(coefficients), basis.vertices, 3), np.float32)
    emotion, weight = (roles[role] if fused else nothing for role in EXPANDED_ROLES[1:])
    Expansion(basis.shapes).offsets(coefficients, emotion, weight, made)
    return made


class OffsetSource(NamedTuple):
    """Where a stream's vertex offsets come from.

    Attributes:
        graphs: from the stages, where one of them has the role.
        expansion: from the coefficients, in place of the stages'.
        identity: whose own basis it is, for engines that expand themselves; None where it is the package's.
    """

    graphs: bool = True
    expansion: Expansion | None = None
    identity: str | None = None

    @property
    def any(self) -> bool:
        """Whether there are offsets at all."""
        return self.graphs or self.expansion is not None


OF_STAGES = OffsetSource()
"""The default: what a package without a motion basis has."""


def offset_source(manifest: Manifest, face: Face, vertices: object, identity: str | None) -> OffsetSource:
    """The source for the face that is animated, one of the package's by name or None.

    Raises:
        UsageError: `vertices` is no bool. PackageError: without vertices, nothing would be left of the motion.
    """
    if not isinstance(vertices, bool):
        raise UsageError(f"vertices={vertices!r}", "True or False", "Leave it out for vertices.")
    if not vertices:
        if not manifest.coefficients:
            raise PackageError(
                f"vertices=False with package {manifest.name!r}, which gives no coefficients",
                "a package whose motion lies in a basis",
                "Leave the option out, or export the model with coefficients.",
            )
        return OffsetSource(graphs=False)
    own = identity if identity is not None and face.identities[identity].basis is not None else None
    if face.basis is None or ("offsets" in manifest.outputs and own is None):
        return OF_STAGES
    return OffsetSource(graphs=False, expansion=Expansion(face.basis.shapes), identity=own)
