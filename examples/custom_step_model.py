"""Your own model in two small stages: export it as a package, and run it with the same Animator as any other.

    python examples/custom_step_model.py [--audio speech.wav] [--out jaw.emoface] [--face default]

A jaw that follows the loudness of the voice, nothing more. It needs the extra [export] to export; to run the package it
writes, the runtime alone is enough. The contract is explained in docs/custom-model.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import emoface
from emoface_export.face_file import FaceArrays
from emoface_export.own_model import OwnModel, OwnStage, export_own
from emoface_training.nn.stage import Stage, State

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
FPS, MEMORY = 30, 50  # frames per second; features that the mean loudness looks back: one second


class Hearing(Stage):
    """Audio -> loudness relative to the last second: one feature per 20 ms."""

    cadence = "block"
    input_names = ("audio",)
    output_names = ("loudness",)

    def initial_state(self, batch: int) -> State:
        return {"past": torch.zeros(batch, 1, MEMORY - 1)}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        # n features from 320 n + 80 samples: windows of 400 at a hop of 320.
        power = torch.nn.functional.conv1d(inputs["audio"][:, None] ** 2, torch.full((1, 1, 400), 1 / 400), stride=320)
        level = torch.sqrt(power + 1e-6)
        known = torch.cat((state["past"], level), 2)
        mean = torch.nn.functional.avg_pool1d(known, MEMORY, stride=1)
        loudness = torch.tanh(level / (mean + 0.01)).transpose(1, 2)
        return {"loudness": loudness}, {"past": known[:, :, -(MEMORY - 1) :]}


class Jaw(Stage):
    """Loudness -> offsets: a damped spring pulls the jaw open, one frame at a time."""

    cadence = "frame"
    input_names = ("loudness", "level")
    output_names = ("offsets",)

    def __init__(self, direction: Tensor) -> None:
        super().__init__()
        self.register_buffer("direction", direction)  # [V, 3]: the jaw fully open
        self.register_buffer("gains", torch.tensor([1.0, 1.6]))  # per entry of the condition `level`

    def initial_state(self, batch: int) -> State:
        return {"opening": torch.zeros(batch, 1), "speed": torch.zeros(batch, 1)}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        wanted = inputs["loudness"][:, 0] * (inputs["level"] @ self.gains)[:, None]
        speed = 0.4 * state["speed"] + 0.5 * (wanted - state["opening"])
        opening = state["opening"] + speed
        offsets = opening[:, :, None, None] * self.direction
        return {"offsets": offsets}, {"opening": opening, "speed": speed}


def jaw_direction(face: emoface.Face) -> Tensor:
    """Jaw and lower teeth move down and back by up to 12 mm, less towards the ears."""
    moving = np.zeros(len(face.template), np.float32)
    for name in ("jaw", "teeth_lower", "tongue", "lower_lip_inner"):
        moving[face.masks.get(name, [])] = 1.0
    depth = face.template[:, 2] - face.template[:, 2].min()
    reach = moving * depth / depth.max()
    return torch.from_numpy(reach[:, None] * np.float32([0.0, -0.012, -0.003]) / face.unit_in_metres)


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--out", type=Path, default=Path("jaw.emoface"))
    arguments.add_argument("--face", default="default", help="package whose face is moved")
    choices = arguments.parse_args(argv)

    face = emoface.Package.load(choices.face).face
    model = OwnModel(
        name="jaw",
        stages=(
            OwnStage("hearing", Hearing(), {"audio": "audio"}),
            OwnStage("jaw", Jaw(jaw_direction(face)), {"loudness": "hearing.loudness", "level": "condition.level"}),
        ),
        outputs={"offsets": "jaw.offsets"},
        face=FaceArrays(face.template, face.faces, face.colours, dict(face.masks)),
        conditions={"level": np.float32([1, 0])},
        levels=("normal", "strong"),
        fps=FPS,
        unit_in_metres=face.unit_in_metres,
    )
    manifest = export_own(model, choices.out, force=True)
    latency_ms = 1000 * manifest.latency_samples / manifest.sample_rate
    print(f"{choices.out}: {len(manifest.stages)} stages, {latency_ms:.1f} ms latency")

    # From here on nothing knows that the model is not EmoFace.
    package = emoface.Package.load(choices.out)
    for level in manifest.levels:
        animation = emoface.animate_file(choices.audio, package, level=level)
        opening = 1000 * np.abs(animation.vertices - face.template).max() * face.unit_in_metres
        print(f"{level}: {len(animation)} frames, the jaw moves up to {opening:.1f} mm")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
