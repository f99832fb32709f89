"""A stage as a flat positional module: what `torch.onnx.export` traces and what checks compare with.

A stage's `step(inputs, state)` becomes `forward(*inputs, *states) -> (*outputs, *new_states)`. Its tensors are named as
the package format says: `<input>`, `state.<x>` in; `<output>`, `new_state.<x>` out. Batch B and the number n of new
features or frames are symbolic; a frame stage has n = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emoface_training.nn.stage import Stage

Shape = tuple[int | str, ...]
# Two different values of an axis tell which extents depend on it.
_PROBE_BATCH = (2, 3)
_PROBE_ITEMS = (4, 7)
# Samples of a stage that hears whole clips, and what its own number of rows is called
_PROBE_SAMPLES = (4000, 7001)
_ROWS = "m"


@dataclass(frozen=True)
class TensorSpec:
    """Name, symbolic shape (ints, "B", "n", "a*n+b") and dtype name of one tensor of a stage."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class StageSignature:
    """All tensors of an exported stage, in graph order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    state: tuple[TensorSpec, ...]

    @property
    def graph_inputs(self) -> list[str]:
        return [t.name for t in self.inputs] + [f"state.{t.name}" for t in self.state]

    @property
    def graph_outputs(self) -> list[str]:
        return [t.name for t in self.outputs] + [f"new_state.{t.name}" for t in self.state]


class StepModule(nn.Module):
    """`forward(*inputs, *states)` of a stage in eval mode.

    States without elements (the past of a delta of 1) are left out of the graph: they carry nothing, and not every
    runtime takes empty tensors.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage.eval()
        initial = stage.initial_state(1)
        self.state_names = tuple(name for name, value in initial.items() if value.numel())
        self.empty_states = {name: value for name, value in initial.items() if not value.numel()}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(self.stage.input_names)
        inputs = dict(zip(self.stage.input_names, tensors[:count], strict=True))
        state = dict(zip(self.state_names, tensors[count:], strict=True))
        batch = tensors[0].shape[0]
        for name, value in self.empty_states.items():
            state[name] = value.new_zeros(batch, *value.shape[1:])
        outputs, new_state = self.stage.step(inputs, state)
        return (*(outputs[k] for k in self.stage.output_names), *(new_state[k] for k in self.state_names))

    def example(self, input_shapes: Mapping[str, Shape], batch: int, n: int, seed: int) -> tuple[Tensor, ...]:
        """Seeded random inputs with the state of a stream that has already run for a call."""
        generator = torch.Generator().manual_seed(seed)
        state = self.stage.initial_state(batch)
        inputs: list[Tensor] = []
        for call in range(2):
            inputs = [
                0.1 * torch.randn(concrete(input_shapes[name], batch, n), generator=generator)
                for name in self.stage.input_names
            ]
            if call == 0:
                with torch.no_grad():
                    _, state = self.stage.step(dict(zip(self.stage.input_names, inputs, strict=True)), state)
        return (*inputs, *(state[name] for name in self.state_names))

    def signature(self, input_shapes: Mapping[str, Shape]) -> StageSignature:
        """Names, shapes and dtypes, found by running the stage with two batches and two lengths.

        Raises `ValueError` when a state changes its size with n, which no stream could carry on.
        """
        items = probe_items(self.stage)
        calls = []
        for batch, n in zip(_PROBE_BATCH, items, strict=True):
            tensors = self.example(input_shapes, batch, n, seed=0)
            with torch.no_grad():
                calls.append((tensors, self(*tensors)))
        count = len(self.stage.input_names)
        inputs = tuple(
            TensorSpec(name, input_shapes[name], _dtype_name(calls[0][0][i]))
            for i, name in enumerate(self.stage.input_names)
        )
        count_out = len(self.stage.output_names)
        outputs = tuple(
            TensorSpec(name, self._symbolic(calls[0][1][i], calls[1][1][i], items), _dtype_name(calls[0][1][i]))
            for i, name in enumerate(self.stage.output_names)
        )
        state = []
        for i, name in enumerate(self.state_names):
            before, after = calls[0][0][count + i], calls[0][1][count_out + i]
            if before.shape != after.shape or before.dtype != after.dtype:
                raise ValueError(
                    f"state {name!r} must keep its size and type: got {list(after.shape)} {after.dtype} after "
                    f"{list(before.shape)} {before.dtype}"
                )
            state.append(TensorSpec(name, self._symbolic(before, calls[1][0][count + i], items), _dtype_name(before)))
            if any(extent == "n" for extent in state[-1].shape):
                raise ValueError(f"state {name!r} must have a fixed size, got {state[-1].shape}")
        return StageSignature(inputs, outputs, tuple(state))

    def _symbolic(self, first: Tensor, second: Tensor, items: tuple[int, int]) -> Shape:
        shape: list[int | str] = []
        for axis, (a, b) in enumerate(zip(first.shape, second.shape, strict=True)):
            if a == b:
                shape.append(a)
            elif (a, b) == _PROBE_BATCH:
                shape.append("B")
            elif (a, b) == items:
                shape.append("n")
            elif self.stage.cadence == "clip" and axis == 1:
                shape.append(_ROWS)
            else:
                raise ValueError(f"an extent is neither fixed nor B nor n: {a} and {b} in {list(first.shape)}")
        return tuple(shape)


def probe_items(stage: Stage) -> tuple[int, int]:
    """Two values of n for which a stage can be called; both 1 where it takes no other."""
    if stage.cadence == "frame":
        return 1, 1
    if stage.multiple > 1:  # few, so that they fit into a short window
        return 2 * stage.multiple, 3 * stage.multiple
    return _PROBE_SAMPLES if stage.cadence == "clip" else _PROBE_ITEMS


def concrete(shape: Shape, batch: int, n: int) -> tuple[int, ...]:
    """Extents of a symbolic shape."""
    from emoface.manifest import concrete_shape

    return concrete_shape(shape, n, batch)


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
