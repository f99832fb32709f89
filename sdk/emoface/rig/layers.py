"""What happens to a stream's frames between the model and the caller: layers, each in its place, in one order.

`ORDER` lists the places. Speech is heard first, in the model's own motion; the head sways before the eyes, which make
up for it; controls come before gaze and blinks, which smoothing would swallow; blinks after gaze, whose lids they close
from where they are; weights of blendshapes last, which so move and close the eyes, too. In C++ (csrc/runtime/layers.h)
the same places have the same order. See docs/layers.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from emoface.errors import UsageError
from emoface.rig.basis import Blendshapes
from emoface.rig.blinks import SHAPES, EyeBlinks
from emoface.rig.controls import ControlFilter, RigControls
from emoface.rig.solver import BlendshapeSolver
from emoface.rig.speech import Speech

if TYPE_CHECKING:
    from emoface.stream.motion import Motion

Floats = npt.NDArray[np.float32]
State = Mapping[str, npt.NDArray[np.generic]]

CHANGES: Mapping[str, str | None] = {
    "speech": None,
    "head_sway": "pose",
    "controls": "offsets",
    "gaze": "offsets",
    "blinks": "offsets",
    "blendshapes": "weights",
}
"""The places in their order, and what the layer there may change of a frame."""
ORDER = tuple(CHANGES)
# Snapshots had the others before there were places, and keep their names.
_NAMED = ("speech", "head_sway", "gaze")
_IDENTITIES = ("controls", "blendshapes", "blinks", *_NAMED)


NOTHING_HEARD = Speech(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.int64))


@dataclass
class LayerFrames:
    """The next frames of a stream, [first, first + n), which layers change in place.

    Attributes:
        first: index of the first.
        offsets: (n, V, 3) float32, faded where the face returns to rest; (n, 0, 3) where there are none.
        head_rotation, head_translation: (n, 3, 3) orthonormal and (n, 3), faded; (n, 0, 0) and (n, 0) where nothing
            moves the head.
        coefficients: (n, R) or (n, 0), read by layers and changed by none.
        shares: (n,) float32, what is left of the motion in a tail; None before. A layer that adds motion takes that
            much of it.
        speech: what is heard, where a layer wants to know.
        added: weights (n,) of the face's shapes that layers added, by name.
        weights: (n, K) weights of `blendshapes`, or None.
    """

    first: int
    offsets: Floats
    head_rotation: Floats
    head_translation: Floats
    coefficients: Floats
    shares: Floats | None = None
    speech: Speech = NOTHING_HEARD
    added: dict[str, Floats] = field(default_factory=dict)
    weights: Floats | None = None

    @classmethod
    def of(cls, motion: Motion, shares: Floats | None) -> LayerFrames:
        """The frames of a model's motion, as no layer has changed them."""
        rotation, translation = motion.head_rotation, motion.head_translation
        return cls(motion.first, motion.offsets, rotation, translation, motion.coefficients, shares)


class Layer(Protocol):
    """One layer of one stream. The same frames give the same bits for any cut into batches."""

    @property
    def place(self) -> str:
        """One of `ORDER`."""
        ...

    @property
    def identity(self) -> Any:
        """What the stream of a snapshot must share: seed and options as JSON values; None where there is nothing."""
        ...

    def apply(self, frames: LayerFrames) -> None:
        """Change the next frames, of what `CHANGES` says and nothing else."""
        ...

    def reset(self) -> None:
        """Begin a new stream."""
        ...

    def state(self) -> State:
        """What the next frame depends on, by name: arrays float32, int32 or int64 whose shapes never change."""
        ...

    def restore(self, state: State) -> None:
        """Continue from arrays of the names, dtypes and shapes of `state`, whatever finite values they hold."""
        ...


class Layers:
    """The layers of one stream, at most one in a place.

    Raises:
        UsageError: two for one place, or a place that is none.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self._layers: list[Layer] = []
        for layer in layers:
            free = [place for place in ORDER if place not in [other.place for other in self._layers]]
            if layer.place not in free:
                raise UsageError(
                    f"a layer for {layer.place!r}", f"one of {', '.join(free) or 'none'}", "Each place holds one layer."
                )
            self._layers.append(layer)
        self._layers.sort(key=lambda layer: ORDER.index(layer.place))

    def apply(self, frames: LayerFrames) -> None:
        """Let every layer change the next frames, in the order of the places."""
        for layer in self._layers:
            layer.apply(frames)

    def reset(self) -> None:
        """Begin a new stream."""
        for layer in self._layers:
            layer.reset()

    @property
    def identity(self) -> dict[str, Any]:
        """What the stream of a snapshot must share, by place."""
        said = {layer.place: layer.identity for layer in self._layers}
        return {place: said[place] for place in _IDENTITIES if said.get(place) is not None}

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What the next frame depends on; those of speech, head sway and gaze are named with their place."""
        return {_prefix(layer) + name: array for layer in self._layers for name, array in layer.state().items()}

    def restore(self, state: State) -> None:
        """Continue from `state`."""
        for layer in self._layers:
            layer.restore({name: state[_prefix(layer) + name] for name in layer.state()})


def _prefix(layer: Layer) -> str:
    return f"{layer.place}." if layer.place in _NAMED else ""


class ControlLayer:
    """Strength, smoothing and additions to the offsets."""

    place = "controls"

    def __init__(self, controls: RigControls, filtered: ControlFilter) -> None:
        self._controls, self._filter = controls, filtered

    @property
    def identity(self) -> list[float] | None:
        return None if self._controls == RigControls() else self._controls.identity

    def apply(self, frames: LayerFrames) -> None:
        self._filter.apply(frames.offsets, frames.shares)

    def reset(self) -> None:
        self._filter.reset()

    def state(self) -> State:
        return self._filter.state()

    def restore(self, state: State) -> None:
        self._filter.restore(dict(state))


class BlinkLayer:
    """Closes the eyes; nothing is remembered from frame to frame."""

    place = "blinks"

    def __init__(self, blinks: EyeBlinks) -> None:
        self._blinks = blinks

    @property
    def identity(self) -> list[float] | None:
        return None if self._blinks.blinks is None else self._blinks.blinks.identity

    def apply(self, frames: LayerFrames) -> None:
        lids = self._blinks.add(frames.first, frames.offsets, frames.shares)
        frames.added.update((name, lids[:, place]) for place, name in enumerate(SHAPES))

    def reset(self) -> None:
        return None

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        return None


class BlendshapeLayer:
    """Weights of blendshapes: solved for the offsets, or the model's coefficients where the shapes are its basis.

    Args:
        blendshapes: the shapes.
        solver: finds the weights; None takes the coefficients, and what gaze and blinks added to them.
        own: whether the shapes are the package's: then a snapshot does not mention them.
    """

    place = "blendshapes"

    def __init__(self, blendshapes: Blendshapes, solver: BlendshapeSolver | None, own: bool) -> None:
        self._shapes, self._solver, self._own = blendshapes, solver, own

    @property
    def identity(self) -> str | None:
        return None if self._own else self._shapes.sha256

    def apply(self, frames: LayerFrames) -> None:
        if self._solver is not None:
            frames.weights = self._solver.solve(frames.offsets)
            return
        frames.weights = frames.coefficients.copy()
        for name, weights in frames.added.items():
            frames.weights[:, self._shapes.names.index(name)] += weights

    def reset(self) -> None:
        if self._solver is not None:
            self._solver.reset()

    def state(self) -> State:
        return {} if self._solver is None else {"weights": self._solver.state}

    def restore(self, state: State) -> None:
        if self._solver is not None:
            self._solver.state = state["weights"]
