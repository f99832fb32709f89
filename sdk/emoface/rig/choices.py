"""The rig that an animator's options ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emoface.errors import RigError
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import Blinks, EyeBlinks, open_blinks
from emoface.rig.controls import ControlFilter, RigControls
from emoface.rig.gaze import Gaze, GazeLayer
from emoface.rig.head_sway import AXES, HeadSway, SwayLayer, check_head
from emoface.rig.layers import BlendshapeLayer, BlinkLayer, ControlLayer, Layer, Layers
from emoface.rig.seeded import wanted
from emoface.rig.solver import BlendshapeSolver
from emoface.rig.speech import SpeechLayer

if TYPE_CHECKING:
    from emoface.options import AnimatorOptions
    from emoface.package import Face, Package


@dataclass(frozen=True)
class Rig:
    """The layers of one stream, and what they were made of.

    Attributes:
        layers: in their places.
        controls: as given, or the defaults.
        blinks, gaze, head_sway: that are added, or None.
        blendshapes: that weights are found for, or None.
    """

    layers: Layers
    controls: RigControls
    blinks: Blinks | None
    gaze: Gaze | None
    head_sway: HeadSway | None
    blendshapes: Blendshapes | None


def open_rig(package: Package, face: Face, options: AnimatorOptions, vertices: bool) -> Rig:
    """The rig that `controls`, `blinks`, `gaze`, `head_sway` and `blendshapes` of the options ask for.

    Weights of the blendshapes that the model's coefficients are of are these coefficients, unless the package fuses two
    sets of them vertex by vertex or the controls change the offsets.

    Args:
        package: the package.
        face: its face, with the template that is animated.
        options: complete.
        vertices: whether frames have vertices.

    Raises:
        RigError: see `RigControls`, `Blinks`, `Gaze`, `HeadSway` and `BlendshapeSolver`; blendshapes of another
            topology; what needs vertices where there are none; `blendshapes=True` and the package has none; blinks,
            gaze or head sway that are asked for of a face that cannot do them; and as `read_blendshapes`.
    """
    controls = options["controls"]
    if controls is not None and not isinstance(controls, RigControls):
        raise RigError(f"controls={controls!r}", "emoface.rig.RigControls or None", "Make one: RigControls(...).")
    moved = controls or RigControls()
    shapes = _chosen_shapes(options["blendshapes"], face)
    fused = "emotion_coefficients" in package.manifest.outputs
    direct = shapes is not None and not fused and not moved.moves and (shapes is face.basis or shapes == face.basis)
    if not vertices and (moved.moves or (shapes is not None and not direct)):
        what = "controls that move them" if moved.moves else "blendshape weights that are solved for them"
        raise RigError(
            f"vertices=False and {what}",
            "vertices, or what needs none: a shift in time, weights of the basis that the coefficients are of",
            "Leave one of the two out.",
        )
    without, of_basis = "vertices=False, which leaves no {}", "weights of a motion basis, which has no shapes that {}"
    no_lids = no_eyes = no_lips = None
    if not vertices:
        no_lids, no_eyes, no_lips = (
            without.format(what) for what in ("eyelids to close", "eyes to turn", "lips to hear")
        )
    elif direct and shapes != package.blendshapes:
        no_lids, no_eyes = of_basis.format("blink"), of_basis.format("turn the eyes")
    fps = package.manifest.fps
    layers: list[Layer] = []
    if moved != RigControls():
        layers.append(ControlLayer(moved, _filter(package, face, moved)))
    solver = None if shapes is None or direct else _solver(shapes, face)
    blinks = open_blinks(package, options["blinks"], no_lids)
    if moved.blink_offset and no_lids is not None:
        raise RigError(f"blink_offset={moved.blink_offset:g} and {no_lids}", "one of the two", "Leave one out.")
    if blinks is not None or moved.blink_offset:
        lids = EyeBlinks(package.lids, fps, blinks, moved.blink_strength, moved.blink_offset)
        layers.append(BlinkLayer(lids))
    gaze = wanted(Gaze, options["gaze"], blinks, no_eyes, lambda: package.eyes)
    if gaze is not None:
        layers.append(GazeLayer(gaze, package.eyes, fps, blinks))
    # A head that the model moves is left to it, unless more is asked for.
    asked = options["head_sway"]
    if asked is None and "head_rotation" in package.manifest.outputs:
        asked = False
    sway = wanted(HeadSway, asked, blinks, no_lips, lambda: check_head(package))
    if sway is not None:
        layers.append(SwayLayer(sway, face, fps))
    if gaze is not None or sway is not None:
        layers.append(SpeechLayer(face, fps))
    if shapes is not None:
        layers.append(BlendshapeLayer(shapes, solver, own=shapes is face.blendshapes))
    return Rig(Layers(layers), moved, blinks, gaze, sway, shapes)


def _filter(package: Package, face: Face, controls: RigControls) -> ControlFilter:
    manifest = package.manifest
    if controls.needs_axes and manifest.axes != AXES:
        raise RigError(
            f"a face with the axes {manifest.axes!r}",
            f"{AXES!r}, which a soft mask, an offset of the tongue and lips that close need",
            "Leave these controls out, or export the package with these axes.",
        )
    return ControlFilter(controls, face, manifest.fps, manifest.unit_in_metres, lambda: package.lids)


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
