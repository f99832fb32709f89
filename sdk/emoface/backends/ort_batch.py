"""Several voices in one ONNX Runtime call, with the bits each would have alone.

A batch is fast where weights are read once for all voices, but a matrix product may add in another order when its rows
come in other numbers: ONNX Runtime has kernels of their own for single rows and columns. Whether a stage keeps its bits
depends on shapes, machine and library alone, not on the voices, so it is tried out once: a batch of a size is used only
where random voices gave the same bits as alone, in less time. Other voices run one by one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emoface.backends import Array
from emoface.backends.ort import OrtStage
from emoface.manifest import StageSpec, concrete_shape

# Beyond this a batch is hardly faster on a CPU; sizes are powers of two, so that few have to be tried.
LARGEST = 16
# Another order of additions changes about one result in ten, but may concern only a few rows of a tensor.
_TRIALS = 12
# A large graph shows it in thousands of results at once, and would take long.
_FEWEST_TRIALS, _TRIAL_S = 3, 0.25
# Voices come and go: groups that were used once would otherwise hold buffers for ever.
_SPARE_BANKS = 32

Verdicts = dict[tuple[int, int], bool]


class OrtBank(OrtStage):
    """One stage of several voices in step: row i of every array is voice i."""

    def run_rows(self, inputs: Sequence[Mapping[str, Array]], n: int) -> Mapping[str, Array]:
        """One step; `inputs` holds one mapping of arrays (1, ...) per row, the result arrays (rows, ...)."""
        call = self._next_call(n)
        for name, buffer in call.inputs:
            for row, given in enumerate(inputs):
                buffer[row] = given[name][0]
        return self._execute(call)

    def row_state(self, row: int) -> dict[str, Array]:
        """Views of a row's state, with a batch axis of 1."""
        current = self._states[self._read]
        return {
            spec.name: current[spec.name][(*(slice(None),) * spec.batch_axis, slice(row, row + 1))]
            for spec in self._stage.state
        }


class OrtBatch:
    """One stage with the state of every slot of a pool.

    Args:
        session: the graph.
        stage: its entry in the manifest.
        slots: number of voices at most.
        verdicts: what is known of (n, batch size), shared by all pools of an engine.
        coupled: voices in one tensor would change each other: always one by one.
    """

    def __init__(self, session: Any, stage: StageSpec, slots: int, verdicts: Verdicts, coupled: bool) -> None:
        self._session = session
        self._stage = stage
        self._slots = slots
        self._verdicts = verdicts
        self._coupled = coupled
        self._banks: dict[tuple[int, ...], OrtBank] = {}
        # Where each voice's state is: a bank and a row. It moves only when the voice runs in another group.
        self._homes: dict[int, tuple[OrtBank, int]] = {}

    def prepare(self, n: int) -> None:
        size = 2
        while size <= min(self._slots, LARGEST) and self._allows(n, size):
            size *= 2

    def run(self, slots: Sequence[int], inputs: Sequence[Mapping[str, Array]], n: int) -> Sequence[Mapping[str, Array]]:
        results: list[Mapping[str, Array]] = []
        begin = 0
        while begin < len(slots):
            end = begin + self._group(len(slots) - begin, n)
            bank = self._gathered(tuple(slots[begin:end]))
            outputs = bank.run_rows(inputs[begin:end], n)
            results += [{name: array[row : row + 1] for name, array in outputs.items()} for row in range(end - begin)]
            begin = end
        return results

    def reset(self, slot: int) -> None:
        for spec in self._stage.state:
            self._row(slot)[spec.name].fill(spec.initial)

    def state(self, slot: int) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._row(slot).items()}

    def restore(self, slot: int, state: Mapping[str, Array]) -> None:
        for name, array in self._row(slot).items():
            array[...] = state[name]

    def _row(self, slot: int) -> dict[str, Array]:
        if slot not in self._homes:
            self._homes[slot] = (self._bank((slot,)), 0)
        bank, row = self._homes[slot]
        return bank.row_state(row)

    def _bank(self, slots: tuple[int, ...]) -> OrtBank:
        bank = self._banks.pop(slots, None) or OrtBank(self._session, self._stage, len(slots))
        self._banks[slots] = bank  # last: used most recently
        if len(self._banks) > self._slots + _SPARE_BANKS:
            lived_in = {id(home) for home, _ in self._homes.values()}
            idle = next((key for key, old in self._banks.items() if old is not bank and id(old) not in lived_in), None)
            if idle is not None:
                del self._banks[idle]
        return bank

    def _gathered(self, slots: tuple[int, ...]) -> OrtBank:
        """The bank of this group with the state of all its voices."""
        bank = self._bank(slots)
        for row, slot in enumerate(slots):
            if self._homes.get(slot) != (bank, row):
                state = self._row(slot)
                for name, array in bank.row_state(row).items():
                    array[...] = state[name]
                self._homes[slot] = (bank, row)
        return bank

    def _group(self, waiting: int, n: int) -> int:
        """How many of the waiting voices run in the next call."""
        size = LARGEST
        while size > 1 and (size > waiting or not self._allows(n, size)):
            size //= 2
        return size

    def _allows(self, n: int, size: int) -> bool:
        if self._coupled or size == 1:
            return size == 1
        known = self._verdicts.get((n, size))
        if known is None:
            # What fails for half the size would only be slower to try.
            known = self._allows(n, size // 2) and worthwhile(self._session, self._stage, n, size)
            self._verdicts[n, size] = known
        return known


def worthwhile(session: Any, stage: StageSpec, n: int, size: int) -> bool:
    """Whether `size` voices in one call get the bits they get alone, in less time."""
    random = np.random.default_rng(size)
    bank = OrtBank(session, stage, size)
    alone = [OrtStage(session, stage) for _ in range(size)]
    costs: dict[str, list[float]] = {"together": [], "alone": []}
    for trial in range(_TRIALS):
        if trial >= _FEWEST_TRIALS and sum(map(sum, costs.values())) > _TRIAL_S:
            break
        voices = [_random_inputs(stage, n, random) for _ in alone]
        begin = time.perf_counter()
        rows = bank.run_rows(voices, n)
        middle = time.perf_counter()
        singles = [stream.run(voice, n) for stream, voice in zip(alone, voices, strict=True)]
        costs["together"].append(middle - begin)
        costs["alone"].append(time.perf_counter() - middle)
        for row, (stream, outputs) in enumerate(zip(alone, singles, strict=True)):
            both = [(rows[name][row : row + 1], array) for name, array in outputs.items()]
            states = bank.row_state(row)
            both += [(states[name], array) for name, array in stream.state().items()]
            if any(a.tobytes() != b.tobytes() for a, b in both):
                return False
    return faster(costs["together"], costs["alone"])


def faster(together: Sequence[float], alone: Sequence[float]) -> bool:
    """Whether a batch pays. The first calls allocate; the best of each is what a busy machine disturbs least."""
    return min(together) < min(alone)


def _random_inputs(stage: StageSpec, n: int, random: np.random.Generator) -> dict[str, Array]:
    """Inputs of one voice. Zeros, as silence has them, would hide another order of additions."""
    return {
        item.name: (0.3 * random.standard_normal(concrete_shape(item.shape, n))).astype(item.dtype)
        for item in stage.inputs
    }
