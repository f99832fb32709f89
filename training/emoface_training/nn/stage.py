"""The step contract: every exported part is `(inputs, state) -> (outputs, new_state)` over n >= 1 new items.

Offline inference and training call the same code once with the whole clip from the initial state; streaming calls
it with small n. State tensors are flat, have the batch first unless said otherwise, and are replaced whole.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

State = dict[str, Tensor]
Cadence = Literal["clip", "block", "frames", "frame"]


class Stage(nn.Module):
    """Base of the exported parts.

    `cadence` says how the driver calls `step`: per "block" of audio, on any number of new "frames" at once, one "frame"
    at a time (autoregressive), or once per whole "clip" (n is then its samples). `input_names` and `output_names` fix
    the order of the exported graph. n is a multiple of `multiple`.
    """

    multiple: int = 1

    cadence: ClassVar[Cadence]
    input_names: ClassVar[tuple[str, ...]]
    output_names: ClassVar[tuple[str, ...]]

    def initial_state(self, batch: int) -> State:
        """State at the start of a stream, for `batch` voices."""
        return {}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        raise TypeError(f"{type(self).__name__} must define step(inputs, state)")
