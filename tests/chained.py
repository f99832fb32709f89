"""A generated model of format 2: three chained stages of one frame each, a GRU's state, and noise.

hearing (block)     features of each window, with noise [4]
memory (frame)      a GRU over the features and the style
drift (frame)       a leaky sum of the memory's code and of noise [2, 2]
face (frame)        offsets from both and from what drift gave before
"""

from __future__ import annotations

import numpy as np
import torch

from emoface_export.face_file import FaceArrays
from emoface_export.own_model import OwnModel, OwnStage
from emoface_training.nn.stage import Stage

GRAIN, WIDTH, VERTICES = 4, 5, 12


class Hearing(Stage):
    """Features of each window, with noise of its own."""

    cadence = "block"
    input_names = ("audio", "noise")
    output_names = ("features",)

    def __init__(self):
        super().__init__()
        self.taps = torch.nn.Conv1d(1, WIDTH, 400, stride=320)
        self.grain = torch.nn.Linear(GRAIN, WIDTH)

    def step(self, inputs, state):
        heard = self.taps(inputs["audio"][:, None]).transpose(1, 2)
        return {"features": torch.tanh(3 * heard + 0.3 * self.grain(inputs["noise"]))}, {}


class Memory(Stage):
    """A GRU over the frames."""

    cadence = "frame"
    input_names = ("features", "style")
    output_names = ("code",)

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(WIDTH + 2, WIDTH, batch_first=True)

    def initial_state(self, batch):
        return {"hidden": torch.zeros(1, batch, WIDTH)}

    def step(self, inputs, state):
        style = inputs["style"][:, None].expand(-1, inputs["features"].shape[1], -1)
        code, hidden = self.gru(torch.cat((inputs["features"], style), -1), state["hidden"])
        return {"code": code}, {"hidden": hidden}


class Drift(Stage):
    """A leaky sum of the memory's code and of noise [2, 2]."""

    cadence = "frame"
    input_names = ("code", "noise")
    output_names = ("drift",)

    def initial_state(self, batch):
        return {"last": torch.full((batch, 1, WIDTH), 0.5)}

    def step(self, inputs, state):
        noise = inputs["noise"].sum((2, 3), keepdim=False)[..., None]
        drift = 0.7 * state["last"] + 0.2 * inputs["code"] + 0.05 * noise
        return {"drift": drift}, {"last": drift}


class Face(Stage):
    """Offsets from both earlier stages and what it gave before."""

    cadence = "frame"
    input_names = ("code", "drift")
    output_names = ("offsets",)

    def __init__(self, vertices):
        super().__init__()
        self.vertices = vertices
        self.out = torch.nn.Linear(2 * WIDTH, 3 * vertices)

    def initial_state(self, batch):
        return {"before": torch.zeros(batch, 1, WIDTH)}

    def step(self, inputs, state):
        code = torch.cat((inputs["code"] + 0.1 * state["before"], inputs["drift"]), -1)
        offsets = 0.02 * self.out(code)
        return {"offsets": offsets.unflatten(2, (self.vertices, 3))}, {"before": inputs["drift"]}


def face() -> FaceArrays:
    """A strip of triangles."""
    index = np.arange(VERTICES - 2, dtype=np.int32)
    template = np.random.default_rng(3).standard_normal((VERTICES, 3)).astype(np.float32) * 0.1
    faces = np.stack([index, index + 1, index + 2], axis=1)
    return FaceArrays(template, faces, np.full((VERTICES, 3), 0.5, np.float32), {"lips": np.arange(4, dtype=np.int32)})


def chained(**changes) -> OwnModel:
    """The model, with some of its fields changed."""
    torch.manual_seed(3)
    stages = (
        OwnStage("hearing", Hearing(), {"audio": "audio", "noise": "noise.grain"}),
        OwnStage("memory", Memory(), {"features": "hearing.features", "style": "condition.style"}),
        OwnStage("drift", Drift(), {"code": "memory.code", "noise": "noise.air"}),
        OwnStage("face", Face(VERTICES), {"code": "memory.code", "drift": "drift.drift"}),
    )
    values = {
        "name": "chained",
        "stages": stages,
        "outputs": {"offsets": "face.offsets"},
        "face": face(),
        "conditions": {"style": np.float32([0.5, 0.5])},
        "noise": {"grain": (GRAIN,), "air": (2, 2)},
        "styles": ("anna", "ben"),
    }
    return OwnModel(**{**values, **changes})
