"""Named blendshapes of one mesh."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Blendshapes:
    """Vertex offsets of K named shapes at weight 1: a face is template + sum over k of weight[k] shapes[k].

    Attributes:
        names: K different names.
        shapes: (K, V, 3) float32, finite, in the unit of the face's template; read-only.

    Raises:
        RigError: no shapes, another shape of array, a name twice, NaN or infinite offsets.
    """

    names: tuple[str, ...]
    shapes: Floats

    def __post_init__(self) -> None:
        names = tuple(self.names)
        array = np.array(self.shapes, dtype=np.float32, order="C")
        if array.ndim != 3 or array.shape[2] != 3 or not array.shape[0] or not array.shape[1]:
            raise RigError(f"blendshapes of shape {array.shape}", "shape (K, V, 3)", "Give offsets per shape, vertex.")
        if len(names) != len(array) or not all(isinstance(name, str) and name for name in names):
            raise RigError(f"{len(names)} names for {len(array)} blendshapes", "one name each", "Name every shape.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RigError(f"the blendshape name {twice[0]!r} more than once", "different names", "Rename one of them.")
        broken = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if broken.any():
            raise RigError(
                f"NaN or infinite offsets in the blendshape {names[int(np.argmax(broken))]!r}",
                "finite offsets",
                "Repair the shape, or leave it out.",
            )
        array.setflags(write=False)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "shapes", array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blendshapes) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Blendshapes({len(self)} shapes of {self.vertices} vertices: {self.names[0]}, ...)"

    def __len__(self) -> int:
        return len(self.names)

    @property
    def vertices(self) -> int:
        """V."""
        return int(self.shapes.shape[1])

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of names and offsets."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        digest.update(np.ascontiguousarray(self.shapes, "<f4").tobytes())
        return digest.hexdigest()

    def __getitem__(self, name: str) -> Floats:
        """The offsets (V, 3) of one shape."""
        if name not in self.names:
            raise RigError(f"the blendshape {name!r}", f"one of {', '.join(self.names)}", "Check the name.")
        return np.asarray(self.shapes[self.names.index(name)])

    def select(self, names: Iterable[str]) -> Blendshapes:
        """The shapes `names`, in that order."""
        chosen = tuple(names)
        return Blendshapes(chosen, np.array([self[name] for name in chosen], np.float32))

    def without(self, *names: str) -> Blendshapes:
        """All shapes but `names`."""
        for name in names:
            self[name]
        return self.select(name for name in self.names if name not in names)

    def offsets(self, weights: npt.ArrayLike) -> Floats:
        """Vertex offsets (T, V, 3) of weights (T, K)."""
        given = np.asarray(weights, np.float32)
        if given.ndim != 2 or given.shape[1] != len(self):
            raise RigError(f"weights of shape {given.shape}", f"shape (T, {len(self)})", "Give one row per frame.")
        return np.asarray((given @ self.shapes.reshape(len(self), -1)).reshape(len(given), *self.shapes.shape[1:]))

    def to_arrays(self, step: float) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the package's `face.npz`: integer multiples of `step`, larger where int16 would overflow."""
        steps = np.maximum(np.abs(self.shapes).max(axis=(1, 2)) / 32767, step).astype(np.float32)
        return {
            "blendshape_names": np.array(self.names),
            "blendshapes": np.round(self.shapes / steps[:, None, None]).astype(np.int16),
            "blendshape_step": steps,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Blendshapes:
        """From `blendshape_names` (K,) text and `blendshapes` (K, V, 3), floats or int16 with `blendshape_step` (K,).

        Raises:
            RigError: an array is missing, or not of this kind.
        """
        for key in ("blendshape_names", "blendshapes"):
            if key not in arrays:
                raise RigError(f"no array {key}", "blendshape_names (K,) and blendshapes (K, V, 3)", "Add the array.")
        names, shapes = np.asarray(arrays["blendshape_names"]), np.asarray(arrays["blendshapes"])
        if names.ndim != 1 or names.dtype.kind != "U":
            raise RigError(f"blendshape_names: {names.shape} {names.dtype}", "(K,) text", "Store a list of names.")
        if shapes.dtype == np.int16 and shapes.ndim == 3:
            step = np.asarray(arrays.get("blendshape_step", ()))
            if step.shape != (len(shapes),) or step.dtype != np.float32:
                raise RigError(
                    f"blendshape_step: {step.shape} {step.dtype}",
                    f"({len(shapes)},) float32, the unit of the int16 offsets",
                    "Store the step of every shape, or store the offsets as float32.",
                )
            with np.errstate(over="ignore"):  # what becomes infinite is refused below
                shapes = shapes.astype(np.float32) * step[:, None, None]
        elif shapes.dtype.kind != "f":
            raise RigError(f"blendshapes of {shapes.dtype}", "floats, or int16 with blendshape_step", "Convert them.")
        return cls(tuple(str(name) for name in names), shapes)
