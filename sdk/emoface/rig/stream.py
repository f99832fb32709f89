"""What happens to a stream's offsets between the model and the caller: controls, then blendshape weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import SHAPES
from emoface.rig.controls import ControlFilter, RigControls
from emoface.rig.solver import BlendshapeSolver

if TYPE_CHECKING:
    from emoface.package import Face

Floats = npt.NDArray[np.float32]


class RigStream:
    """Controls and solver of one voice: `Animator` makes it where either is asked for.

    Args:
        face: of the package, with the template that is animated.
        fps: frames per second.
        controls: strength, smoothing and time.
        blendshapes: what to find weights for, or None.
        direct: the weights are the model's coefficients themselves: nothing is solved.

    Raises:
        RigError: see `RigControls` and `BlendshapeSolver`; blendshapes of another topology.
    """

    def __init__(
        self, face: Face, fps: int, controls: RigControls, blendshapes: Blendshapes | None, direct: bool = False
    ) -> None:
        self.controls = controls
        self.blendshapes = blendshapes
        self.direct = direct
        self._own = face.blendshapes
        self._filter = ControlFilter(controls, face, fps)
        self._solver = None
        if blendshapes is not None and not direct:
            if blendshapes.vertices != len(face.template):
                raise RigError(
                    f"blendshapes of {blendshapes.vertices} vertices",
                    f"{len(face.template)}, the vertices of the package's face",
                    "Use blendshapes made for this topology, vertex for vertex.",
                )
            self._solver = BlendshapeSolver(blendshapes)

    def step(self, offsets: Floats) -> Floats:
        """Apply the controls to the next frames' offsets (n, V, 3) in place; returns weights (n, K), K = 0 for none."""
        self.control(offsets)
        return self.solve(offsets)

    def control(self, offsets: Floats) -> None:
        """Apply the controls to the next frames' offsets (n, V, 3) in place."""
        self._filter.apply(offsets)

    def solve(self, offsets: Floats) -> Floats:
        """Weights (n, K) of the next frames' offsets, K = 0 for none."""
        return np.zeros((len(offsets), 0), np.float32) if self._solver is None else self._solver.solve(offsets)

    def weights(self, offsets: Floats, coefficients: Floats, closed: Floats | None) -> Floats:
        """Weights (n, K) of the next frames: their coefficients (n, K) and what blinks added to them, `closed` (n, 2),
        where the blendshapes are the model's basis; else as `solve`."""
        if not self.direct or self.blendshapes is None:
            return self.solve(offsets)
        weights = coefficients.copy()
        if closed is not None:
            for place, name in enumerate(SHAPES):
                weights[:, self.blendshapes.names.index(name)] += closed[:, place]
        return weights

    def reset(self) -> None:
        """Begin a new stream."""
        self._filter.reset()
        if self._solver is not None:
            self._solver.reset()

    @property
    def identity(self) -> dict[str, Any]:
        """What a snapshot's stream must share, beyond the package: its own blendshapes need no mention."""
        identity: dict[str, Any] = {}
        if self.controls != RigControls():
            identity["controls"] = self.controls.identity
        if self.blendshapes is not None and self.blendshapes is not self._own:
            identity["blendshapes"] = self.blendshapes.sha256
        return identity

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What the next frame depends on."""
        state = self._filter.state()
        return state if self._solver is None else {**state, "weights": self._solver.state}

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Continue from `state`."""
        if self._solver is not None:
            self._solver.state = state["weights"]
        self._filter.restore(state)


def open_rig(
    face: Face,
    fps: int,
    blendshapes: bool | Blendshapes | str | Path,
    controls: RigControls | None,
    vertices: bool = True,
    fused: bool = False,
) -> RigStream | None:
    """The rig that an animator's arguments ask for, or None where they ask for nothing.

    Weights of the blendshapes that the model's coefficients are of are these coefficients, unless they are `fused`
    vertex by vertex or the controls change the offsets. `vertices`: whether there are any.

    Raises:
        RigError: what needs vertices where there are none; `blendshapes=True` and the package has none; and as
            `RigStream` and `read_blendshapes`.
    """
    if controls is not None and not isinstance(controls, RigControls):
        raise RigError(f"controls={controls!r}", "emoface.rig.RigControls or None", "Make one: RigControls(...).")
    if isinstance(blendshapes, (str, Path)):
        # Imported here: file readers are needed by few.
        from emoface.rig.basis_files import read_blendshapes

        blendshapes = read_blendshapes(blendshapes, face)
    elif blendshapes is True:
        if face.blendshapes is None:
            raise RigError(
                "blendshapes=True, and the package has no blendshapes",
                "a package with blendshapes, or your own",
                "Pass emoface.rig.Blendshapes, or a .glb or .npz file that has them.",
            )
        blendshapes = face.blendshapes
    elif blendshapes is not False and not isinstance(blendshapes, Blendshapes):
        raise RigError(f"blendshapes={blendshapes!r}", "True, False, Blendshapes or a file", "See emoface.rig.")
    basis = blendshapes if isinstance(blendshapes, Blendshapes) else None
    if basis is None and controls in (None, RigControls()):
        return None
    chosen = controls or RigControls()
    direct = basis is not None and not fused and not chosen.moves and (basis is face.basis or basis == face.basis)
    if not vertices and (chosen.moves or (basis is not None and not direct)):
        what = "controls that move them" if chosen.moves else "blendshape weights that are solved for them"
        raise RigError(
            f"vertices=False and {what}",
            "vertices, or what needs none: a shift in time, weights of the basis that the coefficients are of",
            "Leave one of the two out.",
        )
    return RigStream(face, fps, chosen, basis, direct)
