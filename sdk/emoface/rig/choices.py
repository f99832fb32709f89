"""The rig that an animator's options ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emoface.errors import RigError
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import Blinks, open_blinks
from emoface.rig.controls import ControlFilter, RigControls
from emoface.rig.layers import BlendshapeLayer, BlinkLayer, ControlLayer, Layer, Layers
from emoface.rig.solver import BlendshapeSolver

if TYPE_CHECKING:
    from emoface.options import AnimatorOptions
    from emoface.package import Face, Package


@dataclass(frozen=True)
class Rig:
    """The layers of one stream, and what they were made of.

    Attributes:
        layers: in their places.
        controls: as given, or the defaults.
        blinks: that are added, or None.
        blendshapes: that weights are found for, or None.
    """

    layers: Layers
    controls: RigControls
    blinks: Blinks | None
    blendshapes: Blendshapes | None


def open_rig(package: Package, face: Face, options: AnimatorOptions, vertices: bool) -> Rig:
    """The rig that `controls`, `blinks` and `blendshapes` of the options ask for.

    Weights of the blendshapes that the model's coefficients are of are these coefficients, unless the package fuses two
    sets of them vertex by vertex or the controls change the offsets.

    Args:
        package: the package.
        face: its face, with the template that is animated.
        options: complete.
        vertices: whether frames have vertices.

    Raises:
        RigError: see `RigControls`, `Blinks` and `BlendshapeSolver`; blendshapes of another topology; what needs
            vertices where there are none; `blendshapes=True` and the package has none; blinks that are asked for of a
            face that cannot blink; and as `read_blendshapes`.
    """
    controls = options["controls"]
    if controls is not None and not isinstance(controls, RigControls):
        raise RigError(f"controls={controls!r}", "emoface.rig.RigControls or None", "Make one: RigControls(...).")
    chosen = controls or RigControls()
    shapes = _chosen_shapes(options["blendshapes"], face)
    fused = "emotion_coefficients" in package.manifest.outputs
    direct = shapes is not None and not fused and not chosen.moves and (shapes is face.basis or shapes == face.basis)
    if not vertices and (chosen.moves or (shapes is not None and not direct)):
        what = "controls that move them" if chosen.moves else "blendshape weights that are solved for them"
        raise RigError(
            f"vertices=False and {what}",
            "vertices, or what needs none: a shift in time, weights of the basis that the coefficients are of",
            "Leave one of the two out.",
        )
    without = None
    if not vertices:
        without = "vertices=False, which leaves no eyelids to close"
    elif direct and shapes != package.blendshapes:
        without = "weights of a motion basis, which has no shapes that blink"
    layers: list[Layer] = []
    if chosen != RigControls():
        layers.append(ControlLayer(chosen, ControlFilter(chosen, face, package.manifest.fps)))
    solver = None if shapes is None or direct else _solver(shapes, face)
    blinks = open_blinks(package, options["blinks"], without)
    if blinks is not None:
        layers.append(BlinkLayer(blinks))
    if shapes is not None:
        layers.append(BlendshapeLayer(shapes, solver, own=shapes is face.blendshapes))
    return Rig(Layers(layers), chosen, None if blinks is None else blinks.blinks, shapes)


def _chosen_shapes(given: bool | Blendshapes | str | Path, face: Face) -> Blendshapes | None:
    if isinstance(given, Blendshapes):
        return given
    if isinstance(given, (str, Path)):
        # Imported here: file readers are needed by few.
        from emoface.rig.basis_files import read_blendshapes

        return read_blendshapes(given, face)
    if given is False:
        return None
    if given is not True:
        raise RigError(f"blendshapes={given!r}", "True, False, Blendshapes or a file", "See emoface.rig.")
    if face.blendshapes is None:
        raise RigError(
            "blendshapes=True, and the package has no blendshapes",
            "a package with blendshapes, or your own",
            "Pass emoface.rig.Blendshapes, or a .glb or .npz file that has them.",
        )
    return face.blendshapes


def _solver(shapes: Blendshapes, face: Face) -> BlendshapeSolver:
    if shapes.vertices != len(face.template):
        raise RigError(
            f"blendshapes of {shapes.vertices} vertices",
            f"{len(face.template)}, the vertices of the package's face",
            "Use blendshapes made for this topology, vertex for vertex.",
        )
    return BlendshapeSolver(shapes)
