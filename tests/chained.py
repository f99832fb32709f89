"""A generated model with all of format 2: three chained stages of one frame each, a GRU's state, noise, a head,
persons, emotion outputs that a later stage reads, motion in a basis, and a face with every asset.

hearing (block)     features of each window, with noise [4]
memory (frame)      a GRU over the features and the person; class probabilities, arousal, valence, confidence
face (frame)        coefficients of the memory's code, arousal and confidence, and of the code before; their offsets
head (frame)        the head's pose from the offsets, from noise [2, 2] and from how it was before
"""

from __future__ import annotations

import handmade_png
import numpy as np
import torch

from emoface.face_assets import Identity
from emoface.manifest import AFFECT
from emoface.rig import Blendshapes
from emoface_export.face_file import FaceArrays
from emoface_export.own_model import OwnModel, OwnStage
from emoface_training.nn.stage import Stage

GRAIN, WIDTH, VERTICES, SHAPES = 4, 5, 12, 3


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
    input_names = ("features", "person")
    output_names = ("code", "probabilities", "arousal", "valence", "confidence")

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(WIDTH + 2, WIDTH, batch_first=True)

    def initial_state(self, batch):
        return {"hidden": torch.zeros(1, batch, WIDTH)}

    def step(self, inputs, state):
        person = inputs["person"][:, None].expand(-1, inputs["features"].shape[1], -1)
        code, hidden = self.gru(torch.cat((inputs["features"], person), -1), state["hidden"])
        probabilities = torch.softmax(4 * code[..., :2], -1)
        felt = {
            "arousal": code[..., 2:3],
            "valence": code[..., 3:4],
            "confidence": probabilities.amax(-1, keepdim=True),
        }
        return {"code": code, "probabilities": probabilities, **felt}, {"hidden": hidden}


class Face(Stage):
    """Coefficients of the memory's code and what it felt in the same frame, and of the code before; and offsets."""

    cadence = "frame"
    input_names = ("code", "arousal", "confidence")
    output_names = ("coefficients", "offsets")

    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(2 * WIDTH + 2, SHAPES)
        self.register_buffer("basis", torch.from_numpy(basis().shapes.reshape(SHAPES, -1).copy()))

    def initial_state(self, batch):
        return {"before": torch.full((batch, 1, WIDTH), 0.5)}

    def step(self, inputs, state):
        read = torch.cat((inputs["code"], inputs["arousal"], inputs["confidence"], state["before"]), -1)
        coefficients = self.out(read)
        offsets = (coefficients @ self.basis).unflatten(2, (VERTICES, 3))
        return {"coefficients": coefficients, "offsets": offsets}, {"before": inputs["code"]}


class Head(Stage):
    """A pose that drifts: the rotation's first two columns before they are made orthonormal, and the translation."""

    cadence = "frame"
    input_names = ("offsets", "noise")
    output_names = ("rotation", "translation")

    def __init__(self, vertices):
        super().__init__()
        self.pull = torch.nn.Linear(3 * vertices, 9)
        self.shake = torch.nn.Linear(4, 9)

    def initial_state(self, batch):
        return {"lean": torch.zeros(batch, 1, 9)}

    def step(self, inputs, state):
        moved = self.pull(inputs["offsets"].flatten(2)) + 0.2 * self.shake(inputs["noise"].flatten(2))
        lean = 0.8 * state["lean"] + 0.2 * moved
        x, y = (lean[..., :6].unflatten(2, (2, 3)) + torch.eye(3)[:2]).unbind(2)
        x = x / x.square().sum(-1, keepdim=True).sqrt()
        y = y - x * (x * y).sum(-1, keepdim=True)
        y = y / y.square().sum(-1, keepdim=True).sqrt()
        z = torch.stack([x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))], -1)
        return {"rotation": torch.stack((x, y, z), -1), "translation": 0.05 * lean[..., 6:]}, {"lean": lean}


def basis(seed: int = 5) -> Blendshapes:
    """Shapes of about 2 cm, in values that half precision holds."""
    shapes = np.random.default_rng(seed).standard_normal((SHAPES, VERTICES, 3)) * 0.02
    return Blendshapes(("jaw", "lips", "brows"), shapes.astype(np.float16).astype(np.float32))


def face() -> FaceArrays:
    """A strip of triangles with an identity, pivots, a texture over its halves and a sharp edge between them."""
    random = np.random.default_rng(3)
    index = np.arange(VERTICES - 2, dtype=np.int32)
    template = random.standard_normal((VERTICES, 3)).astype(np.float32) * 0.1
    corners = np.stack([index, index + 1, index + 2], axis=1)
    return FaceArrays(
        template,
        corners,
        np.full((VERTICES, 3), 0.5, np.float32),
        {"lips": np.arange(4, dtype=np.int32)},
        uvs=random.random((VERTICES, 2)).astype(np.float32),
        uv_faces=corners[::-1].copy(),
        normal_groups=(index > 4).astype(np.int32),
        pivots=random.standard_normal((4, 3)).astype(np.float32),
        basis=basis(),
        identities={"long": Identity((template * np.float32([1, 1.2, 1])).astype(np.float32), basis=basis(6).shapes)},
        textures={"albedo": handmade_png.image()},
    )


def chained(seed: int = 3, **changes) -> OwnModel:
    """The model, with some of its fields changed; seed: of its weights."""
    torch.manual_seed(seed)
    stages = (
        OwnStage("hearing", Hearing(), {"audio": "audio", "noise": "noise.grain"}),
        OwnStage("memory", Memory(), {"features": "hearing.features", "person": "condition.person"}),
        OwnStage("face", Face(), {name: f"memory.{name}" for name in Face.input_names}),
        OwnStage("head", Head(VERTICES), {"offsets": "face.offsets", "noise": "noise.air"}),
    )
    values = {
        "name": "chained",
        "stages": stages,
        "outputs": {
            "offsets": "face.offsets",
            "coefficients": "face.coefficients",
            "head_rotation": "head.rotation",
            "head_translation": "head.translation",
            "emotion": "memory.probabilities",
            **{role: f"memory.{role}" for role in AFFECT},
        },
        "face": face(),
        "conditions": {"person": np.float32([0.5, 0.5])},
        "noise": {"grain": (GRAIN,), "air": (2, 2)},
        "persons": ("anna", "ben"),
        "emotions": ("calm", "excited"),
    }
    return OwnModel(**{**values, **changes})
