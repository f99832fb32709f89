"""Vertices to blendshape weights, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emoface.errors import RigError
from emoface.rig.active_set import solve_box
from emoface.rig.basis import Blendshapes

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

DEFAULT_SPARSITY = 0.002
DEFAULT_SMOOTHNESS = 0.05
_NEGLIGIBLE = 1e-5  # of the largest offset: vertices that move less do not count
_INDEPENDENT = 1e-5  # least share of a shape's square that the shapes before it must leave over
_OPPOSITE = 0.01  # a share above it, of a shape of the same size, counts as explaining and not as undoing
_RIDGE = 1e-4  # keeps the problem strictly convex where opposite shapes could both grow
_CHUNK = 160  # floats summed in single precision before double takes over; few enough that BLAS starts no threads


class BlendshapeSolver:
    """Weights whose face comes nearest to the given one, in 0..1, few, and steady in time.

    Minimises, with offsets x, shapes B, the weights p of the frame before, and shape sizes c[k] = |B[k]| / s, where s
    is the root mean square of all |B[k]|,

        1/2 |B' w - x|^2 / s^2  +  sparsity sum c[k] w[k]
            +  1/2 smoothness sum c[k]^2 (w[k] - p[k])^2  +  1/2 10^-4 sum c[k]^2 w[k]^2

    exactly, for 0 <= w <= 1. The terms do not depend on the unit, the size of the mesh or the scale of a shape. One
    solver per voice, frames in order; it starts at the neutral face. The weights of a frame depend on the frames so
    far alone, not on how they were cut into batches.

    Args:
        names: of the K shapes, or a `Blendshapes`, which then holds the shapes too.
        basis: (K, V, 3) offsets at weight 1.
        sparsity: weight that an average shape gives up; 0 for none. Larger values leave more weights at 0.
        smoothness: lag in frames of a shape that moves alone; 0 solves every frame for itself.

    Raises:
        RigError: see `Blendshapes`; shapes that are combinations of others; a negative or infinite parameter.

    Attributes:
        blendshapes: what it solves for.
        unused: names of shapes without any offset; their weight is always 0.
    """

    def __init__(
        self,
        names: Sequence[str] | Blendshapes,
        basis: npt.ArrayLike | None = None,
        *,
        sparsity: float = DEFAULT_SPARSITY,
        smoothness: float = DEFAULT_SMOOTHNESS,
    ) -> None:
        if not isinstance(names, Blendshapes):
            names = Blendshapes(tuple(names), np.asarray(() if basis is None else basis, np.float32))
        self.blendshapes = names
        self.sparsity = _parameter("sparsity", sparsity)
        self.smoothness = _parameter("smoothness", smoothness)
        shapes = names.shapes
        reach = np.abs(shapes).max(axis=(0, 2))
        self._moving = np.flatnonzero(reach > np.float32(_NEGLIGIBLE) * reach.max())
        count = len(names)
        flat = shapes[:, self._moving].reshape(count, -1).astype(np.float64)
        gram = flat @ flat.T
        size = np.sqrt(np.diag(gram))
        self._used = np.flatnonzero(size > 0)
        self.unused = tuple(names.names[k] for k in np.flatnonzero(size == 0))
        if not len(self._used):
            raise RigError("blendshapes without any offset", "at least one that moves the face", "Check the export.")
        _refuse_dependent(gram, self._used, names.names)
        used_size = size[self._used]
        scale = float(np.sqrt(np.mean(used_size**2)))
        self._size = used_size / scale
        ties = self.smoothness * self._size**2
        self._matrix = gram[np.ix_(self._used, self._used)] / scale**2 + np.diag(ties + _RIDGE * self._size**2)
        self._ties = ties
        length = flat.shape[1]
        chunks = -(-length // _CHUNK)
        padded = np.zeros((len(self._used), chunks * _CHUNK), np.float32)
        padded[:, :length] = flat[self._used] / scale**2
        self._rows = np.ascontiguousarray(padded.reshape(-1, chunks, _CHUNK).transpose(1, 0, 2))
        self._held = np.zeros((chunks, _CHUNK, 1), np.float32)
        self._moved = self._held.reshape(-1)[:length].reshape(-1, 3)
        self._weights = np.zeros(count, np.float32)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights, in order."""
        return self.blendshapes.names

    def solve(self, offsets: npt.ArrayLike) -> Floats:
        """Weights of the next frames.

        Args:
            offsets: (n, V, 3), n >= 0, or (V, 3): vertices minus the template they were animated with.

        Returns:
            (n, K) or (K,) float32.

        Raises:
            RigError: another number of vertices, NaN or infinite offsets; the state is then unchanged.
        """
        given = np.asarray(offsets, np.float32)
        frames = given[None] if given.ndim == 2 else given
        if frames.ndim != 3 or frames.shape[1:] != (self.blendshapes.vertices, 3):
            raise RigError(
                f"offsets of shape {given.shape}",
                f"(n, {self.blendshapes.vertices}, 3), the vertices of the blendshapes",
                "Use blendshapes made for this topology, vertex for vertex.",
            )
        if not np.isfinite(frames).all():
            raise RigError("NaN or infinite offsets", "finite offsets", "Check where the vertices come from.")
        weights = np.zeros((len(frames), len(self.names)), np.float32)
        for frame, row in zip(frames, weights, strict=True):
            self._frame(frame, row)
        return weights[0] if given.ndim == 2 else weights

    def error(self, offsets: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
        """Root mean square distance (n,) of the V vertices between offsets (n, V, 3) and what weights (n, K) give."""
        given = np.asarray(offsets, np.float32)
        left = given - self.blendshapes.offsets(weights)
        return np.asarray(np.sqrt(np.mean(np.einsum("nvc,nvc->nv", left, left), axis=1)), np.float32)

    def reset(self) -> None:
        """Begin again at the neutral face."""
        self._weights[:] = 0

    @property
    def state(self) -> Floats:
        """All that the next frame depends on: the weights (K,) float32 of the frame before."""
        return self._weights.copy()

    @state.setter
    def state(self, weights: npt.ArrayLike) -> None:
        given = np.asarray(weights, np.float32)
        if given.shape != self._weights.shape or not ((given >= 0) & (given <= 1)).all():
            raise RigError(f"a state of shape {given.shape}", f"({len(self.names)},) in 0..1", "Take it from `state`.")
        self._weights = given.copy()

    def _frame(self, offsets: Floats, out: Floats) -> None:
        np.take(offsets, self._moving, axis=0, out=self._moved)
        linear = np.matmul(self._rows, self._held).sum(axis=0, dtype=np.float64)[:, 0]
        before = self._weights[self._used].astype(np.float64)
        linear += self._ties * before - self.sparsity * self._size
        out[self._used] = solve_box(self._matrix, linear, before)
        self._weights = out.copy()


def _parameter(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise RigError(f"{name}={value!r}", "a number from 0 up", "Leave it out for the default.")
    return float(value)


def _refuse_dependent(gram: Doubles, used: npt.NDArray[np.intp], names: tuple[str, ...]) -> None:
    """RigError for a shape that others explain, except where it undoes them, as jawRight undoes jawLeft.

    Opposite shapes are no fault: weights have no negative values, and the penalty of size keeps one of them at 0.
    """
    size = np.sqrt(np.diag(gram)[used])
    cosines = gram[np.ix_(used, used)] / np.outer(size, size)
    before: list[int] = []
    for k in range(len(cosines)):
        share = np.linalg.solve(cosines[np.ix_(before, before)], cosines[before, k]) if before else np.zeros(0)
        if 1.0 - share @ cosines[before, k] >= _INDEPENDENT:
            before.append(k)
        elif share.max() > _OPPOSITE:
            others = [names[used[before[j]]] for j in np.argsort(-np.abs(share))[:3] if abs(share[j]) > _OPPOSITE]
            raise RigError(
                f"the blendshape {names[used[k]]!r}, a combination of {', '.join(others)} (rank-deficient basis)",
                "linearly independent shapes, or opposite ones",
                f"Leave it out: blendshapes.without({names[used[k]]!r}).",
            )
