"""Stages as the manifest lists them: a graph per precision, a cadence, named inputs, outputs and states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoface.manifest_schema import MOST_FLOAT32, Reader, evaluate_extent

MOST_TENSORS = 1024
CADENCES = ("clip", "block", "frames", "frame")
PRECISIONS = ("fp32", "fp16", "int8")
DTYPES = ("float32", "float16", "int64", "int32")

Shape = tuple[int | str, ...]


def concrete_shape(shape: Shape, n: int, batch: int = 1) -> tuple[int, ...]:
    """The shape with "B" = `batch` and "n" = `n` put in; extents may read `a*n+b`."""
    return tuple(evaluate_extent(extent, {"B": batch, "n": n}) for extent in shape)


@dataclass(frozen=True)
class InputSpec:
    """One graph input that the driver feeds. `shape` holds ints, "B", "n" or `a*n+b`."""

    name: str
    source: str
    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True)
class OutputSpec:
    """One graph output."""

    name: str
    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True)
class StateSpec:
    """One state tensor: graph input `state.<name>`, graph output `new_state.<name>`, same shape, replaced whole."""

    name: str
    shape: Shape
    dtype: str = "float32"
    initial: float = 0.0
    batch_axis: int = 0


@dataclass(frozen=True)
class StageSpec:
    """One exported step graph. `files` maps precision to file name; fp32 serves where a precision has no own file."""

    name: str
    cadence: str
    files: Mapping[str, str]
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    state: tuple[StateSpec, ...] = ()

    def file(self, precision: str) -> str:
        """The stage's file for `precision`, the fp32 file where it has none of its own."""
        return self.files[precision] if precision in self.files else self.files["fp32"]

    def output(self, name: str) -> OutputSpec:
        """The output called `name`."""
        return next(output for output in self.outputs if output.name == name)


def read_stage(reader: Reader) -> StageSpec:
    """One object of the list `stages`."""
    name, cadence = reader.text("name"), reader.choice("cadence", CADENCES)
    files = reader.text_map("files", len(PRECISIONS))
    inputs, outputs, states = [], [], []
    for item in reader.items("inputs", MOST_TENSORS):
        names = item.text("name"), item.text("source")
        inputs.append(InputSpec(*names, item.shape("shape"), item.choice("dtype", DTYPES)))
        item.refuse_unknown()
    for item in reader.items("outputs", MOST_TENSORS):
        outputs.append(OutputSpec(item.text("name"), item.shape("shape"), item.choice("dtype", DTYPES)))
        item.refuse_unknown()
    for item in reader.items("state", MOST_TENSORS):
        states.append(
            StateSpec(
                item.text("name"),
                item.shape("shape"),
                item.choice("dtype", DTYPES),
                item.number("initial", -MOST_FLOAT32, MOST_FLOAT32),
                item.integer("batch_axis", 0),
            )
        )
        item.refuse_unknown()
    reader.refuse_unknown()
    return StageSpec(name, cadence, files, tuple(inputs), tuple(outputs), tuple(states))


def stage_to_json(stage: StageSpec) -> dict[str, Any]:
    """What `read_stage` reads."""
    return {
        "name": stage.name,
        "cadence": stage.cadence,
        "files": dict(stage.files),
        "inputs": [
            {"name": i.name, "source": i.source, "shape": list(i.shape), "dtype": i.dtype} for i in stage.inputs
        ],
        "outputs": [{"name": o.name, "shape": list(o.shape), "dtype": o.dtype} for o in stage.outputs],
        "state": [
            {
                "name": s.name,
                "shape": list(s.shape),
                "dtype": s.dtype,
                "initial": s.initial,
                "batch_axis": s.batch_axis,
            }
            for s in stage.state
        ],
    }
